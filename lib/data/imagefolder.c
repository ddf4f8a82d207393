/* images:DIR. Four steps: the folder is listed (folder.c); where a cache knows these very files,
 * that is all (picture_cache.c); else headers tell which files are pictures and what shape they
 * have, and all are decoded by all workers into the one array. */
#include "folder.h"
#include "kd/base/file.h"
#include "kd/data/resize.h"
#include "picture_cache.h"
#include "picture_parts.h"
#include "sources.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HEAD = 4096, AT_ONCE = 16, PARTS = 64, NAMED = 10 };
/* Pixels of one picture, before it is made smaller: what a camera takes, and no bomb. */
#define PICTURE_LIMIT ((size_t)3 << 28)

enum state { PICTURE, UNSURE, OTHER, BROKEN };
struct item {
    uint32_t h, w, c;
    enum state state;
};

struct work {
    const struct kd_load *load;
    const struct kd_folder *folder;
    struct item *items; /* [folder->n] */
    struct kd_images *images;
    struct kd_picture_options options;
    struct kd_resize resize;
    bool resizes;
    uint32_t from;        /* first file of this round */
    const uint32_t *kept; /* places of pictures among the files; NULL while headers are read */
    uint32_t n;           /* files, or pictures */
    struct kd_picture_loss *loss; /* [n] of pictures */
    bool *failed;                 /* [n] of pictures */
};

/* ---- in parallel ---- */

static void run_parts(struct work *w, void (*part)(void *, unsigned), struct kd_err *err,
                      int *status)
{
    *status = 0;
    for (w->from = 0; w->from < w->n && *status == 0; w->from += AT_ONCE * PARTS) {
        const uint32_t left = w->n - w->from;
        const unsigned parts =
            left < AT_ONCE * PARTS ? (left + AT_ONCE - 1) / AT_ONCE : (unsigned)PARTS;
        kd_pool_run(w->load->pool, parts, part, w);
        if (w->kept)
            kd_progress_tick(w->load->progress,
                             w->from + (left < AT_ONCE * PARTS ? left : AT_ONCE * PARTS), w->n,
                             "images", w->load->place);
        *status = kd_progress_go_on(w->load->progress, err);
    }
}

/* ---- headers ---- */

/* 0, or -1 with the reason why it is no picture. */
static int head_read(const char *path, struct item *item, struct kd_err *err)
{
    unsigned char head[HEAD];
    struct kd_picture p;
    struct kd_bytes all = {0};
    size_t n;
    if (kd_file_start(path, head, sizeof head, &n, err) < 0) return -1;
    int status = kd_picture_shape(head, n, path, &p, err);
    if (status > 0 && n == sizeof head) { /* behind a preview, or a profile of colours */
        if (kd_file_read(path, kd_read_limit(), &all, err) < 0) return -1;
        status = kd_picture_shape(all.data, all.size, path, &p, err);
        kd_bytes_release(&all);
    }
    if (status > 0)
        return kd_fail(err, "%s: truncated: a PNG or JPEG file whose header is not whole", path);
    struct stat st;
    if (status == 0 && stat(path, &st) == 0 && (uint64_t)st.st_size < p.least)
        return kd_fail(err, "%s: %u by %u pixels cannot be in a file of %lld bytes", path, p.w, p.h,
                       (long long)st.st_size);
    if (status == 0 && (uint64_t)p.h * p.w > PICTURE_LIMIT / p.c)
        return kd_fail(err, "%s: %u by %u pixels are more than the %zu bytes that a picture may be",
                       path, p.w, p.h, PICTURE_LIMIT);
    item->h = p.h;
    item->w = p.w;
    item->c = p.c;
    return status;
}

static void heads_part(void *arg, unsigned part)
{
    struct work *w = arg;
    const uint32_t from = w->from + part * AT_ONCE;
    for (uint32_t i = from; i < from + AT_ONCE && i < w->n; i++) {
        struct kd_err ignored = {0};
        if (head_read(w->folder->files[i].path, &w->items[i], &ignored) < 0)
            w->items[i].state = UNSURE;
    }
}

/* What could not be read is read again by this thread, so that the messages come in order and a
 * failure that has passed does no harm; and judged. `why` is of a broken one. */
static enum state judge(const char *path, struct item *item, struct kd_err *why)
{
    struct kd_err ignored;
    bool is = false;
    if (head_read(path, item, why) == 0) return PICTURE;
    if (kd_picture_is_file(path, &is, &ignored) < 0) return BROKEN;
    return is || kd_picture_is_named(path) ? BROKEN : OTHER;
}

