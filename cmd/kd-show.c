/* kd-show: what a file is, what is in it, where it comes from. */
#include "kd/base/file.h"
#include "kd/base/terminal.h"
#include "kd/base/text.h"
#include "kd/nn/top.h"
#include "show.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
    char *data_dir;
};
#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {0},
};
static const struct kd_program_section sections[] = {{"show", "Data", rows, 0, NULL}, {0}};

/* ---- what it is ---- */

static bool ends(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

static cJSON *show_tensors(const char *path, const struct showing *how, struct kd_bytes *table,
                           struct kd_err *err)
{
    struct kd_tensorfile f;
    cJSON *json = NULL;
    if (kd_tensorfile_read_any(path, NULL, &f, err) < 0) return NULL;
    const char *kind = kd_tensorfile_meta(&f, "kd.kind");
    if (kind && strcmp(kind, "model") == 0)
        json = show_model(path, &f, table, err);
    else if (kd_tensorfile_find(&f, "logits") || kd_tensorfile_find(&f, "probabilities"))
        json = show_answers(path, &f, how, err);
    else if (kd_top_in(&f))
        json = show_top(path, &f, how, err);
    else
        json = show_other(path, &f, err);
    kd_tensorfile_release(&f);
    return json;
}

/* A model's folder stands for the model; a run folder for all of its models. */
static cJSON *show_folder(const char *path, const struct showing *how, struct kd_bytes *table,
                          struct kd_err *err)
{
    static const char *const models[] = {KD_FILE_MODEL, KD_FILE_CHECKPOINT};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char *model = kd_path_join(err, path, models[i]);
        if (!model) return NULL;
        cJSON *json = kd_path_exists(model) ? show_tensors(model, how, table, err) : NULL;
        const bool there = kd_path_exists(model);
        kd_free(model);
        if (there) return json;
    }
    char *experiment = kd_path_join(err, path, KD_FILE_EXPERIMENT);
    cJSON *json = NULL;
    if (experiment && kd_path_exists(experiment))
        json = show_run(path, experiment, table, err);
    else if (experiment)
        kd_fail(err,
                "%s: neither a run (it has no %s) nor a model's folder (no %s); a folder of images "
                "is shown as images:%s",
                path, KD_FILE_EXPERIMENT, KD_FILE_MODEL, path);
    kd_free(experiment);
    return json;
}

static cJSON *show_one(const char *path, const struct showing *how, struct kd_bytes *table,
                       struct kd_err *err)
{
    struct stat about;
    const bool there = stat(path, &about) == 0;
    if (there && S_ISDIR(about.st_mode)) return show_folder(path, how, table, err);
    if (there && ends(path, ".json")) {
        kd_fail(err, "%s: JSON is text; an experiment's steps are listed by kd-plan %s", path,
                path);
        return NULL;
    }
    if (there || strcmp(path, "-") == 0) return show_tensors(path, how, table, err);
    if (strchr(path, ':') || !strchr(path, '.')) return show_source(path, how, err);
    kd_fail_missing(err, path, "there is no such file");
    return NULL;
}

/* ---- telling ---- */

/* On a terminal a long value goes over several lines, each behind its name's place. */
static int print_folded(const char *name, const char *value, struct kd_err *err)
{
    const size_t columns = kd_terminal_columns(STDOUT_FILENO);
    struct kd_bytes lines = {0};
    if (kd_print(err, "%-24s ", name) < 0) return -1;
    if (columns < 40 || 25 + kd_text_width(value) <= columns) return kd_print(err, "%s\n", value);
    int status = kd_text_wrap(&lines, value, 25, columns, err);
    if (status == 0) status = kd_print(err, "%s", lines.data + 25);
    kd_bytes_release(&lines);
    return status;
}

static int print_value(const char *name, const cJSON *v, struct kd_err *err)
{
    struct kd_bytes line = {0};
    char *text = cJSON_IsString(v) ? NULL : kd_json_text(v, false, err);
    int status = cJSON_IsString(v) ? kd_text_plain(&line, v->valuestring, err)
                 : text            ? kd_text_plain(&line, text, err)
                                   : -1;
    if (status == 0) status = print_folded(name, line.data ? line.data : "", err);
    kd_bytes_release(&line);
    kd_free(text);
    return status;
}

/* A line a fact; objects are opened once, so that "training" reads as a paragraph. */
static int print_facts(const cJSON *facts, const char *above, struct kd_err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, facts)
    {
        char name[80];
        snprintf(name, sizeof name, "%.38s%s%.38s", above, *above ? "." : "", item->string);
        int status = 0;
        if (cJSON_IsNull(item) || strcmp(name, "layers") == 0 || strcmp(name, "list") == 0)
            continue; /* the table below has them */
        if (cJSON_IsObject(item) && !*above)
            status = print_facts(item, item->string, err);
        else
            status = print_value(name, item, err);
        if (status < 0) return -1;
    }
    return 0;
}

static int tell(struct kd_invocation *inv, const cJSON *facts, const struct kd_bytes *table,
                struct kd_err *err)
{
    if (!inv->common.json) {
        if (print_facts(facts, "", err) < 0) return -1;
        return table->size ? kd_print(err, "\n%s", table->data) : 0;
    }
    char *text = kd_json_text(facts, false, err);
    int status = text ? kd_print(err, "%s\n", text) : -1;
    kd_free(text);
    return status;
}

static int show(struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    const struct showing how = {.data_dir = o->data_dir, .pool = inv->pool};
    if (inv->common.output)
        return kd_fail_usage(err, "kd-show prints to standard output; leave --output out");
    for (size_t i = 0; i < inv->args.n_operands && !kd_stopping; i++) {
        struct kd_bytes table = {0};
        cJSON *facts = show_one(inv->args.operands[i], &how, &table, err);
        int status = facts ? 0 : -1;
        if (status == 0 && i && !inv->common.json) status = kd_print(err, "\n");
        if (status == 0) status = tell(inv, facts, &table, err);
        cJSON_Delete(facts);
        kd_bytes_release(&table);
        if (status < 0) return -1;
    }
    return 0;
}

const struct kd_program kd_program = {
    .name = "kd-show",
    .usage = "[OPTION]... FILE...",
    .summary = "Say what a file is, what is in it, and where it comes from: models, checkpoints, "
               "soft targets,\n"
               "tensors, run folders, data.",
    .details = "Examples:\n"
               "  kd-show runs/latest\n"
               "  kd-show runs/digits\n"
               "  kd-show runs/digits/soft/s1/teacher.safetensors\n"
               "  kd-show mnist:test\n"
               "  kd-show runs/latest --json | jq .training.epochs\n",
    .sections = sections,
    .min_operands = 1,
    .max_operands = 1 << 20,
    .options_size = sizeof(struct options),
    .work = show,
};
