#include "kd/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

int kd_mul_size(size_t a, size_t b, size_t *product)
{
    if (b && a > SIZE_MAX / b) return -1;
    *product = a * b;
    return 0;
}

void *kd_alloc(size_t n, size_t size, const char *what, struct kd_err *err)
{
    size_t bytes;
    if (kd_mul_size(n, size, &bytes) < 0 || bytes > SIZE_MAX - ALIGN) {
        kd_fail_memory(err, "not enough memory for %s: %zu times %zu bytes", what, n, size);
        return NULL;
    }
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (!bytes) bytes = ALIGN;
    void *p = aligned_alloc(ALIGN, bytes);
    if (!p) {
        kd_fail_memory(err, "not enough memory for %s: %zu bytes needed", what, bytes);
        return NULL;
    }
    return memset(p, 0, bytes);
}

void kd_free(void *p)
{
    free(p);
}

char *kd_strdup(const char *text, struct kd_err *err)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (!copy) {
        kd_fail_memory(err, "not enough memory for a text of %zu bytes", size);
        return NULL;
    }
    return memcpy(copy, text, size);
}

char *kd_format(struct kd_err *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    else
        kd_fail_memory(err, "not enough memory for a text of %d bytes", n + 1);
    va_end(again);
    return text;
}

static size_t piece(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

void kd_slab_plan(struct kd_slab *slab, size_t bytes)
{
    /* Saturates, so that an impossible sum fails in kd_slab_open rather than wrapping round. */
    if (bytes > SIZE_MAX / 2 || slab->planned > SIZE_MAX / 2)
        slab->planned = SIZE_MAX / 2 + 1;
    else
        slab->planned += piece(bytes);
}

int kd_slab_open(struct kd_slab *slab, const char *what, struct kd_err *err)
{
    slab->taken = 0;
    slab->memory = kd_alloc(slab->planned, 1, what, err);
    return slab->memory ? 0 : -1;
}

void *kd_slab_take(struct kd_slab *slab, size_t bytes)
{
    if (!slab->memory || piece(bytes) > slab->planned - slab->taken) {
        /* More taken than planned is a mistake in this program, not in its input. */
        fprintf(stderr, "kd: internal error: a slab of %zu bytes was planned too small\n",
                slab->planned);
        abort();
    }
    void *p = slab->memory + slab->taken;
    slab->taken += piece(bytes);
    return p;
}

void kd_slab_release(struct kd_slab *slab)
{
    kd_free(slab->memory);
    *slab = (struct kd_slab){0};
}

void *kd_grow(void *items, size_t *n, size_t *room, size_t size, const char *what,
              struct kd_err *err)
{
    char **p = items;
    if (*n == *room) {
        size_t more = *room ? 2 * *room : 8;
        char *bigger = kd_alloc(more, size, what, err);
        if (!bigger) return NULL;
        if (*n) memcpy(bigger, *p, *n * size);
        kd_free(*p);
        *p = bigger;
        *room = more;
    }
    return *p + (*n)++ * size;
}

static int make_room(struct kd_bytes *b, size_t more, struct kd_err *err)
{
    if (b->failed) return -1;
    b->failed = true;
    if (more > SIZE_MAX / 4 || b->size > SIZE_MAX / 4)
        return kd_fail_memory(err, "not enough memory for %zu more bytes", more);
    size_t need = b->size + more + 1;
    b->failed = false;
    if (need <= b->room) return 0;
    size_t room = b->room * 2 > need ? b->room * 2 : need;
    char *data = realloc(b->data, room);
    b->failed = !data;
    if (!data) return kd_fail_memory(err, "not enough memory: %zu bytes needed", room);
    b->data = data;
    b->room = room;
    return 0;
}

int kd_bytes_add(struct kd_bytes *b, const void *data, size_t size, struct kd_err *err)
{
    if (make_room(b, size, err) < 0) return -1;
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = 0;
    return 0;
}

int kd_bytes_text(struct kd_bytes *b, const char *text, struct kd_err *err)
{
    return kd_bytes_add(b, text, strlen(text), err);
}

int kd_bytes_format(struct kd_bytes *b, struct kd_err *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 && !b->failed) {
        kd_fail(err, "text that cannot be formatted");
        b->failed = true;
    }
    int status = n < 0 ? -1 : make_room(b, (size_t)n, err);
    if (status == 0) {
        vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
    return status;
}

void kd_bytes_release(struct kd_bytes *b)
{
    if (b->mapped)
        b->unmap(b);
    else
        free(b->data);
    *b = (struct kd_bytes){0};
}