static int broken_refuse(const char *place, size_t n, const struct kd_bytes *list,
                         struct kd_err *err)
{
    if (n == 1)
        return kd_fail(err, "%s (--skip-broken passes over such)", list->data ? list->data : place);
    return kd_fail(err, "%s: %zu pictures cannot be read (--skip-broken passes over them): %s",
                   place, n, list->data ? list->data : "");
}

static int heads_judge(struct work *w, struct kd_err *err)
{
    size_t broken = 0;
    struct kd_bytes list = {0};
    for (uint32_t i = 0; i < w->n; i++) {
        struct kd_err why = {0}, ignored;
        if (w->items[i].state == UNSURE)
            w->items[i].state = judge(w->folder->files[i].path, &w->items[i], &why);
        if (w->items[i].state == BROKEN && broken++ < NAMED)
            kd_bytes_format(&list, &ignored, "%s%.200s", broken > 1 ? "; " : "", why.text);
    }
    int status = 0;
    if (broken && !w->load->input->skip_broken)
        status = broken_refuse(w->load->place, broken, &list, err);
    kd_bytes_release(&list);
    return status;
}

/* ---- one shape ---- */

static int by_side(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* A size that the shorter sides of half the pictures reach. */
static uint32_t proposal(const struct work *w)
{
    static const uint32_t usual[] = {224, 128, 96, 64, 48, 32, 28, 16};
    struct kd_err ignored;
    uint32_t *sides = kd_alloc(w->n, sizeof *sides, "sizes", &ignored), middle;
    if (!sides) return 64;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct item *t = &w->items[w->kept[i]];
        sides[i] = t->h < t->w ? t->h : t->w;
    }
    qsort(sides, w->n, sizeof *sides, by_side);
    middle = sides[w->n / 2];
    kd_free(sides);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (usual[i] <= middle) return usual[i];
    return 16;
}

static int one_size_check(const struct work *w, struct kd_err *err)
{
    const struct item *first = &w->items[w->kept[0]];
    for (uint32_t i = 1; i < w->n; i++) {
        const struct item *t = &w->items[w->kept[i]];
        if (t->h == first->h && t->w == first->w) continue;
        const unsigned side = proposal(w);
        return kd_fail_usage(err,
                             "%s: %ux%u, but %s is %ux%u; all pictures must have one size: give "
                             "--size %u (data.size), or another, to have them resized",
                             w->folder->files[w->kept[i]].path, t->w, t->h,
                             w->folder->files[w->kept[0]].path, first->w, first->h, side);
    }
    return 0;
}

static int shape_choose(struct work *w, struct kd_err *err)
{
    const struct kd_input *input = w->load->input;
    struct kd_images *m = w->images;
    bool background;
    if (kd_input_size(input, &w->resize.h, &w->resize.w, err) < 0 ||
        kd_input_background(input, &background, w->resize.background, err) < 0)
        return -1;
    w->resizes = w->resize.h > 0;
    w->resize.fit = input->fit;
    w->resize.filter = input->filter;
    w->options = (struct kd_picture_options){
        .limit = PICTURE_LIMIT < kd_read_limit() ? PICTURE_LIMIT : kd_read_limit(),
        .flatten = background,
        .bits = (unsigned)input->bits};
    memcpy(w->options.background, w->resize.background, sizeof w->options.background);
    if (!w->resizes && one_size_check(w, err) < 0) return -1;
    m->n = w->n;
    m->h = w->resizes ? w->resize.h : w->items[w->kept[0]].h;
    m->w = w->resizes ? w->resize.w : w->items[w->kept[0]].w;
    m->c = input->color == KD_COLOR_RGB ? 3 : 1;
    for (uint32_t i = 0; i < w->n && input->color == KD_COLOR_AUTO; i++)
        if (w->items[w->kept[i]].c > m->c) m->c = w->items[w->kept[i]].c;
    m->dtype = KD_U8;
    return kd_pixels_alloc(m, w->load->place, w->load->limit, err);
}

/* ---- pixels ---- */

/* [h][w][c] of any number of channels into planes of the set's. */
static void planes_put(const struct kd_picture *p, uint32_t channels, uint8_t *out)
{
    const size_t plane = (size_t)p->h * p->w;
    const uint8_t *from = p->pixels;
    for (size_t j = 0; j < plane; j++, from += p->c) {
        if (channels == 1 && p->c == 3)
            out[j] = kd_gray(from[0], from[1], from[2]);
        else
            for (uint32_t c = 0; c < channels; c++) out[c * plane + j] = from[p->c == 3 ? c : 0];
    }
}

