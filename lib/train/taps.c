#include "kd/train/taps.h"
#include "kd/nn/blocks.h"
#include "kd/nn/head.h"
#include "kd/nn/kernels.h"
#include "kd/nn/maps.h"
#include "loss/kind.h"

#include <stdio.h>
#include <string.h>

/* ---- which layers ---- */

struct opening {
    struct kd_taps *taps;
    struct kd_loss_term *term;
    struct kd_network *net;
    const struct kd_taps_source *source;
    struct kd_blocks students, teachers;
};

static struct kd_model *teacher_of(const struct kd_taps_source *source)
{
    return &source->targets->teachers.models[0];
}

int kd_taps_check(const struct kd_loss_term *term, const struct kd_targets *t, struct kd_err *err)
{
    const char *kind = term->kind->name;
    if (t && t->features.n_layers) return 0;
    if (!t || t->teachers.n == 0)
        return kd_fail_usage(
            err,
            "loss %s compares layers inside the networks, which soft targets alone do not "
            "have; give the teacher itself (--teacher MODEL), or store its layers (kd-soften "
            "--features)",
            kind);
    if (t->teachers.n > 1)
        return kd_fail_usage(err, "loss %s compares layers with those of one teacher, not of %zu",
                             kind, t->teachers.n);
    if (t->teachers.models[0].net->integers)
        return kd_fail_usage(err, "loss %s: %s is in integers; give the float model that it was",
                             kind, t->teachers.models[0].path);
    return 0;
}

/* A layer of either network, to be tapped. */
static int find_tap(struct opening *o, bool student, const cJSON *place, struct kd_taps_side *side,
                    struct kd_err *err)
{
    const bool maps = o->term->kind->features->maps;
    const struct kd_blocks *blocks = student ? &o->students : &o->teachers;
    struct kd_network *net = student ? o->net : teacher_of(o->source)->net;
    if (kd_blocks_find(blocks, place, maps, side->name, err) < 0 ||
        !(side->tap = kd_network_tap(net, side->name, student, err)))
        return -1;
    side->shape = side->tap->shape;
    return 0;
}

static int find_stored(const struct opening *o, const cJSON *place, struct kd_taps_side *side,
                       struct kd_err *err)
{
    const struct kd_features *features = o->taps->features;
    const bool maps = o->term->kind->features->maps;
    if (!(side->stored = kd_features_find(features, place, maps, err))) return -1;
    snprintf(side->name, sizeof side->name, "%s", side->stored->name);
    side->shape = side->stored->shape;
    return 0;
}

static int find_side(struct opening *o, bool student, const cJSON *place, struct kd_taps_side *side,
                     struct kd_err *err)
{
    const bool maps = o->term->kind->features->maps, stored = !student && o->taps->features;
    if ((stored ? find_stored(o, place, side, err) : find_tap(o, student, place, side, err)) < 0)
        return kd_err_context(err, "distill.loss %s, layer of the %s", o->term->kind->name,
                              student ? "student" : "teacher");
    side->h = side->shape.h;
    side->w = side->shape.w;
    if (maps && side->shape.flat)
        return kd_fail_usage(err,
                             "distill.loss %s compares maps, and layer %s of the %s is flat; name "
                             "one before \"flatten\"",
                             o->term->kind->name, side->name, student ? "student" : "teacher");
    return 0;
}

/* Maps of two sizes: the larger is averaged to the smaller. */
static int fit(const struct opening *o, struct kd_tapped *p, struct kd_err *err)
{
    struct kd_taps_side *s = &p->student, *t = &p->teacher;
    if (!o->term->kind->features->pools) return 0;
    if (s->shape.flat != t->shape.flat)
        return kd_fail_usage(err,
                             "distill.loss %s: layer %s of the student is %s, layer %s of the "
                             "teacher is %s; choose two of a kind",
                             o->term->kind->name, s->name, s->shape.flat ? "flat" : "maps", t->name,
                             t->shape.flat ? "flat" : "maps");
    s->h = t->h = s->h < t->h ? s->h : t->h;
    s->w = t->w = s->w < t->w ? s->w : t->w;
    s->pooled = s->h != s->shape.h || s->w != s->shape.w;
    t->pooled = t->h != t->shape.h || t->w != t->shape.w;
    return 0;
}

/* ---- linear layers ---- */

