/* What a program is given to read, held against where it is to write. */
#ifndef KD_CMD_INPUTS_H
#define KD_CMD_INPUTS_H
#include "program.h"

/* A usage error where --output is a file that an operand or an option names as an input. A folder
 * stands for the model in it where a model is meant; a data source in it is not the model. */
int inputs_spared(const struct kd_invocation *inv, const struct kd_opt_section *sections,
                  struct kd_err *err);
#endif
