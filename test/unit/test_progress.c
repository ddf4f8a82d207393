#define _XOPEN_SOURCE 700
#include "kd/base/progress.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

struct terminal { /* both ends of a pseudo-terminal */
    int master;
    FILE *slave;
};

static void terminal_open(struct terminal *t, unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    t->master = posix_openpt(O_RDWR | O_NOCTTY);
    if (t->master < 0) skip(); /* a bare container may have no pseudo-terminals */
    assert_int_equal(grantpt(t->master), 0);
    assert_int_equal(unlockpt(t->master), 0);
    t->slave = fopen(ptsname(t->master), "r+");
    assert_non_null(t->slave);
    assert_int_equal(ioctl(t->master, TIOCSWINSZ, &size), 0);
    assert_int_equal(fcntl(t->master, F_SETFL, O_NONBLOCK), 0);
}

/* What has been drawn since the last call. */
static const char *terminal_seen(struct terminal *t)
{
    static char seen[4096];
    ssize_t n = read(t->master, seen, sizeof seen - 1);
    seen[n > 0 ? n : 0] = '\0';
    return seen;
}

static void terminal_close(struct terminal *t)
{
    fclose(t->slave);
    close(t->master);
}

static int setup(void **state)
{
    (void)state;
    return setenv("TERM", "xterm", 1);
}

static void later(struct kd_bar *bar, double seconds)
{
    bar->started -= seconds;
    bar->drawn -= seconds;
}

static void draws_and_wipes(void **state)
{
    (void)state;
    struct terminal t;
    struct kd_bar bar;
    terminal_open(&t, 80);
    kd_bar_init(&bar, t.slave, true, "train");
    assert_true(bar.on);
    kd_bar_tick(&bar, 0, 1000, "steps", "epoch 1/3");
    assert_non_null(strstr(terminal_seen(&t), "train [----"));
    kd_bar_tick(&bar, 500, 1000, "steps", "epoch 1/3"); /* too soon */
    assert_string_equal(terminal_seen(&t), "");
    later(&bar, 10);
    kd_bar_tick(&bar, 500, 1000, "steps", "epoch 1/3");
    const char *seen = terminal_seen(&t);
    assert_int_equal(seen[0], '\r');
    assert_non_null(strstr(seen, "#---"));
    assert_non_null(strstr(seen, " 50% 50 steps/s epoch 1/3, about 10 s left\033[K"));
    kd_bar_clear(&bar);
    assert_string_equal(terminal_seen(&t), "\r\033[K");
    kd_bar_clear(&bar);
    assert_string_equal(terminal_seen(&t), "");
    terminal_close(&t);
}

static void starts_anew(void **state)
{
    (void)state;
    struct terminal t;
    struct kd_bar bar;
    terminal_open(&t, 80);
    kd_bar_init(&bar, t.slave, true, "");
    kd_bar_tick(&bar, 900, 1000, "steps",
                NULL); /* resumed work: what was done before has no rate */
    later(&bar, 10);
    kd_bar_tick(&bar, 950, 1000, "steps", NULL);
    terminal_seen(&t);
    later(&bar, 10);
    kd_bar_tick(&bar, 950, 1000, "steps", NULL);
    assert_non_null(strstr(terminal_seen(&t), " 95% 2.5 steps/s about 20 s left\033[K"));
    later(&bar, 1000);
    kd_bar_tick(&bar, 0, 10, "steps", NULL);
    later(&bar, 1);
    kd_bar_tick(&bar, 1, 10, "steps", NULL);
    assert_non_null(strstr(terminal_seen(&t), " 10% 1.0 steps/s about 9 s left\033[K"));
    terminal_close(&t);
}

/* Of a second student with ten times the steps half of the whole is still to do. */
static void pieces_of_several_sizes(void **state)
{
    (void)state;
    struct terminal t;
    struct kd_bar bar;
    terminal_open(&t, 80);
    kd_bar_init(&bar, t.slave, true, "");
    kd_bar_tick(&bar, 0, 200, "steps", "student 1/2");
    later(&bar, 10);
    kd_bar_tick(&bar, 100, 200, "steps", "student 1/2");
    terminal_seen(&t);
    later(&bar, 10);
    kd_bar_tick(&bar, 1000, 2000, "steps", "student 2/2");
    assert_non_null(strstr(terminal_seen(&t), " 50% 50 steps/s student 2/2, about 20 s left"));
    later(&bar, 10);
    kd_bar_tick(&bar, 150, 200, "steps", "student 3/4"); /* and back */
    assert_non_null(strstr(terminal_seen(&t), " 75% 5.0 steps/s student 3/4, about 10 s left"));
    terminal_close(&t);
}

