#include "kd/train/tasks.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/train/finetune.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TASKS = 200000 };

/* ---- settings ---- */

static int in_experiment(const struct kd_experiment *x, const struct kd_job *job,
                         struct kd_err *err)
{
    if (x->path && err->kind == KD_ERR_USAGE)
        kd_err_context(err, "%s: %s%s", x->path, job->student ? "students." : "", job->name);
    return -1;
}

int kd_task_context(const struct kd_tasks *tasks, const struct kd_task *task, int status,
                    struct kd_err *err)
{
    return status < 0 ? in_experiment(tasks->x, task->job, err) : status;
}

static int add_job(struct kd_tasks *t, const char *name, bool student,
                   const struct kd_tasks_options *o, struct kd_err *err)
{
    struct kd_job *job = &t->jobs[t->n_jobs++];
    if (kd_experiment_job(t->x, name, student, job, err) < 0)
        return t->x->path ? kd_err_context(err, "%s", t->x->path) : -1;
    if (o->adjust && o->adjust(o->ctx, job, err) < 0) return -1;
    return kd_job_resolve(job, err) < 0 ? in_experiment(t->x, job, err) : 0;
}

/* Jobs of the teacher, if there is one, and then of the students. */
static int read_jobs(struct kd_tasks *t, const struct kd_tasks_options *o, struct kd_err *err)
{
    const struct kd_experiment *x = t->x;
    t->jobs = kd_alloc(x->n_students + 1, sizeof *t->jobs, "an experiment's settings", err);
    if (!t->jobs) return -1;
    if (!x->path) return add_job(t, o->student ? "student" : "teacher", o->student, o, err);
    if (kd_experiment_knows(x, "teacher") && add_job(t, "teacher", false, o, err) < 0) return -1;
    for (size_t i = 0; i < x->n_students; i++)
        if (add_job(t, x->students[i].name, true, o, err) < 0) return -1;
    return 0;
}

static int read_soften(struct kd_tasks *t, struct kd_err *err)
{
    const struct kd_opt_section s[] = {{"soften", "", kd_soften_rows, &t->soften, NULL},
                                       {"augment", "", kd_augment_rows, &t->views, NULL},
                                       {0}};
    if (kd_opts_preset(s, err) < 0) return -1;
    if (kd_experiment_soften(t->x, &t->soften, &t->views, err) == 0) return 0;
    return t->x->path ? kd_err_context(err, "%s", t->x->path) : -1;
}

/* ---- tasks ---- */

struct expansion {
    struct kd_tasks *t;
    const struct kd_tasks_options *o;
    uint64_t *seeds; /* of students */
    size_t n_seeds;
    uint64_t *teacher_seeds;
    size_t n_teacher_seeds;
    size_t first_student; /* place of the first student's first seed */
};

/* A seed that is asked for alone may be none of the experiment's, and need another one's teacher.
 */
static int choose_seeds(struct expansion *e, struct kd_err *err)
{
    const struct kd_experiment *x = e->t->x;
    size_t n = x->n_seeds + 2;
    e->seeds = kd_alloc(2 * n, sizeof *e->seeds, "seeds", err);
    if (!e->seeds) return -1;
    e->teacher_seeds = e->seeds + n;
    if (e->o->seed) {
        const uint64_t seed = *e->o->seed, of = kd_experiment_teacher_seed(x, seed);
        e->seeds[e->n_seeds++] = seed;
        e->teacher_seeds[e->n_teacher_seeds++] = seed;
        if (of != seed) e->teacher_seeds[e->n_teacher_seeds++] = of;
        return 0;
    }
    e->n_seeds = x->n_seeds;
    e->n_teacher_seeds = x->n_teacher_seeds;
    memcpy(e->seeds, x->seeds, x->n_seeds * sizeof *x->seeds);
    memcpy(e->teacher_seeds, x->seeds, x->n_teacher_seeds * sizeof *x->seeds);
    return 0;
}

static int add_model(struct expansion *e, const struct kd_job *job, size_t turn, struct kd_err *err)
{
    const struct kd_experiment *x = e->t->x;
    struct kd_task *task = &e->t->v[e->t->n++];
    const uint64_t seed = job->student ? e->seeds[turn] : e->teacher_seeds[turn];
    task->kind = job->student ? KD_TASK_STUDENT : KD_TASK_TEACHER;
    task->job = job;
    task->seed = seed;
    task->turn = turn;
    task->output = !x->path && job->student
                       ? kd_strdup(x->folder, err)
                       : kd_experiment_place(x, job->name, job->student, seed, err);
    task->model = task->output ? kd_path_join(err, task->output, "model.safetensors") : NULL;
    return task->model ? 0 : -1;
}

