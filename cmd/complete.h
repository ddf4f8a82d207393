/* Completion of a command that is being typed: kd-PROGRAM --complete WORD... (complete.c). */
#ifndef KD_CMD_COMPLETE_H
#define KD_CMD_COMPLETE_H
#include "kd/base/option.h"

/* Candidates for the last of `n` words, on standard output; `usage` names the operands. */
void complete(const struct kd_opt_section *sections, const char *usage, int n, char **words);
#endif
