/* The list of sources, and the grammar by which they are named. */
#include "sources.h"
#include "kd/base/file.h"
#include <stdio.h>
#include <string.h>

#define ADDRESS(name) &kd_source_##name,
const struct kd_source_kind *const kd_source_kinds[] = {KD_SOURCES(ADDRESS) NULL};
enum { N_KINDS = sizeof kd_source_kinds / sizeof *kd_source_kinds - 1 };
static const char *const splits[] = {"train", "test", "validation"};

const struct kd_source_kind *kd_source_find(const char *name, size_t size)
{
    for (unsigned i = 0; i < N_KINDS; i++) {
        const char *own = kd_source_kinds[i]->name;
        if (strlen(own) == size && memcmp(own, name, size) == 0) return kd_source_kinds[i];
    }
    return NULL;
}

/* "mnist, digits, idx:DIR": all kinds, or as SPEC would read in each that has a place. */
static char *kinds_text(struct kd_err *err)
{
    struct kd_bytes text = {0};
    for (unsigned i = 0; i < N_KINDS; i++) {
        const struct kd_source_kind *k = kd_source_kinds[i];
        if (kd_bytes_format(&text, err, "%s%s%s%s", i ? ", " : "", k->name, k->place ? ":" : "",
                            k->place ? k->place : "") == 0)
            continue;
        kd_bytes_release(&text);
        return NULL;
    }
    return text.data;
}

/* A place without its kind: the kinds that would take it. */
static int placeless(const char *spec, struct kd_err *err)
{
    struct kd_bytes text = {0};
    unsigned n = 0;
    int status = 0;
    for (unsigned i = 0; i < N_KINDS && status == 0; i++) {
        const struct kd_source_kind *k = kd_source_kinds[i];
        if (!k->is_mine || !k->is_mine(spec)) continue;
        status = kd_bytes_format(&text, err, "%s%s:%s", n++ ? " or " : "", k->name, spec);
    }
    for (unsigned i = 0; i < N_KINDS && status == 0 && !text.size; i++) {
        const struct kd_source_kind *k = kd_source_kinds[i];
        if (!k->place) continue;
        status = kd_bytes_format(&text, err, "%s%s:%s", n++ ? ", " : "", k->name, spec);
    }
    if (status == 0)
        kd_fail_usage(err, "data '%s': say what it is: %s", spec, text.data ? text.data : "");
    kd_bytes_release(&text);
    return -1;
}

static int unknown_source(const char *spec, size_t size, struct kd_err *err)
{
    const char *names[N_KINDS];
    char typed[64];
    for (unsigned i = 0; i < N_KINDS; i++) names[i] = kd_source_kinds[i]->name;
    snprintf(typed, sizeof typed, "%.*s", (int)(size < 63 ? size : 63), spec);
    if (kd_path_exists(spec)) return placeless(spec, err);
    const char *near = kd_nearest(typed, names, N_KINDS);
    char *all = kinds_text(err);
    if (!all) return -1;
    kd_fail_usage(err, "data '%s': no such source '%s'%s%s%s; sources are %s", spec, typed,
                  near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "", all);
    kd_free(all);
    return -1;
}

const char *kd_source_name(size_t i, bool *place)
{
    if (i >= N_KINDS) return NULL;
    *place = kd_source_kinds[i]->place != NULL;
    return kd_source_kinds[i]->name;
}

const char *kd_split_name(size_t i)
{
    return i < sizeof splits / sizeof *splits ? splits[i] : NULL;
}

static bool is_split(const char *text)
{
    for (unsigned i = 0; i < sizeof splits / sizeof *splits; i++)
        if (strcmp(text, splits[i]) == 0) return true;
    return false;
}

int kd_spec_parse(const char *spec, char **source, char **split, struct kd_err *err)
{
    *source = *split = NULL;
    const char *colon = strchr(spec, ':');
    const size_t head = colon ? (size_t)(colon - spec) : strlen(spec);
    const struct kd_source_kind *kind = kd_source_find(spec, head);
    if (!kind) return unknown_source(spec, head, err);
    if (kind->place && (!colon || !colon[1] || (colon[1] == ':' && is_split(colon + 2))))
        return kd_fail_usage(err, "data '%s': '%s:' needs a place, as in %s:PLACE or %s:PLACE:test",
                             spec, kind->name, kind->name, kind->name);
    const char *tail = strrchr(spec, ':');
    if (kind->place && (tail == colon || !is_split(tail + 1))) tail = NULL;
    if (tail && !kind->place && (tail != colon || !is_split(tail + 1))) {
        const char *near = kd_nearest(colon + 1, splits, 3);
        return kd_fail_usage(err,
                             "data '%s': no split '%s'%s%s%s; splits are train, validation and "
                             "test",
                             spec, colon + 1, near ? ", did you mean '" : "", near ? near : "",
                             near ? "'?" : "");
    }
    *source = kd_format(err, "%.*s", tail ? (int)(tail - spec) : (int)strlen(spec), spec);
    if (*source && tail) *split = kd_strdup(tail + 1, err);
    if (*source && (!tail || *split)) return 0;
    kd_free(*source);
    *source = NULL;
    return -1;
}
