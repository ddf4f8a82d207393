/* Soft targets: written by kd or by others, held against the student's data, refused where they are
 * not its own. */
#include "scratch.h"

#include "kd/nn/gemm.h"
#include "kd/nn/model.h"
#include "kd/nn/softmax.h"
#include "nets.h"
#include "training.h"

#include <math.h>

static struct kd_err err;
static struct kd_images images;
static struct kd_job job;
static const char *const plain[] = {"students.s.distill={\"temperature\":4}",
                                    "students.s.network=mlp-9", NULL};
enum { N = 40, C = SET_CLASSES };

/* A model file NAME with weights of that seed. */
static void write_model(const char *name, uint64_t seed, uint32_t classes)
{
    static const struct kd_normalize normalize = {1, {0.4f}, {0.3f}};
    struct kd_network *net =
        net_of("[\"flatten\",{\"kind\":\"dense\",\"units\":17},\"relu\",{\"kind\":\"dense\"}]",
               (struct kd_shape){1, SET_SIDE, SET_SIDE, false}, classes, seed);
    struct kd_tensorfile f;
    if (kd_tensorfile_init(&f, &err) < 0 || kd_model_to_file(net, &normalize, &f, &err) < 0 ||
        kd_tensorfile_write(in_scratch(name), &f, &err) < 0)
        fail_msg("%s", err.text);
    kd_tensorfile_release(&f);
    kd_network_free(net);
}

static int make(void **state)
{
    if (scratch_make(state) < 0) return -1;
    images_make(&images, N);
    write_model("a.safetensors", 1, C);
    write_model("b.safetensors", 2, C);
    write_model("five.safetensors", 3, 5);
    job_make(&job, true, plain);
    return 0;
}

static int unmake(void **state)
{
    images_free(&images);
    kd_job_release(&job);
    return scratch_remove(state);
}

static struct kd_teachers teachers_of(const char *first, double first_weight, const char *second,
                                      double second_weight, int average)
{
    struct kd_teachers t = {.average = average};
    if (kd_teachers_add(&t, in_scratch(first), first_weight, &err) < 0 ||
        (second && kd_teachers_add(&t, in_scratch(second), second_weight, &err) < 0))
        fail_msg("%s", err.text);
    return t;
}

static const struct kd_asking alone = {0};

static void logits_of(const char *model, const struct kd_view *view, float *out)
{
    struct kd_model m;
    if (kd_model_read(in_scratch(model), &m, &err) < 0 ||
        kd_predict(&m, view, &alone, out, &err) < 0)
        fail_msg("%s", err.text);
    kd_model_release(&m);
}

static int soften(const char *name, const struct kd_soften *what, struct kd_teachers t)
{
    int status = kd_soften_write(in_scratch(name), what, &t, &images, &(struct kd_asking){0}, &err);
    kd_teachers_release(&t);
    return status;
}

static void softened(const char *name, const struct kd_soften *what, struct kd_teachers t)
{
    if (soften(name, what, t) < 0) fail_msg("%s", err.text);
}

static const struct kd_soften logits_only = {.logits = true, .command = "kd-soften"};

static void taken(const char *name, const struct kd_images *im, const struct kd_job *j, bool force,
                  struct kd_targets *t)
{
    if (kd_targets_read(in_scratch(name), im, j, force, t, &err) < 0) fail_msg("%s", err.text);
}

static void refused(const char *name, const struct kd_images *im, const struct kd_job *j,
                    bool force, const char *first, const char *second)
{
    struct kd_targets t;
    memset(&err, 0, sizeof err);
    if (kd_targets_read(in_scratch(name), im, j, force, &t, &err) == 0)
        fail_msg("%s was accepted (%s)", name, first);
    assert_says(err, name);
    assert_says(err, first);
    assert_says(err, second);
    assert_null(t.values);
    assert_false(kd_targets_stored(&t));
    assert_null(strchr(err.text, '\n'));
    assert_int_equal(err.kind, KD_ERR_FAILURE);
}

static void close_to(const float *got, const float *expected, size_t n, float tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - expected[i]) <= tolerance))
            fail_msg("value %zu: %g, expected %g", i, (double)got[i], (double)expected[i]);
}

/* ---- written by kd ---- */

