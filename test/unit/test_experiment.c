/* Experiments: seeds, sweeps, the order of students, what is refused, and by which words. */
#include "scratch.h"

#include "kd/train/experiment.h"

#include <math.h>

static struct kd_err err;

static struct kd_experiment *open_with(const char *text, const char *const *sets)
{
    static const char *const none[] = {NULL};
    if (!sets) sets = none;
    struct kd_texts texts = {(char **)(uintptr_t)sets, 0};
    while (sets[texts.n]) texts.n++;
    const char *path = in_scratch("x.json");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    memset(&err, 0, sizeof err);
    return kd_experiment_open(path, NULL, &texts, &err);
}

static struct kd_experiment *opened(const char *text)
{
    struct kd_experiment *x = open_with(text, NULL);
    if (!x) fail_msg("%s: %s", text, err.text);
    return x;
}

static void refused(const char *text, const char *first, const char *second)
{
    struct kd_experiment *x = open_with(text, NULL);
    if (x) fail_msg("%s was accepted", text);
    assert_says(err, "x.json: ");
    assert_says(err, first);
    assert_says(err, second);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    assert_null(strchr(err.text, '\n'));
}

/* Names of all students, with spaces between. */
static void students_are(struct kd_experiment *x, const char *expected)
{
    char names[1000] = "";
    size_t at = 0;
    for (size_t i = 0; i < x->n_students; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? " " : "",
                               x->students[i].name);
    assert_string_equal(names, expected);
    kd_experiment_close(x);
}