static void fits_any_width(void **state)
{
    (void)state;
    static const unsigned short widths[] = {0, 1, 2, 10, 33, 80, 500};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct terminal t;
        struct kd_bar bar;
        char note[300];
        size_t room = widths[i] ? widths[i] : 80;
        memset(note, 'x', sizeof note - 1);
        note[sizeof note - 1] = '\0';
        note[0] = '\n';
        terminal_open(&t, widths[i]);
        kd_bar_init(&bar, t.slave, true, "a label");
        kd_bar_tick(&bar, 5, 3, "steps", note);
        const char *seen = terminal_seen(&t);
        assert_int_equal(seen[0], '\r');
        assert_null(strchr(seen, '\n'));
        assert_true(strcspn(seen + 1, "\033") < room);
        terminal_close(&t);
    }
}

static void silent(void **state)
{
    (void)state;
    struct terminal t;
    struct kd_bar bar;
    char *text = NULL;
    size_t size = 0;
    FILE *file = tmpfile();
    assert_non_null(file);
    kd_bar_init(&bar, file, true, "x");
    assert_false(bar.on);
    kd_bar_tick(&bar, 1, 2, "steps", "n");
    kd_bar_clear(&bar);
    assert_int_equal(ftell(file), 0);
    fclose(file);
    FILE *memory = open_memstream(&text, &size);
    kd_bar_init(&bar, memory, true, "x"); /* has no descriptor at all */
    assert_false(bar.on);
    fclose(memory);
    free(text);
    terminal_open(&t, 80);
    kd_bar_init(&bar, t.slave, false, "x");
    kd_bar_tick(&bar, 1, 2, "steps", "n");
    setenv("TERM", "dumb", 1);
    kd_bar_init(&bar, t.slave, true, "x");
    kd_bar_tick(&bar, 1, 2, "steps", "n");
    assert_string_equal(terminal_seen(&t), "");
    terminal_close(&t);
}

static void count(void *ctx, uint64_t done, uint64_t total, const char *unit, const char *note)
{
    (void)total;
    (void)unit;
    (void)note;
    *(uint64_t *)ctx += done;
}

static void callback(void **state)
{
    (void)state;
    uint64_t sum = 0;
    struct kd_progress p = {.tick = count, .ctx = &sum}, none = {.tick = NULL};
    kd_progress_tick(NULL, 1, 2, "images", NULL);
    kd_progress_tick(&none, 1, 2, "images", NULL);
    kd_progress_tick(&p, 1, 2, "images", NULL);
    kd_progress_tick(&p, 2, 2, "images", NULL);
    assert_int_equal(sum, 3);
}

static void clock_advances(void **state)
{
    (void)state;
    double before = kd_seconds();
    usleep(2000);
    double spent = kd_seconds() - before;
    assert_true(spent >= 0.002 && spent < 10);
}

struct heard {
    uint64_t done, total;
    char note[96];
};

static void hear(void *ctx, uint64_t done, uint64_t total, const char *unit, const char *note)
{
    struct heard *h = ctx;
    assert_string_equal(unit, "images");
    h->done = done;
    h->total = total;
    snprintf(h->note, sizeof h->note, "%s", note ? note : "");
}

static void pieces_are_one_whole(void **state)
{
    (void)state;
    struct heard h = {0};
    volatile int stop = 1;
    const struct kd_progress whole = {.tick = hear, .ctx = &h, .stop = &stop};
    struct kd_progress_piece piece = {&whole, "view", 6, 40, {0}},
                             alone = {&whole, "view", 0, 1, {0}};
    const struct kd_progress *p = kd_progress_of(&piece);
    struct kd_err err;
    kd_progress_tick(p, 25, 100, "images", NULL);
    assert_int_equal(h.done, 625);
    assert_int_equal(h.total, 4000);
    assert_string_equal(h.note, "view 7/40");
    kd_progress_tick(p, 100, 100, "images", "teacher 2");
    assert_int_equal(h.done, 700);
    assert_string_equal(h.note, "view 7/40, teacher 2");
    assert_int_equal(kd_progress_go_on(p, &err), -1);
    assert_ptr_equal(kd_progress_of(&alone), &whole); /* of one piece nothing is said */
    piece.whole = NULL;
    assert_null(kd_progress_of(&piece));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(draws_and_wipes, setup),
        cmocka_unit_test_setup(starts_anew, setup),
        cmocka_unit_test_setup(pieces_of_several_sizes, setup),
        cmocka_unit_test_setup(fits_any_width, setup),
        cmocka_unit_test_setup(silent, setup),
        cmocka_unit_test(callback),
        cmocka_unit_test(pieces_are_one_whole),
        cmocka_unit_test(clock_advances),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