static int picture_read(struct work *w, uint32_t i, struct kd_err *err)
{
    const char *path = w->folder->files[w->kept[i]].path;
    struct kd_images *m = w->images;
    struct kd_picture p = {0}, small = {0};
    struct kd_bytes bytes = {0};
    if (kd_file_read(path, kd_read_limit(), &bytes, err) < 0) return -1;
    int status = kd_picture_read(bytes.data, bytes.size, path, &w->options, &p, err);
    kd_bytes_release(&bytes);
    if (status == 0) w->loss[i] = p.loss;
    const bool fits = p.h == m->h && p.w == m->w;
    if (status == 0 && !fits)
        status = w->resizes ? kd_picture_resize(&p, &w->resize, &small, err)
                            : kd_fail(err, "%s: it has changed while it was read", path);
    if (status == 0)
        planes_put(fits ? &p : &small, m->c, (uint8_t *)m->pixels + (size_t)i * m->c * m->h * m->w);
    kd_picture_release(&p);
    kd_picture_release(&small);
    return status;
}

static void pixels_part(void *arg, unsigned part)
{
    struct work *w = arg;
    const uint32_t from = w->from + part * AT_ONCE;
    for (uint32_t i = from; i < from + AT_ONCE && i < w->n; i++) {
        struct kd_err ignored = {0};
        w->failed[i] = picture_read(w, i, &ignored) < 0;
    }
}

/* What failed is done again by this thread: so the messages are told in order, and a failure that
 * has passed does no harm. */
static int pixels_judge(struct work *w, size_t *broken, struct kd_err *err)
{
    struct kd_bytes list = {0};
    struct kd_err why = {0}, ignored;
    *broken = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->failed[i] || picture_read(w, i, &why) == 0) {
            w->failed[i] = false;
            continue;
        }
        if ((*broken)++ < NAMED)
            kd_bytes_format(&list, &ignored, "%s%.200s", *broken > 1 ? "; " : "", why.text);
    }
    int status = 0;
    if (*broken && !w->load->input->skip_broken)
        status = broken_refuse(w->load->place, *broken, &list, err);
    kd_bytes_release(&list);
    return status;
}

/* Pictures whose meaning has not arrived in their bytes. */
static int loss_check(const struct work *w, struct kd_err *err)
{
    uint32_t alpha = 0, deep = 0, example[2] = {0, 0};
    unsigned most = 0, bits = 9;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct kd_picture_loss *l = &w->loss[i];
        if (l->in_alpha && !alpha++) example[0] = w->kept[i];
        if (l->depth && !deep++) example[1] = w->kept[i];
        if (l->depth > most) most = l->depth;
    }
    while (bits < 16 && most >= 1u << bits) bits++;
    if (alpha > w->n / 2)
        return kd_fail_usage(err,
                             "%s: the drawing is in its alpha channel, which is dropped, and its "
                             "colour is one everywhere (%u of %u pictures are so); say what shows "
                             "through with --background white (data.background)",
                             w->folder->files[example[0]].path, alpha, w->n);
    if (deep == w->n && most && most < 1u << 14 && !w->load->input->bits)
        return kd_fail_usage(err,
                             "%s: pictures of 16 bits, of which no pixel is above %u: made 8 bits "
                             "they would be all but black; say --bits %u (data.bits), or --bits 16 "
                             "if they are so dark",
                             w->folder->files[example[1]].path, most, bits < 10 ? 10 : bits);
    return 0;
}

/* ---- all of it ---- */

/* Adds "2 hidden files", or nothing where there are none. */
static void passed_add(struct kd_bytes *words, size_t n, const char *one, const char *several)
{
    struct kd_err ignored;
    if (!n) return;
    kd_bytes_format(words, &ignored, "%s%zu %s", words->size ? ", " : "", n,
                    n == 1 ? one : several);
}

/* One line for all that was passed over. example: of the files that are no pictures. */
static void passed_say(const struct work *w, const char *example)
{
    const size_t other = w->folder->n - w->images->n - w->images->skipped;
    struct kd_bytes words = {0};
    struct kd_err ignored;
    passed_add(&words, other, "file that is no picture", "files that are no pictures");
    if (other && example) kd_bytes_format(&words, &ignored, " (%s)", example);
    passed_add(&words, w->folder->hidden, "hidden file", "hidden files");
    passed_add(&words, w->images->skipped, "picture that cannot be read",
               "pictures that cannot be read");
    if (words.size)
        kd_progress_say(w->load->progress, "%s: passed over %s", w->folder->root, words.data);
    kd_bytes_release(&words);
}

