#include "plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int words_add(struct words *w, const char *word, struct kd_err *err)
{
    char *copy = kd_strdup(word, err);
    char **place = copy ? kd_grow(&w->v, &w->n, &w->room, sizeof *place, "a plan", err) : NULL;
    if (place)
        *place = copy;
    else
        kd_free(copy);
    return place ? 0 : -1;
}

int words_format(struct words *w, struct kd_err *err, const char *format, ...)
{
    char word[64]; /* numbers and options */
    va_list list;
    va_start(list, format);
    vsnprintf(word, sizeof word, format, list);
    va_end(list);
    return words_add(w, word, err);
}

static void words_release(struct words *w)
{
    for (size_t i = 0; i < w->n; i++) kd_free(w->v[i]);
    kd_free(w->v);
}

void plan_release(struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct step *s = &plan->steps[i];
        words_release(&s->command);
        words_release(&s->inputs);
        words_release(&s->outputs);
        kd_free(s->needs);
    }
    kd_free(plan->steps);
    *plan = (struct plan){0};
}

/* ---- commands ---- */

/* PROGRAM [BEFORE] EXPERIMENT --runs R --set ...; long options only, which read well in a plan. */
static int begin(struct step *s, const char *program, const char *before,
                 const struct plan_options *o, struct kd_err *err)
{
    if (words_add(&s->command, program, err) < 0 ||
        (before && words_add(&s->command, before, err) < 0) ||
        words_add(&s->command, o->experiment, err) < 0 ||
        words_add(&s->command, "--runs", err) < 0 || words_add(&s->command, o->runs, err) < 0)
        return -1;
    for (size_t i = 0; i < o->sets->n; i++)
        if (words_add(&s->command, "--set", err) < 0 ||
            words_add(&s->command, o->sets->v[i], err) < 0)
            return -1;
    return words_add(&s->inputs, o->experiment, err);
}

/* A name as a word of its own: --student=NAME where it could be taken for an option. */
static int add_student(struct step *s, const char *name, struct kd_err *err)
{
    char *joined = NULL;
    if (name[0] != '-')
        return words_add(&s->command, "--student", err) < 0 ? -1
                                                            : words_add(&s->command, name, err);
    joined = kd_format(err, "--student=%s", name);
    int status = joined ? words_add(&s->command, joined, err) : -1;
    kd_free(joined);
    return status;
}

static int end(struct step *s, const struct plan_options *o, bool resumes, struct kd_err *err)
{
    if (s->name && (words_add(&s->command, "--seed", err) < 0 ||
                    words_format(&s->command, err, "%llu", (unsigned long long)s->seed) < 0))
        return -1;
    if (words_add(&s->command, "--update", err) < 0 ||
        (resumes && words_add(&s->command, "--resume", err) < 0) ||
        words_add(&s->command, "--quiet", err) < 0)
        return -1;
    if (!o->threads) return 0;
    return words_add(&s->command, "--threads", err) < 0
               ? -1
               : words_format(&s->command, err, "%lld", (long long)o->threads);
}

/* ---- steps ---- */

struct making {
    struct plan *plan;
    const struct kd_tasks *tasks;
    const struct plan_options *o;
    size_t *step_of; /* of a task's place; NONE: it is none of the plan's */
};
static const size_t NONE = (size_t)-1;

static struct step *add_step(struct making *m, const char *what, size_t room, struct kd_err *err)
{
    struct plan *p = m->plan;
    struct step *s = kd_grow(&p->steps, &p->n, &p->room, sizeof *s, "a plan", err);
    if (!s) return NULL;
    s->what = what;
    s->needs = kd_alloc(room, sizeof *s->needs, "a plan", err);
    return s->needs ? s : NULL;
}

static void need(struct making *m, struct step *s, size_t other)
{
    const size_t level = m->plan->steps[other].level + 1;
    for (size_t i = 0; i < s->n_needs; i++)
        if (s->needs[i] == other) return;
    s->needs[s->n_needs++] = other;
    if (level > s->level) s->level = level;
}

/* What `task` makes, or a file from elsewhere, is an input. */
static int add_input(struct making *m, struct step *s, const struct kd_task *task, const char *path,
                     struct kd_err *err)
{
    size_t step = task ? m->step_of[task - m->tasks->v] : NONE;
    if (step != NONE) need(m, s, step);
    return words_add(&s->inputs, path, err);
}

/* The task that writes soft targets of this teacher. */
static const struct kd_task *softened(const struct kd_tasks *t, const struct kd_task *teacher)
{
    for (size_t i = 0; i < t->n && t->v[i].kind != KD_TASK_STUDENT; i++)
        if (t->v[i].kind == KD_TASK_SOFTEN && t->v[i].sources[0].task == teacher) return &t->v[i];
    return NULL;
}