static int project(const struct opening *o, struct kd_tapped *p, struct kd_err *err)
{
    const uint32_t number = (uint32_t)(o->taps->n - 1);
    char prefix[48], count[16] = "";
    if (!o->term->kind->features->projects) return 0;
    if (o->term->n_pairs > 1) snprintf(count, sizeof count, ".%u", o->term->n_pairs);
    snprintf(prefix, sizeof prefix, "taps.%.24s%s", o->term->name, count);
    if (kd_projector_open(&p->projector, p->student.shape.c, p->teacher.shape.c, prefix, err) < 0)
        return -1;
    kd_projector_init(&p->projector, o->source->seed, number);
    for (unsigned i = 0; i < p->projector.net->n_params; i++)
        if (kd_network_attach(o->net, p->projector.net->params[i], err) < 0) return -1;
    return 0;
}

static bool known(const struct opening *o, const struct kd_tapped *pair)
{
    for (unsigned i = 0; i < o->term->n_pairs; i++) {
        const struct kd_tapped *p = &o->taps->tapped[o->term->first_pair + i];
        if (p->student.tap == pair->student.tap && p->teacher.tap == pair->teacher.tap &&
            p->teacher.stored == pair->teacher.stored)
            return true;
    }
    return false;
}

static int add_pair(struct opening *o, const cJSON *student, const cJSON *teacher,
                    struct kd_err *err)
{
    struct kd_taps *t = o->taps;
    struct kd_tapped pair = {0}, *kept;
    size_t n = t->n;
    if (find_side(o, true, student, &pair.student, err) < 0 ||
        find_side(o, false, teacher, &pair.teacher, err) < 0 || fit(o, &pair, err) < 0)
        return -1;
    if (known(o, &pair)) return 0; /* two shares of the depth that are one layer */
    if (!kd_grow(&t->pairs, &n, &t->room_pairs, sizeof *t->pairs, "pairs of layers", err) ||
        !(kept = kd_grow(&t->tapped, &t->n, &t->room_tapped, sizeof *kept, "pairs of layers", err)))
        return -1;
    *kept = pair;
    o->term->n_pairs++;
    return project(o, kept, err);
}

/* What the two classifiers, which are one, see; of maps that both pool, as they are before. */
static int open_reused(struct opening *o, struct kd_err *err)
{
    char seen[] = KD_FEATURES;
    const cJSON features = {.type = cJSON_String, .valuestring = seen};
    const cJSON last = {.type = cJSON_Number, .valuedouble = 1};
    const bool maps = kd_head_pools(&o->students) && kd_head_pools(&o->teachers);
    return add_pair(o, maps ? &last : &features, maps ? &last : &features, err);
}

static int open_places(struct opening *o, const struct kd_loss_places *places, struct kd_err *err)
{
    const bool list = cJSON_IsArray(places->student) || cJSON_IsArray(places->teacher);
    const int n = list ? cJSON_GetArraySize(places->student) : 1;
    if (list && (!n || !cJSON_IsArray(places->student) || !cJSON_IsArray(places->teacher) ||
                 cJSON_GetArraySize(places->teacher) != n))
        return kd_fail_usage(err,
                             "distill.loss %s: student and teacher are compared layer by layer; "
                             "give two lists of as many layers",
                             o->term->kind->name);
    for (int i = 0; i < n; i++)
        if (add_pair(o, list ? cJSON_GetArrayItem(places->student, i) : places->student,
                     list ? cJSON_GetArrayItem(places->teacher, i) : places->teacher, err) < 0)
            return -1;
    return 0;
}

static int open_term(struct opening *o, struct kd_err *err)
{
    if (kd_taps_check(o->term, o->source->targets, err) < 0) return -1;
    if (o->taps->features)
        o->teachers = o->taps->features->blocks;
    else
        kd_blocks_of(teacher_of(o->source)->net, &o->teachers);
    o->term->first_pair = (unsigned)o->taps->n;
    return o->term->kind->features->reuses ? open_reused(o, err)
                                           : open_places(o, kd_loss_places_of(o->term), err);
}

