#include "kd/base/json.h"
#include "kd/base/table.h"
#include "kd/base/text.h"
#include "kd/data/picture.h"
#include "kd/report/canvas.h"
#include "kd/report/figures.h"
#include "kd/run/log.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kd_err err;

static void log_from(const char *text, struct kd_log *log)
{
    *log = (struct kd_log){0};
    if (kd_log_parse(text, strlen(text), "log.jsonl", log, &err) < 0) fail_msg("%s", err.text);
}

static void a_log_line_becomes_an_epoch(void **state)
{
    (void)state;
    struct kd_log log;
    log_from("{\"epoch\":1,\"step\":600,\"lr\":0.1,\"train\":{\"loss\":2.5,\"hard\":2,\"soft\":3,"
             "\"top1\":0.5},\"train_eval\":{\"loss\":1.5,\"top1\":0.6,\"top5\":0.9},\"valid\":null,"
             "\"seconds\":1.2,\"images_per_second\":48000}\n",
             &log);
    assert_int_equal(log.n, 1);
    const struct kd_epoch *e = &log.epochs[0];
    assert_true(e->epoch == 1 && e->step == 600 && e->lr == 0.1 && e->loss == 2.5);
    assert_true(e->hard == 2 && e->soft == 3 && e->top1 == 0.5);
    assert_true(e->train.loss == 1.5 && e->train.top1 == 0.6 && e->train.top5 == 0.9);
    assert_true(isnan(e->valid.loss) && isnan(e->valid.top1) && e->seconds == 1.2);
    assert_false(log.unfinished);
    kd_log_release(&log);
}

static void broken_lines_are_counted_and_the_rest_is_read(void **state)
{
    (void)state;
    struct kd_log log;
    log_from("{\"epoch\":1,\"train\":{\"loss\":1}}\nnonsense\n\n{\"no\":1}\n"
             "{\"epoch\":2,\"train\":{\"loss\":null}}\n{\"epoch\":3,\"tr",
             &log);
    assert_int_equal(log.n, 2);
    assert_int_equal(log.bad, 2);
    assert_true(log.unfinished);
    assert_int_equal(log.not_finite, 2);
    assert_non_null(strstr(log.problem, "line 2"));
    kd_log_release(&log);
    log_from("", &log);
    assert_int_equal(log.n, 0);
    kd_log_release(&log);
}

static void a_resumed_training_replaces_its_epochs(void **state)
{
    (void)state;
    struct kd_log log;
    log_from("{\"epoch\":1,\"lr\":1}\n{\"epoch\":2,\"lr\":2}\n{\"epoch\":3,\"lr\":3}\n"
             "{\"epoch\":2,\"lr\":5}\n{\"epoch\":3,\"lr\":6}\n{\"epoch\":4,\"lr\":7}\n",
             &log);
    assert_int_equal(log.n, 4);
    assert_true(log.epochs[1].lr == 5 && log.epochs[2].lr == 6 && log.epochs[3].epoch == 4);
    kd_log_release(&log);
}

static void best_epoch_is_by_accuracy_then_loss_then_the_earlier(void **state)
{
    (void)state;
    struct kd_log log;
    log_from("{\"epoch\":1,\"valid\":{\"top1\":0.8,\"loss\":0.5}}\n"
             "{\"epoch\":2,\"valid\":{\"top1\":0.9,\"loss\":0.5}}\n"
             "{\"epoch\":3,\"valid\":{\"top1\":0.9,\"loss\":0.4}}\n"
             "{\"epoch\":4,\"valid\":{\"top1\":0.9,\"loss\":0.4}}\n{\"epoch\":5,\"valid\":null}\n",
             &log);
    assert_int_equal(kd_log_best(&log), 2);
    kd_log_release(&log);
    log_from("{\"epoch\":1}\n{\"epoch\":2}\n", &log);
    assert_int_equal(kd_log_best(&log), 1);
    kd_log_release(&log);
}

static const struct kd_column columns[] = {{"name", "model", KD_CELL_TEXT, false, 0},
                                           {"top1", "top-1 %", KD_CELL_RATE, true, 1},
                                           {"n", "count", KD_CELL_COUNT, false, 2},
                                           {"never", "never", KD_CELL_REAL, false, 0}};