static void logits_come_back(void **state)
{
    (void)state;
    float expected[N * C];
    struct kd_view view = {.images = &images, .n = N};
    struct kd_targets t;
    logits_of("a.safetensors", &view, expected);
    softened("soft.safetensors", &logits_only, teachers_of("a.safetensors", 1, NULL, 0, 0));
    taken("soft.safetensors", &images, &job, false, &t);
    assert_int_equal(t.n, N);
    assert_int_equal(t.classes, C);
    assert_int_equal(t.views, 1);
    assert_false(t.probabilities);
    assert_false(t.augmented);
    assert_int_equal(cJSON_GetArraySize(t.parents), 1);
    assert_memory_equal(t.values, expected, sizeof expected);
    kd_targets_release(&t);
    struct kd_soften half = logits_only;
    half.half = true;
    softened("half.safetensors", &half, teachers_of("a.safetensors", 1, NULL, 0, 0));
    taken("half.safetensors", &images, &job, false, &t);
    for (unsigned i = 0; i < N * C; i++)
        assert_true(t.values[i] == kd_half_to_float(kd_float_to_half(expected[i])));
    kd_targets_release(&t);
}

/* 65504 is the largest half. */
static void too_large_for_half(void **state)
{
    (void)state;
    struct kd_soften half = logits_only;
    struct kd_teachers t = teachers_of("a.safetensors", 1, NULL, 0, 0);
    param_of(t.models[0].net, "3.bias")->value[1] = 7e4f;
    half.half = true;
    assert_int_equal(soften("x", &half, t), -1);
    assert_says(err, "does not fit half precision; leave --half out");
}

static void several_teachers(void **state)
{
    (void)state;
    float a[N * C], b[N * C], mean[N * C], q[2][C];
    struct kd_view view = {.images = &images, .n = N};
    struct kd_targets t;
    logits_of("a.safetensors", &view, a);
    logits_of("b.safetensors", &view, b);
    for (unsigned i = 0; i < N * C; i++) mean[i] = 0.25f * a[i] + 0.75f * b[i];
    softened("mean.safetensors", &logits_only,
             teachers_of("a.safetensors", 1, "b.safetensors", 3, 0));
    taken("mean.safetensors", &images, &job, false, &t);
    close_to(t.values, mean, N * C, 1e-6f);
    assert_int_equal(cJSON_GetArraySize(t.parents), 2);
    kd_targets_release(&t);
    double temperatures[] = {1, 4};
    struct kd_soften what = {.temperatures = {temperatures, 2}, .command = ""};
    softened("q.safetensors", &what, teachers_of("a.safetensors", 1, "b.safetensors", 3, 1));
    taken("q.safetensors", &images, &job, false, &t);
    assert_true(t.probabilities);
    for (unsigned r = 0; r < N; r++) {
        kd_softmax(a + r * C, C, 4, q[0]);
        kd_softmax(b + r * C, C, 4, q[1]);
        for (unsigned c = 0; c < C; c++) mean[r * C + c] = 0.25f * q[0][c] + 0.75f * q[1][c];
    }
    close_to(t.values, mean, N * C, 1e-6f);
    kd_targets_release(&t);
    what.temperatures.n = 0;
    assert_int_equal(
        soften("q.safetensors", &what, teachers_of("a.safetensors", 1, "b.safetensors", 1, 1)), -1);
    assert_says(err, "--temperature");
}

static void teachers_that_do_not_suit(void **state)
{
    (void)state;
    assert_int_equal(
        soften("x", &logits_only, teachers_of("a.safetensors", 1, "five.safetensors", 1, 0)), -1);
    assert_says(err, "five.safetensors knows 5 classes");
    assert_int_equal(
        soften("x", &logits_only, teachers_of("a.safetensors", 1, "b.safetensors", 0, 0)), -1);
    assert_says(err, "weights must be above 0");
    assert_int_equal(
        soften("x", &logits_only, teachers_of("a.safetensors", 1, "b.safetensors", NAN, 0)), -1);
    struct kd_images other = images;
    other.h = 7;
    struct kd_teachers t = teachers_of("a.safetensors", 1, NULL, 0, 0);
    assert_int_equal(kd_teachers_check(&t, &other, &err), -1);
    assert_says(err, "takes images of 1x6x6, made:train has 1x7x6");
    other = images;
    other.classes = 4;
    assert_int_equal(kd_teachers_check(&t, &other, &err), -1);
    assert_says(err, "knows 3 classes, made:train has 4");
    assert_int_equal(kd_teachers_add(&t, in_scratch("none"), 1, &err), -1);
    assert_int_equal(t.n, 1);
    kd_teachers_release(&t);
    struct kd_soften nothing = {.command = ""};
    assert_int_equal(soften("x", &nothing, teachers_of("a.safetensors", 1, NULL, 0, 0)), -1);
    assert_says(err, "nothing to write");
}