static struct kd_job job_of(const struct kd_experiment *x, const char *name)
{
    struct kd_job job = {0};
    if (kd_experiment_job(x, name, strcmp(name, "teacher") != 0, &job, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (kd_job_resolve(&job, &err) < 0) fail_msg("%s: %s", name, err.text);
    return job;
}

/* Opening succeeds; the job is refused. */
static void job_refused(const char *text, const char *name, const char *first, const char *second)
{
    struct kd_experiment *x = opened(text);
    struct kd_job job = {0};
    memset(&err, 0, sizeof err);
    if (kd_experiment_job(x, name, strcmp(name, "teacher") != 0, &job, &err) == 0)
        fail_msg("%s: %s was accepted", text, name);
    assert_says(err, first);
    assert_says(err, second);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    kd_job_release(&job);
    kd_experiment_close(x);
}

/* ---- names, places, seeds ---- */

static void names_and_places(void **state)
{
    (void)state;
    struct kd_experiment *x = opened("{\"name\":\"mnist\"}");
    assert_string_equal(x->name, "mnist");
    assert_string_equal(x->folder, "runs/mnist");
    char *p = kd_experiment_place(x, "teacher", false, 3, &err);
    assert_string_equal(p, "runs/mnist/teacher/s3");
    kd_free(p);
    p = kd_experiment_place(x, "kd,temperature=2.5", true, 9007199254740992u, &err);
    assert_string_equal(p, "runs/mnist/students/kd,temperature=2.5/s9007199254740992");
    kd_free(p);
    p = kd_experiment_soft(x, "teacher", 1, &err);
    assert_string_equal(p, "runs/mnist/soft/s1/teacher.safetensors");
    kd_free(p);
    kd_experiment_close(x);
    x = opened("{}");
    assert_string_equal(x->name, "x"); /* as the file is called */
    kd_experiment_close(x);
    x = kd_experiment_open(NULL, "elsewhere", NULL, &err);
    assert_string_equal(x->folder, "elsewhere/quick");
    assert_int_equal(x->n_seeds, 1);
    kd_experiment_close(x);
    refused("{\"name\":\"a/b\"}", "name: expected a folder's name", "");
    refused("{\"name\":\"\"}", "name:", "");
    refused("{\"name\":\".hidden\"}", "name:", "no leading dot or dash");
    refused("{\"name\":\"..\"}", "name:", "");
    refused("{\"name\":7}", "name:", "");
}

static void seeds_are(const char *text, size_t n, uint64_t first, uint64_t last)
{
    struct kd_experiment *x = opened(text);
    assert_int_equal(x->n_seeds, n);
    assert_true(x->seeds[0] == first && x->seeds[n - 1] == last);
    kd_experiment_close(x);
}

static void seeds(void **state)
{
    (void)state;
    seeds_are("{}", 1, 1, 1);
    seeds_are("{\"seeds\":5}", 5, 1, 5);
    seeds_are("{\"seeds\":[7]}", 1, 7, 7);
    seeds_are("{\"seeds\":[0,3,9007199254740992]}", 3, 0, 9007199254740992u);
    static const char *const bad[] = {"0",
                                      "-1",
                                      "1.5",
                                      "\"3\"",
                                      "[]",
                                      "[1.5]",
                                      "[-1]",
                                      "[\"1\"]",
                                      "10001",
                                      "{}",
                                      "[9007199254740994]",
                                      "1e300",
                                      "null",
                                      "[1e300]"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"seeds\":%s}", bad[i]);
        refused(text,
                "seeds: expected a count from 1 to 10000, or a list of whole numbers up to 2^53",
                "");
    }
    refused("{\"seeds\":[3,1,3]}", "seeds: 3 is there twice", "");
}

static void students_share_teachers(void **state)
{
    (void)state;
    struct kd_experiment *x = opened("{\"seeds\":[4,7,9,2],\"teacher\":{\"seeds\":3}}");
    assert_int_equal(x->n_teacher_seeds, 3);
    assert_int_equal(kd_experiment_teacher_seed(x, 4), 4);
    assert_int_equal(kd_experiment_teacher_seed(x, 9), 9);
    assert_int_equal(kd_experiment_teacher_seed(x, 2), 4);   /* the fourth begins anew */
    assert_int_equal(kd_experiment_teacher_seed(x, 100), 7); /* asked for by --seed alone */
    cJSON *resolved = kd_experiment_resolved(x, &err);
    assert_non_null(resolved);
    const cJSON *seeds = cJSON_GetObjectItem(cJSON_GetObjectItem(resolved, "teacher"), "seeds");
    assert_true(cJSON_IsNumber(seeds) && seeds->valuedouble == 3);
    cJSON_Delete(resolved);
    kd_experiment_close(x);
    x = opened("{\"seeds\":3,\"teacher\":{}}");
    assert_int_equal(kd_experiment_teacher_seed(x, 100), 100); /* each its own */
    kd_experiment_close(x);
    x = opened("{\"seeds\":1,\"teacher\":{\"seeds\":3}}"); /* as after --set seeds=1 */
    assert_int_equal(x->n_teacher_seeds, 1);
    kd_experiment_close(x);
    refused("{\"seeds\":3,\"teacher\":{\"seeds\":0}}",
            "teacher.seeds: expected how many of the seeds", "");
    refused("{\"seeds\":3,\"teacher\":{\"seeds\":[1]}}",
            "teacher.seeds: expected how many of the seeds", "");
    refused("{\"seeds\":3,\"teacher\":{\"seeds\":1.5}}",
            "teacher.seeds: expected how many of the seeds", "");
}

/* ---- sweeps ---- */

static void sweeps(void **state)
{
    (void)state;
    students_are(opened("{\"students\":{\"plain\":{},\"kd\":{\"sweep\":{\"distill.temperature\":[1,"
                        "2.5,20]}}}}"),
                 "plain kd,temperature=1 kd,temperature=2.5 kd,temperature=20");
    students_are(opened("{\"students\":{\"s\":{\"sweep\":{\"distill.temperature\":[1,4],\"distill."
                        "alpha\":[0.5,1]}}}}"),
                 "s,temperature=1,alpha=0.5 s,temperature=1,alpha=1 s,temperature=4,alpha=0.5 "
                 "s,temperature=4,alpha=1");
    students_are(
        opened("{\"students\":{\"s\":{\"sweep\":{\"network\":[\"mlp-30\",\"mlp-800-800\"]}}}}"),
        "s,network=mlp-30 s,network=mlp-800-800");
    students_are(
        opened("{\"students\":{\"s\":{\"sweep\":{\"train.optimizer.nesterov\":[true,false]}}}}"),
        "s,nesterov=true s,nesterov=false");
    students_are(opened("{\"students\":{\"s\":{\"sweep\":{}}}}"), "s");
    struct kd_experiment *x =
        opened("{\"students\":{\"s\":{\"train\":{\"epochs\":7},\"distill\":{\"alpha\":0.25},"
               "\"sweep\":{\"distill.temperature\":[1,2.5],\"train.batch\":[10,20]}}}}");
    struct kd_job job = job_of(x, "s,temperature=2.5,batch=10");
    assert_true(job.distill.temperature == 2.5 && job.distill.alpha == 0.25);
    assert_int_equal(job.train.batch, 10);
    assert_int_equal(job.train.epochs, 7);
    assert_true(job.distilled && job.student);
    kd_job_release(&job);
    assert_non_null(kd_experiment_student(x, "s,temperature=1,batch=20", &err));
    assert_null(kd_experiment_student(x, "s,temperature=3,batch=20", &err));
    assert_says(err, "did you mean \"s,temperature=1,batch=20\"?");
    assert_true(kd_experiment_knows(x, "s,temperature=1,batch=20"));
    assert_false(kd_experiment_knows(x, "s"));
    assert_false(kd_experiment_knows(x, "teacher"));
    kd_experiment_close(x);
    refused("{\"students\":{\"s\":{\"sweep\":[1]}}}", "students.s.sweep: expected an object", "");
    refused("{\"students\":{\"s\":{\"sweep\":{\"distill.alpha\":0.5}}}}",
            "students.s.sweep.distill.alpha: expected a list", "");
    refused("{\"students\":{\"s\":{\"sweep\":{\"distill.alpha\":[]}}}}", "expected a list", "");
    refused("{\"students\":{\"s\":{\"sweep\":{\"distill.alpha\":[1,1]}}}}",
            "two of them are named \"s,alpha=1\"", "");
    refused("{\"students\":{\"s\":{\"sweep\":{\"a.alpha\":[1]}}}}",
            "students.s,alpha=1: unknown key \"a\"", "");
    refused("{\"students\":{\"s\":{\"sweep\":{\"distil.alpha\":[1]}}}}", "unknown key \"distil\"",
            "did you mean \"distill\"?");
    refused("{\"students\":{\"s\":{\"sweep\":{\"network\":[\"nets/a.json\"]}}}}",
            "s,network=nets/a.json", "no \"/\"");
    refused(
        "{\"students\":{\"s\":{\"sweep\":{\"train.batch\":"
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30],"
        "\"distill.alpha\":"
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30],"
        "\"distill.temperature\":"
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30]}}}}",
        "students: more than", "");
    job_refused("{\"students\":{\"s\":{\"sweep\":{\"distill.alfa\":[1]}}}}", "s,alfa=1",
                "students.s,alfa=1.distill", "alpha");
    job_refused("{\"students\":{\"s\":{\"sweep\":{\"distill.alpha\":[7]}}}}", "s,alpha=7", "alpha",
                "");
}

