/* Before the work begins: an output must be possible, and none of the inputs, or a teacher would be
 * gone before its student is there. */
#include "inputs.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/run/places.h"

#include <string.h>
#include <sys/stat.h>

/* The file that a path stands for: itself, or, of a model, the one in a folder. False where there
 * is none. */
static bool file_of(const char *path, bool is_model, struct stat *st)
{
    struct kd_err ignored;
    if (!path || !*path || strcmp(path, "-") == 0 || stat(path, st) != 0) return false;
    if (S_ISREG(st->st_mode)) return true;
    char *model =
        is_model && S_ISDIR(st->st_mode) ? kd_path_join(&ignored, path, KD_FILE_MODEL) : NULL;
    bool is = model && stat(model, st) == 0 && S_ISREG(st->st_mode);
    kd_free(model);
    return is;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is this text the output's file? Data sources have their kind before a colon. */
static bool is_output(const struct stat *out, const char *text, bool is_model)
{
    struct stat st;
    const char *colon = text ? strchr(text, ':') : NULL;
    if (file_of(text, is_model, &st) && same_file(&st, out)) return true;
    return colon && file_of(colon + 1, false, &st) && same_file(&st, out);
}

/* The input of this row that is the output, or NULL. */
static const char *in_row(const struct kd_opt_section *s, const struct kd_option *row,
                          const struct stat *out)
{
    const void *field = (const char *)s->values + row->offset;
    const bool is_model = row->metavar && strcmp(row->metavar, "MODEL") == 0;
    if (row->kind == KD_OPT_TEXT) {
        const char *text = *(char *const *)field;
        return is_output(out, text, is_model) ? text : NULL;
    }
    if (row->kind != KD_OPT_TEXTS) return NULL;
    const struct kd_texts *list = field;
    for (size_t i = 0; i < list->n; i++)
        if (is_output(out, list->v[i], is_model)) return list->v[i];
    return NULL;
}

int inputs_spared(const struct kd_invocation *inv, const struct kd_opt_section *sections,
                  struct kd_err *err)
{
    struct stat out;
    const char *hit = NULL, *output = inv->common.output;
    if (output && strcmp(output, "-") != 0 && kd_folder_check(output, err) < 0) return -1;
    if (!file_of(output, true, &out)) return 0;
    for (size_t i = 0; i < inv->args.n_operands && !hit; i++)
        if (is_output(&out, inv->args.operands[i], true)) hit = inv->args.operands[i];
    for (; sections->rows && !hit; sections++)
        for (const struct kd_option *row = NULL; !hit && (row = kd_opt_next(sections, row));)
            if (!row->flag || strcmp(row->flag, "output") != 0) hit = in_row(sections, row, &out);
    return hit ? kd_fail_usage(err, "--output=%s would overwrite the input %s; name another file",
                               output, hit)
               : 0;
}

int output_file_check(const struct kd_invocation *inv, struct kd_err *err)
{
    return inv->common.output ? kd_outfile_check(inv->common.output, err) : 0;
}