static const struct kd_task *teacher_of(const struct expansion *e, uint64_t seed)
{
    const uint64_t of = kd_experiment_teacher_seed(e->t->x, seed);
    for (size_t i = 0; i < e->n_teacher_seeds; i++)
        if (e->teacher_seeds[i] == of) return &e->t->v[i];
    return NULL;
}

/* The model called `name` for a student of the seed with this number; NULL: it is none of the
 * experiment's. */
static const struct kd_task *model_of(const struct expansion *e, const char *name, size_t seed)
{
    if (strcmp(name, "teacher") == 0)
        return kd_experiment_knows(e->t->x, name) ? teacher_of(e, e->seeds[seed]) : NULL;
    const struct kd_student *student = kd_experiment_find(e->t->x, name);
    if (!student) return NULL;
    return &e->t->v[e->first_student + (size_t)(student - e->t->x->students) * e->n_seeds + seed];
}

static int add_source(const struct expansion *e, struct kd_task *task, size_t seed,
                      const cJSON *from, struct kd_err *err)
{
    const cJSON *name =
        cJSON_IsObject(from) ? cJSON_GetObjectItemCaseSensitive(from, "from") : from;
    const cJSON *weight = cJSON_GetObjectItemCaseSensitive(from, "weight");
    if (!cJSON_IsString(name) || (weight && !cJSON_IsNumber(weight)))
        return kd_fail_usage(err,
                             "distill.from: expected names, or {\"from\": NAME, \"weight\": W}");
    struct kd_source *s = &task->sources[task->n_sources++];
    s->name = name->valuestring;
    s->weight = weight ? weight->valuedouble : 1;
    s->task = model_of(e, s->name, seed);
    s->path = s->task ? kd_strdup(s->task->model, err) : kd_experiment_file(e->t->x, s->name, err);
    return s->path ? 0 : -1;
}

static int find_sources(const struct expansion *e, struct kd_task *task, size_t seed,
                        struct kd_err *err)
{
    const cJSON *from = task->job->distill.from, *item;
    const bool list = cJSON_IsArray(from);
    const size_t n = list ? (size_t)cJSON_GetArraySize(from) : 1;
    task->sources = kd_alloc(n, sizeof *task->sources, "a student's teachers", err);
    if (!task->sources) return -1;
    if (!n) return kd_fail_usage(err, "distill.from: an empty list; name at least one teacher");
    if (!list) return add_source(e, task, seed, from, err);
    cJSON_ArrayForEach(item, from) if (add_source(e, task, seed, item, err) < 0) return -1;
    return 0;
}

/* Will the soft targets that the experiment writes serve this student: plain images for plain
 * images, recorded views for the same augmentation, logits alone? Else its teacher is asked at each
 * step. */
static bool soft_serve(const struct kd_tasks *t, const struct kd_job *job)
{
    const bool moves = kd_augment_active(&job->augment) && !job->distill.fixed_teacher;
    if (kd_distill_wants_features(&job->distill) &&
        (!t->soften.features || job->train.mix.kind != KD_MIX_NONE))
        return false;
    return moves ? t->soften.views > 0 && kd_augment_same(&t->views, &job->augment)
                 : t->soften.views == 0;
}

/* A teacher that is no model elsewhere, unless a student has that name. */
static enum kd_own_teacher own_teacher(const struct expansion *e, const struct kd_job *job)
{
    const enum kd_own_teacher own = kd_own_teacher(&job->distill);
    if (!own || kd_experiment_find(e->t->x, job->distill.from->valuestring))
        return KD_TEACHER_FILES;
    return own;
}

/* A teacher starts from files alone. */
static int connect_init(const struct expansion *e, struct kd_task *task, size_t seed,
                        struct kd_err *err)
{
    struct kd_source *s = &task->init;
    s->name = task->job->train.init;
    if (!s->name) return 0;
    s->task = task->kind == KD_TASK_STUDENT ? model_of(e, s->name, seed) : NULL;
    s->path = s->task ? kd_strdup(s->task->model, err) : kd_experiment_file(e->t->x, s->name, err);
    return s->path ? 0 : -1;
}

static int connect(const struct expansion *e, struct kd_task *task, size_t seed, struct kd_err *err)
{
    const struct kd_job *job = task->job;
    if (connect_init(e, task, seed, err) < 0) return -1;
    if (job->corrected) task->corrects = model_of(e, job->correct.of, seed);
    if (!job->distilled || e->o->sources_elsewhere) return 0;
    task->own = own_teacher(e, job);
    if (task->own) return 0;
    if (find_sources(e, task, seed, err) < 0) return in_experiment(e->t->x, job, err);
    const struct kd_source *one = cJSON_IsArray(job->distill.from) ? NULL : task->sources;
    if (!one || !one->task) return 0;
    task->soft_serve = soft_serve(e->t, job);
    task->soft = kd_experiment_soft(e->t->x, one->name, one->task->seed, err);
    return task->soft ? 0 : -1;
}

