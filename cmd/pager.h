/* Long text on a terminal goes through a pager, as git's does. */
#ifndef KD_CMD_PAGER_H
#define KD_CMD_PAGER_H
#include "kd/base/err.h"
#include <stddef.h>

/* Prints it. Where standard output is a terminal with fewer lines, by the command in KD_PAGER or
 * PAGER, else by less where that is there; an empty one and cat are none. */
int pager_print(const char *text, size_t size, struct kd_err *err);
#endif
