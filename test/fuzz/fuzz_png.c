/* Whatever the bytes: no crash, no memory beyond the limit; what is decoded survives being encoded.
 */
#include "kd/data/picture.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t limit = 1 << 20;
    struct kd_err err = {0};
    struct kd_picture p, again;
    struct kd_bytes bytes = {0};
    if (kd_picture_decode(data, size, "fuzz", limit, &p, &err) < 0) {
        if (p.pixels || !err.text[0]) abort();
        return 0;
    }
    const size_t n = (size_t)p.h * p.w * p.c;
    if (n == 0 || n > limit || kd_picture_encode(&p, &bytes, &err) < 0) abort();
    if (kd_picture_decode(bytes.data, bytes.size, "again", limit, &again, &err) < 0) abort();
    if (again.h != p.h || again.w != p.w || again.c != p.c ||
        memcmp(again.pixels, p.pixels, n) != 0)
        abort();
    kd_picture_release(&p);
    kd_picture_release(&again);
    kd_bytes_release(&bytes);
    return 0;
}
