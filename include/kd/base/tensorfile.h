/* Named tensors in one file: safetensors (https://huggingface.co/docs/safetensors), and NumPy's
 * own .npy.
 *
 * safetensors: u64 little-endian header length, JSON header, raw little-endian data. The header is
 * treated as hostile: its length, and every offset, overlap, hole, overflow, dtype, shape and
 * duplicate key are checked against the file's real size before anything is allocated for them.
 *
 *     struct kd_tensorfile f;
 *     if (kd_tensorfile_read("m.safetensors", NULL, &f, &err) < 0) ...
 *     const struct kd_tensor *w = kd_tensorfile_find(&f, "1.weight");   // points into f
 *     kd_tensorfile_release(&f);
 */
#ifndef KD_BASE_TENSORFILE_H
#define KD_BASE_TENSORFILE_H
#include "kd/base/json.h"
#include "kd/base/mem.h"

enum kd_dtype {
    KD_F32,
    KD_F16,
    KD_U8,
    KD_I32,
    KD_I64,
    KD_I8,
    KD_BOOL,
    KD_I16,
    KD_U16,
    KD_U32,
    KD_U64,
    KD_BF16,
    KD_F64,
    KD_F8_E4M3,
    KD_F8_E5M2,
    KD_DTYPES
};
size_t kd_dtype_size(enum kd_dtype d);      /* bytes of one element */
const char *kd_dtype_name(enum kd_dtype d); /* "F32", as safetensors has it */

#define KD_MAX_DIMS 8
struct kd_tensor {
    char *name; /* owned by the file */
    enum kd_dtype dtype;
    unsigned dims;
    size_t shape[KD_MAX_DIMS];
    size_t count; /* elements */
    void *data;   /* row-major; not owned where `borrowed`. Aligned to 8 or better, in a view to
                     elements */
    bool borrowed;
};

struct kd_tensorfile {
    struct kd_tensor *tensors;
    size_t n, room;
    bool sorted;           /* by name, as in a file that was read: one is found by halving */
    cJSON *metadata;       /* flat object of strings; never NULL after a read or an init */
    struct kd_bytes bytes; /* what the tensors of a file that was read point into */
};

struct kd_tensorfile_limits {
    size_t bytes;   /* largest file accepted; 0: kd_read_limit() */
    bool no_verify; /* skip comparing kd.checksums */
};

/* Whether checksums are compared at all in this process (--no-verify); they are until this is
 * called. */
void kd_tensorfile_verify(bool yes);

/* "-" reads standard input. A stream cut short is told with bytes expected and received.
 * If metadata has kd.checksums ({"name": "XXH3-128 hex"} as JSON text) every tensor listed is
 * compared. */
int kd_tensorfile_read(const char *path, const struct kd_tensorfile_limits *limits,
                       struct kd_tensorfile *out, struct kd_err *err);
/* The same, but a .npy file (told by its first bytes, so also on a pipe) is taken too. */
int kd_tensorfile_read_any(const char *path, const struct kd_tensorfile_limits *limits,
                           struct kd_tensorfile *out, struct kd_err *err);
/* The same from memory; `name` for messages; takes ownership of bytes (also on failure). */
int kd_tensorfile_parse(struct kd_bytes *bytes, const char *name,
                        const struct kd_tensorfile_limits *limits, struct kd_tensorfile *out,
                        struct kd_err *err);
const struct kd_tensor *kd_tensorfile_find(const struct kd_tensorfile *f, const char *name);
const char *kd_tensorfile_meta(const struct kd_tensorfile *f, const char *key); /* or NULL */

/* What a tensor to write is made of. */
struct kd_array {
    enum kd_dtype dtype;
    unsigned dims;
    const size_t *shape; /* [dims] */
    const void *data;    /* row-major */
};

/* Building a file to write: init, then add (the data is borrowed: it must live until the write). */
int kd_tensorfile_init(struct kd_tensorfile *f, struct kd_err *err);
int kd_tensorfile_add(struct kd_tensorfile *f, const char *name, struct kd_array array,
                      struct kd_err *err);
int kd_tensorfile_set(struct kd_tensorfile *f, const char *key, const char *text,
                      struct kd_err *err);
/* The text of a value that was just made, and is deleted; NULL: making it failed. */
int kd_tensorfile_set_json(struct kd_tensorfile *f, const char *key, cJSON *made,
                           struct kd_err *err);
/* Tensors are written wide elements first, so that each is aligned to its own, and by name among
 * equals; header padded with spaces to 8 bytes, kd.checksums added; same content, same bytes.
 * Atomic; "-" writes to standard output. */
int kd_tensorfile_write(const char *path, const struct kd_tensorfile *f, struct kd_err *err);
void kd_tensorfile_release(struct kd_tensorfile *f);

/* Whether kd_tensorfile_write leaves a file alone that is there and was made otherwise (programs
 * with --overwrite, where it is not given); it does not until this is called. The same content by
 * another command or version is the same. */
void kd_tensorfile_spare(bool yes);
/* The question alone: is there a file that is to be left alone? An error says what is different
 * about it. Also for a file that has no tensors yet: then for its metadata (and the error says
 * what), before long work. */
int kd_tensorfile_spared(const char *path, const struct kd_tensorfile *f, struct kd_err *err);
/* "PATH: is there and was made otherwise: WHY; --overwrite replaces it, another -o keeps both";
 * returns -1. */
int kd_fail_spared(struct kd_err *err, const char *path, const char *why);

/* NumPy .npy, versions 1 to 3: floats (64 bits are rounded to F32), whole numbers and booleans, of
 * either byte order, in C or Fortran order. One tensor named "". Same limits as above. */
int kd_npy_read(const char *path, const struct kd_tensorfile_limits *limits,
                struct kd_tensorfile *out, struct kd_err *err);
int kd_npy_parse(struct kd_bytes *bytes, const char *name, struct kd_tensorfile *out,
                 struct kd_err *err);
int kd_npy_write(const char *path, const struct kd_tensor *t, struct kd_err *err);

/* IEEE 754 binary16, round to nearest even. */
float kd_half_to_float(uint16_t h);
uint16_t kd_float_to_half(float f);
/* Elements of a tensor of floats (F32, F16, BF16, F64) as float, count of them; an F64 too large
 * for that is an error. */
int kd_tensor_to_float(const struct kd_tensor *t, float *out, struct kd_err *err);

/* Element i of a tensor of whole numbers, booleans, or floats that are whole. -1: it is none, or
 * beyond int64_t; `what` it then is stands in err. */
int kd_tensor_whole(const struct kd_tensor *t, size_t i, int64_t *out, struct kd_err *err);

#endif
