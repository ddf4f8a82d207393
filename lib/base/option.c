#include "kd/base/option.h"
#include "option_value.h"
#include <stdlib.h>
#include <string.h>

bool kd_opt_listed(const char *words, const char *word)
{
    const size_t size = strlen(word);
    for (const char *p = words; *p; p += *p == ' ') {
        const size_t n = strcspn(p, " ");
        if (n == size && memcmp(p, word, size) == 0) return true;
        p += n;
    }
    return false;
}

const struct kd_opt_section *kd_opts_section(const struct kd_opt_section *sections,
                                             const char *name)
{
    for (; sections->rows; sections++)
        if (strcmp(sections->name, name) == 0) return sections;
    abort(); /* a mistake in the program, not in what it was given */
}

static bool is_end(const struct kd_option *row)
{
    return !row->flag && !row->key && !row->also;
}

const struct kd_option *kd_opt_next(const struct kd_opt_section *section,
                                    const struct kd_option *row)
{
    for (row = row ? row + 1 : section->rows; row && !is_end(row); row++)
        if (section->only ? row->flag && kd_opt_listed(section->only, row->flag)
                          : row->flag || row->key)
            return row;
    return NULL;
}

const struct kd_option *kd_opt_also(const struct kd_opt_section *section, const char *typed)
{
    char name[64];
    snprintf(name, sizeof name, "%s", typed);
    for (char *p = name; *p; p++)
        if (*p == '_') *p = '-';
    for (const struct kd_option *row = section->rows; row && !is_end(row); row++)
        if (row->also && kd_opt_listed(row->also, name)) return row;
    return NULL;
}

int kd_opts_preset(const struct kd_opt_section *sections, struct kd_err *err)
{
    /* All fields first, so that a release after a failure below finds none uninitialized. */
    for (const struct kd_opt_section *s = sections; s->rows; s++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));)
            memset(kd_opt_field(s, row), 0, kd_opt_size(row->kind));
    for (const struct kd_opt_section *s = sections; s->rows; s++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));)
            if (kd_opt_reset(row, kd_opt_field(s, row), err) < 0) return -1;
    return 0;
}

void kd_opts_release(const struct kd_opt_section *sections)
{
    for (const struct kd_opt_section *s = sections; s->rows; s++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));)
            kd_opt_clear(row, kd_opt_field(s, row));
}
