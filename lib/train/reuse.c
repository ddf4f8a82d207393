#include "kd/train/reuse.h"
#include "kd/train/taps.h"
#include "loss/kind.h"

static int take_head(struct kd_reuse *r, const struct kd_targets *targets, struct kd_err *err)
{
    const struct kd_teachers *t = &targets->teachers;
    if (t->n == 0) {
        r->blocks = targets->features.blocks;
        r->head = targets->features.head ? kd_head_of(targets->features.head, NULL, err) : NULL;
        if (r->head || targets->features.head) return r->head ? 0 : -1;
        return kd_fail_usage(err, "the soft targets hold no classifier; store \"features\" with "
                                  "kd-soften, or give the teacher itself (--teacher MODEL)");
    }
    kd_blocks_of(t->models[0].net, &r->blocks);
    r->head = kd_head_of(t->models[0].net, t->order ? t->order[0] : NULL, err);
    return r->head ? 0 : kd_err_context(err, "%s", t->models[0].path);
}

static int take(struct kd_reuse *r, const struct kd_loss_term *term,
                const struct kd_targets *targets, struct kd_err *err)
{
    const struct kd_loss_reuse *params = term->params;
    const char *kind = term->kind->name;
    if (r->head)
        return kd_fail_usage(err, "distill.loss: a student has one classifier; name %s once", kind);
    if (params->projector && !cJSON_IsArray(params->projector))
        return kd_fail_usage(err, "distill.loss %s: projector: expected a list of layers", kind);
    if (kd_taps_check(term, targets, err) < 0) return -1;
    if (take_head(r, targets, err) < 0) return kd_err_context(err, "distill.loss %s", kind);
    if (!params->projector) return 0;
    r->projector = cJSON_Duplicate(params->projector, true);
    return r->projector ? 0 : kd_fail_memory(err, "not enough memory for a projector");
}

int kd_reuse_open(struct kd_reuse *r, const struct kd_distill_config *distill,
                  const struct kd_targets *targets, struct kd_err *err)
{
    struct kd_loss loss;
    *r = (struct kd_reuse){0};
    if (!targets) return 0;
    int status = kd_loss_init(&loss, distill, 0, err);
    if (status < 0) return -1;
    for (unsigned i = 0; i < loss.n && status == 0; i++) {
        const struct kd_loss_features *features = loss.term[i].kind->features;
        if (features && features->reuses) status = take(r, &loss.term[i], targets, err);
    }
    kd_loss_release(&loss);
    return status;
}

/* A projector of one's own may give anything. */
static int check_width(const struct kd_reuse *r, const struct kd_network *net, struct kd_err *err)
{
    const struct kd_layer *classifier = &net->chain.layers[kd_blocks_classifier(net)];
    if (classifier->in.c == r->head->input.c) return 0;
    return kd_fail_usage(err,
                         "distill.loss: projector: the teacher's classifier sees %u features, and "
                         "these layers make %u",
                         r->head->input.c, classifier->in.c);
}

struct kd_network *kd_reuse_graft(const struct kd_reuse *r, struct kd_network *net,
                                  struct kd_err *err)
{
    if (!r->head) return net;
    const struct kd_graft graft = {r->head, &r->blocks, r->projector};
    cJSON *layers = kd_head_graft(net, &graft, err);
    struct kd_network *grafted =
        layers ? kd_network_build(layers, net->input, net->classes, err) : NULL;
    if (!grafted) kd_err_context(err, "the student with its teacher's classifier");
    cJSON_Delete(layers);
    kd_network_free(net);
    if (grafted && check_width(r, grafted, err) < 0) {
        kd_network_free(grafted);
        grafted = NULL;
    }
    return grafted;
}

void kd_reuse_copy(const struct kd_reuse *r, struct kd_network *net)
{
    if (r->head) kd_head_copy(net, r->head);
}

void kd_reuse_release(struct kd_reuse *r)
{
    kd_network_free(r->head);
    cJSON_Delete(r->projector);
    *r = (struct kd_reuse){0};
}