static int add_soft(struct expansion *e, size_t teacher, struct kd_err *err)
{
    const struct kd_task *of = &e->t->v[teacher];
    struct kd_task *task = &e->t->v[e->t->n++];
    *task = (struct kd_task){
        .kind = KD_TASK_SOFTEN, .job = of->job, .seed = of->seed, .turn = of->turn};
    task->output = kd_experiment_soft(e->t->x, of->job->name, of->seed, err);
    task->sources = kd_alloc(1, sizeof *task->sources, "a teacher", err);
    if (!task->output || !task->sources) return -1;
    task->n_sources = 1;
    task->sources[0] = (struct kd_source){of->job->name, 1, of, kd_strdup(of->model, err)};
    return task->sources[0].path ? 0 : -1;
}

/* Teachers, their soft targets, then student after student with all seeds. */
static int expand(struct expansion *e, struct kd_err *err)
{
    struct kd_tasks *t = e->t;
    const bool teacher = t->n_jobs && !t->jobs[0].student;
    const size_t students = t->n_jobs - teacher, soft = teacher && t->x->path;
    const size_t n = (teacher + soft) * e->n_teacher_seeds + students * e->n_seeds;
    if (n > MOST_TASKS)
        return kd_fail_usage(err, "%s: %zu trainings; an experiment may have %d", t->x->path, n,
                             MOST_TASKS);
    t->v = kd_alloc(n, sizeof *t->v, "an experiment's tasks", err);
    if (!t->v) return -1;
    for (size_t i = 0; teacher && i < e->n_teacher_seeds; i++)
        if (add_model(e, &t->jobs[0], i, err) < 0 || connect_init(e, &t->v[i], i, err) < 0)
            return -1;
    for (size_t i = 0; soft && i < e->n_teacher_seeds; i++)
        if (add_soft(e, i, err) < 0) return -1;
    e->first_student = t->n;
    for (size_t i = 0; i < students * e->n_seeds; i++)
        if (add_model(e, &t->jobs[teacher + i / e->n_seeds], i % e->n_seeds, err) < 0) return -1;
    for (size_t i = 0; i < students * e->n_seeds; i++)
        if (connect(e, &t->v[e->first_student + i], i % e->n_seeds, err) < 0) return -1;
    return 0;
}

struct kd_tasks *kd_tasks_open(const struct kd_experiment *x,
                               const struct kd_tasks_options *options, struct kd_err *err)
{
    static const struct kd_tasks_options none = {0};
    struct kd_tasks *t = kd_alloc(1, sizeof *t, "an experiment's tasks", err);
    if (!t) return NULL;
    t->x = x;
    struct expansion e = {.t = t, .o = options ? options : &none};
    int status = read_soften(t, err);
    if (status == 0) status = read_jobs(t, e.o, err);
    if (status == 0) status = choose_seeds(&e, err);
    if (status == 0) status = expand(&e, err);
    kd_free(e.seeds);
    if (status == 0) return t;
    kd_tasks_close(t);
    return NULL;
}

static void task_release(struct kd_task *task)
{
    for (size_t i = 0; i < task->n_sources; i++) kd_free(task->sources[i].path);
    kd_free(task->sources);
    kd_free(task->init.path);
    kd_free(task->output);
    kd_free(task->model);
    kd_free(task->soft);
}

void kd_tasks_close(struct kd_tasks *t)
{
    if (!t) return;
    const struct kd_opt_section s[] = {{"soften", "", kd_soften_rows, &t->soften, NULL},
                                       {"augment", "", kd_augment_rows, &t->views, NULL},
                                       {0}};
    kd_opts_release(s);
    for (size_t i = 0; i < t->n; i++) task_release(&t->v[i]);
    for (size_t i = 0; i < t->n_jobs; i++) kd_job_release(&t->jobs[i]);
    kd_free(t->v);
    kd_free(t->jobs);
    kd_free(t);
}

/* ---- picking ---- */

/* Is it the student `asked`, or a point of its sweep? */
static bool is_meant(const struct kd_experiment *x, const char *name, const char *asked)
{
    const cJSON *students = cJSON_GetObjectItemCaseSensitive(x->json, "students");
    const cJSON *json = cJSON_GetObjectItemCaseSensitive(students, asked);
    size_t n = strlen(asked);
    return strcmp(name, asked) == 0 || (cJSON_GetObjectItemCaseSensitive(json, "sweep") &&
                                        strncmp(name, asked, n) == 0 && name[n] == ',');
}

static bool suits(const struct kd_tasks *t, const struct kd_task *task, const struct kd_pick *pick,
                  const char *student)
{
    if (!(pick->kinds & 1u << task->kind)) return false;
    if (pick->seed && *pick->seed != task->seed) return false;
    return task->kind != KD_TASK_STUDENT || !student || is_meant(t->x, task->job->name, student);
}