/* ---- who teaches whom ---- */

static void parents_before_children(void **state)
{
    (void)state;
    students_are(opened("{\"students\":{\"c\":{\"distill\":{\"from\":\"b\"}},\"b\":{\"distill\":{"
                        "\"from\":\"a\"}},"
                        "\"a\":{\"distill\":{\"from\":\"teacher\"}},\"z\":{}}}"),
                 "a b c z");
    students_are(
        opened(
            "{\"students\":{\"e\":{\"distill\":{\"from\":[\"b\",{\"from\":\"d\",\"weight\":2}]}},"
            "\"d\":{},\"b\":{},\"a\":{}}}"),
        "d b e a");
    students_are(opened("{\"students\":{\"s\":{\"distill\":{\"from\":\"k,temperature=2\"}},"
                        "\"k\":{\"sweep\":{\"distill.temperature\":[1,2]}}}}"),
                 "k,temperature=1 k,temperature=2 s");
    refused("{\"students\":{\"a\":{\"distill\":{\"from\":\"a\"}}}}", "students.a.distill.from",
            "circle");
    refused("{\"students\":{\"x\":{},\"a\":{\"distill\":{\"from\":\"b\"}},\"b\":{\"distill\":{"
            "\"from\":[\"c\"]}},"
            "\"c\":{\"distill\":{\"from\":[{\"from\":\"a\"}]}}}}",
            "circle", "distill.from");
}

