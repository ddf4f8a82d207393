/* An experiment's tasks: which, in which order, made from what; which are picked; what is told
 * wrong before any work; and the images that they share. */
#include "scratch.h"

#include "kd/train/tasks.h"

static struct kd_err err;

static const char text[] =
    "{\"name\":\"x\",\"seeds\":[5,3],\"data\":{\"source\":\"digits\"},"
    "\"teacher\":{\"network\":\"mlp-9\",\"seeds\":1},"
    "\"students\":{"
    "\"late\":{\"network\":\"mlp-4\",\"distill\":{\"from\":\"kd,alpha=1\"}},"
    "\"kd\":{\"network\":\"mlp-4\",\"distill\":{},\"sweep\":{\"distill.alpha\":[0.5,1]}},"
    "\"moved\":{\"network\":\"mlp-4\",\"train\":{\"augment\":{\"shift\":1}},"
    "\"distill\":{\"from\":[\"teacher\",{\"from\":\"late\",\"weight\":3}]}},"
    "\"fixed\":{\"correct\":{\"of\":\"late\"}},"
    "\"plain\":{\"network\":\"mlp-4\"}}}";

static struct kd_experiment *x;

static struct kd_tasks *open_with(const char *json, const struct kd_tasks_options *options)
{
    const char *path = in_scratch("x.json");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(json, f);
    fclose(f);
    memset(&err, 0, sizeof err);
    x = kd_experiment_open(path, NULL, NULL, &err);
    if (!x) fail_msg("%s", err.text);
    return kd_tasks_open(x, options, &err);
}

static struct kd_tasks *opened(const struct kd_tasks_options *options)
{
    struct kd_tasks *t = open_with(text, options);
    if (!t) fail_msg("%s", err.text);
    return t;
}

static void closed(struct kd_tasks *t)
{
    kd_tasks_close(t);
    kd_experiment_close(x);
}

static const struct kd_task *task_of(const struct kd_tasks *t, const char *output)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->v[i].output, output) == 0) return &t->v[i];
    fail_msg("%s is no task", output);
    return NULL;
}

static void picked_are(const struct kd_tasks *t, struct kd_pick pick, const char *expected)
{
    struct kd_picked picked;
    char names[2000] = "";
    size_t at = 0;
    if (kd_tasks_pick(t, &pick, &picked, &err) < 0) fail_msg("%s", err.text);
    for (size_t i = 0; i < picked.n; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s/%llu", i ? " " : "",
                               picked.v[i]->job->name, (unsigned long long)picked.v[i]->seed);
    assert_string_equal(names, expected);
    kd_picked_release(&picked);
}

static void order_and_picks(void **state)
{
    (void)state;
    struct kd_tasks *t = opened(NULL);
    const uint64_t three = 3;
    char *names[] = {"plain", "kd"};
    struct kd_texts asked = {names, 2};
    picked_are(t, (struct kd_pick){.kinds = KD_PICK_TEACHERS}, "teacher/5");
    picked_are(t, (struct kd_pick){.kinds = KD_PICK_SOFT}, "teacher/5");
    picked_are(t, (struct kd_pick){.kinds = KD_PICK_STUDENTS, .seed = &three},
               "kd,alpha=0.5/3 kd,alpha=1/3 late/3 moved/3 fixed/3 plain/3");
    picked_are(t, (struct kd_pick){.kinds = KD_PICK_STUDENTS, .students = &asked},
               "plain/5 plain/3 kd,alpha=0.5/5 kd,alpha=0.5/3 kd,alpha=1/5 kd,alpha=1/3");
    asked.n = 1;
    picked_are(t,
               (struct kd_pick){.kinds = KD_PICK_TEACHERS | KD_PICK_STUDENTS,
                                .students = &asked,
                                .by_seed = true},
               "teacher/5 plain/5 plain/3");
    names[0] = "plian";
    struct kd_picked none;
    struct kd_pick wrong = {.kinds = KD_PICK_STUDENTS, .students = &asked};
    assert_int_equal(kd_tasks_pick(t, &wrong, &none, &err), -1);
    assert_says(err, "did you mean \"plain\"?");
    closed(t);
}

