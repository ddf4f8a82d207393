/* A model: a network with its values and the normalization its input wants, as one safetensors
 * file.
 *
 * Parameters are named as PyTorch's nn.Sequential would name them. Metadata: kd.kind = "model",
 * kd.format, kd.version, kd.network, kd.normalize, kd.fingerprint, and what the writer adds
 * (kd.config, kd.command, kd.metrics, kd.data, kd.parents). A checkpoint is a model file with
 * further tensors named kd.state.*; reading it as a model passes over them. */
#ifndef KD_NN_MODEL_H
#define KD_NN_MODEL_H
#include "kd/base/hash.h"
#include "kd/base/tensorfile.h"
#include "kd/data/batch.h"
#include "kd/nn/network.h"

#define KD_FORMAT "1" /* of the files written; readers refuse a higher one */
int kd_format_check(const struct kd_tensorfile *file,
                    struct kd_err *err); /* kd.format, where there is one */

struct kd_model {
    char *path; /* of the file */
    struct kd_network *net;
    struct kd_normalize normalize;
    cJSON *metadata; /* flat object of strings */
    struct {
        bool bytes;  /* it learnt from bytes, which count as 0 to 1 */
        double high; /* the largest number that it learnt from; 0: older models do not tell */
    } pixels;        /* kd.pixels */
    char fingerprint[KD_FINGERPRINT];
};

/* A folder stands for the model.safetensors in it, or else its checkpoint.safetensors. Refused:
 * other kinds of file, missing or surplus tensors, shapes that differ from kd.network's, values
 * that are not finite (which tensor, which element). */
int kd_model_read(const char *path, struct kd_model *out, struct kd_err *err);
int kd_model_from_file(const struct kd_tensorfile *file, const char *path, struct kd_model *out,
                       struct kd_err *err);
void kd_model_release(struct kd_model *model);

/* Add parameters and the metadata of every model to a file being built. The values are borrowed
 * until it is written. */
int kd_model_to_file(const struct kd_network *net, const struct kd_normalize *normalize,
                     struct kd_tensorfile *file, struct kd_err *err);
int kd_model_fingerprint(const struct kd_network *net, const struct kd_normalize *normalize,
                         char out[KD_FINGERPRINT], struct kd_err *err);
#endif
