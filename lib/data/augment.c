/* "augment" of a training: its options, and what is drawn for an image. */
#include "kd/base/rng.h"
#include "move.h"

#include <math.h>
#include <stdio.h>

#define FILLS(X) X(FILL_ZERO, "zero") X(FILL_REFLECT, "reflect")
enum { FILLS(KD_CHOICE_ENUM) };
#define FLIPS(X) X(FLIP_NONE, "none") X(FLIP_RANDOM, "random") X(FLIP_ALTERNATE, "alternate")
enum { FLIPS(KD_CHOICE_ENUM) };

#define A(field) offsetof(struct kd_augment, field)
const struct kd_option kd_augment_rows[] = {
    {"shift", 0, "shift", KD_OPT_INT, A(shift), .preset = "0", .min = 0, .max = 1024,
     .metavar = "PIXELS", .help = "move each training image by up to this much in both directions",
     .also = "crop random-crop translate augment augmentation",
     .more = "The move is drawn anew in each epoch."},
    {"fill", 0, "fill", KD_OPT_CHOICE, A(fill), .preset = "zero", .choices = KD_CHOICES(FILLS),
     .metavar = "HOW", .help = "what a moved image leaves behind: raw 0, or its mirror image",
     .more = "It is for `--shift`, `--rotate` and `--zoom`. The mirror image is about the border "
             "pixels."},
    {"flip", 0, "flip", KD_OPT_CHOICE, A(flip), .preset = "none", .choices = KD_CHOICES(FLIPS),
     .metavar = "HOW",
     .help = "mirror left and right: drawn anew each epoch, or drawn once and turned each epoch",
     .also = "mirror hflip",
     .more = "`random` mirrors half of the images, drawn anew for each epoch or view; `alternate` "
             "draws once for each image, which is then turned from epoch to epoch or from view to "
             "view."},
    {"cutout", 0, "cutout", KD_OPT_INT, A(cutout), .preset = "0", .min = 0, .max = 1024,
     .metavar = "PIXELS", .help = "blank a square of this side at a random place",
     .more =
         "The square becomes 0 in the normalized image: the mean of the training images, or raw "
         "0 with normalize none."},
    {"rotate", 0, "rotate", KD_OPT_REAL, A(rotate), .preset = "0", .min = 0, .max = 180,
     .metavar = "DEGREES", .later = true, .also = "rotation angle turn",
     .help = "turn each training image about its middle by up to this much either way",
     .more = "The angle is drawn anew in each epoch. Between pixels it is bilinear."},
    {"zoom", 0, "scale", KD_OPT_REAL, A(scale), .preset = "0", .min = 0, .max = 0.9,
     .metavar = "SHARE", .later = true, .also = "scale resize",
     .help = "make each training image larger or smaller by up to this share",
     .more = "With 0.1 its size is drawn from 0.9 to 1.1 times its own, anew in each epoch."},
    {"brightness", 0, "brightness", KD_OPT_REAL, A(brightness), .preset = "0", .min = 0, .max = 1,
     .metavar = "SHARE", .later = true, .also = "jitter color-jitter lightness",
     .help = "make each training image brighter or darker by up to this share",
     .more = "With 0.2 pixels are multiplied by what is drawn from 0.8 to 1.2, anew in each epoch. "
             "Bytes stay within 0 to 255."},
    {0},
};

bool kd_augment_active(const struct kd_augment *a)
{
    return a && (a->shift > 0 || a->flip != FLIP_NONE || a->cutout > 0 || a->rotate > 0 ||
                 a->scale > 0 || a->brightness > 0);
}

bool kd_augment_fills(const struct kd_augment *a)
{
    return a->shift > 0 || a->rotate > 0 || a->scale > 0;
}

bool kd_augment_same(const struct kd_augment *a, const struct kd_augment *b)
{
    return a->shift == b->shift && a->fill == b->fill && a->flip == b->flip &&
           a->cutout == b->cutout && a->rotate == b->rotate && a->scale == b->scale &&
           a->brightness == b->brightness;
}