static void table_make(struct kd_table *t)
{
    static const struct {
        const char *name;
        double top1, sd, n;
    } rows[] = {
        {"a|b", 0.5, 0.25, 1234567}, {"=1+1", 0.123456789, NAN, 12.5}, {"\xC3\xA4", NAN, NAN, NAN}};
    kd_table_init(t, "Test", columns, 4, &err);
    for (size_t i = 0; i < 3; i++) {
        struct kd_cell *row = kd_table_row(t);
        kd_table_text(t, 0, rows[i].name);
        row[1].value = rows[i].top1;
        row[1].sd = rows[i].sd;
        row[2].value = rows[i].n;
        if (i == 1) kd_table_mark(t, i);
    }
    assert_int_equal(kd_table_end(t), 0);
}

static void same_form(const struct kd_table *t, enum kd_form form, bool colour, const char *wanted)
{
    struct kd_bytes out = {0};
    const struct kd_table_style style = {.form = form, .colour = colour};
    if (kd_table_render(t, &style, &out, &err) < 0) fail_msg("%s", err.text);
    assert_string_equal(out.data, wanted);
    kd_bytes_release(&out);
}

#define LATEX_HEAD                                                                                 \
    "% needs \\usepackage{booktabs,siunitx,textcomp}\n"                                            \
    "{\\sisetup{separate-uncertainty, detect-weight, retain-explicit-plus,\n"                      \
    "  group-digits=integer, group-separator={,}, group-minimum-digits=4,\n"                       \
    "  table-align-uncertainty=false, table-align-exponent=false}\n\\begin{tabular}"

static void every_form_shows_the_same_table(void **state)
{
    (void)state;
    struct kd_table t;
    table_make(&t);
    same_form(&t, KD_FORM_TERMINAL, false,
              "  model        top-1 %      count\n"
              "  ───────────────────────────────\n"
              "  a|b    50.00 ± 25.00  1,234,567\n"
              "* =1+1           12.35       12.5\n"
              "  ä                              \n");
    same_form(&t, KD_FORM_MARKDOWN, false,
              "| model | top-1 % | count |\n| --- | ---: | ---: |\n"
              "| a\\|b | 50.00 ± 25.00 | 1,234,567 |\n| **=1+1** | **12.35** | **12.5** |\n"
              "| ä |  |  |\n");
    same_form(&t, KD_FORM_CSV, false,
              "name,top1,top1_sd,n,never\na|b,0.5,0.25,1234567,\n'=1+1,0.123456789,,12.5,\n"
              "ä,,,,\n");
    same_form(&t, KD_FORM_LATEX, false,
              LATEX_HEAD "{lS[table-format=2.2(4)]S[table-format=7.1]}\n\\toprule\n"
                         "model & {top-1 \\%} & {count} \\\\\n\\midrule\n"
                         "a\\textbar{}b & 50.00 \\pm 25.00 & 1234567 \\\\\n"
                         "=1+1$^{*}$ & 12.35 & 12.5 \\\\\n\xC3\xA4 &  &  \\\\\n"
                         "\\bottomrule\n\\end{tabular}}\n");
    cJSON *json = kd_table_json(&t, &err);
    char *text = kd_json_text(json, false, &err);
    assert_non_null(strstr(text, "{\"name\":\"=1+1\",\"top1\":0.123456789,\"top1_sd\":null,"
                                 "\"n\":12.5,\"never\":null}"));
    kd_free(text);
    cJSON_Delete(json);
    kd_table_release(&t);
}

