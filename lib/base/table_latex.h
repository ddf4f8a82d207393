/* A table as LaTeX: booktabs, and siunitx for columns of numbers, which stand under each other by
 * their decimal points. The best of each column is bold, as kd_cell.wins says. */
#ifndef KD_BASE_TABLE_LATEX_H
#define KD_BASE_TABLE_LATEX_H
#include "kd/base/table.h"

int kd_table_latex(const struct kd_table *t, struct kd_bytes *out, struct kd_err *err);
#endif