static void probabilities_at_their_temperatures(void **state)
{
    (void)state;
    float z[N * C], q[N * C];
    double temperatures[] = {1, 2.5, 4};
    struct kd_soften what = {.temperatures = {temperatures, 3}, .command = ""};
    struct kd_view view = {.images = &images, .n = N};
    struct kd_targets t;
    struct kd_job other = job;
    logits_of("a.safetensors", &view, z);
    softened("q.safetensors", &what, teachers_of("a.safetensors", 1, NULL, 0, 0));
    for (unsigned k = 0; k < 3; k++) {
        other.distill.temperature = temperatures[k];
        taken("q.safetensors", &images, &other, false, &t);
        assert_true(t.probabilities);
        for (unsigned r = 0; r < N; r++) kd_softmax(z + r * C, C, temperatures[k], q + r * C);
        assert_memory_equal(t.values, q, sizeof q);
        kd_targets_release(&t);
    }
    other.distill.temperature = 3;
    refused("q.safetensors", &images, &other, false,
            "at temperatures [1,2.5,4], not at the student's 3", "");
    what.logits = true; /* logits beside them serve every temperature */
    softened("both.safetensors", &what, teachers_of("a.safetensors", 1, NULL, 0, 0));
    taken("both.safetensors", &images, &other, false, &t);
    assert_false(t.probabilities);
    kd_targets_release(&t);
}

/* ---- sparse ---- */

/* The largest two of three: one class is left out, with its own logit as mean. */
static void sparse(void **state)
{
    (void)state;
    float z[2 * N * C], dense[N * C];
    struct kd_soften what = {.logits = true, .top = 2, .command = "", .views = 2, .seed = 9};
    struct kd_view view = {.images = &images, .n = N, .augment = &what.augment, .seed = 9};
    struct kd_targets t;
    static const char *const shifted[] = {"students.s.distill.temperature=4",
                                          "students.s.train.augment.shift=1",
                                          "students.s.network=mlp-9", NULL};
    struct kd_job student = {0};
    job_make(&student, true, shifted);
    what.augment = student.augment;
    for (view.epoch = 0; view.epoch < 2; view.epoch++)
        logits_of("a.safetensors", &view, z + view.epoch * N * C);
    softened("top.safetensors", &what, teachers_of("a.safetensors", 1, NULL, 0, 0));
    taken("top.safetensors", &images, &student, false, &t);
    assert_null(t.values);
    assert_int_equal(t.top.k, 2);
    assert_int_equal(t.views, 2);
    assert_int_equal(t.classes, C);
    assert_int_equal(strlen(t.fingerprint), 32);
    for (size_t v = 0; v < 2; v++) {
        kd_targets_fill(&t, v, NULL, N, 4, dense);
        close_to(dense, z + v * N * C, N * C, 5e-3f);
    }
    const uint32_t some[] = {7, 3};
    kd_targets_fill(&t, 1, some, 2, 4, dense);
    close_to(dense + C, z + (N + 3) * C, C, 5e-3f);
    assert_true(kd_targets_bytes(&t) <= 2 * N * (2 * 3 + 4));
    kd_targets_release(&t);
    struct kd_teachers teachers = teachers_of("a.safetensors", 1, NULL, 0, 0);
    assert_int_equal(kd_teachers_check(&teachers, &images, &err), 0);
    assert_true(kd_soften_is_current(in_scratch("top.safetensors"), &what, &teachers, &images));
    what.top = 1;
    assert_false(kd_soften_is_current(in_scratch("top.safetensors"), &what, &teachers, &images));
    what.top = 0;
    assert_false(kd_soften_is_current(in_scratch("top.safetensors"), &what, &teachers, &images));
    kd_teachers_release(&teachers);
    what.top = C;
    assert_int_equal(soften("x", &what, teachers_of("a.safetensors", 1, NULL, 0, 0)), -1);
    assert_says(err, "--top=3: there are 3 classes");
    kd_job_release(&student);
}