/* Leave out what could not be decoded: pixels and places close up. */
static void failed_drop(struct work *w, uint32_t *kept)
{
    const size_t one = (size_t)w->images->c * w->images->h * w->images->w;
    uint8_t *pixels = w->images->pixels;
    uint32_t to = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->failed[i]) continue;
        if (to != i) memmove(pixels + to * one, pixels + i * one, one);
        kept[to++] = kept[i];
    }
    w->n = w->images->n = to;
}

static int none_left(const struct work *w, struct kd_err *err)
{
    return kd_fail(err,
                   "%s: no images: expected PNG or JPEG files in CLASS/, or in train/CLASS/ and "
                   "test/CLASS/",
                   w->load->place);
}

static int decode(struct work *w, uint32_t *kept, struct kd_err *err)
{
    size_t broken;
    int status;
    const size_t files = w->n;
    run_parts(w, heads_part, err, &status);
    if (status < 0 || heads_judge(w, err) < 0) return -1;
    uint32_t n = 0;
    for (uint32_t i = 0; i < files; i++) {
        w->images->skipped += w->items[i].state == BROKEN;
        if (w->items[i].state == PICTURE) kept[n++] = i;
    }
    w->kept = kept;
    w->n = n;
    if (n == 0) return none_left(w, err);
    if (shape_choose(w, err) < 0) return -1;
    run_parts(w, pixels_part, err, &status);
    if (status < 0 || pixels_judge(w, &broken, err) < 0) return -1;
    failed_drop(w, kept);
    w->images->skipped += (uint32_t)broken;
    if (w->n == 0) return none_left(w, err);
    return loss_check(w, err);
}

static int labels_put(const struct work *w, struct kd_err *err)
{
    struct kd_images *m = w->images;
    m->labels = kd_alloc(m->n, sizeof *m->labels, "labels", err);
    if (!m->labels) return -1;
    for (uint32_t i = 0; i < m->n; i++) m->labels[i] = w->folder->files[w->kept[i]].label;
    return 0;
}

static int imagefolder_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    struct kd_folder folder;
    struct kd_picture_cache cache = {0};
    uint32_t *kept = NULL;
    if (kd_folder_list(load, &folder, err) < 0) return -1;
    struct work w = {.load = load, .folder = &folder, .images = out, .n = (uint32_t)folder.n};
    int status = -1;
    if (folder.n > INT32_MAX) {
        kd_fail(err, "%s: too many images", load->place);
        goto done;
    }
    if (folder.n == 0) {
        none_left(&w, err);
        goto done;
    }
    w.items = kd_alloc(folder.n, sizeof *w.items, "pictures", err);
    w.loss = kd_alloc(folder.n, sizeof *w.loss, "pictures", err);
    w.failed = kd_alloc(folder.n, sizeof *w.failed, "pictures", err);
    kept = kd_alloc(folder.n, sizeof *kept, "pictures", err);
    if (!w.items || !w.loss || !w.failed || !kept) goto done;
    if (kd_picture_cache_open(&cache, &folder, load, err) < 0) goto done;
    w.kept = kept;
    if (kd_picture_cache_take(&cache, out, kept)) {
        w.n = out->n;
    } else {
        w.kept = NULL;
        if (decode(&w, kept, err) < 0) goto done;
        for (size_t i = folder.n; i-- > 0;)
            if (w.items[i].state == OTHER) cache.other = (uint32_t)i;
        kd_picture_cache_put(&cache, out, kept);
    }
    passed_say(&w, cache.other < folder.n ? folder.files[cache.other].path : NULL);
    if (labels_put(&w, err) < 0) goto done;
    out->classes = (uint32_t)folder.n_classes;
    out->class_names = folder.classes; /* moved */
    folder.classes = NULL;
    folder.n_classes = 0;
    status = 0;
done:
    kd_picture_cache_close(&cache);
    kd_free(w.items);
    kd_free(w.loss);
    kd_free(w.failed);
    kd_free(kept);
    kd_folder_release(&folder);
    return status;
}

const struct kd_source_kind kd_source_images = {
    .name = "images", .place = "DIR", .is_mine = kd_folder_is, .load = imagefolder_load};
/* its old name */
const struct kd_source_kind kd_source_png = {
    .name = "png", .place = "DIR", .load = imagefolder_load};
