/* Progress of long work, told through a callback, the bar that programs draw from it, and the wish
 * to stop.
 *
 * The library calls tick(ctx, ...) now and then; a NULL struct or NULL tick is silence. Where *stop
 * is not 0, which a signal handler may set, long work ends with an error, and what it was writing
 * is discarded. */
#ifndef KD_BASE_PROGRESS_H
#define KD_BASE_PROGRESS_H
#include "kd/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct kd_progress {
    /* unit: what is counted, as "images", or NULL */
    void (*tick)(void *ctx, uint64_t done, uint64_t total, const char *unit, const char *note);
    void *ctx;
    const volatile int *stop; /* may be NULL */
    /* One line that a person should know and that is no error; may be NULL. */
    void (*say)(void *ctx, const char *text);
    void *say_ctx;
};
void kd_progress_tick(const struct kd_progress *p, uint64_t done, uint64_t total, const char *unit,
                      const char *note);
void kd_progress_say(const struct kd_progress *p, const char *format, ...) KD_PRINTF(2, 3);
int kd_progress_go_on(const struct kd_progress *p,
                      struct kd_err *err); /* 0, or -1 where work is to stop */

/* One of `n` equal pieces of longer work, told as progress of the whole: a piece's ticks run from
 * i/n to (i+1)/n, noted "view 7/40". What is to be known and the wish to stop are the whole's. */
struct kd_progress_piece {
    const struct kd_progress *whole; /* NULL: silence */
    const char *what;
    size_t i, n;
    struct kd_progress own; /* filled */
};
/* The progress to hand on; as long as the piece and the whole. */
const struct kd_progress *kd_progress_of(struct kd_progress_piece *piece);

/* A one-line bar for a terminal: label, bar, percent, rate, note, time
 * left: "[####----]  50% 50 steps/s student 3/10, about 40 s left". Draws at most ten
 * times a second, fits the terminal's width, and wipes itself with kd_bar_clear. Off a terminal it
 * draws nothing. */
struct kd_bar {
    FILE *to;
    bool on;
    char label[64];
    double started, drawn; /* seconds */
    uint64_t total;        /* of late; pieces of one whole may be of several sizes */
    uint64_t first, last; /* `done` when it started (a fall of `done` starts it anew) and of late */
    bool visible;
};
void kd_bar_init(struct kd_bar *bar, FILE *to, bool wanted, const char *label);
void kd_bar_tick(void *bar, uint64_t done, uint64_t total, const char *unit,
                 const char *note); /* fits kd_progress.tick */
void kd_bar_clear(struct kd_bar *bar);

double kd_seconds(void); /* monotonic clock */
#endif
