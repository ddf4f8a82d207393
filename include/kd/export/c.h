/* A network as one C99 file and a header: no allocation, no library but <stdint.h> and <string.h>
 * (and <math.h> for tanh and gelu in floats), no floating point for integer models. */
#ifndef KD_EXPORT_C_H
#define KD_EXPORT_C_H
#include "kd/data/batch.h"
#include "kd/export/device.h"

enum { KD_EXPORT_SAMPLES = 8 };
struct kd_export_c {
    const char *name;         /* of functions: an identifier of C in lower case */
    const char *provenance;   /* lines for the comment at the top, each ended by \n */
    const cJSON *class_names; /* a list, or NULL */
    const struct kd_normalize *normalize;
    bool interleaved;  /* pixels are [h][w][c], else [c][h][w] */
    bool caller_arena; /* predict takes the arena as a third argument */
    /* For NAME_SELFTEST: images [8][c][h][w], and their logits (integers, or floats). */
    const uint8_t *samples;
    const int32_t *sample_logits;
    const float *sample_floats;
};
int kd_export_c(const struct kd_device_plan *plan, const struct kd_export_c *how,
                struct kd_bytes *source, struct kd_bytes *header, struct kd_err *err);
/* Is it a name that can be put before _predict? */
bool kd_export_c_name_is_good(const char *name);
#endif