static int add_inputs(struct making *m, struct step *s, const struct kd_task *task,
                      struct kd_err *err)
{
    if (task->corrects && add_input(m, s, task->corrects, task->corrects->model, err) < 0)
        return -1;
    const bool teacher_too = task->n_sources && task->init.task == task->sources[0].task;
    if (task->init.path && !(task->init.task && teacher_too) &&
        add_input(m, s, task->init.task, task->init.path, err) < 0)
        return -1;
    for (size_t i = 0; i < task->n_sources; i++)
        if (add_input(m, s, task->sources[i].task, task->sources[i].path, err) < 0) return -1;
    const struct kd_task *soft =
        task->soft && task->soft_serve ? softened(m->tasks, task->sources[0].task) : NULL;
    return soft ? add_input(m, s, soft, soft->output, err) : 0;
}

static int add_task(struct making *m, const struct kd_task *task, struct kd_err *err)
{
    static const struct {
        const char *what, *program;
        bool resumes;
    } kinds[] = {[KD_TASK_TEACHER] = {"train-teacher", "kd-train-teacher", true},
                 [KD_TASK_SOFTEN] = {"soften", "kd-soften", false},
                 [KD_TASK_STUDENT] = {"train-student", "kd-train-student", true}};
    struct step *s = add_step(m, kinds[task->kind].what, task->n_sources + 3, err);
    if (!s) return -1;
    s->name = task->job->name;
    s->seed = task->seed;
    if (begin(s, kinds[task->kind].program, NULL, m->o, err) < 0) return -1;
    if (task->kind == KD_TASK_STUDENT && add_student(s, s->name, err) < 0) return -1;
    if (end(s, m->o, kinds[task->kind].resumes, err) < 0 || add_inputs(m, s, task, err) < 0)
        return -1;
    m->step_of[task - m->tasks->v] = m->plan->n - 1;
    return words_add(&s->outputs, task->model ? task->model : task->output, err);
}

/* Models one after another in one process: most of it is loading images, and times that are
 * measured are disturbed by nobody. */
static int add_evaluation(struct making *m, struct kd_err *err)
{
    const size_t models = m->plan->n;
    struct step *s = add_step(m, "evaluate", models, err);
    if (!s || begin(s, "kd-eval", "--experiment", m->o, err) < 0) return -1;
    if (m->o->seed && (words_add(&s->command, "--seed", err) < 0 ||
                       words_format(&s->command, err, "%llu", (unsigned long long)*m->o->seed) < 0))
        return -1;
    if (m->o->split && (words_add(&s->command, "--split", err) < 0 ||
                        words_add(&s->command, m->o->split, err) < 0))
        return -1;
    if (words_add(&s->command, "--time", err) < 0 || end(s, m->o, false, err) < 0) return -1;
    for (size_t i = 0; i < models; i++) {
        const struct step *model = &m->plan->steps[i];
        if (strcmp(model->what, "soften") == 0) continue;
        char *path = kd_place_beside(model->outputs.v[0], KD_FILE_EVALUATIONS, err);
        int status = path ? words_add(&s->outputs, path, err) : -1;
        kd_free(path);
        if (status < 0 || words_add(&s->inputs, model->outputs.v[0], err) < 0) return -1;
        need(m, s, i);
    }
    return 0;
}

static int add_report(struct making *m, struct kd_err *err)
{
    const size_t evaluation = m->plan->n - 1;
    struct step *s = add_step(m, "report", m->plan->n, err);
    if (!s || begin(s, "kd-report", NULL, m->o, err) < 0 ||
        words_add(&s->command, "--all", err) < 0 || words_add(&s->command, "--quiet", err) < 0)
        return -1;
    const struct words *evaluations = &m->plan->steps[evaluation].outputs;
    for (size_t i = 0; i < evaluations->n; i++)
        if (words_add(&s->inputs, evaluations->v[i], err) < 0) return -1;
    for (size_t i = 0; i < evaluation; i++) { /* soft targets are drawn */
        const struct step *soft = &m->plan->steps[i];
        if (strcmp(soft->what, "soften") != 0) continue;
        if (words_add(&s->inputs, soft->outputs.v[0], err) < 0) return -1;
        need(m, s, i);
    }
    need(m, s, evaluation);
    char *page = kd_format(err, "%s/%s/%s", m->plan->x->folder, KD_FOLDER_REPORT, KD_FILE_PAGE);
    int status = page ? words_add(&s->outputs, page, err) : -1;
    kd_free(page);
    return status;
}

int plan_make(struct plan *plan, const struct kd_tasks *tasks, const struct plan_options *options,
              struct kd_err *err)
{
    struct making m = {.plan = plan, .tasks = tasks, .o = options};
    *plan = (struct plan){.x = tasks->x};
    m.step_of = kd_alloc(tasks->n, sizeof *m.step_of, "a plan", err);
    int status = m.step_of ? 0 : -1;
    for (size_t i = 0; i < tasks->n && status == 0; i++) {
        const struct kd_task *task = &tasks->v[i];
        m.step_of[i] = NONE;
        /* a seed asked for alone may have another one's teacher */
        if (task->kind == KD_TASK_STUDENT ||
            kd_experiment_teacher_seed(tasks->x, task->seed) == task->seed)
            status = add_task(&m, task, err);
    }
    if (status == 0) status = add_evaluation(&m, err);
    if (status == 0) status = add_report(&m, err);
    kd_free(m.step_of);
    return status;
}
