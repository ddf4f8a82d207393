/* Memory: checked, 64-byte aligned, zeroed; and slabs planned once, taken from without failing.
 *
 *     struct kd_slab slab = {0};
 *     kd_slab_plan(&slab, n * sizeof(float));          // as often as needed: adds up
 *     if (kd_slab_open(&slab, "gradients", &err) < 0) ...
 *     float *g = kd_slab_take(&slab, n * sizeof(float)); // same order, same sizes: never fails
 *     kd_slab_release(&slab);
 */
#ifndef KD_BASE_MEM_H
#define KD_BASE_MEM_H
#include "kd/base/err.h"
#include <stdbool.h>
#include <stddef.h>

/* n objects of `size` bytes, zeroed, aligned to 64 bytes; NULL with err filled, the error saying
 * how many bytes of `what` were needed. n == 0 gives a valid pointer. Free with kd_free (NULL
 * allowed). */
void *kd_alloc(size_t n, size_t size, const char *what, struct kd_err *err);
void kd_free(void *p);

/* Copies owned by the caller (kd_free); NULL with err filled when there is no memory. */
char *kd_strdup(const char *text, struct kd_err *err);
char *kd_format(struct kd_err *err, const char *format, ...) KD_PRINTF(2, 3);

/* A growing array: room for one more object of `size` bytes behind *n, which is counted. `items` is
 * the address of the array's pointer; the memory moves (kd_free at the end), the new object is
 * zeroed. Returns it, or NULL with err filled and the array as before.
 *
 *     struct name *one = kd_grow(&list, &n, &room, sizeof *one, "names", err); */
void *kd_grow(void *items, size_t *n, size_t *room, size_t size, const char *what,
              struct kd_err *err);

struct kd_slab {
    char *memory;
    size_t planned, taken; /* bytes, each piece rounded up to 64 */
};
void kd_slab_plan(struct kd_slab *slab, size_t bytes);
int kd_slab_open(struct kd_slab *slab, const char *what, struct kd_err *err);
void *kd_slab_take(struct kd_slab *slab, size_t bytes);
void kd_slab_release(struct kd_slab *slab);

/* a*b into *product; -1 on overflow of size_t. */
int kd_mul_size(size_t a, size_t b, size_t *product);

/* Growing byte buffer. It remembers that it failed: what is added after that changes neither it nor
 * err, and fails too, so that a text in many parts is checked once, at its end:
 *
 *     kd_bytes_text(&b, "[", err);
 *     for (...) kd_bytes_format(&b, err, "%g,", v[i]);
 *     return kd_bytes_text(&b, "]", err); */
struct kd_bytes {
    char *data; /* owned; kd_bytes_release. Always followed by a NUL that size does not count. */
    size_t size, room;
    size_t mapped; /* 0: memory of its own; else the bytes of a mapping (kd/base/view.h) */
    void (*unmap)(struct kd_bytes *b); /* that gives it back */
    bool failed;
};
int kd_bytes_add(struct kd_bytes *b, const void *data, size_t size, struct kd_err *err);
int kd_bytes_format(struct kd_bytes *b, struct kd_err *err, const char *format, ...)
    KD_PRINTF(3, 4);
int kd_bytes_text(struct kd_bytes *b, const char *text, struct kd_err *err);
void kd_bytes_release(struct kd_bytes *b);

#endif
