/* A model of kd from the parameters of another framework: the state_dict of a PyTorch network whose
 * parameters are named as kd's own network names them ("0.weight", "4.body.0.bias").
 *
 * What wrappers put before every name ("module.", "_orig_mod.") is left out, num_batches_tracked is
 * passed over, and TensorFlow's names of batch norm (gamma, beta, moving_mean, moving_variance) are
 * translated. Missing and surplus tensors are listed in the error. */
#ifndef KD_EXPORT_STATE_DICT_H
#define KD_EXPORT_STATE_DICT_H
#include "kd/nn/model.h"

/* `network`: {"input","classes","layers"}; `normalize`: as kd.normalize; `path` for messages. */
int kd_state_dict_import(const struct kd_tensorfile *file, const char *path, const cJSON *network,
                         const cJSON *normalize, struct kd_model *out, struct kd_err *err);
#endif
