#include "kd/nn/blocks.h"
#include "layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool computes(const struct kd_layer *l)
{
    return l->kind->macs || l->kind->holder;
}

static bool same(struct kd_shape a, struct kd_shape b)
{
    return a.c == b.c && a.h == b.h && a.w == b.w && a.flat == b.flat;
}

static void name_block(struct kd_block *b, const struct kd_layer *l)
{
    snprintf(b->name, sizeof b->name, "%.63s", l->name);
    b->shape = l->out;
}

unsigned kd_blocks_classifier(const struct kd_network *net)
{
    const struct kd_chain *chain = &net->chain;
    unsigned last = chain->n_layers;
    while (last > 0 && !computes(&chain->layers[last - 1])) last--;
    return last ? last - 1 : 0;
}

void kd_blocks_of(const struct kd_network *net, struct kd_blocks *out)
{
    const struct kd_chain *chain = &net->chain;
    const unsigned end = kd_blocks_classifier(net);
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < end && out->n < KD_MOST_BLOCKS; i++) {
        const struct kd_layer *l = &chain->layers[i], *next = l + 1;
        if (!computes(l)) continue;
        while (next < chain->layers + end && !computes(next) && same(next->out, l->out) &&
               next->kind != &kd_layer_dropout)
            next++;
        name_block(&out->block[out->n++], next - 1);
    }
    unsigned seen = end;
    while (seen > 0 && chain->layers[seen - 1].kind == &kd_layer_dropout) seen--;
    if (seen) name_block(&out->features, &chain->layers[seen - 1]);
}

static int by_fraction(const struct kd_blocks *blocks, double fraction, bool maps, char name[64],
                       struct kd_err *err)
{
    unsigned n = 0, wanted;
    for (unsigned i = 0; i < blocks->n; i++) n += !maps || !blocks->block[i].shape.flat;
    if (!(fraction > 0 && fraction <= 1))
        return kd_fail_usage(err,
                             "%g is no share of the depth: a number above 0, up to 1; a layer is "
                             "named as text (\"%g\")",
                             fraction, fraction);
    if (!n)
        return kd_fail_usage(err, "there is no layer with %s before the classifier",
                             maps ? "maps (channels of an image)" : "weights");
    wanted = (unsigned)ceil(fraction * n - 1e-9);
    for (unsigned i = 0; i < blocks->n; i++) {
        if (maps && blocks->block[i].shape.flat) continue;
        if (--wanted) continue;
        snprintf(name, 64, "%s", blocks->block[i].name);
        break;
    }
    return 0;
}

int kd_blocks_find(const struct kd_blocks *blocks, const cJSON *place, bool maps, char name[64],
                   struct kd_err *err)
{
    if (cJSON_IsNumber(place)) return by_fraction(blocks, place->valuedouble, maps, name, err);
    if (!cJSON_IsString(place))
        return kd_fail_usage(err, "expected a layer's name, a share of the depth from 0 to 1, "
                                  "or \"" KD_FEATURES "\"");
    const bool seen = strcmp(place->valuestring, KD_FEATURES) == 0;
    if (seen && !blocks->features.name[0])
        return kd_fail_usage(err, "there is no layer before the classifier");
    snprintf(name, 64, "%.63s", seen ? blocks->features.name : place->valuestring);
    return 0;
}

static cJSON *block_json(const struct kd_block *b, struct kd_err *err)
{
    struct kd_maker item = kd_make_list(err);
    kd_put_text(&item, NULL, b->name);
    kd_put_number(&item, NULL, b->shape.c);
    if (!b->shape.flat) kd_put_number(&item, NULL, b->shape.h);
    if (!b->shape.flat) kd_put_number(&item, NULL, b->shape.w);
    return kd_make_end(&item);
}

cJSON *kd_blocks_to_json(const struct kd_blocks *blocks, struct kd_err *err)
{
    struct kd_maker b = kd_make_object(err), list = kd_make_list(err);
    for (unsigned i = 0; i < blocks->n; i++)
        kd_put_json(&list, NULL, block_json(&blocks->block[i], err));
    kd_put_json(&b, "blocks", kd_make_end(&list));
    kd_put_json(&b, "features", block_json(&blocks->features, err));
    return kd_make_end(&b);
}

static uint32_t side(const cJSON *block, int at)
{
    const cJSON *item = cJSON_GetArrayItem(block, at);
    const double v = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return v >= 1 && v <= 1 << 24 ? (uint32_t)v : 0;
}

static bool read_block(struct kd_block *b, const cJSON *block)
{
    const cJSON *name = cJSON_GetArrayItem(block, 0);
    const bool flat = cJSON_GetArraySize(block) == 2;
    snprintf(b->name, sizeof b->name, "%.63s", cJSON_IsString(name) ? name->valuestring : "");
    b->shape = (struct kd_shape){side(block, 1), flat ? 1 : side(block, 2),
                                 flat ? 1 : side(block, 3), flat};
    if (b->name[0] && b->shape.c && b->shape.h && b->shape.w) return true;
    b->name[0] = '\0';
    return false;
}

void kd_blocks_from_json(const cJSON *json, struct kd_blocks *out)
{
    const cJSON *item;
    memset(out, 0, sizeof *out);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "blocks"))
    {
        if (out->n == KD_MOST_BLOCKS) break;
        out->n += read_block(&out->block[out->n], item);
    }
    read_block(&out->features, cJSON_GetObjectItemCaseSensitive(json, "features"));
}
