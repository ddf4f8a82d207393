/* Whatever the bytes, in both layouts: no crash; what is accepted has labels in range and its
 * pixels. */
#include "../../lib/data/formats.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(const uint8_t *data, size_t size, size_t skip, uint32_t classes)
{
    const size_t record = skip + 1 + 3072, n = size / record;
    struct kd_err err = {0};
    uint8_t *pixels = malloc(n * 3072 + 1);
    int32_t *labels = malloc(n * sizeof *labels + 1);
    if (!pixels || !labels) abort();
    const struct kd_bytes file = {.data = (char *)(uintptr_t)data, .size = size};
    struct kd_images out = {.pixels = pixels, .labels = labels, .classes = classes};
    if (kd_cifar_parse(&file, "fuzz", skip, &out, 0, &err) == 0) {
        if (n * record != size) abort();
        for (size_t i = 0; i < n; i++) {
            const uint8_t *from = data + i * record + skip;
            if (labels[i] != from[0] || labels[i] >= (int32_t)classes) abort();
            if (memcmp(pixels + i * 3072, from + 1, 3072) != 0) abort();
        }
    } else if (!err.text[0]) {
        abort();
    }
    free(pixels);
    free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    one(data, size, 0, 10);
    one(data, size, 1, 100);
    return 0;
}
