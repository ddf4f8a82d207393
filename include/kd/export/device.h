/* How a network is laid out on a device without an operating system: its steps, where their tensors
 * lie in one arena, and what it costs. What kd-export --to c writes and kd-export --plan tells.
 *
 *   - A residual sum is done within the convolution before it, in place of what is added: two
 *     tensors are alive where there would be three.
 *   - Activations by themselves work in place.
 *   - The first convolution reads the image where the caller has it. */
#ifndef KD_EXPORT_DEVICE_H
#define KD_EXPORT_DEVICE_H
#include "kd/nn/integers.h"

#define KD_NO_TENSOR (~0U)
struct kd_device_step {
    const struct kd_op *op;
    unsigned op_index, add_index; /* add_index: of the sum done along, KD_NO_TENSOR: none */
    unsigned in, beside, out;     /* tensors; beside: what is added, KD_NO_TENSOR: nothing */
    bool from_image;              /* in is the caller's image */
    size_t scratch, scratch_at;   /* bytes of patches, and where in the arena */
    size_t live;                  /* bytes of the arena in use */
    bool logits;                  /* writes the caller's logits instead of out */
};
struct kd_device_plan {
    const struct kd_graph *graph;
    const struct kd_int_network *ints; /* NULL: in floats */
    struct kd_device_step *steps;
    unsigned n_steps;
    size_t *offset; /* [n_tensors] bytes in the arena */
    bool copies_image;
    size_t arena;
    size_t neighbours; /* bytes of the largest activation together with what it is made from */
    size_t weights, constants; /* bytes of weights alone; of all constants on a 32-bit processor */
    size_t code;               /* estimate for a Cortex-M4 at -Os */
    uint64_t macs;
};
/* ints NULL: the graph's float weights. Both are borrowed. */
int kd_device_plan(struct kd_device_plan *plan, const struct kd_graph *graph,
                   const struct kd_int_network *ints, struct kd_err *err);
void kd_device_plan_release(struct kd_device_plan *plan);
/* As a table for a terminal of so many columns (0: the whole), or as JSON (caller deletes; NULL
 * with err). */
int kd_device_table(const struct kd_device_plan *plan, size_t width, struct kd_bytes *out,
                    struct kd_err *err);
cJSON *kd_device_json(const struct kd_device_plan *plan, struct kd_err *err);
size_t kd_device_flash(const struct kd_device_plan *plan); /* constants and code */
#endif