int kd_taps_open(struct kd_taps *t, struct kd_loss *loss, struct kd_network *net,
                 const struct kd_taps_source *source, struct kd_err *err)
{
    struct opening o = {.taps = t, .net = net, .source = source};
    const struct kd_targets *targets = source->targets;
    *t = (struct kd_taps){.net = net};
    if (targets && targets->features.n_layers) t->features = &targets->features;
    kd_blocks_of(net, &o.students);
    for (unsigned i = 0; i < loss->n; i++) {
        o.term = &loss->term[i];
        if (!kd_loss_places_of(o.term)) continue;
        if (open_term(&o, err) < 0) return -1;
    }
    if (!t->n) return 0;
    for (unsigned i = 0; i < loss->n; i++) {
        struct kd_loss_term *term = &loss->term[i];
        for (unsigned k = 0; k < term->n_pairs; k++) {
            const struct kd_tapped *p = &t->tapped[term->first_pair + k];
            if (p->student.h * p->student.w > term->pixels)
                term->pixels = p->student.h * p->student.w;
            if (p->teacher.h * p->teacher.w > term->pixels)
                term->pixels = p->teacher.h * p->teacher.w;
        }
    }
    if (t->features) return 0;
    return kd_teachers_plan(&source->targets->teachers, source->targets->teachers.rows, err);
}

/* ---- memory ---- */

static size_t numbers(const struct kd_taps_side *s) /* of an image, as compared */
{
    return s->h * s->w * s->shape.c;
}

static float *piece(struct kd_taps *t, bool taking, size_t floats)
{
    if (taking) return kd_slab_take(&t->slab, floats * sizeof(float));
    kd_slab_plan(&t->slab, floats * sizeof(float));
    return NULL;
}

static float *values_of(struct kd_taps *t, struct kd_taps_side *s, bool taking, size_t rows)
{
    return s->tap ? s->tap->value : piece(t, taking, rows * kd_shape_size(s->shape));
}

static void lay(struct kd_taps *t, bool taking, const struct kd_taps_rows *rows)
{
    for (size_t i = 0; i < t->n; i++) {
        struct kd_tapped *p = &t->tapped[i];
        p->student.value = values_of(t, &p->student, taking, rows->pass);
        p->teacher.value = values_of(t, &p->teacher, taking, rows->shard);
        if (p->student.pooled)
            p->student.pooled_value = piece(t, taking, rows->pass * numbers(&p->student));
        if (p->teacher.pooled)
            p->teacher.pooled_value = piece(t, taking, rows->shard * numbers(&p->teacher));
        if (!p->projector.net) p->gradient = piece(t, taking, rows->pass * numbers(&p->student));
    }
}

/* What stands before any layer that computes is the images themselves, in another order. */
static int check_layout(const struct kd_taps_side *s, struct kd_err *err)
{
    if (!s->tap || s->tap->pixels == (s->shape.flat ? 1 : kd_shape_pixels(s->shape))) return 0;
    return kd_fail_usage(err, "distill.loss: layer %s is the images themselves; name a later one",
                         s->name);
}

static struct kd_loss_side side_of(const struct kd_taps_side *s)
{
    return (struct kd_loss_side){s->h * s->w, s->shape.c, s->pooled ? s->pooled_value : s->value};
}

static void pair_up(const struct kd_tapped *p, struct kd_loss_pair *pair)
{
    pair->teacher = side_of(&p->teacher);
    pair->student = side_of(&p->student);
    if (p->projector.net) pair->student.cols = p->teacher.shape.c;
}

int kd_taps_plan(struct kd_taps *t, const struct kd_taps_rows *rows, struct kd_err *err)
{
    for (size_t i = 0; i < t->n; i++) {
        struct kd_tapped *p = &t->tapped[i];
        const size_t pixels = p->student.h * p->student.w;
        if (check_layout(&p->student, err) < 0 || check_layout(&p->teacher, err) < 0 ||
            (p->projector.net && kd_projector_plan(&p->projector, rows->pass * pixels, err) < 0))
            return -1;
    }
    t->cut = kd_alloc(rows->shards + 1, sizeof *t->cut, "shards of features", err);
    lay(t, false, rows);
    if (!t->cut || kd_slab_open(&t->slab, "features", err) < 0) return -1;
    lay(t, true, rows);
    for (size_t i = 0; i < t->n; i++) {
        struct kd_tapped *p = &t->tapped[i];
        pair_up(p, &t->pairs[i]);
        p->compared = p->projector.net ? p->projector.out : t->pairs[i].student.value;
        if (p->projector.net) p->gradient = p->projector.dout;
        p->size = t->pairs[i].student.pixels * t->pairs[i].student.cols;
    }
    return 0;
}

