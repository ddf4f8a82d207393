/* Where a program is to write, and what it is given to read held against that; before it works. */
#ifndef KD_CMD_INPUTS_H
#define KD_CMD_INPUTS_H
#include "program.h"

/* An error where --output lies in a folder that cannot be. A usage error where --output is a file
 * that an operand or an option names as an input. A folder stands for the model in it where a model
 * is meant; a data source in it is not the model. */
int inputs_spared(const struct kd_invocation *inv, const struct kd_opt_section *sections,
                  struct kd_err *err);
/* An error where --output, which is to be one file, cannot be made. */
int output_file_check(const struct kd_invocation *inv, struct kd_err *err);
#endif