/* ---- other data ---- */

static void other_data(void **state)
{
    (void)state;
    struct kd_images other = images;
    struct kd_targets t;
    char split[] = "test", source[] = "elsewhere", pixels[N * SET_SIDE * SET_SIDE];
    softened("soft.safetensors", &logits_only, teachers_of("a.safetensors", 1, NULL, 0, 0));
    other.split = split;
    refused("soft.safetensors", &other, &job, false, "made for another split: made:train, ",
            images.pixels_fingerprint);
    refused("soft.safetensors", &other, &job, true, "made for another split: made:train, ",
            ""); /* nor with force */
    other = images;
    memcpy(pixels, images.pixels, sizeof pixels);
    pixels[777] ^= 1;
    other.pixels = pixels;
    assert_int_equal(kd_images_fingerprint(&other, &err), 0);
    refused("soft.safetensors", &other, &job, false, images.pixels_fingerprint,
            other.pixels_fingerprint);
    other = images;
    other.source = source; /* the same images from another place are the same images */
    taken("soft.safetensors", &other, &job, false, &t);
    kd_targets_release(&t);
    refused("a.safetensors", &images, &job, true, "it holds a model, not soft targets", "");
}

/* ---- written by others ---- */

struct made { /* a file of one or two tensors */
    const char *tensor;
    enum kd_dtype dtype;
    unsigned dims;
    size_t shape[3];
    const char *meta[8]; /* key, text, ... */
};

static void build(const char *name, const struct made *m, const void *data)
{
    struct kd_tensorfile f;
    if (kd_tensorfile_init(&f, &err) < 0) fail_msg("%s", err.text);
    for (unsigned i = 0; i < 8 && m->meta[i]; i += 2)
        assert_int_equal(kd_tensorfile_set(&f, m->meta[i], m->meta[i + 1], &err), 0);
    if (kd_tensorfile_add(&f, m->tensor, (struct kd_array){m->dtype, m->dims, m->shape, data},
                          &err) < 0 ||
        kd_tensorfile_write(in_scratch(name), &f, &err) < 0)
        fail_msg("%s", err.text);
    kd_tensorfile_release(&f);
}

static void without_fingerprint(void **state)
{
    (void)state;
    float z[N * C];
    uint16_t half[N * C];
    struct kd_targets t;
    random_fill(z, N * C, 1, 1);
    struct made m = {"logits", KD_F32, 2, {N, C, 0}, {0}};
    build("plain.safetensors", &m, z);
    refused("plain.safetensors", &images, &job, false, "no kd.data",
            "--force takes row i for image i of made:train");
    taken("plain.safetensors", &images, &job, true, &t);
    assert_memory_equal(t.values, z, sizeof z);
    assert_int_equal(cJSON_GetArraySize(t.parents), 0);
    kd_targets_release(&t);
    m.tensor = "whatever"; /* the only tensor there is */
    build("plain.safetensors", &m, z);
    taken("plain.safetensors", &images, &job, true, &t);
    kd_targets_release(&t);
    m.dtype = KD_F16;
    for (unsigned i = 0; i < N * C; i++) half[i] = kd_float_to_half(z[i]);
    build("half.safetensors", &m, half);
    taken("half.safetensors", &images, &job, true, &t);
    close_to(t.values, z, N * C, 2e-3f);
    kd_targets_release(&t);
    struct kd_tensor array = {
        .dtype = KD_F32, .dims = 2, .shape = {N, C}, .count = N * C, .data = z};
    assert_int_equal(kd_npy_write(in_scratch("z.npy"), &array, &err), 0);
    refused("z.npy", &images, &job, false, "--force", "");
    taken("z.npy", &images, &job, true, &t);
    assert_memory_equal(t.values, z, sizeof z);
    kd_targets_release(&t);
}