static int compare_turns(const void *a, const void *b)
{
    const struct kd_task *const *x = a, *const *y = b;
    if ((*x)->turn != (*y)->turn) return (*x)->turn < (*y)->turn ? -1 : 1;
    return (*x > *y) - (*x < *y); /* as they stand */
}

int kd_tasks_pick(const struct kd_tasks *tasks, const struct kd_pick *pick, struct kd_picked *out,
                  struct kd_err *err)
{
    const size_t asked = pick->students ? pick->students->n : 0;
    const size_t room = tasks->n * (asked ? asked : 1);
    *out = (struct kd_picked){0};
    out->v = kd_alloc(room, sizeof *out->v, "a list of tasks", err);
    if (!out->v) return -1;
    for (size_t a = 0; a < (asked ? asked : 1); a++) {
        const char *name = asked ? pick->students->v[a] : NULL;
        size_t before = out->n;
        for (size_t i = 0; i < tasks->n; i++)
            if (suits(tasks, &tasks->v[i], pick, name)) out->v[out->n++] = &tasks->v[i];
        if (!name || out->n > before) continue;
        kd_experiment_student(tasks->x, name, err); /* knows what to say */
        kd_picked_release(out);
        return -1;
    }
    if (pick->by_seed && out->n) qsort(out->v, out->n, sizeof *out->v, compare_turns);
    return 0;
}

void kd_picked_release(struct kd_picked *picked)
{
    kd_free(picked->v);
    *picked = (struct kd_picked){0};
}

/* ---- checking ---- */

static int check_network(const struct kd_job *job, const struct kd_image_cache *cache,
                         struct kd_err *err)
{
    cJSON *layers = kd_network_layers(job->network, err);
    const struct kd_images *im =
        cache ? kd_image_cache_peek(cache, job->data.source, job->data.data_dir, "train",
                                    &job->data.input)
              : NULL;
    int status = layers ? kd_job_check(job, err) : -1;
    if (status == 0 && im) {
        struct kd_shape input = {im->c, im->h, im->w, false};
        struct kd_network *net = kd_network_build(layers, input, im->classes, err);
        const bool whole = !job->distilled || !kd_distill_reuses(&job->distill);
        status = net ? 0 : -1; /* patterns may be of layers that the teacher will bring */
        if (net && whole) status = kd_finetune_mark(net, &job->train, err);
        kd_network_free(net);
    }
    cJSON_Delete(layers);
    return status;
}

/* What is no model of the experiment is a file that is there. */
static int check_sources(const struct kd_task *task, struct kd_err *err)
{
    for (size_t i = 0; i < task->n_sources; i++) {
        const struct kd_source *s = &task->sources[i];
        if (!s->task && !kd_path_exists(s->path))
            return kd_fail_usage(err,
                                 "distill.from: \"%s\" is neither a student nor the teacher of "
                                 "this experiment, and there is no such file here or beside the "
                                 "experiment",
                                 s->name);
    }
    return 0;
}

static int check_init(const struct kd_tasks *tasks, const struct kd_task *task, struct kd_err *err)
{
    const struct kd_source *s = &task->init;
    const bool students = tasks->x->path && task->kind == KD_TASK_STUDENT;
    if (!s->path || s->task || kd_path_exists(s->path)) return 0;
    return kd_fail_usage(err,
                         "train.init: there is no file \"%s\"%s; it names a model, or its folder",
                         s->name, students ? ", and no student of that name" : "");
}

int kd_tasks_check(const struct kd_tasks *tasks, const struct kd_picked *picked,
                   struct kd_image_cache *cache, struct kd_err *err)
{
    bool looked = !cache;
    for (size_t i = 0; i < picked->n; i++) {
        const struct kd_task *task = picked->v[i];
        const struct kd_job *job = task->job;
        if (i && job == picked->v[i - 1]->job) continue; /* another seed */
        if (!looked && job->data.source) {
            looked = true;
            if (!kd_image_cache_get(cache, job->data.source, job->data.data_dir, "train",
                                    &job->data.input, err))
                return -1;
        }
        int status = check_network(job, cache, err);
        if (status == 0) status = kd_job_check_own(job, task->own, err);
        if (status == 0) status = check_sources(task, err);
        if (status == 0) status = check_init(tasks, task, err);
        if (status < 0) return in_experiment(tasks->x, job, err);
    }
    return 0;
}

bool kd_task_is_ready(const struct kd_task *task)
{
    if (task->job->corrected) return task->corrects && kd_path_exists(task->corrects->model);
    for (size_t i = 0; i < task->n_sources; i++)
        if (!kd_path_exists(task->sources[i].path)) return false;
    return !task->init.path || kd_path_exists(task->init.path);
}
