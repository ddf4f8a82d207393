#include "kd/train/checkpoint.h"
#include "kd/base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- epoch logs and sums as JSON, every bit kept ---- */

struct field {
    const char *name;
    double *value;
};
enum { LOG_FIELDS = 19 };

static void metrics_fields(struct field *f, const char *const names[5], struct kd_metrics *m,
                           double *n)
{
    f[0] = (struct field){names[0], n};
    f[1] = (struct field){names[1], &m->top1};
    f[2] = (struct field){names[2], &m->top5};
    f[3] = (struct field){names[3], &m->loss};
    f[4] = (struct field){names[4], &m->ece};
}

/* Terms of the loss beyond the first, which has keys of its own: nothing where there are none. */
static void put_terms(struct kd_maker *b, const char *key, const double *values, size_t n)
{
    if (n > 1) kd_put_numbers(b, key, values, n);
}

/* `first` where the file says no more. */
static void terms_in(const cJSON *o, const char *key, double first, double *values)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key), *item;
    unsigned n = 0;
    values[0] = first;
    cJSON_ArrayForEach(item, list)
    {
        if (n < KD_LOSS_TERMS) values[n++] = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    }
}

/* Whole numbers go through `whole`: epoch, step, train_eval.n, valid.n */
static void log_fields(struct field f[LOG_FIELDS], struct kd_epoch_log *log, double whole[4])
{
    static const char *const eval[] = {"eval_n", "eval_top1", "eval_top5", "eval_loss", "eval_ece"};
    static const char *const valid[] = {"valid_n", "valid_top1", "valid_top5", "valid_loss",
                                        "valid_ece"};
    f[0] = (struct field){"epoch", &whole[0]};
    f[1] = (struct field){"step", &whole[1]};
    f[2] = (struct field){"lr", &log->lr};
    f[3] = (struct field){"loss", &log->loss};
    f[4] = (struct field){"hard", &log->hard};
    f[5] = (struct field){"soft", &log->soft};
    f[6] = (struct field){"top1", &log->top1};
    f[7] = (struct field){"seconds", &log->seconds};
    f[8] = (struct field){"images_per_second", &log->images_per_second};
    metrics_fields(f + 9, eval, &log->train_eval, &whole[2]);
    metrics_fields(f + 14, valid, &log->valid, &whole[3]);
}

static cJSON *log_out(const struct kd_epoch_log *log, struct kd_err *err)
{
    struct kd_epoch_log copy = *log;
    double whole[] = {copy.epoch, (double)copy.step, (double)copy.train_eval.n,
                      (double)copy.valid.n};
    struct field f[LOG_FIELDS];
    log_fields(f, &copy, whole);
    struct kd_maker b = kd_make_object(err);
    for (int i = 0; i < LOG_FIELDS; i++) kd_put_number(&b, f[i].name, *f[i].value);
    double values[KD_LOSS_TERMS];
    for (size_t i = 0; i < log->terms.n; i++) values[i] = log->terms.of[i].value;
    put_terms(&b, "terms", values, log->terms.n);
    return kd_make_end(&b);
}