static void shapes_and_values(void **state)
{
    (void)state;
    static float z[2 * N * C + C];
    static int64_t whole[N * C];
    random_fill(z, 2 * N * C + C, 1, 1);
    static const struct {
        struct made made;
        const char *first;
    } cases[] = {
        {{"logits", KD_F32, 2, {N - 1, C, 0}, {0}},
         "logits has 2 dimensions and 39 rows; expected [40, classes]"},
        {{"logits", KD_F32, 2, {N + 1, C, 0}, {0}}, "41 rows"},
        {{"logits", KD_F32, 1, {N, 0, 0}, {0}}, "1 dimensions"},
        {{"logits", KD_F32, 3, {N, C, 1}, {0}}, "3 dimensions and 3 rows"},
        {{"logits", KD_F32, 2, {N, 0, 0}, {0}}, "empty"},
        {{"logits", KD_I64, 2, {N, C, 0}, {0}}, "I64"},
        {{"logits", KD_F32, 3, {2, N, C}, {0}}, "2 views but does not say how they were made"},
        {{"logits", KD_F32, 2, {N, C, 0}, {"kd.kind", "model"}}, "it holds a model"},
        {{"logits", KD_F32, 2, {N, C, 0}, {"kd.format", "9"}}, "newer"},
        {{"logits", KD_F32, 2, {N, C, 0}, {"kd.data", "{"}}, "kd.data"},
        {{"logits", KD_F32, 2, {N, C, 0}, {"kd.data", "[]"}}, "made for"},
        {{"logits", KD_F32, 2, {N, C, 0}, {"kd.parents", "{\"a\""}}, "kd.parents"},
        {{"others", KD_F32, 2, {N, C, 0}, {"kd.kind", "soft-targets"}}, "neither \"logits\" nor"},
        {{"probabilities", KD_F32, 3, {1, N, C}, {"kd.kind", "soft-targets"}},
         "temperatures unknown"},
        {{"probabilities",
          KD_F32,
          3,
          {1, N, C},
          {"kd.kind", "soft-targets", "kd.temperature", "[1,4]"}},
         "more slices"},
        /* one dimension less than it should have: the second slice would lie behind the end */
        {{"probabilities",
          KD_F32,
          2,
          {N, C, 0},
          {"kd.kind", "soft-targets", "kd.temperature", "[1,4]"}},
         "probabilities has 2 dimensions"},
        {{"probabilities",
          KD_F32,
          3,
          {2, N, C},
          {"kd.kind", "soft-targets", "kd.temperature", "[1,4]"}},
         "row "}, /* below 0 */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        build("made.safetensors", &cases[i].made,
              cases[i].made.dtype == KD_I64 ? (const void *)whole : z);
        refused("made.safetensors", &images, &job, true, cases[i].first, "");
    }
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (unsigned i = 0; i < 3; i++) {
        struct made m = {"logits", KD_F32, 2, {N, C, 0}, {0}};
        float saved = z[7 * C + 2];
        z[7 * C + 2] = bad[i];
        build("made.safetensors", &m, z);
        refused("made.safetensors", &images, &job, true, "row 7, class 2 is ", "");
        z[7 * C + 2] = saved;
    }
    refused("none.safetensors", &images, &job, true, "none.safetensors", "");
}

/* Rows of probabilities sum to 1; half precision's rounding is no offence. */
static void probabilities_of_others(void **state)
{
    (void)state;
    static float z[2 * N * C], q[2 * N * C];
    static uint16_t half[2 * N * C];
    struct made m = {"probabilities", KD_F32, 3, {2, N, C}, {"kd.temperature", "[1,4]"}};
    struct kd_targets t;
    random_fill(z, 2 * N * C, 1, 1);
    for (size_t r = 0; r < 2 * N; r++) kd_softmax(z + r * C, C, 1, q + r * C);
    for (size_t i = 0; i < 2 * N * C; i++) half[i] = kd_float_to_half(q[i]);
    q[5 * C] += 3; /* at temperature 1, which is not the student's */
    build("others.safetensors", &m, q);
    taken("others.safetensors", &images, &job, true, &t);
    assert_true(t.probabilities);
    assert_memory_equal(t.values, q + N * C, sizeof q / 2);
    kd_targets_release(&t);
    m.dtype = KD_F16;
    build("half.safetensors", &m, half);
    taken("half.safetensors", &images, &job, true, &t);
    kd_targets_release(&t);
    m.dtype = KD_F32;
    q[(N + 7) * C + 1] += 0.0005f;
    build("others.safetensors", &m, q);
    taken("others.safetensors", &images, &job, true, &t);
    kd_targets_release(&t);
    q[(N + 7) * C + 1] += 0.5f;
    build("others.safetensors", &m, q);
    refused("others.safetensors", &images, &job, true,
            "row 7 of the probabilities at temperature 4 sums to 1.5005, not to 1", "logits");
    for (size_t c = 0; c < C; c++) q[N * C + c] /= 2;
    build("others.safetensors", &m, q);
    refused("others.safetensors", &images, &job, true,
            "row 0 of the probabilities at temperature 4 sums to 0.5", "");
    m.shape[0] = 1; /* alone in its file, it is no logits for that */
    m.meta[0] = NULL;
    build("alone.safetensors", &m, q);
    refused("alone.safetensors", &images, &job, true, "probabilities at temperatures unknown", "");
}

