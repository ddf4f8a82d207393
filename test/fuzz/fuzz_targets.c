/* Whatever a file of soft targets holds: no crash; what is accepted has a finite row for each
 * image. */
#include "kd/train/targets.h"
#include "memory.h"
#include <math.h>
#include <stdlib.h>

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
        if (t.n != images.n || !kd_targets_stored(&t)) abort();
        if (t.values && t.views * t.classes * t.n > size) abort();
        float *z = t.classes < 100 ? malloc(t.n * t.classes * sizeof *z) : NULL;
        for (size_t v = 0; z && v < t.views; v++) {
            kd_targets_fill(&t, v, NULL, t.n, 0.01, z);
            for (size_t i = 0; i < t.n * t.classes; i++)
                if (!isfinite(z[i])) abort();
        }
        free(z);
        kd_targets_release(&t);
    }
    return 0;
}
