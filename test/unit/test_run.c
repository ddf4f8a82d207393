/* What a run is on disk: the names of its files, and what stands in them. */
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "kd/run/evaluation.h"
#include "kd/run/places.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What is written in a place is found again by whoever reads the folder's name. */
static void places_read_back(void **state)
{
    static const struct {
        struct kd_whose whose;
        const char *folder;
    } cases[] = {
        {{"teacher", false, 1}, "runs/x/teacher/s1"},
        {{"kd,temperature=2.5", true, 9007199254740992}, NULL},
        {{"teacher", true, 3}, "runs/x/students/teacher/s3"}, /* a student of that name */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kd_err err = {0};
        struct kd_named named;
        char *folder = kd_place_folder("runs/x", &cases[i].whose, &err);
        assert_non_null(folder);
        if (cases[i].folder) assert_string_equal(folder, cases[i].folder);
        assert_int_equal(kd_place_read(folder, &named, &err), 0);
        assert_string_equal(named.name, cases[i].whose.name);
        assert_true(named.student == cases[i].whose.student);
        assert_true(named.teacher == !cases[i].whose.student);
        assert_true(named.seed == (double)cases[i].whose.seed);
        kd_free(named.name);
        kd_free(folder);
    }
}

static void folders_that_are_no_place(void **state)
{
    static const struct {
        const char *folder, *name;
        double seed;
    } cases[] = {{"runs/quick", "quick", NAN},
                 {"runs/quick/", "quick", NAN},
                 {"s1", "s1", 1},
                 {"runs/sx/s12345678901234567", "s12345678901234567", NAN}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kd_err err = {0};
        struct kd_named named;
        assert_int_equal(kd_place_read(cases[i].folder, &named, &err), 0);
        assert_string_equal(named.name, cases[i].name);
        assert_true(named.seed == cases[i].seed || (isnan(named.seed) && isnan(cases[i].seed)));
        assert_false(named.student || named.teacher);
        kd_free(named.name);
    }
}

static void outputs_of_a_training(void **state)
{
    struct kd_err err = {0};
    struct kd_outputs at;
    (void)state;
    assert_int_equal(kd_outputs_of("-", &at, &err), 0);
    assert_string_equal(at.model, "-");
    assert_null(at.log);
    kd_outputs_release(&at);
    assert_int_equal(kd_outputs_of("a/b.safetensors", &at, &err), 0);
    assert_string_equal(at.model, "a/b.safetensors");
    assert_string_equal(at.log, "a/b.log.jsonl");
    assert_string_equal(at.checkpoint, "a/b.checkpoint.safetensors");
    assert_string_equal(at.previous, "a/b.checkpoint.previous.safetensors");
    assert_string_equal(at.lock, "a/.b.kd-lock");
    kd_outputs_release(&at);
    assert_int_equal(kd_outputs_of("a/b", &at, &err), 0);
    assert_string_equal(at.model, "a/b/model.safetensors");
    assert_string_equal(at.log, "a/b/log.jsonl");
    assert_string_equal(at.lock, "a/b/.kd-lock");
    kd_outputs_release(&at);
    /* no name before the ending: a folder called so */
    assert_int_equal(kd_outputs_of(".safetensors", &at, &err), 0);
    assert_string_equal(at.model, ".safetensors/model.safetensors");
    kd_outputs_release(&at);
}

/* Whatever kd can write, kd reads: a matrix of as many classes as one is kept of, with large
 * counts; none of more classes; and the next line leaves the first where it is. */
static void an_evaluation_of_many_classes_reads_back(void **state)
{
    const size_t classes = *(const size_t *)*state;
    const bool kept = classes <= KD_CONFUSION_CLASSES;
    struct kd_err err = {0};
    struct kd_bytes line = {0};
    struct kd_evaluation e;
    struct kd_evaluations there;
    char path[] = "/tmp/kd-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(kd_evaluation_from_json(NULL, &e, &err), 0);
    e.fingerprint = kd_strdup("aa", &err);
    e.data = kd_strdup("idx:set", &err);
    e.split = kd_strdup("test", &err);
    e.confusion = (struct kd_matrix){kd_alloc(classes * classes, sizeof(double), "counts", &err),
                                     classes, classes};
    for (size_t i = 0; i < classes * classes; i++) e.confusion.v[i] = 1e9 + (double)i;
    for (int pass = 0; pass < 2; pass++) {
        char *text = kd_json_text_of(kd_evaluation_to_json(&e, &err), &err);
        line.size = 0;
        assert_non_null(text);
        assert_int_equal(kd_bytes_format(&line, &err, "%s\n", text), 0);
        assert_int_equal(kd_evaluations_save(path, line.data, &err), 0);
        kd_free(text);
        e.split[0] = 'T'; /* another split, without a matrix */
        kd_free(e.confusion.v);
        e.confusion = (struct kd_matrix){0};
    }
    assert_int_equal(kd_evaluations_read(path, &there, &err), 1);
    assert_string_equal(there.problem, "");
    assert_int_equal(there.n, 2);
    assert_int_equal(there.of[0].confusion.rows, kept ? classes : 0);
    if (kept)
        assert_true(there.of[0].confusion.v[classes * classes - 1] ==
                    1e9 + (double)(classes * classes - 1));
    assert_string_equal(there.of[1].split, "Test");
    kd_evaluations_release(&there);
    kd_evaluation_release(&e);
    kd_bytes_release(&line);
    remove(path);
}

int main(void)
{
    static size_t most = KD_CONFUSION_CLASSES, more = 2100;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_read_back),
        cmocka_unit_test(folders_that_are_no_place),
        cmocka_unit_test(outputs_of_a_training),
        cmocka_unit_test_prestate(an_evaluation_of_many_classes_reads_back, &most),
        cmocka_unit_test_prestate(an_evaluation_of_many_classes_reads_back, &more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
