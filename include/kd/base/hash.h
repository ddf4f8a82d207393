/* Fingerprints: XXH3-128 as 32 hexadecimal digits (xxHash, canonical order). They tell that two
 * things are the same, not that nobody forged them. */
#ifndef KD_BASE_HASH_H
#define KD_BASE_HASH_H
#include "kd/base/err.h"
#include <stddef.h>
#include <stdint.h>

#define KD_FINGERPRINT 33 /* characters, NUL included */

struct kd_hash; /* streaming state */
struct kd_hash *kd_hash_new(struct kd_err *err);
void kd_hash_add(struct kd_hash *h, const void *data, size_t size);
void kd_hash_add_u32(struct kd_hash *h, uint32_t v);           /* little-endian */
void kd_hash_end(struct kd_hash *h, char out[KD_FINGERPRINT]); /* also frees h */

/* 64 bits, to tell blocks of bytes apart within a process. */
uint64_t kd_hash_block(const void *data, size_t size);
void kd_fingerprint(const void *data, size_t size, char out[KD_FINGERPRINT]);
#endif
