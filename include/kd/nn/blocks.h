/* A network as blocks, by which a place in it can be told without knowing its layers: a layer that
 * computes (convolution, dense, residual), with what follows it at the same shape (batchnorm, relu)
 * and short of dropout. The last layer that computes is the classifier, and no block.
 *
 *     conv2d batchnorm relu | maxpool | residual relu | global_avgpool flatten | dense
 *     `- a block ---------'             `- a block -'                    ^       classifier
 *                                                                    features
 *
 * Fraction f of the depth of n blocks is the end of block ceil(f n); "features" is what the
 * classifier sees. Among maps alone, blocks with flat outputs are not counted. */
#ifndef KD_NN_BLOCKS_H
#define KD_NN_BLOCKS_H
#include "kd/base/json.h"
#include "kd/nn/network.h"

#define KD_FEATURES "features"
enum { KD_MOST_BLOCKS = 512 }; /* those behind are not counted */
struct kd_block {
    char name[64]; /* of the layer whose output it is */
    struct kd_shape shape;
};
struct kd_blocks {
    struct kd_block block[KD_MOST_BLOCKS], features;
    unsigned n;
};
/* The place of the classifier among the network's layers; 0 where nothing computes. */
unsigned kd_blocks_classifier(const struct kd_network *net);
/* features.name is "" where the classifier is the first layer. */
void kd_blocks_of(const struct kd_network *net, struct kd_blocks *out);
/* The layer that `place` names: a fraction of the depth (a number above 0, up to 1), "features", or
 * a layer by its name, which is not looked up. Usage error: no such fraction, no block of maps. */
int kd_blocks_find(const struct kd_blocks *blocks, const cJSON *place, bool maps, char name[64],
                   struct kd_err *err);
/* {"blocks": [[NAME, C, H, W], ...], "features": [NAME, F]}, flat ones as [NAME, F], and back; what
 * is not understood is no block. */
cJSON *kd_blocks_to_json(const struct kd_blocks *blocks, struct kd_err *err);
void kd_blocks_from_json(const cJSON *json, struct kd_blocks *out);
#endif
