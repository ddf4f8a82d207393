/* A run folder: which of the experiment's models are there, and how they were evaluated. */
#include "kd/base/file.h"
#include "kd/base/table.h"
#include "kd/run/evaluation.h"
#include "kd/train/tasks.h"
#include "show.h"

#include <math.h>
#include <string.h>

static const struct kd_column columns[] = {{"model", "model", KD_CELL_TEXT, false, 0},
                                           {"seed", "seed", KD_CELL_WHOLE, false, 0},
                                           {"state", "state", KD_CELL_TEXT, false, 0},
                                           {"split", "split", KD_CELL_TEXT, false, 0},
                                           {"top1", "top-1 %", KD_CELL_RATE, false, 0},
                                           {"errors", "errors", KD_CELL_COUNT, false, 1},
                                           {"parameters", "parameters", KD_CELL_COUNT, false, 2}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *state_of(const struct kd_task *task, struct kd_err *err)
{
    char *checkpoint = kd_path_join(err, task->output, KD_FILE_CHECKPOINT);
    const char *state = kd_path_exists(task->model)                ? "trained"
                        : checkpoint && kd_path_exists(checkpoint) ? "under way"
                                                                   : "to do";
    kd_free(checkpoint);
    return state;
}

/* Its evaluation on the test images, else the last one there is. */
static int add_row(struct kd_table *t, const struct kd_task *task, struct kd_err *err)
{
    struct kd_evaluations e = {0};
    char *path = kd_place_beside(task->model, KD_FILE_EVALUATIONS, err);
    if (!path) return -1;
    if (kd_evaluations_read(path, &e, err) < 0) {
        kd_free(path);
        return -1;
    }
    const struct kd_evaluation *best = e.n ? &e.of[e.n - 1] : NULL;
    for (size_t i = 0; i < e.n; i++)
        if (e.of[i].split && strcmp(e.of[i].split, "test") == 0) best = &e.of[i];
    struct kd_cell *row = kd_table_row(t);
    row[1].value = (double)task->seed;
    if (best) {
        row[4].value = best->top1;
        row[5].value = best->errors;
        row[6].value = best->parameters;
    }
    kd_table_text(t, 0, task->job->name);
    kd_table_text(t, 2, state_of(task, err));
    if (best && best->split) kd_table_text(t, 3, best->split);
    kd_evaluations_release(&e);
    kd_free(path);
    return 0;
}

static int list(struct kd_table *t, const char *folder, const char *experiment, struct kd_err *err)
{
    const char *slash = strrchr(folder, '/');
    char *runs =
        slash ? kd_format(err, "%.*s", (int)(slash - folder), folder) : kd_strdup(".", err);
    char *name = kd_format(err, "name=\"%s\"", slash ? slash + 1 : folder);
    char *sets[] = {name};
    const struct kd_texts texts = {sets, 1};
    struct kd_experiment *x =
        runs && name ? kd_experiment_open(experiment, runs, &texts, err) : NULL;
    struct kd_tasks *tasks = x ? kd_tasks_open(x, NULL, err) : NULL;
    int status = tasks ? 0 : -1;
    for (size_t i = 0; status == 0 && i < tasks->n; i++)
        if (tasks->v[i].kind != KD_TASK_SOFTEN) status = add_row(t, &tasks->v[i], err);
    kd_tasks_close(tasks);
    kd_experiment_close(x);
    kd_free(name);
    kd_free(runs);
    return status;
}

cJSON *show_run(const char *folder, const char *experiment, struct kd_bytes *table,
                struct kd_err *err)
{
    struct kd_table t;
    const struct kd_table_style style = {.form = KD_FORM_TERMINAL, .bare = true};
    char *path = kd_strdup(folder, err);
    for (size_t n = path ? strlen(path) : 0; n > 1 && path[n - 1] == '/';) path[--n] = '\0';
    kd_table_init(&t, "Models", columns, COLUMNS, err);
    int status = path ? list(&t, path, experiment, err) : -1;
    if (status == 0) status = kd_table_end(&t);
    if (status == 0) status = kd_table_render(&t, &style, table, err);
    struct kd_maker b = kd_make_object(err);
    kd_put_text(&b, "file", folder);
    kd_put_text(&b, "kind", "run");
    kd_put_text(&b, "experiment", experiment);
    cJSON *models = status == 0 ? kd_table_json(&t, err) : NULL;
    kd_put_number(&b, "models", models ? cJSON_GetArraySize(models) : 0);
    kd_table_release(&t);
    kd_free(path);
    cJSON *json = kd_make_end(&b);
    if (!json || !models) {
        cJSON_Delete(json);
        cJSON_Delete(models);
        return NULL;
    }
    struct kd_maker whole = kd_make_on(json, err);
    kd_put_json(&whole, "list", models);
    return kd_make_end(&whole);
}