/* Numbers as siunitx reads them; the best of a column is bold, run by run, of those that count. */
static void latex_has_columns_of_numbers_and_the_best_of_each_bold(void **state)
{
    (void)state;
    static const struct kd_column of_runs[] = {
        {"run", "run", KD_CELL_TEXT, false, 0},          {"name", "model", KD_CELL_TEXT, false, 0},
        {"top1", "top-1 %", KD_CELL_RATE, true, 0},      {"nll", "NLL", KD_CELL_MEASURE, true, 0},
        {"smaller", "smaller", KD_CELL_RATIO, false, 0}, {"d", "points", KD_CELL_POINTS, false, 0},
        {"lr", "rate", KD_CELL_REAL, false, 0}};
    static const struct {
        const char *run, *name;
        double v[5], sd;
        int wins;
    } rows[] = {{"a", "teacher", {0.99, 0.01, NAN, NAN, 1e-5}, 0.001, 0},
                {"a", "[x]*", {0.5, 12.34, 12, 0.011, 0.5}, 0.012, 1},
                {"a", "kd", {0.75, 0.1234, 9.5, -0.25, 1e6}, 0.123, 1},
                {"a", "too", {0.75, 0.1234, 9.5, -0.25, 3}, NAN, 1},
                {"b", "only", {0.25, 1, 1, 0, 3}, NAN, 1}};
    struct kd_table t;
    kd_table_init(&t, "Test", of_runs, 7, &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kd_cell *row = kd_table_row(&t);
        for (size_t k = 0; k < 5; k++) row[2 + k].value = rows[i].v[k];
        row[2].sd = row[3].sd = rows[i].sd;
        row[2].wins = rows[i].wins;
        row[3].wins = -rows[i].wins;
        kd_table_text(&t, 0, rows[i].run);
        kd_table_text(&t, 1, rows[i].name);
    }
    same_form(&t, KD_FORM_LATEX, false,
              LATEX_HEAD
              "{llS[table-format=2.2(4)]S[table-format=2.4(2)]S[table-format=2.2]"
              "S[table-format=+2.2]S[table-format=1.1e-1]}\n\\toprule\n"
              "run & model & {top-1 \\%} & {NLL} & {smaller ($\\times$)} & {points} & {rate} \\\\\n"
              "\\midrule\n"
              "a & teacher & 99.00 \\pm 0.10 & 0.0100 \\pm 0.0010 &  &  & 1e-5 \\\\\n"
              "a & {[}x]{*} & 50.00 \\pm 1.20 & 12.340 \\pm 0.012 & 12.0 & +1.10 & 0.5 \\\\\n"
              "a & kd & \\bfseries 75.00 \\pm 12.30 & \\bfseries 0.12 \\pm 0.12 & 9.50 & "
              "-25.00 & 1e6 \\\\\n"
              "a & too & \\bfseries 75.00 & \\bfseries 0.1234 & 9.50 & -25.00 & 3 \\\\\n"
              "b & only & 25.00 & 1.000 & 1.00 & +0.00 & 3 \\\\\n"
              "\\bottomrule\n\\end{tabular}}\n");
    kd_table_release(&t);
}

static void shown(const struct kd_table *t, struct kd_table_style style, const char *wanted)
{
    struct kd_bytes out = {0};
    if (kd_table_render(t, &style, &out, &err) < 0) fail_msg("%s", err.text);
    assert_string_equal(out.data, wanted);
    kd_bytes_release(&out);
}

static void a_terminal_gets_what_fits_it_and_is_told_the_rest(void **state)
{
    (void)state;
    struct kd_table t;
    table_make(&t);
    shown(&t, (struct kd_table_style){.width = 33},
          "  model        top-1 %      count\n"
          "  ───────────────────────────────\n"
          "  a|b    50.00 ± 25.00  1,234,567\n"
          "* =1+1           12.35       12.5\n"
          "  ä                              \n");
    shown(&t, (struct kd_table_style){.width = 32},
          "  model        top-1 %\n"
          "  ────────────────────\n"
          "  a|b    50.00 ± 25.00\n"
          "* =1+1           12.35\n"
          "  ä                   \n"
          "  no room for count (--wide\n"
          "  shows all)\n");
    shown(&t, (struct kd_table_style){.width = 20, .ascii = true},
          "  model\n"
          "  -----\n"
          "  a|b\n"
          "* =1+1\n"
          "  ä\n"
          "  no room for top-1\n"
          "  %, count (--wide\n"
          "  shows all)\n");
    shown(&t, (struct kd_table_style){.width = KD_WIDE, .ascii = true, .bare = true},
          "model         top-1 %      count\n"
          "a|b    50.00 +- 25.00  1,234,567\n"
          "=1+1            12.35       12.5\n"
          "ä                   -          -\n");
    kd_table_release(&t);
}

/* "from" without "to" would be half an interval. */
static void neighbours_that_are_read_together_go_together(void **state)
{
    (void)state;
    static const struct kd_column of_interval[] = {{"name", "model", KD_CELL_TEXT, false, 0},
                                                   {"low", "95 % from", KD_CELL_POINTS, false, 2},
                                                   {"high", "to", KD_CELL_POINTS, false, 2},
                                                   {"n", "pairs", KD_CELL_WHOLE, false, 1}};
    struct kd_table t;
    kd_table_init(&t, "Test", of_interval, 4, &err);
    struct kd_cell *row = kd_table_row(&t);
    row[1].value = -0.01;
    row[2].value = 0.02;
    row[3].value = 3;
    kd_table_text(&t, 0, "kd");
    shown(&t, (struct kd_table_style){.width = 24, .bare = true},
          "model  pairs\nkd         3\nno room for 95 % from,\nto (--wide shows all)\n");
    kd_table_release(&t);
}