static void sources(void **state)
{
    (void)state;
    struct kd_tasks *t = opened(NULL);
    const struct kd_task *teacher = task_of(t, "runs/x/teacher/s5");
    const struct kd_task *soft = task_of(t, "runs/x/soft/s5/teacher.safetensors");
    const struct kd_task *kd = task_of(t, "runs/x/students/kd,alpha=1/s3");
    const struct kd_task *late = task_of(t, "runs/x/students/late/s3");
    const struct kd_task *moved = task_of(t, "runs/x/students/moved/s3");
    const struct kd_task *fixed = task_of(t, "runs/x/students/fixed/s3");
    assert_true(soft->n_sources == 1 && soft->sources[0].task == teacher);
    assert_true(kd->n_sources == 1 && kd->sources[0].task == teacher); /* the one there is */
    assert_string_equal(kd->soft, "runs/x/soft/s5/teacher.safetensors");
    assert_true(kd->soft_serve);
    assert_true(late->sources[0].task == kd); /* of its own seed */
    assert_string_equal(late->sources[0].path, "runs/x/students/kd,alpha=1/s3/model.safetensors");
    assert_int_equal(moved->n_sources, 2);
    assert_true(moved->sources[1].task == late && moved->sources[1].weight == 3);
    assert_null(moved->soft);
    assert_true(fixed->corrects == late && fixed->n_sources == 1);
    assert_int_equal(task_of(t, "runs/x/students/plain/s3")->n_sources, 0);
    assert_true(kd->job == task_of(t, "runs/x/students/kd,alpha=1/s5")->job); /* expanded once */
    assert_false(kd_task_is_ready(kd));
    assert_true(kd_task_is_ready(teacher));
    closed(t);
    t = opened(&(struct kd_tasks_options){.sources_elsewhere = true});
    assert_int_equal(task_of(t, "runs/x/students/late/s3")->n_sources, 0);
    closed(t);
}

static void one_seed(void **state)
{
    (void)state;
    const uint64_t seed = 3, foreign = 8;
    struct kd_tasks *t = opened(&(struct kd_tasks_options){.seed = &seed});
    const struct kd_task *kd = task_of(t, "runs/x/students/kd,alpha=1/s3");
    assert_string_equal(kd->sources[0].path, "runs/x/teacher/s5/model.safetensors");
    picked_are(t, (struct kd_pick){.kinds = KD_PICK_TEACHERS, .seed = &seed}, "teacher/3");
    closed(t);
    t = opened(&(struct kd_tasks_options){.seed = &foreign});
    kd = task_of(t, "runs/x/students/plain/s8");
    assert_int_equal(kd->seed, 8);
    closed(t);
}

static int set_epochs(void *ctx, struct kd_job *job, struct kd_err *e)
{
    (void)e;
    if (job->student) job->train.epochs = *(int *)ctx;
    return 0;
}

static void refused(const char *json, const char *what)
{
    struct kd_picked picked = {0};
    struct kd_tasks *t = open_with(json, NULL);
    const struct kd_pick all = {.kinds = KD_PICK_TEACHERS | KD_PICK_STUDENTS};
    if (t && kd_tasks_pick(t, &all, &picked, &err) == 0 &&
        kd_tasks_check(t, &picked, NULL, &err) == 0)
        fail_msg("%s was accepted", json);
    assert_says(err, "x.json: students.s: ");
    assert_says(err, what);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    kd_picked_release(&picked);
    closed(t);
}