/* Classes are compared where the student's network is known. */
static void wrong_classes(void **state)
{
    (void)state;
    float z[N * 5];
    struct made m = {"logits", KD_F32, 2, {N, C - 1, 0}, {0}};
    struct kd_targets t;
    random_fill(z, N * 5, 1, 1);
    char output[600];
    snprintf(output, sizeof output, "%s/student.safetensors", scratch);
    build("two.safetensors", &m, z);
    taken("two.safetensors", &images, &job, true, &t);
    struct kd_training training = {.job = &job,
                                   .seed = 1,
                                   .experiment = "x",
                                   .images = &images,
                                   .targets = &t,
                                   .output = output,
                                   .command = ""};
    assert_int_equal(kd_training_run(&training, &err), -1);
    assert_says(err, "the soft targets: classes 0 to 1 are known, but image");
    kd_training_release(&training);
    kd_targets_release(&t);
}

/* ---- views ---- */

static void views_are_replayed(void **state)
{
    (void)state;
    static const char *const shifted[] = {"students.s.distill.temperature=4",
                                          "students.s.train.augment.shift=2", NULL};
    static const char *const further[] = {"students.s.distill.temperature=4",
                                          "students.s.train.augment.shift=1", NULL};
    static const char *const fixed[] = {
        "students.s.distill={\"temperature\":4,\"fixed_teacher\":true}",
        "students.s.train.augment.shift=2", NULL};
    enum { VIEWS = 3 };
    struct kd_soften what = {
        .logits = true, .views = VIEWS, .augment = {.shift = 2}, .seed = 42, .command = ""};
    struct kd_targets t;
    struct kd_job same = {0}, other = {0}, content = {0};
    float expected[N * C];
    job_make(&same, true, shifted);
    job_make(&other, true, further);
    job_make(&content, true, fixed);
    softened("views.safetensors", &what, teachers_of("a.safetensors", 1, NULL, 0, 0));
    taken("views.safetensors", &images, &same, false, &t);
    assert_true(t.augmented);
    assert_int_equal(t.views, VIEWS);
    assert_int_equal(t.augment.shift, 2);
    assert_int_equal(t.seed, 42);
    for (uint32_t v = 0; v < VIEWS; v++) {
        struct kd_view view = {&images, NULL, N, &what.augment, 42, v, NULL};
        logits_of("a.safetensors", &view, expected);
        assert_memory_equal(t.values + v * N * C, expected, sizeof expected);
    }
    assert_memory_not_equal(t.values, t.values + N * C, sizeof expected);
    kd_targets_release(&t);
    refused("views.safetensors", &images, &other, false, "(shift 2)", "(shift 1)");
    refused("views.safetensors", &images, &job, false, "(shift 2)", "(shift 0)");
    softened("plain.safetensors", &logits_only, teachers_of("a.safetensors", 1, NULL, 0, 0));
    refused("plain.safetensors", &images, &same, false, "made for plain images", "--fixed-teacher");
    taken("plain.safetensors", &images, &content, false, &t);
    kd_targets_release(&t);
    double one[] = {4};
    what.temperatures = (struct kd_reals){one, 1};
    assert_int_equal(soften("x", &what, teachers_of("a.safetensors", 1, NULL, 0, 0)), -1);
    assert_says(err, "views are recorded as logits");
    kd_job_release(&same);
    kd_job_release(&other);
    kd_job_release(&content);
}

static void most_soft(void *ctx, const struct kd_epoch_log *log)
{
    double *most = ctx;
    *most = fmax(*most, log->soft);
}

/* What the student sees in epoch e is view e mod V of the file: a student whose network is the
 * teacher's sees its own logits in the file, and the soft term is 0. */
