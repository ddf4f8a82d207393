/* What the readers and writers of tensor files share. */
#ifndef KD_BASE_TENSOR_PARTS_H
#define KD_BASE_TENSOR_PARTS_H
#include "kd/base/hash.h"
#include "kd/base/tensorfile.h"

/* Keys of the metadata. */
#define KD_CHECKSUMS       "kd.checksums"
#define KD_HEADER_CHECKSUM "kd.header_checksum"

/* The metadata's items by key; caller frees the list. */
const cJSON **kd_metadata_sorted(const cJSON *metadata, size_t *n, struct kd_err *err);
/* Over metadata (its own key left out) and the tensors' names, types and shapes; `named` is sorted
 * by name. */
int kd_header_checksum(const cJSON *metadata, const struct kd_tensor *const *named, size_t tensors,
                       char out[KD_FINGERPRINT], struct kd_err *err);
/* Both checksums of a file that was read, its tensors sorted by name; absent ones are not missed.
 */
int kd_checksums_compare(const struct kd_tensorfile *f, const char *name, struct kd_err *err);

/* Elements and bytes of a shape; -1 where they do not fit a size_t. */
int kd_tensor_extent(const size_t *shape, unsigned dims, enum kd_dtype dtype, size_t *count,
                     size_t *bytes);

/* A further tensor, named and otherwise zero; NULL with err filled. Valid until the next is added.
 */
struct kd_tensor *kd_tensorfile_more(struct kd_tensorfile *f, const char *name, struct kd_err *err);

/* Move what stands from byte *start on down to a multiple of 8, since headers end anywhere. */
void kd_bytes_settle(struct kd_bytes *b, size_t *start);

/* "-" as messages call it */
const char *kd_input_name(const char *path);
size_t kd_limit_of(const struct kd_tensorfile_limits *limits);
/* May a file that starts so (n >= KD_FILE_START) be .safetensors or .npy? */
bool kd_tensor_start(const void *start, size_t n);
#endif
