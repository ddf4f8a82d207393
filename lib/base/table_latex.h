/* A table as LaTeX: booktabs, and siunitx for columns of numbers, which stand under each other by
 * their decimal points. The best of each column is bold, as kd_cell.wins says. */
#ifndef KD_BASE_TABLE_LATEX_H
#define KD_BASE_TABLE_LATEX_H
#include "kd/base/table.h"

/* The columns `column[0..n-1]`; words: a comment, or "". */
int kd_table_latex(const struct kd_table *t, const size_t *column, size_t n, const char *words,
                   struct kd_bytes *out, struct kd_err *err);
#endif
