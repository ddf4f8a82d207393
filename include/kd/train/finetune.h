/* Fine-tuning: a training that starts from another model's weights, leaves some as they are, and
 * learns others at rates of their own.
 *
 *     "train": {"init": "runs/mnist/teacher/s1", "freeze": ["1.*"], "rates": {"*.bias": 2}}
 *
 * Patterns are of parameters' names ("1.weight", "4.body.0.bias"), with * for any characters and ?
 * for one. Running statistics of batchnorm are none that is learnt: no pattern means them. */
#ifndef KD_TRAIN_FINETUNE_H
#define KD_TRAIN_FINETUNE_H
#include "kd/nn/model.h"
#include "kd/train/config.h"

/* Before the network is planned: parameters that match stay as they are, and the others have their
 * factors in kd_param.rate, of several patterns that match the last one's. Refused: a pattern that
 * matches nothing, and freezing all. */
int kd_finetune_mark(struct kd_network *net, const struct kd_train_config *config,
                     struct kd_err *err);

/* Every parameter of `from` that has its name and shape in net is copied; statistics are too. none
 * is an error. `told` [KD_FINETUNE_TOLD]: how many were, and which were not. */
enum { KD_FINETUNE_TOLD = 600 };
int kd_finetune_begin(struct kd_network *net, const struct kd_model *from,
                      char told[KD_FINETUNE_TOLD], struct kd_err *err);
#endif
