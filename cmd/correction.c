#include "correction.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"

#include <string.h>

/* ---- images ---- */

static const struct kd_images *load(const struct correction *q, const struct kd_data_config *own,
                                    struct kd_err *err)
{
    int by = q->config->by;
    const char *split = by == KD_BY_TEST ? "test" : "train";
    const char *source = by == KD_BY_BALANCED && q->config->images ? q->config->images
                         : q->data                                 ? q->data
                         : by == KD_BY_TEST && own->test           ? own->test
                                                                   : own->source;
    if (!source) {
        kd_fail_usage(err, "%s does not say what it was trained on; give --data", q->model->path);
        return NULL;
    }
    const struct kd_images *images =
        kd_image_cache_get(q->cache, source, q->data_dir, split, &own->input, err);
    if (!images || by != KD_BY_TEST || images->labels) return images;
    kd_fail_usage(err, "%s:%s has no labels to tune a bias on", images->source, images->split);
    return NULL;
}

/* Of recorded views the first. */
static int stored_logits(const struct kd_targets *t, float **own, const float **out,
                         struct kd_err *err)
{
    *out = t->values;
    if (t->values) return 0;
    *own = kd_alloc(t->n * t->classes, sizeof **own, "a teacher's logits", err);
    *out = *own;
    if (!*own) return -1;
    kd_targets_fill(t, 0, NULL, t->n, 1, *own);
    return 0;
}

/* What the teacher says of each image as it is: the soft targets, or its answer now. *own is to be
 * freed. */
static int teacher_logits(const struct correction *q, const struct kd_images *images, float **own,
                          const float **out, struct kd_err *err)
{
    struct kd_targets *t = q->targets;
    *own = NULL;
    *out = NULL;
    if (!t || q->config->by != KD_BY_TRANSFER) return 0;
    size_t classes = t->teachers.n ? t->teachers.models[0].net->classes : t->classes;
    if (classes != q->model->net->classes)
        return kd_fail(err, "%s knows %u classes, its teacher %zu", q->model->path,
                       q->model->net->classes, classes);
    if (kd_targets_stored(t) && t->n != images->n)
        return kd_fail(err, "the soft targets have %zu rows, %s:%s has %u images", t->n,
                       images->source, images->split, images->n);
    if (kd_targets_stored(t)) return stored_logits(t, own, out, err);
    if (!t->teachers.n) return 0;
    if (kd_teachers_check(&t->teachers, images, err) < 0) return -1;
    struct kd_view view = {.images = images, .n = images->n};
    *own = kd_alloc((size_t)images->n * classes, sizeof **own, "a teacher's logits", err);
    *out = *own;
    if (!*own) return -1;
    struct kd_asking how = {.pool = q->inv->pool, .progress = &q->inv->progress};
    return kd_teachers_predict(&t->teachers, &view, 1, &how, *own, err);
}

/* ---- messages ---- */

static int tell(const struct correction *q, const struct kd_correction *c, struct kd_err *err)
{
    struct kd_bytes list = {0};
    struct kd_maker biases = kd_make_object(err), all = kd_make_object(err);
    for (uint32_t k = 0; k < q->model->net->classes; k++) {
        char name[16];
        if (!c->unseen[k]) continue;
        snprintf(name, sizeof name, "%u", k);
        kd_bytes_format(&list, err, "%s%s %+.2f", list.size ? ", " : "", name, c->bias[k]);
        kd_put_number(&biases, name, c->bias[k]);
    }
    kd_put_text(&all, "model", q->output);
    kd_put_text(&all, "by", kd_correct_by_name(q->config->by));
    kd_put_number(&all, "used", c->used);
    kd_put_json(&all, "bias", kd_make_end(&biases));
    kd_put_text(&all, "fingerprint", c->fingerprint);
    char *json = kd_make_end_text(&all);
    int status = json && !list.failed ? 0 : -1;
    if (status == 0)
        kd_say(q->inv, "%s: bias of class %s, found by %u images of %s:%s%s",
               q->name ? q->name : q->model->path, list.data, c->used, c->images->source,
               c->images->split,
               q->config->by == KD_BY_TEST ? "; tuned on the test set, for comparison only" : "");
    if (status == 0 && strcmp(q->output, "-") != 0)
        status = q->inv->common.json ? kd_print(err, "%s\n", json) : kd_print_path(err, q->output);
    kd_bytes_release(&list);
    kd_free(json);
    return status;
}

int correction_make(struct correction *q, struct kd_err *err)
{
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    float *kept = NULL;
    struct kd_correction c = {.config = q->config,
                              .model = q->model,
                              .data = &own,
                              .name = q->name,
                              .command = q->inv->command,
                              .pool = q->inv->pool,
                              .progress = &q->inv->progress};
    int status = kd_outfile_check(q->output, err);
    if (status == 0) status = kd_model_data(q->model, &own, err);
    if (status == 0 && !(c.images = load(q, &own, err))) status = -1;
    if (status == 0) status = teacher_logits(q, c.images, &kept, &c.teacher, err);
    if (status == 0) status = kd_correct(&c, err);
    if (status == 0) status = kd_correct_write(q->output, &c, err);
    if (status == 0) status = tell(q, &c, err);
    kd_correction_release(&c);
    kd_free(kept);
    kd_opts_release(s);
    return status;
}