size_t kd_taps_bytes(const struct kd_taps *t)
{
    size_t bytes = t->slab.planned;
    for (size_t i = 0; i < t->n; i++) bytes += kd_projector_bytes(&t->tapped[i].projector);
    return bytes;
}

void kd_taps_release(struct kd_taps *t)
{
    if (t->net) kd_network_detach(t->net);
    for (size_t i = 0; i < t->n; i++) kd_projector_release(&t->tapped[i].projector);
    kd_free(t->tapped);
    kd_free(t->pairs);
    kd_free(t->cut);
    kd_slab_release(&t->slab);
    *t = (struct kd_taps){0};
}

/* ---- a step ---- */

static struct kd_map_sizes sizes_of(const struct kd_taps_side *s)
{
    return (struct kd_map_sizes){s->shape.h, s->shape.w, s->h, s->w, s->shape.c};
}

static const float *average(const struct kd_taps_side *s, size_t n)
{
    const struct kd_map_sizes sizes = sizes_of(s);
    if (!s->pooled) return s->value;
    kd_maps_average(&sizes, n, s->value, s->pooled_value);
    return s->pooled_value;
}

void kd_taps_gather(struct kd_taps *t, size_t view, const uint32_t *index, size_t n)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct kd_taps_side *s = &t->tapped[i].teacher;
        if (s->stored) kd_feature_fill(t->features, s->stored, view, index, n, s->value);
    }
}

/* The pass of a linear layer: a row for each pixel. */
static struct kd_pass pass_of(const struct kd_taps *t, const struct kd_tapped *p,
                              const struct kd_pass *images, struct kd_cuts *cuts)
{
    const size_t pixels = p->student.h * p->student.w;
    struct kd_pass pass = {.training = true, .rows = images->rows * pixels};
    if (!images->cuts) return pass;
    *cuts = *images->cuts;
    for (unsigned i = 0; i <= cuts->n; i++) t->cut[i] = images->cuts->from[i] * pixels;
    cuts->from = t->cut;
    pass.cuts = cuts;
    return pass;
}

void kd_taps_forward(struct kd_taps *t, struct kd_pool *pool, const struct kd_pass *pass)
{
    struct kd_cuts cuts;
    for (size_t i = 0; i < t->n; i++) {
        struct kd_tapped *p = &t->tapped[i];
        const float *x = average(&p->student, pass->rows);
        if (!p->projector.net) continue;
        memcpy(p->projector.in, x, pass->rows * numbers(&p->student) * sizeof *x);
        const struct kd_pass linear = pass_of(t, p, pass, &cuts);
        kd_projector_forward(&p->projector, pool, &linear);
    }
}

void kd_taps_compare(struct kd_taps *t, size_t from, size_t n)
{
    for (size_t i = 0; i < t->n; i++) {
        struct kd_tapped *p = &t->tapped[i];
        average(&p->teacher, n);
        t->pairs[i].student.value = p->compared + from * p->size;
        t->pairs[i].gradient = p->gradient + from * p->size;
    }
}

/* Several pairs may have one layer. */
static void clear(const struct kd_taps *t, size_t n)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct kd_tap *tap = t->tapped[i].student.tap;
        memset(tap->grad, 0, n * tap->pixels * tap->cols * sizeof *tap->grad);
    }
}

void kd_taps_backward(struct kd_taps *t, struct kd_pool *pool, const struct kd_pass *pass,
                      const struct kd_gradient_sink *sink)
{
    const size_t n = pass->rows;
    struct kd_cuts cuts;
    clear(t, n);
    for (size_t i = 0; i < t->n; i++) {
        struct kd_tapped *p = &t->tapped[i];
        const struct kd_taps_side *s = &p->student;
        const struct kd_map_sizes sizes = sizes_of(s);
        const float *d = p->gradient;
        if (p->projector.net) {
            const struct kd_pass linear = pass_of(t, p, pass, &cuts);
            kd_projector_backward(&p->projector, pool, &linear, sink);
            d = p->projector.din;
        }
        if (s->pooled)
            kd_maps_spread(&sizes, n, d, s->tap->grad);
        else
            kd_kernels()->add(s->tap->grad, d, n * numbers(s), 1);
    }
}