static void same_pixels(void **state)
{
    (void)state;
    static const char *const sets[] = {"students.s.train.augment.shift=2",
                                       "students.s.train.epochs=5",
                                       "students.s.train.learning_rate=0",
                                       "students.s.train.batch=16",
                                       "students.s.distill={\"temperature\":4,\"alpha\":1}",
                                       "students.s.train.train_eval=0",
                                       "data.normalize={\"mean\":[0.4],\"std\":[0.3]}",
                                       "students.s.network=mlp-17",
                                       NULL};
    struct kd_soften what = {
        .logits = true, .views = 2, .augment = {.shift = 2}, .seed = 42, .command = ""};
    struct kd_job student = {0};
    struct kd_targets t;
    char output[600];
    snprintf(output, sizeof output, "%s/student.safetensors", scratch);
    job_make(&student, true, sets);
    softened("views.safetensors", &what, teachers_of("a.safetensors", 1, NULL, 0, 0));
    taken("views.safetensors", &images, &student, false, &t);
    for (uint64_t seed = 1; seed <= 2; seed++) { /* 1: the teacher's own weights */
        double soft = 0;
        struct kd_training training = {.job = &student,
                                       .seed = seed,
                                       .experiment = "x",
                                       .images = &images,
                                       .targets = &t,
                                       .output = output,
                                       .command = "",
                                       .on_epoch = most_soft,
                                       .ctx = &soft};
        if (kd_training_run(&training, &err) != 0) fail_msg("%s", err.text);
        if (seed == 1 && !(soft < 1e-9))
            fail_msg("the student saw other pixels than its teacher: soft %g", soft);
        if (seed == 2) assert_true(soft > 1e-3);
        kd_training_release(&training);
    }
    kd_targets_release(&t);
    kd_job_release(&student);
}

/* Teachers at hand give what their file would give. */
static void online(void **state)
{
    (void)state;
    float expected[N * C];
    struct kd_view view = {.images = &images, .n = N};
    struct kd_targets t;
    struct kd_teachers teachers = teachers_of("a.safetensors", 2, NULL, 0, 0);
    logits_of("a.safetensors", &view, expected);
    assert_int_equal(kd_targets_from_teachers(&teachers, &images, &job, &alone, &t, &err), 0);
    assert_int_equal(teachers.n, 0);
    assert_memory_equal(t.values, expected, sizeof expected);
    assert_int_equal(cJSON_GetArraySize(t.parents), 1);
    kd_targets_release(&t);
    static const char *const shifted[] = {"students.s.distill.temperature=4",
                                          "students.s.train.augment.shift=2",
                                          "students.s.train.epochs=2",
                                          "students.s.train.learning_rate=0",
                                          "students.s.distill.alpha=1",
                                          "students.s.train.train_eval=0",
                                          "data.normalize={\"mean\":[0.4],\"std\":[0.3]}",
                                          "students.s.network=mlp-17",
                                          NULL};
    struct kd_job student = {0};
    job_make(&student, true, shifted);
    teachers = teachers_of("a.safetensors", 2, NULL, 0, 0);
    assert_int_equal(kd_targets_from_teachers(&teachers, &images, &student, &alone, &t, &err), 0);
    assert_null(t.values); /* asked batch by batch, on the pixels that the student sees */
    char output[600];
    snprintf(output, sizeof output, "%s/student.safetensors", scratch);
    struct kd_training training = {.job = &student,
                                   .seed = 1,
                                   .experiment = "x",
                                   .images = &images,
                                   .targets = &t,
                                   .output = output,
                                   .command = ""};
    if (kd_training_run(&training, &err) != 0) fail_msg("%s", err.text);
    assert_true(training.chosen.soft < 1e-9);
    kd_training_release(&training);
    kd_targets_release(&t);
    kd_job_release(&student);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_come_back),
        cmocka_unit_test(too_large_for_half),
        cmocka_unit_test(several_teachers),
        cmocka_unit_test(teachers_that_do_not_suit),
        cmocka_unit_test(probabilities_at_their_temperatures),
        cmocka_unit_test(sparse),
        cmocka_unit_test(other_data),
        cmocka_unit_test(without_fingerprint),
        cmocka_unit_test(shapes_and_values),
        cmocka_unit_test(probabilities_of_others),
        cmocka_unit_test(wrong_classes),
        cmocka_unit_test(views_are_replayed),
        cmocka_unit_test(same_pixels),
        cmocka_unit_test(online),
    };
    kd_blas_init();
    return cmocka_run_group_tests_name("targets", tests, make, unmake);
}