/* ---- refusals ---- */

static void keys_and_types(void **state)
{
    (void)state;
    refused("[]", "expected an object", "");
    refused("{\"student\":{}}", "unknown key \"student\"", "did you mean \"students\"?");
    refused("{\"xyzzyxyzzy\":{}}", "unknown key \"xyzzyxyzzy\"", "");
    refused("{\"students\":[]}", "students: expected an object", "");
    refused("{\"students\":{\"a\":3}}", "students.a: expected an object", "");
    refused("{\"students\":{\"a\":{\"netwrok\":[]}}}", "students.a: unknown key \"netwrok\"",
            "did you mean \"network\"?");
    refused("{\"students\":{\"a/b\":{}}}", "students.a/b: a student's name is a folder's name",
            "no \"/\"");
    refused("{\"students\":{\"..\":{}}}", "students...: a student's name", "");
    refused("{\"students\":{\"\":{}}}", "a student's name", "");
    refused("{\"students\":{\"teacher\":{}}}", "students.teacher", "and not \"teacher\"");
    assert_null(open_with("{\"seeds\":1,\"seeds\":2}", NULL));
    assert_says(err, "x.json: the key seeds is there twice");
    assert_null(open_with("{\"students\":{\"a\":{},\"a\":{}}}", NULL));
    assert_says(err, "students.a is there twice");
    assert_null(open_with("{\"seeds\":1,}", NULL));
    assert_says(err, "x.json: line 1, column 12");
    assert_null(kd_experiment_open(in_scratch("none.json"), NULL, NULL, &err));
    assert_says(err, "none.json");
}

static void settings(void **state)
{
    (void)state;
    job_refused("{\"teacher\":{\"trian\":{}}}", "teacher", "teacher: unknown key \"trian\"",
                "did you mean \"train\"?");
    job_refused("{\"teacher\":{\"distill\":{}}}", "teacher", "teacher: unknown key \"distill\"",
                "");
    job_refused("{\"teacher\":[]}", "teacher", "teacher: expected an object", "");
    job_refused("{\"teacher\":{\"train\":{\"epoch\":3}}}", "teacher", "teacher.train", "epochs");
    job_refused("{\"teacher\":{\"train\":{\"epochs\":\"many\"}}}", "teacher",
                "teacher.train.epochs", "");
    job_refused("{\"teacher\":{\"train\":{\"batch\":0}}}", "teacher", "teacher.train.batch", "");
    job_refused("{\"teacher\":{\"train\":{\"augment\":{\"shifts\":3}}}}", "teacher",
                "teacher.train.augment", "shift");
    job_refused("{\"teacher\":{\"train\":{\"optimizer\":{\"kind\":\"sgdm\"}}}}", "teacher",
                "teacher.train.optimizer.kind", "sgd");
    job_refused("{\"data\":{\"sorce\":\"mnist\"}}", "teacher", "data",
                "source"); /* without a teacher too */
    job_refused("{\"data\":{\"sorce\":\"mnist\"},\"students\":{\"s\":{}}}", "s", "data", "source");
    job_refused("{\"data\":3}", "teacher", "data", "");
    job_refused("{\"students\":{\"s\":{\"data\":{\"omitt\":[3]}}}}", "s", "students.s.data",
                "omit");
    job_refused("{\"students\":{\"s\":{\"distill\":{\"temprature\":3}}}}", "s",
                "students.s.distill", "temperature");
    job_refused("{\"students\":{\"s\":{\"distill\":{\"temperature\":0}}}}", "s",
                "students.s.distill.temperature", "");
    struct kd_experiment *x =
        opened("{\"data\":{\"source\":\"mnist\",\"validation\":5000},\"students\":{\"s\":"
               "{\"data\":{\"omit\":[3]},\"distill\":{\"alpha\":1}},\"p\":{}}}");
    struct kd_job job = job_of(x, "s");
    assert_string_equal(job.data.source, "mnist");
    assert_true(job.data.validation == 5000 && job.data.omit.n == 1 &&
                job.data.omit.v[0].number == 3);
    assert_string_equal(job.distill.from->valuestring, "teacher");
    assert_true(job.distill.temperature == 4 && job.distill.alpha == 1);
    kd_job_release(&job);
    job = job_of(x, "p");
    assert_false(job.distilled);
    assert_int_equal(job.data.omit.n, 0);
    kd_job_release(&job);
    kd_experiment_close(x);
}

