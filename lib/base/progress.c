#include "kd/base/progress.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { WIDEST = 200, BAR_MOST = 40, BAR_LEAST = 5 };

void kd_progress_tick(const struct kd_progress *p, uint64_t done, uint64_t total, const char *unit,
                      const char *note)
{
    if (p && p->tick) p->tick(p->ctx, done, total, unit, note);
}

static void piece_tick(void *ctx, uint64_t done, uint64_t total, const char *unit, const char *note)
{
    const struct kd_progress_piece *p = ctx;
    char text[96];
    snprintf(text, sizeof text, "%.20s %zu/%zu%s%.40s", p->what, p->i + 1, p->n,
             note && *note ? ", " : "", note ? note : "");
    kd_progress_tick(p->whole, p->i * total + done, p->n * total, unit, text);
}

const struct kd_progress *kd_progress_of(struct kd_progress_piece *piece)
{
    if (!piece->whole || piece->n < 2) return piece->whole;
    piece->own = *piece->whole;
    piece->own.tick = piece_tick;
    piece->own.ctx = piece;
    return &piece->own;
}

int kd_progress_go_on(const struct kd_progress *p, struct kd_err *err)
{
    return p && p->stop && *p->stop ? kd_fail(err, "stopped before its end") : 0;
}

double kd_seconds(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) return 0;
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void kd_bar_init(struct kd_bar *bar, FILE *to, bool wanted, const char *label)
{
    const char *term = getenv("TERM");
    memset(bar, 0, sizeof *bar);
    bar->to = to;
    bar->on = wanted && isatty(fileno(to)) && !(term && !strcmp(term, "dumb"));
    snprintf(bar->label, sizeof bar->label, "%s", label ? label : "");
}

static int terminal_width(FILE *to)
{
    struct winsize size;
    if (ioctl(fileno(to), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col < WIDEST ? size.ws_col : WIDEST;
}

struct work { /* how far it is */
    double now;
    uint64_t done, total;
    const char *unit, *note; /* unit: or NULL */
};

/* "45 s", "12:05", "3:04:05" */
static void time_text(double seconds, char *out, size_t room)
{
    unsigned long s = seconds < 0 ? 0 : seconds > 3.6e6 ? 3600000 : (unsigned long)(seconds + 0.5);
    if (s < 60)
        snprintf(out, room, "%lu s", s);
    else if (s < 3600)
        snprintf(out, room, "%lu:%02lu", s / 60, s % 60);
    else
        snprintf(out, room, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
}

/* Percent, rate, note and time left, from the work seen since the bar's start. */
static void figures_text(const struct kd_bar *bar, const struct work *w, char *out, size_t room)
{
    char speed[64] = "", left[64] = "", time[32];
    double share = w->total ? (double)w->done / (double)w->total : 0, spent = w->now - bar->started;
    double rate = spent > 0 ? (double)(w->done - bar->first) / spent : 0;
    if (rate > 0) { /* with nothing done yet there is none to tell */
        snprintf(speed, sizeof speed, " %.*f%s%s/s", rate < 10 ? 1 : 0, rate, w->unit ? " " : "",
                 w->unit ? w->unit : "");
        time_text(fmax(1, (double)(w->total - w->done) / rate), time, sizeof time);
        snprintf(left, sizeof left, "%s about %s left", *w->note ? "," : "", time);
    }
    snprintf(out, room, "%3.0f%%%s%s%s%s", 100 * share, speed, *w->note ? " " : "", w->note, left);
}

static void draw(struct kd_bar *bar, const struct work *w)
{
    char figures[256], line[512];
    figures_text(bar, w, figures, sizeof figures);
    int width = terminal_width(bar->to) - 1; /* the last column would wrap on some terminals */
    int fixed = (int)(strlen(bar->label) + strlen(figures)) + 4;
    int cells = width - fixed;
    cells = cells > BAR_MOST ? BAR_MOST : cells < BAR_LEAST ? BAR_LEAST : cells;
    int full = w->total ? (int)((double)cells * (double)w->done / (double)w->total) : 0;
    char cell[BAR_MOST + 1];
    memset(cell, '-', (size_t)cells);
    memset(cell, '#', (size_t)full);
    cell[cells] = '\0';
    snprintf(line, sizeof line, "%s%s[%s] %s", bar->label, *bar->label ? " " : "", cell, figures);
    line[width] = '\0';
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) *p = '?';
    fprintf(bar->to, "\r%s\033[K", line);
    fflush(bar->to);
}

/* The next piece counts in other steps: what was done stays the share of the whole that it was. */
static void rescale(struct kd_bar *bar, uint64_t total)
{
    if (bar->total && total != bar->total) {
        const double by = (double)total / (double)bar->total;
        bar->first = (uint64_t)((double)bar->first * by);
        bar->last = (uint64_t)((double)bar->last * by);
    }
    bar->total = total;
}

void kd_bar_tick(void *ctx, uint64_t done, uint64_t total, const char *unit, const char *note)
{
    struct kd_bar *bar = ctx;
    double now = kd_seconds();
    if (!bar->on) return;
    if (done > total) done = total;
    rescale(bar, total);
    if (bar->started == 0 || done < bar->last) { /* the first piece of work, or of the next */
        bar->started = now;
        bar->first = done;
    }
    bar->last = done;
    if (bar->drawn != 0 && now - bar->drawn < 0.1) return;
    bar->drawn = now;
    bar->visible = true;
    draw(bar, &(struct work){now, done, total, unit, note ? note : ""});
}

void kd_bar_clear(struct kd_bar *bar)
{
    if (!bar->on || !bar->visible) return;
    fputs("\r\033[K", bar->to);
    fflush(bar->to);
    bar->visible = false;
    bar->drawn = 0;
}

void kd_progress_say(const struct kd_progress *p, const char *format, ...)
{
    struct kd_err text = {0}; /* makes what comes from outside printable */
    char line[sizeof text.text];
    va_list list;
    if (!p || !p->say) return;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    kd_fail(&text, "%s", line);
    p->say(p->say_ctx, text.text);
}