void kd_augment_text(const struct kd_augment *a, char out[KD_AUGMENT_TEXT])
{
    char cut[32] = "", flip[32] = "", rest[128] = "";
    int n = 0;
    if (a->flip != FLIP_NONE)
        snprintf(flip, sizeof flip, ", flip %s", kd_choice_name(KD_CHOICES(FLIPS), a->flip));
    if (a->cutout > 0) snprintf(cut, sizeof cut, ", cutout %d", (int)a->cutout);
    if (a->rotate > 0) n += snprintf(rest, sizeof rest, ", rotate %g", a->rotate);
    if (a->scale > 0) n += snprintf(rest + n, sizeof rest - (size_t)n, ", scale %g", a->scale);
    if (a->brightness > 0)
        snprintf(rest + n, sizeof rest - (size_t)n, ", brightness %g", a->brightness);
    snprintf(out, KD_AUGMENT_TEXT, "shift %d%s%s%s%s", (int)a->shift,
             a->fill == FILL_REFLECT ? ", fill reflect" : "", flip, cut, rest);
}

/* ---- what is done to one sample ---- */

static bool flip_draw(int flip, uint64_t seed, uint32_t epoch, uint32_t sample)
{
    if (flip == FLIP_NONE) return false;
    const bool drawn_once = flip == FLIP_ALTERNATE;
    struct kd_rng rng = kd_rng_for(seed, KD_FOR_FLIP, drawn_once ? 0 : epoch, sample);
    const uint32_t drawn = kd_rng_below(&rng, 2);
    return drawn_once ? (drawn ^ (epoch & 1)) : drawn;
}

/* Its middle is any pixel of the image, so that squares at the border are cut short
 * (DeVries and Taylor 2017, section 3). */
static void cutout_draw(struct kd_move *m, int64_t side, int64_t h, int64_t w, uint64_t seed,
                        uint32_t epoch, uint32_t sample)
{
    struct kd_rng rng = kd_rng_for(seed, KD_FOR_CUTOUT, epoch, sample);
    const int64_t x = (int64_t)kd_rng_below(&rng, (uint32_t)w) - side / 2;
    const int64_t y = (int64_t)kd_rng_below(&rng, (uint32_t)h) - side / 2;
    m->left = x > 0 ? x : 0;
    m->top = y > 0 ? y : 0;
    m->right = x + side < w ? x + side : w;
    m->bottom = y + side < h ? y + side : h;
}

/* An output pixel d from the middle is what the source has at R(-angle) d / size. */
static void turn_draw(struct kd_move *m, const struct kd_augment *a, uint64_t seed, uint32_t epoch,
                      uint32_t sample)
{
    struct kd_rng rng = kd_rng_for(seed, KD_FOR_TURN, epoch, sample);
    const double radians = 3.14159265358979323846 / 180;
    const double angle = a->rotate * radians * (2 * (double)kd_rng_uniform(&rng) - 1);
    const double size = 1 + a->scale * (2 * (double)kd_rng_uniform(&rng) - 1);
    m->turned = true;
    m->along = llrint(cos(angle) / size * 65536);
    m->across = llrint(-sin(angle) / size * 65536);
}

struct kd_move kd_move_draw(const struct kd_augment *a, int64_t h, int64_t w, uint64_t seed,
                            uint32_t epoch, uint32_t sample)
{
    struct kd_move m = {.active = kd_augment_active(a), .light = 1};
    if (!m.active) return m;
    if (a->shift > 0) {
        struct kd_rng rng = kd_rng_for(seed, KD_FOR_AUGMENT, epoch, sample);
        const uint32_t choices = (uint32_t)(2 * a->shift + 1);
        m.dx = (int64_t)kd_rng_below(&rng, choices) - a->shift;
        m.dy = (int64_t)kd_rng_below(&rng, choices) - a->shift;
    }
    if (a->rotate > 0 || a->scale > 0) turn_draw(&m, a, seed, epoch, sample);
    if (a->brightness > 0) {
        struct kd_rng rng = kd_rng_for(seed, KD_FOR_BRIGHTNESS, epoch, sample);
        m.light = (float)(1 + a->brightness * (2 * (double)kd_rng_uniform(&rng) - 1));
    }
    m.reflects = a->fill == FILL_REFLECT;
    m.flipped = flip_draw(a->flip, seed, epoch, sample);
    if (a->cutout > 0) cutout_draw(&m, a->cutout, h, w, seed, epoch, sample);
    return m;
}
