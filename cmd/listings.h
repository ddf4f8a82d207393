/* What a question mark in place of a name asks for: the losses, the networks. */
#ifndef KD_CMD_LISTINGS_H
#define KD_CMD_LISTINGS_H
#include "program.h"

/* Prints the list that --loss '?' (of a student) or --network '?' asks for. 1: that was all that
 * was wanted; 0: neither was asked for; or -1. */
int listings_print(const struct kd_invocation *inv, const cJSON *network, bool student,
                   struct kd_err *err);
#endif