static double number(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static uint64_t whole_number(double v)
{
    return v >= 0 && v < 9e15 ? (uint64_t)v : 0;
}

static void log_in(const cJSON *o, const struct kd_trainer *t, struct kd_epoch_log *log)
{
    double whole[4] = {0}, values[KD_LOSS_TERMS] = {0};
    struct field f[LOG_FIELDS];
    log_fields(f, log, whole);
    for (int i = 0; i < LOG_FIELDS; i++) *f[i].value = number(o, f[i].name);
    log->epoch = (uint32_t)whole_number(whole[0]);
    log->step = whole_number(whole[1]);
    log->train_eval.n = whole_number(whole[2]);
    log->valid.n = whole_number(whole[3]);
    terms_in(o, "terms", log->soft, values);
    kd_trainer_log_terms(t, values, 1, log);
}

static cJSON *state_out(const struct kd_trainer *t, struct kd_err *err)
{
    double soft = t->sums.term[0];
    const struct field f[] = {
        {"epoch", &(double){t->epoch}},
        {"step", &(double){t->step}},
        {"seed", &(double){(double)t->seed}},
        {"optimizer_steps", &(double){(double)t->optimizer.t}},
        {"sum_loss", &(double){t->sums.loss}},
        {"sum_hard", &(double){t->sums.hard}},
        {"sum_soft", &soft},
        {"correct", &(double){(double)t->sums.correct}},
        {"labelled", &(double){(double)t->sums.labelled}},
        {"rows", &(double){(double)t->sums.rows}},
    };
    struct kd_maker b = kd_make_object(err);
    for (size_t i = 0; i < sizeof f / sizeof *f; i++) kd_put_number(&b, f[i].name, *f[i].value);
    put_terms(&b, "sum_terms", t->sums.term, t->loss.n);
    kd_put_json(&b, "best", log_out(&t->best, err));
    kd_put_json(&b, "last", log_out(&t->last, err));
    return kd_make_end(&b);
}

static void state_in(const cJSON *o, struct kd_trainer *t)
{
    t->epoch = (uint32_t)whole_number(number(o, "epoch"));
    t->step = (uint32_t)whole_number(number(o, "step"));
    t->optimizer.t = whole_number(number(o, "optimizer_steps"));
    t->sums = (struct kd_loss_sums){
        .loss = number(o, "sum_loss"),
        .hard = number(o, "sum_hard"),
        .correct = whole_number(number(o, "correct")),
        .labelled = whole_number(number(o, "labelled")),
        .rows = whole_number(number(o, "rows")),
    };
    terms_in(o, "sum_terms", number(o, "sum_soft"), t->sums.term);
    log_in(cJSON_GetObjectItemCaseSensitive(o, "best"), t, &t->best);
    log_in(cJSON_GetObjectItemCaseSensitive(o, "last"), t, &t->last);
}

/* ---- tensors: what is saved beside the parameters, in one list for writing and reading ---- */

typedef int visit_fn(void *ctx, const char *name, const struct kd_param *p, float *values,
                     struct kd_err *err);

/* Of simulated integers. */
static int each_range(const struct kd_trainer *t, visit_fn *visit, void *ctx, struct kd_err *err)
{
    size_t n;
    float *ranges = kd_aware_ranges(t->aware, &n);
    const struct kd_param shape = {.dims = 2, .shape = {n, 2}, .count = 2 * n};
    if (visit(ctx, "kd.state.ranges", &shape, ranges, err) < 0) return -1;
    return t->best_ranges ? visit(ctx, "kd.state.best.ranges", &shape, t->best_ranges, err) : 0;
}

/* Of a second student: its parameters, and its optimizer's. */
static int each_of_peer(const struct kd_trainer *t, visit_fn *visit, void *ctx, struct kd_err *err)
{
    const struct kd_optimizer *o = &t->fellow.optimizer;
    char name[160];
    for (unsigned i = 0; i < t->fellow.net->n_params; i++) {
        const struct kd_param *p = t->fellow.net->params[i];
        snprintf(name, sizeof name, "kd.state.peer.%s", p->name);
        if (visit(ctx, name, p, p->value, err) < 0) return -1;
        for (unsigned s = 0; s < o->states && p->trained; s++) {
            snprintf(name, sizeof name, "kd.state.peer.%s.%s", kd_optimizer_state_name(o, s),
                     p->name);
            if (visit(ctx, name, p, o->state[s][i], err) < 0) return -1;
        }
    }
    return 0;
}

static int each_tensor(const struct kd_trainer *t, visit_fn *visit, void *ctx, struct kd_err *err)
{
    char name[128];
    for (unsigned i = 0; i < t->net->n_params; i++) {
        const struct kd_param *p = t->net->params[i];
        snprintf(name, sizeof name, "kd.state.%s", p->name); /* of no model */
        const bool attached = i >= t->net->n_params - t->net->n_attached;
        if (attached && visit(ctx, name, p, p->value, err) < 0) return -1;
        for (unsigned s = 0; s < t->optimizer.states && p->trained; s++) {
            snprintf(name, sizeof name, "kd.state.%s.%s", kd_optimizer_state_name(&t->optimizer, s),
                     p->name);
            if (visit(ctx, name, p, t->optimizer.state[s][i], err) < 0) return -1;
        }
        snprintf(name, sizeof name, "kd.state.current.%s", p->name);
        if (t->average.net && visit(ctx, name, p, t->average.value[i], err) < 0) return -1;
        if (!t->best_values) continue;
        snprintf(name, sizeof name, "kd.state.best.%s", p->name);
        if (visit(ctx, name, p, t->best_values[i], err) < 0) return -1;
    }
    if (t->fellow.kind == KD_TEACHER_PEER && each_of_peer(t, visit, ctx, err) < 0) return -1;
    return t->aware ? each_range(t, visit, ctx, err) : 0;
}

static int add_tensor(void *ctx, const char *name, const struct kd_param *p, float *values,
                      struct kd_err *err)
{
    return kd_tensorfile_add(ctx, name, (struct kd_array){KD_F32, p->dims, p->shape, values}, err);
}

static int take_tensor(void *ctx, const char *name, const struct kd_param *p, float *values,
                       struct kd_err *err)
{
    const struct kd_tensor *tensor = kd_tensorfile_find(ctx, name);
    if (!tensor || tensor->count != p->count)
        return kd_fail(err, "tensor %s is missing or of another size", name);
    return kd_tensor_to_float(tensor, values, err);
}

int kd_checkpoint_add(struct kd_tensorfile *file, const struct kd_trainer *t, const char *log,
                      struct kd_err *err)
{
    cJSON *state = state_out(t, err);
    char *text = state ? kd_json_text(state, false, err) : NULL;
    int status = text ? kd_tensorfile_set(file, "kd.state", text, err) : -1;
    kd_free(text);
    cJSON_Delete(state);
    if (status == 0) status = kd_tensorfile_set(file, "kd.log", log, err);
    return status == 0 ? each_tensor(t, add_tensor, file, err) : -1;
}

static int restore_parameters(const struct kd_tensorfile *file, const struct kd_trainer *t,
                              struct kd_err *err)
{
    for (unsigned i = 0; i < t->net->n_params - t->net->n_attached; i++) {
        const struct kd_param *p = t->net->params[i];
        if (take_tensor((void *)(uintptr_t)file, p->name, p, p->value, err) < 0) return -1;
    }
    return 0;
}

int kd_checkpoint_restore(const struct kd_tensorfile *file, struct kd_trainer *t, char **log,
                          struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(file, "kd.state"),
               *lines = kd_tensorfile_meta(file, "kd.log");
    if (!text || !lines) return kd_fail(err, "it is no checkpoint (no kd.state)");
    cJSON *state = kd_json_parse(text, strlen(text), "kd.state", err);
    if (!state) return -1;
    int status = -1;
    kd_average_swap(&t->average); /* the file has the average for its parameters */
    if (number(state, "seed") != (double)t->seed)
        kd_fail(err, "it belongs to seed %.0f, not %llu", number(state, "seed"),
                (unsigned long long)t->seed);
    else if (restore_parameters(file, t, err) == 0 &&
             each_tensor(t, take_tensor, (void *)(uintptr_t)file, err) == 0) {
        state_in(state, t);
        kd_trainer_adopt_ranges(t);
        if (t->epoch > (uint64_t)t->job->train.epochs || t->step >= kd_trainer_steps(t))
            kd_fail(err, "its place (epoch %u, step %u) is not in this training", t->epoch,
                    t->step);
        else
            status = (*log = kd_strdup(lines, err)) ? 0 : -1;
    }
    kd_average_swap(&t->average);
    cJSON_Delete(state);
    return status;
}
