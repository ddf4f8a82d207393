/* What the parts of the C export share: where the text goes, and how each part is written. A
 * failure is kept in status; after it nothing is written. Private to lib/export. */
#ifndef KD_EXPORT_C_WRITER_H
#define KD_EXPORT_C_WRITER_H
#include "kd/export/c.h"

enum { KD_C_NAME = 60 }; /* characters of its name, at most */
struct kd_c_writer {
    const struct kd_device_plan *plan;
    const struct kd_export_c *how;
    char upper[KD_C_NAME + 1];
    bool conv, depthwise, maxpool, avgpool, add, addition, image, copy, reorder, table, limit,
        leaky, hardswish, gelu, tanh;
    struct kd_bytes *out;
    struct kd_err *err;
    int status; /* of all writes so far */
};

/* writer.c */
void kd_c_put(struct kd_c_writer *w, const char *format, ...) KD_PRINTF(2, 3);

/* templates.c: which kernels the network needs (conv, depthwise, ... of the writer), and their code
 */
void kd_c_find_needs(struct kd_c_writer *w);
void kd_c_kernels(struct kd_c_writer *w);

/* constants.c: constant arrays, and what names them */
void kd_c_layer(struct kd_c_writer *w, const char *what, const char *layer);
void kd_c_float(struct kd_c_writer *w, float v);
const struct kd_int_tensor *kd_c_tensor(const struct kd_c_writer *w, unsigned t);
unsigned kd_c_activation(enum kd_act act);
void kd_c_constants(struct kd_c_writer *w);

/* pixels.c: how pixels come in */
void kd_c_pixels(struct kd_c_writer *w);

/* calls.c: the calls of the kernels, in the function that predicts */
void kd_c_signature(struct kd_c_writer *w);
void kd_c_predict(struct kd_c_writer *w);

/* selftest.c: main() */
void kd_c_selftest(struct kd_c_writer *w);
#endif
