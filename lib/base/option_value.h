/* One option's value: text or JSON into the field that its row describes, and back to JSON.
 *
 * `field` is where the row's value lives (section values + row offset). `name` is what errors call
 * it: "--epochs" or "students.kd.train.epochs". Every error reads NAME=VALUE: expected WHAT. All
 * errors are usage errors. Setting replaces what was there, except that text for KD_OPT_TEXTS is
 * added to the list. A field is unchanged after an error.
 */
#ifndef KD_BASE_OPTION_VALUE_H
#define KD_BASE_OPTION_VALUE_H
#include "kd/base/option.h"

int kd_opt_set_text(const struct kd_option *row, void *field, const char *text, const char *name,
                    struct kd_err *err);
int kd_opt_set_json(const struct kd_option *row, void *field, const cJSON *value, const char *name,
                    struct kd_err *err);
/* Back to the preset. */
int kd_opt_reset(const struct kd_option *row, void *field, struct kd_err *err);
/* Frees what the field owns and leaves 0, false, NULL or an empty list. */
void kd_opt_clear(const struct kd_option *row, void *field);
/* The field as JSON; the caller deletes it. */
cJSON *kd_opt_get_json(const struct kd_option *row, const void *field, struct kd_err *err);

/* What these do for KD_OPT_CLASSES; they need no row. */
int kd_opt_classes_from_text(struct kd_class_list *field, const char *text, const char *name,
                             struct kd_err *err);
int kd_opt_classes_from_json(struct kd_class_list *field, const cJSON *value, const char *name,
                             struct kd_err *err);
cJSON *kd_opt_classes_to_json(const struct kd_class_list *list); /* NULL: no memory */
void kd_opt_classes_clear(struct kd_class_list *list);

/* Is `word` among `words`, which are separated by spaces? */
bool kd_opt_listed(const char *words, const char *word);
/* "sgd|adam|adamw", or as `joint` and `last` say: "sgd, adam or adamw". */
void kd_opt_choices(const char *const *choices, const char *joint, const char *last, char *out,
                    size_t room);

/* What stands for the value in --help: "N"; nothing for BOOL. */
void kd_opt_metavar(const struct kd_option *row, char *out, size_t room);
size_t kd_opt_size(enum kd_opt_kind kind); /* bytes of a field */

static inline void *kd_opt_field(const struct kd_opt_section *section, const struct kd_option *row)
{
    return (char *)section->values + row->offset;
}
#endif
