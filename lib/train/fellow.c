#include "kd/train/fellow.h"
#include "kd/base/mem.h"

#include <math.h>
#include <string.h>

uint64_t kd_peer_seed(uint64_t seed)
{
    return seed ^ 0x9e3779b97f4a7c15u; /* any other one */
}

static int open_average(struct kd_fellow *f, const struct kd_fellow_of *of, struct kd_err *err)
{
    f->average = of->average;
    f->net = kd_network_from_json(of->net->json, err);
    return f->net ? kd_network_plan(f->net, of->rows, false, err) : -1;
}

static int open_peer(struct kd_fellow *f, const struct kd_fellow_of *of, struct kd_err *err)
{
    const size_t scratch = kd_loss_scratch(of->loss, of->rows, f->net->classes);
    f->net->brief_gradients = of->config->clip_norm <= 0;
    f->scratch = kd_alloc(scratch, sizeof *f->scratch, "a peer's loss", err);
    if (!f->scratch || kd_network_plan(f->net, of->rows, true, err) < 0) return -1;
    return kd_optimizer_init(&f->optimizer, of->config, f->net, err);
}

int kd_fellow_open(struct kd_fellow *f, const struct kd_fellow_of *of, struct kd_err *err)
{
    if (f->kind == KD_TEACHER_AVERAGE) return open_average(f, of, err);
    return f->kind == KD_TEACHER_PEER ? open_peer(f, of, err) : 0;
}

void kd_fellow_release(struct kd_fellow *f)
{
    kd_optimizer_release(&f->optimizer);
    kd_network_free(f->net);
    kd_free(f->scratch);
    *f = (struct kd_fellow){0};
}

size_t kd_fellow_bytes(const struct kd_fellow *f)
{
    return f->net ? kd_network_plan_bytes(f->net) + f->optimizer.slab.planned : 0;
}

void kd_fellow_begin(struct kd_fellow *f, double rate, uint64_t steps)
{
    if (f->kind != KD_TEACHER_PEER) return;
    f->optimizer.t = steps;
    f->sink = kd_optimizer_begin(&f->optimizer, rate);
}

void kd_fellow_finish(struct kd_fellow *f, struct kd_pool *pool)
{
    if (f->kind == KD_TEACHER_PEER) kd_optimizer_finish(&f->optimizer, pool);
}

static struct kd_pass pass_of(const struct kd_fellow *f, const struct kd_pass *students)
{
    struct kd_pass pass = *students;
    pass.training = f->kind == KD_TEACHER_PEER;
    pass.seed = f->seed;
    return pass;
}

void kd_fellow_forward(struct kd_fellow *f, const float *in, const struct kd_pass *students,
                       struct kd_pool *pool)
{
    if (!f->net) return;
    const struct kd_pass pass = pass_of(f, students);
    /* The average is another array from update to update, and while it is swapped. */
    for (unsigned i = 0; f->average && i < f->net->n_params; i++)
        f->net->params[i]->value = f->average->value[i];
    memcpy(f->net->in, in, pass.rows * kd_shape_size(f->net->input) * sizeof *in);
    kd_network_forward(f->net, pool, &pass);
}

int kd_fellow_learn(struct kd_fellow *f, const struct kd_loss *loss,
                    const struct kd_loss_batch *students, const struct kd_pass *students_pass,
                    struct kd_pool *pool)
{
    if (f->kind != KD_TEACHER_PEER) return 0;
    const struct kd_pass pass = pass_of(f, students_pass);
    struct kd_loss_batch batch = *students;
    struct kd_loss_sums sums = {0};
    batch.logits = f->net->out;
    batch.teacher = students->logits;
    kd_loss_run(loss, &batch, f->net->dout, f->scratch, &sums);
    if (!isfinite(sums.loss)) return -1;
    kd_network_backward(f->net, pool, &pass, f->sink);
    return 0;
}