static void sets(void **state)
{
    (void)state;
    static const char text[] =
        "{\"name\":\"a\",\"seeds\":3,\"teacher\":{\"network\":[\"flatten\",{\"kind\":\"dropout\","
        "\"rate\":0.5}]},\"students\":{\"kd\":{\"distill\":{\"alpha\":0.9}}}}";
    static const char *const good[] = {
        "students.kd.distill.alpha=0.5", "seeds=[4,5]", "name=b", "teacher.network.1.rate=0.25",
        "students.new.network=mlp-30",   NULL};
    struct kd_experiment *x = open_with(text, good);
    if (!x) fail_msg("%s", err.text);
    assert_string_equal(x->folder, "runs/b");
    assert_true(x->n_seeds == 2 && x->seeds[1] == 5);
    struct kd_job job = job_of(x, "kd");
    assert_true(job.distill.alpha == 0.5);
    kd_job_release(&job);
    job = job_of(x, "teacher");
    assert_true(cJSON_GetObjectItem(cJSON_GetArrayItem(job.network, 1), "rate")->valuedouble ==
                0.25);
    kd_job_release(&job);
    students_are(x, "kd new");
    static const char *const bad[][2] = {{"studnets.kd.distill.alpha=0.5", NULL},
                                         {"students.kd.distil.alpha=0.5", NULL},
                                         {"seeds", NULL},
                                         {"seeds=[1", NULL}};
    for (unsigned i = 0; i < 4; i++) {
        x = open_with(text, bad[i]);
        if (x) fail_msg("--set %s was accepted", bad[i][0]);
        assert_int_equal(err.kind, KD_ERR_USAGE);
    }
}

/* experiment.json: every job with all its settings; it opens again as the same experiment. */
static void resolved(void **state)
{
    (void)state;
    struct kd_experiment *x = opened(
        "{\"name\":\"r\",\"seeds\":2,\"data\":{\"source\":\"digits\"},\"teacher\":{\"network\":"
        "\"mlp-9\"},\"soften\":{\"temperature\":[1,4]},\"students\":{\"s\":{\"network\":"
        "\"mlp-3\",\"sweep\":{\"distill.temperature\":[1,2.5]}}}}");
    cJSON *json = kd_experiment_resolved(x, &err);
    assert_non_null(json);
    assert_int_equal(cJSON_GetArraySize(kd_json_get(json, "seeds")), 2);
    assert_true(kd_json_get(json, "teacher.train.epochs")->valuedouble == 20);
    assert_string_equal(kd_json_get(json, "teacher.data.source")->valuestring, "digits");
    assert_null(kd_json_get(json, "teacher.distill"));
    const cJSON *student =
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, "students"), "s,temperature=2.5");
    assert_true(kd_json_get(student, "distill.temperature")->valuedouble == 2.5);
    assert_true(kd_json_get(student, "distill.alpha")->valuedouble == 0.9);
    cJSON_Delete(json);
    kd_experiment_close(x);
}