static void checked_whole(void **state)
{
    (void)state;
    int epochs = 77;
    struct kd_tasks *t = opened(&(struct kd_tasks_options){.adjust = set_epochs, .ctx = &epochs});
    assert_int_equal(task_of(t, "runs/x/students/plain/s3")->job->train.epochs, 77);
    assert_int_equal(task_of(t, "runs/x/teacher/s5")->job->train.epochs, 20);
    closed(t);
    refused("{\"students\":{\"s\":{\"network\":\"mlp-4\",\"distill\":{\"from\":[]}}}}",
            "distill.from: an empty list");
    refused("{\"students\":{\"s\":{\"network\":\"mlp-4\",\"distill\":{\"from\":[7]}}}}",
            "distill.from: expected names");
    refused("{\"students\":{\"s\":{\"network\":\"mlp-4\",\"distill\":{\"from\":\"gone\"}}}}",
            "\"gone\" is neither a student nor the teacher");
    refused("{\"students\":{\"s\":{\"network\":\"mlp-4\",\"train\":{\"epochs\":2,\"schedule\":"
            "{\"warmup\":2}}}}}",
            "train.schedule.warmup");
    refused("{\"seeds\":2,\"students\":{\"p\":{\"network\":\"mlp-4\"},\"s\":{\"network\":7}}}",
            "network");
}

static void shapes_are_held_against_images(void **state)
{
    (void)state;
    struct kd_image_cache cache = {0};
    struct kd_picked picked;
    const struct kd_pick all = {.kinds = KD_PICK_STUDENTS};
    struct kd_tasks *t = open_with(
        "{\"data\":{\"source\":\"digits\"},\"students\":{\"s\":{\"network\":[{\"kind\":\"conv2d\","
        "\"filters\":2,\"kernel\":99},\"flatten\",{\"kind\":\"dense\"}]}}}",
        NULL);
    assert_int_equal(kd_tasks_pick(t, &all, &picked, &err), 0);
    assert_int_equal(kd_tasks_check(t, &picked, NULL, &err), 0);
    assert_int_equal(kd_tasks_check(t, &picked, &cache, &err), -1);
    assert_says(err, "students.s: ");
    kd_image_cache_release(&cache);
    kd_picked_release(&picked);
    closed(t);
}

static void images_are_loaded_once(void **state)
{
    (void)state;
    struct kd_image_cache one = {0}, two = {.keep = KD_IMAGE_CACHE_MOST};
    const struct kd_images *train = kd_image_cache_get(&two, "digits", NULL, "train", NULL, &err);
    const struct kd_images *test = kd_image_cache_get(&two, "digits", NULL, "test", NULL, &err);
    assert_true(train && test && train != test);
    assert_string_equal(test->split, "test");
    assert_ptr_equal(kd_image_cache_get(&two, "digits", NULL, "train", NULL, &err), train);
    assert_ptr_equal(kd_image_cache_peek(&two, "digits", NULL, "test", NULL), test);
    kd_image_cache_get(&two, "digits:test", NULL, "train", NULL, &err); /* the older one goes */
    assert_null(kd_image_cache_peek(&two, "digits", NULL, "test", NULL));
    assert_ptr_equal(kd_image_cache_peek(&two, "digits", NULL, "train", NULL), train);
    assert_null(kd_image_cache_get(&two, NULL, NULL, "train", NULL, &err));
    assert_int_equal(err.kind, KD_ERR_USAGE);
    assert_null(kd_image_cache_get(&two, "idx:nowhere", NULL, "train", NULL, &err));
    assert_non_null(kd_image_cache_get(&one, "digits", NULL, "train", NULL, &err));
    assert_non_null(kd_image_cache_get(&one, "digits", NULL, "test", NULL, &err));
    assert_null(kd_image_cache_peek(&one, "digits", NULL, "train", NULL));
    kd_image_cache_release(&one);
    kd_image_cache_release(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_picks),
        cmocka_unit_test(sources),
        cmocka_unit_test(one_seed),
        cmocka_unit_test(checked_whole),
        cmocka_unit_test(shapes_are_held_against_images),
        cmocka_unit_test(images_are_loaded_once),
    };
    return cmocka_run_group_tests_name("tasks", tests, scratch_make, scratch_remove);
}
