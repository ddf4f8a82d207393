#include "kd/base/option.h"
#include "option_value.h"
#include <string.h>

int kd_opts_preset(struct kd_opt_section *sections, size_t n, struct kd_err *err)
{
    /* All fields first, so that a release after a failure below finds none uninitialized. */
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sections[s].n; i++) {
            const struct kd_option *row = &sections[s].rows[i];
            memset(kd_opt_field(&sections[s], row), 0, kd_opt_size(row->kind));
        }
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sections[s].n; i++) {
            const struct kd_option *row = &sections[s].rows[i];
            if (kd_opt_reset(row, kd_opt_field(&sections[s], row), err) < 0) return -1;
        }
    return 0;
}

void kd_opts_release(struct kd_opt_section *sections, size_t n)
{
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sections[s].n; i++) {
            const struct kd_option *row = &sections[s].rows[i];
            kd_opt_clear(row, kd_opt_field(&sections[s], row));
        }
}
