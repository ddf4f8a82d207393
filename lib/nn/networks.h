/* Networks known by name. Private to nn/. */
#ifndef KD_LIB_NN_NETWORKS_H
#define KD_LIB_NN_NETWORKS_H
#include "kd/base/json.h"
#include "kd/base/mem.h"

/* The layer list of a network as JSON text; pieces are separated where that is needed. */
struct kd_writing {
    struct kd_bytes text;
    struct kd_err *err; /* the first failure, as of kd_bytes */
};
void kd_write(struct kd_writing *w, const char *format, ...) KD_PRINTF(2, 3);

/* Kernel 0: 3, with padding 1; a kernel of 1 has none. Stride and groups 0: 1. */
struct kd_write_conv {
    int filters, kernel, stride, groups;
    bool bias;
};
void kd_write_conv(struct kd_writing *w, struct kd_write_conv c);
/* The same with batchnorm behind it, and `activation` where that is not NULL. */
void kd_write_block(struct kd_writing *w, struct kd_write_conv c, const char *activation);
void kd_write_open(struct kd_writing *w, const char *text); /* "{..[": what follows is inside */
void kd_write_close(struct kd_writing *w, const char *text);

/* The list with each repeat in it written out, in the lists that layers hold too; caller deletes.
 */
cJSON *kd_layers_unroll(const cJSON *list, struct kd_err *err);

/* A network, or a family whose name goes on with a number ("mobilenet_v2-0.5"). */
struct kd_named_network {
    const char *name, *about; /* about: one line of `--network ?`, with its paper */
    void (*write)(struct kd_writing *w, const int *v);
    int v[6];       /* what write makes of it */
    bool any_width; /* NAME-0.5 is known too: v[0] in thousandths */
};
/* Each list ends with a name of NULL. */
extern const struct kd_named_network kd_networks_plain[], kd_networks_vgg[], kd_networks_resnet[],
    kd_networks_small[];
/* *known is false where there is no such network; NULL with err where the name is not right. */
cJSON *kd_network_named(const char *name, bool *known, struct kd_err *err);
const char *kd_network_near(const char *name); /* "did you mean"; NULL: none is near */
/* The networks one after another: *list and *at begin at 0; NULL behind the last. */
const struct kd_named_network *kd_named_each(unsigned *list, unsigned *at);
#endif
