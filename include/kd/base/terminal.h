/* What can be shown where the output goes. */
#ifndef KD_BASE_TERMINAL_H
#define KD_BASE_TERMINAL_H
#include <stdbool.h>
#include <stddef.h>

/* Columns of the terminal that a descriptor is; 0: it is none. */
size_t kd_terminal_columns(int fd);
size_t kd_terminal_rows(int fd); /* its lines, as well */
/* Is it one that shows colours, and wants them (NO_COLOR)? */
bool kd_terminal_colours(int fd);
/* Does the environment (LC_ALL, LC_CTYPE, LANG, the first that is set) name a locale without UTF-8?
 * Where none is set, UTF-8 is taken for granted. */
bool kd_terminal_ascii(void);
#endif