static void jobs_that_contradict_themselves(void **state)
{
    (void)state;
    static const struct {
        const char *text, *first;
    } cases[] = {
        {"{\"teacher\":{\"train\":{\"epochs\":3,\"schedule\":{\"warmup\":3}}}}",
         "train.schedule.warmup"},
        {"{\"teacher\":{\"train\":{\"optimizer\":{\"kind\":\"adam\",\"nesterov\":true}}}}",
         "nesterov"},
        {"{\"teacher\":{\"train\":{\"optimizer\":{\"kind\":\"sgd\",\"momentum\":0,\"nesterov\":"
         "true}}}}",
         "nesterov"},
        {"{\"teacher\":{\"train\":{\"patience\":3}}}", "data.validation"},
        {"{\"data\":{\"unlabelled\":true},\"teacher\":{}}", "data.unlabelled"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kd_experiment *x = opened(cases[i].text);
        struct kd_job job = job_of(x, "teacher");
        assert_int_equal(kd_job_check(&job, &err), -1);
        assert_says(err, cases[i].first);
        assert_int_equal(err.kind, KD_ERR_USAGE);
        kd_job_release(&job);
        kd_experiment_close(x);
    }
    struct kd_experiment *x =
        opened("{\"data\":{\"unlabelled\":true},\"students\":{\"s\":{\"distill\":{\"alpha\":1}},"
               "\"t\":{\"distill\":{\"alpha\":0.9}}}}");
    struct kd_job job = job_of(x, "s");
    assert_int_equal(kd_job_check(&job, &err), 0);
    kd_job_release(&job);
    job = job_of(x, "t");
    assert_int_equal(kd_job_check(&job, &err), -1);
    kd_job_release(&job);
    kd_experiment_close(x);
}

static void corrected_students(void **state)
{
    (void)state;
    static const char text[] = "{\"students\": {\"b\": {\"correct\": {\"of\": \"a\"}, \"sweep\": "
                               "{\"correct.by\": [\"balanced\", \"test\"]}},"
                               "\"a\": {\"network\": \"mlp-7\", \"data\": {\"omit\": [3]}, "
                               "\"distill\": {\"temperature\": 9}}}}";
    struct kd_experiment *x = opened(text);
    struct kd_job job = job_of(x, "b,by=balanced");
    assert_true(job.corrected && job.correct.by == KD_BY_BALANCED && job.correct.flips == 0.001);
    assert_string_equal(job.correct.of, "a");
    assert_string_equal(job.network->valuestring, "mlp-7");
    assert_true(job.distilled && job.distill.temperature == 9 && job.data.omit.n == 1 &&
                job.data.omit.v[0].number == 3);
    kd_job_release(&job);
    job = job_of(x, "a");
    assert_false(job.corrected);
    cJSON *json = kd_job_to_json(&job, &err);
    assert_false(
        cJSON_HasObjectItem(json, "correct")); /* nothing new is said of what is not corrected */
    cJSON_Delete(json);
    kd_job_release(&job);
    students_are(x, "a b,by=balanced b,by=test");
    refused("{\"students\": {\"a\": {\"correct\": {\"by\": \"test\"}}}}", "students.a.correct",
            "\"of\"");
    refused("{\"students\": {\"a\": {\"correct\": 3}}}", "students.a.correct", "\"of\"");
    refused("{\"students\": {\"abc\": {}, \"b\": {\"correct\": {\"of\": \"abd\"}}}}",
            "students.b.correct.of", "did you mean \"abc\"");
    refused("{\"students\": {\"a\": {}, \"b\": {\"correct\": {\"of\": \"a\"}, \"network\": "
            "\"mlp-3\"}}}",
            "students.b", "network");
    refused("{\"students\": {\"a\": {}, \"b\": {\"correct\": {\"of\": \"a\"}}, \"c\": "
            "{\"correct\": {\"of\": \"b\"}}}}",
            "students.c.correct.of", "corrected student itself");
    refused("{\"students\": {\"a\": {\"correct\": {\"of\": \"b\"}}, \"b\": {\"correct\": {\"of\": "
            "\"a\"}}}}",
            "correct.of", "circle");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_places),
        cmocka_unit_test(seeds),
        cmocka_unit_test(students_share_teachers),
        cmocka_unit_test(sweeps),
        cmocka_unit_test(parents_before_children),
        cmocka_unit_test(keys_and_types),
        cmocka_unit_test(settings),
        cmocka_unit_test(sets),
        cmocka_unit_test(corrected_students),
        cmocka_unit_test(resolved),
        cmocka_unit_test(jobs_that_contradict_themselves),
    };
    return cmocka_run_group_tests_name("experiment", tests, scratch_make, scratch_remove);
}
