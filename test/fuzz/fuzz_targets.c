/* Whatever a file of soft targets holds: no crash; what is accepted has a finite row for each
 * image. */
#include "kd/train/targets.h"
#include "memory.h"
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t pixels[4 * 4];
    static int32_t labels[] = {0, 1, 2, 0};
    static char source[] = "fuzz", split[] = "train";
    struct kd_images images = {.n = 4,
                               .c = 1,
                               .h = 2,
                               .w = 2,
                               .classes = 3,
                               .pixels = pixels,
                               .labels = labels,
                               .source = source,
                               .split = split};
    struct kd_job job = {
        .student = true, .distilled = true, .distill = {.temperature = 4, .alpha = 0.5}};
    struct kd_targets t;
    for (int force = 0; force < 2; force++) {
        struct kd_err err = {0};
        if (kd_targets_read(memory_file(data, size), &images, &job, force, &t, &err) < 0) {
            if (!err.text[0]) abort();
            continue;
        }
        if (t.n != images.n || t.views * t.classes * t.n > size) abort();
        for (size_t i = 0; i < t.views * t.n * t.classes; i++)
            if (!isfinite(t.values[i])) abort();
        kd_targets_release(&t);
    }
    return 0;
}
