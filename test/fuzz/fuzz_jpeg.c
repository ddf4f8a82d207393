/* Whatever the bytes of a JPEG (or PNG) file: no crash, no memory beyond the limit; the header says
 * what the pixels are; what is decoded can be resized in every way. */
#include "kd/data/resize.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kd_picture_options options = {.limit = 1 << 20, .flatten = size & 1};
    struct kd_err err = {0};
    struct kd_picture p, head, small;
    const int shaped = kd_picture_shape(data, size, "fuzz", &head, &err);
    if (kd_picture_read(data, size, "fuzz", &options, &p, &err) < 0) {
        if (p.pixels || !err.text[0]) abort();
        return 0;
    }
    if (shaped != 0 || head.h != p.h || head.w != p.w || head.c != p.c) abort();
    for (int fit = 0; fit < 3; fit++) {
        const struct kd_resize how = {.h = 7, .w = 12, .fit = fit, .filter = (int)(size & 1)};
        if (kd_picture_resize(&p, &how, &small, &err) < 0) abort();
        kd_picture_release(&small);
    }
    kd_picture_release(&p);
    return 0;
}