static void a_table_remembers_its_first_error(void **state)
{
    (void)state;
    struct kd_table t;
    table_make(&t);
    err.text[0] = '\0';
    assert_int_equal(kd_table_keep(&t, "name,tpo1"), -1);
    assert_string_equal(err.text, "no column \"tpo1\"; did you mean \"top1\"?");
    kd_table_row(&t)[3].value = 1; /* harmless from here on */
    kd_table_text(&t, 0, "more");
    kd_table_mark(&t, 9);
    assert_int_equal(kd_table_keep(&t, "name"), -1);
    assert_int_equal(kd_table_end(&t), -1);
    assert_string_equal(err.text, "no column \"tpo1\"; did you mean \"top1\"?");
    assert_int_equal(t.n_rows, 3);
    kd_table_release(&t);
}

static void columns_may_be_kept_twice_and_keep_their_texts(void **state)
{
    (void)state;
    struct kd_table t;
    table_make(&t);
    assert_int_equal(kd_table_keep(&t, "n,name,name"), 0);
    kd_table_filter(&t, 2, "=*");
    assert_int_equal(t.n_rows, 1);
    assert_string_equal(t.cells[1].text, "=1+1");
    assert_string_equal(t.cells[2].text, "=1+1");
    assert_true(kd_table_is_marked(&t, 0) && t.n_marked == 1);
    kd_table_release(&t);
}

static void sorting_keeps_marks_and_puts_the_empty_last(void **state)
{
    (void)state;
    struct kd_table t;
    table_make(&t);
    kd_table_sort(&t, 1, false);
    assert_string_equal(t.cells[0].text, "=1+1");
    assert_string_equal(t.cells[8].text, "\xC3\xA4");
    assert_true(kd_table_is_marked(&t, 0) && !kd_table_is_marked(&t, 1));
    kd_table_sort(&t, 1, true);
    assert_string_equal(t.cells[0].text, "a|b");
    assert_string_equal(t.cells[8].text, "\xC3\xA4");
    assert_true(kd_table_is_marked(&t, 1));
    kd_table_release(&t);
}

static void numbers_read_back_and_group(void **state)
{
    (void)state;
    static const double values[] = {0.1, 1.0 / 3,  0.98412345678901234, 5e-324, 1e300,
                                    -7,  123456789};
    char text[64];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        kd_number_text(values[i], text);
        assert_true(strtod(text, NULL) == values[i]);
    }
    kd_number_text(0.1, text);
    assert_string_equal(text, "0.1");
    kd_number_text(NAN, text);
    assert_string_equal(text, "");
    kd_number_grouped(-1234567.25, 1, text);
    assert_string_equal(text, "-1,234,567.2");
    kd_number_grouped(999, 0, text);
    assert_string_equal(text, "999");
}

static void text_is_made_harmless(void **state)
{
    (void)state;
    struct kd_bytes out = {0};
    assert_int_equal(kd_text_xml(&out, "a<b>&\"'\x1b[31m\x80\xED\xA0\x80\nz\xE2\x80\xAE", &err), 0);
    assert_string_equal(out.data, "a&lt;b&gt;&amp;&quot;&#39;\xEF\xBF\xBD[31m\xEF\xBF\xBD"
                                  "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD z\xEF\xBF\xBD");
    kd_bytes_release(&out);
    assert_int_equal(kd_text_width("日本x\xCC\x81"), 5);
    assert_int_equal(kd_text_width("\xC3\xA4\xFF"), 2);
    assert_true(kd_natural_order("T=2.5", "T=10") < 0);
    assert_true(kd_natural_order("a2b", "a2a") > 0);
    assert_true(kd_natural_order("x", "x") == 0);
}

static void a_drawing_as_svg(void **state)
{
    (void)state;
    struct kd_canvas c;
    struct kd_bytes plain = {0}, themed = {0};
    const double x[] = {0, 10, 20, 30}, y[] = {0, NAN, 5, 6};
    kd_canvas_init(&c, 100, 50);
    kd_canvas_clip(&c, (struct kd_box){5, 5, 10, 10});
    kd_canvas_line(&c, x, y, 4, (struct kd_pen){.ink = KD_INK_SERIES + 1, .width = 2});
    kd_canvas_text(&c, 3, 4, "<&>", (struct kd_type){.size = 10});
    kd_canvas_dot(&c, (struct kd_spot){1, 2, 3, 0},
                  (struct kd_pen){.ink = KD_INK_TEXT, .opacity = -1}, "tip <b>");
    assert_int_equal(kd_canvas_svg(&c, false, &plain, &err), 0);
    assert_int_equal(kd_canvas_svg(&c, true, &themed, &err), 0);
    assert_non_null(strstr(plain.data, "d=\"M0.00 0.00M20.00 5.00L30.00 6.00\""));
    assert_non_null(strstr(plain.data, "#0072b2"));
    assert_non_null(strstr(plain.data, ">&lt;&amp;&gt;</text>"));
    assert_null(strstr(plain.data, "tip"));
    assert_non_null(strstr(plain.data, "</g></svg>\n</svg>\n"));
    assert_non_null(strstr(themed.data, "<title>tip &lt;b&gt;</title></circle>"));
    assert_non_null(strstr(themed.data, "var(--k5)"));
    kd_bytes_release(&plain);
    kd_bytes_release(&themed);
    kd_canvas_release(&c);
}

