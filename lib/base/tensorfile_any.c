/* A tensor file of either kind, told apart by its first bytes. */
#include "kd/base/view.h"
#include "tensor_parts.h"

#include <string.h>

int kd_tensorfile_read_any(const char *path, const struct kd_tensorfile_limits *limits,
                           struct kd_tensorfile *out, struct kd_err *err)
{
    struct kd_bytes bytes;
    *out = (struct kd_tensorfile){0};
    if (kd_file_view(path, kd_limit_of(limits), kd_tensor_start, &bytes, err) < 0) return -1;
    if (bytes.size >= 6 && memcmp(bytes.data, "\x93NUMPY", 6) == 0)
        return kd_npy_parse(&bytes, kd_input_name(path), out, err);
    return kd_tensorfile_parse(&bytes, kd_input_name(path), limits, out, err);
}
