#define XXH_INLINE_ALL
#include "kd/base/hash.h"

#include <xxhash.h>

static void to_hex(XXH128_hash_t value, char out[KD_FINGERPRINT])
{
    static const char digit[] = "0123456789abcdef";
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, value);
    for (int i = 0; i < 16; i++) {
        out[2 * i] = digit[bytes.digest[i] >> 4];
        out[2 * i + 1] = digit[bytes.digest[i] & 15];
    }
    out[32] = 0;
}

struct kd_hash *kd_hash_new(struct kd_err *err)
{
    /* xxHash wants its state aligned to 64 bytes, and its type is opaque: both are made by it. */
    XXH3_state_t *state = XXH3_createState();
    if (!state || XXH3_128bits_reset(state) != XXH_OK) {
        XXH3_freeState(state);
        kd_fail_memory(err, "not enough memory for a fingerprint");
        return NULL;
    }
    return (struct kd_hash *)state;
}

void kd_hash_add(struct kd_hash *h, const void *data, size_t size)
{
    if (size) XXH3_128bits_update((XXH3_state_t *)h, data, size);
}

void kd_hash_add_u32(struct kd_hash *h, uint32_t v)
{
    unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 24)};
    kd_hash_add(h, b, sizeof b);
}

void kd_hash_end(struct kd_hash *h, char out[KD_FINGERPRINT])
{
    if (!h) return;
    to_hex(XXH3_128bits_digest((XXH3_state_t *)h), out);
    XXH3_freeState((XXH3_state_t *)h);
}

void kd_fingerprint(const void *data, size_t size, char out[KD_FINGERPRINT])
{
    to_hex(XXH3_128bits(data, size), out);
}

uint64_t kd_hash_block(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}