static void a_picture_in_a_drawing_keeps_its_pixels(void **state)
{
    (void)state;
    static const uint8_t pixels[2][2][3] = {{{255, 0, 0}, {0, 200, 0}}, {{0, 0, 9}, {7, 8, 9}}};
    struct kd_canvas c;
    struct kd_bytes png = {0}, svg = {0};
    struct kd_picture back;
    kd_canvas_init(&c, 30, 20);
    kd_canvas_image(&c, (struct kd_box){10, 0, 20, 20}, (struct kd_rgb){pixels[0][0], 2, 2},
                    "two & two");
    assert_int_equal(kd_canvas_svg(&c, true, &svg, &err), 0);
    assert_non_null(strstr(svg.data, "href=\"data:image/png;base64,iVBORw0KGgo"));
    assert_non_null(strstr(svg.data, "<title>two &amp; two</title></image>"));
    if (kd_canvas_has_cairo()) {
        assert_int_equal(kd_canvas_png(&c, 2, &png, &err), 0);
        assert_int_equal(kd_picture_decode(png.data, png.size, "drawing", 1 << 20, &back, &err), 0);
        assert_int_equal(back.w, 60);
        assert_int_equal(back.h, 40);
        for (size_t y = 0; y < 40; y++)
            for (size_t x = 20; x < 60; x++)
                assert_memory_equal(back.pixels + 3 * (y * 60 + x), pixels[y / 20][(x - 20) / 20],
                                    3);
        assert_int_equal(back.pixels[0], 255); /* paper */
        kd_picture_release(&back);
    }
    kd_bytes_release(&png);
    kd_bytes_release(&svg);
    kd_canvas_release(&c);
}

static void long_names_are_shortened_and_wrapped(void **state)
{
    (void)state;
    struct kd_bytes out = {0};
    char *name =
        kd_name_short("kd,network=mlp-9,learning_rate=0.1,temperature=2,alpha=0.5", false, &err);
    assert_string_equal(name, "kd,mlp-9,rate=0.1,T=2,\xCE\xB1=0.5");
    kd_free(name);
    assert_int_equal(kd_text_piece("ab,cdef", 5), 3);
    assert_int_equal(kd_text_piece("abcdefg", 5), 5);
    assert_int_equal(kd_text_piece("abc", 5), 3);
    assert_int_equal(kd_text_piece("\xE6\x97\xA5\xE6\x9C\xAC", 1), 3); /* one at least, whole */
    assert_int_equal(kd_text_wrap(&out, "one two three", 2, 9, &err), 0);
    assert_string_equal(out.data, "  one\n  two\n  three\n");
    kd_bytes_release(&out);
}

static void the_table_of_figures_is_full(void **state)
{
    (void)state;
    for (size_t i = 0; i < KD_N_FIGURES; i++)
        assert_true(kd_figures[i].get && kd_figures[i].column.key && kd_figures[i].column.title);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_line_becomes_an_epoch),
        cmocka_unit_test(broken_lines_are_counted_and_the_rest_is_read),
        cmocka_unit_test(a_resumed_training_replaces_its_epochs),
        cmocka_unit_test(best_epoch_is_by_accuracy_then_loss_then_the_earlier),
        cmocka_unit_test(every_form_shows_the_same_table),
        cmocka_unit_test(latex_has_columns_of_numbers_and_the_best_of_each_bold),
        cmocka_unit_test(a_terminal_gets_what_fits_it_and_is_told_the_rest),
        cmocka_unit_test(neighbours_that_are_read_together_go_together),
        cmocka_unit_test(a_table_remembers_its_first_error),
        cmocka_unit_test(columns_may_be_kept_twice_and_keep_their_texts),
        cmocka_unit_test(sorting_keeps_marks_and_puts_the_empty_last),
        cmocka_unit_test(numbers_read_back_and_group),
        cmocka_unit_test(text_is_made_harmless),
        cmocka_unit_test(a_drawing_as_svg),
        cmocka_unit_test(a_picture_in_a_drawing_keeps_its_pixels),
        cmocka_unit_test(long_names_are_shortened_and_wrapped),
        cmocka_unit_test(the_table_of_figures_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
