/* One answer to "is this the same configuration?": of the comparison itself, of the trainer that
 * asks whether a model is current, and of the report that names models of other settings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "folder.h"
#include "training.h"

#include "kd/base/file.h"
#include "kd/report/report.h"

static struct kd_err err;
static struct kd_images images;

static int make(void **state)
{
    images_make(&images, 40);
    return scratch_make(state);
}

static int clean(void **state)
{
    images_free(&images);
    return scratch_remove(state);
}

/* ---- the comparison ---- */

static void differences_are_named(void **state)
{
    static const struct {
        const char *a, *b, *first; /* NULL: they are the same */
        enum kd_config_question question;
    } pairs[] = {
        {"{\"train\":{\"epochs\":1},\"seed\":1}", "{\"train\":{\"epochs\":1},\"seed\":2}", NULL,
         KD_SAME_SETTINGS},
        {"{\"train\":{\"epochs\":1},\"seed\":1}", "{\"train\":{\"epochs\":1},\"seed\":2}", "seed",
         KD_SAME_TRAINING},
        {"{\"train\":{\"epochs\":1}}", "{\"train\":{\"epochs\":2}}", "train.epochs",
         KD_SAME_SETTINGS},
        /* an option that one does not name has its default there */
        {"{\"train\":{\"epochs\":20}}", "{\"train\":{}}", NULL, KD_SAME_TRAINING},
        {"{\"train\":{\"epochs\":20}}", "{}", NULL, KD_SAME_TRAINING},
        {"{\"train\":{\"epochs\":20}}", "{\"train\":{\"epochs\":null}}", NULL, KD_SAME_TRAINING},
        {"{\"train\":{\"epochs\":21}}", "{\"train\":{}}", "train.epochs", KD_SAME_SETTINGS},
        {"{\"data\":{\"carve\":\"last\"}}", "{\"data\":{}}", "data.carve", KD_SAME_SETTINGS},
        {"{\"data\":{\"carve\":\"random\"}}", "{}", NULL, KD_SAME_SETTINGS},
        {"{\"train\":{\"augment\":{\"shift\":2}}}", "{\"train\":{}}", "train.augment.shift",
         KD_SAME_SETTINGS},
        {"{\"train\":{\"optimizer\":{\"kind\":\"sgd\"}}}", "{}", "train.optimizer.kind",
         KD_SAME_SETTINGS},
        /* what is no option has no default */
        {"{\"train\":{\"ema\":{\"decoy\":1}}}", "{}", "train.ema.decoy", KD_SAME_SETTINGS},
        {"{}", "{\"train\":{\"later\":0}}", "train.later", KD_SAME_SETTINGS},
        {"{\"train\":{\"later\":0}}", "{\"train\":{\"later\":0}}", NULL, KD_SAME_SETTINGS},
        {"{\"later\":{}}", "{}", "later", KD_SAME_SETTINGS},
        {"{\"network\":[\"flatten\",{\"units\":4}]}", "{\"network\":[\"flatten\",{\"units\":5}]}",
         "network", KD_SAME_SETTINGS},
        /* with and without teacher are two trainings, also where all its options are defaults */
        {"{\"distill\":{}}", "{}", "distill", KD_SAME_SETTINGS},
        {"{\"correct\":{}}", "{}", "correct", KD_SAME_TRAINING},
        {"{\"data\":{\"source\":\"png:a/b\"}}", "{\"data\":{\"source\":\"png:a/c\"}}",
         "data.source", KD_SAME_SETTINGS},
        /* names are no settings, nor is how often checkpoints are written */
        {"{\"name\":\"a\",\"experiment\":\"x\",\"student\":\"a\"}", "{\"teacher\":\"t\"}", NULL,
         KD_SAME_TRAINING},
        {"{\"train\":{\"checkpoint_every\":\"5s\"}}", "{}", NULL, KD_SAME_TRAINING},
        /* a teacher at hand is another file for each seed, but a teacher's name is one */
        {"{\"distill\":{\"from\":\"t/s1/model\"}}", "{\"distill\":{\"from\":\"t/s2/model\"}}", NULL,
         KD_SAME_SETTINGS},
        {"{\"distill\":{\"from\":\"t/s1/model\"}}", "{\"distill\":{\"from\":\"t/s2/model\"}}",
         "distill.from", KD_SAME_TRAINING},
        {"{\"distill\":{\"from\":[\"t/s1\"]}}", "{\"distill\":{\"from\":[\"t/s2\"]}}", NULL,
         KD_SAME_SETTINGS},
        {"{\"distill\":{\"from\":\"teacher\"}}", "{\"distill\":{\"from\":\"t/s2\"}}",
         "distill.from", KD_SAME_SETTINGS},
        {"{\"distill\":{\"from\":\"teacher\"}}", "{\"distill\":{\"from\":\"kd\"}}", "distill.from",
         KD_SAME_SETTINGS},
        {"[]", "{}", "kd.config", KD_SAME_TRAINING},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof pairs / sizeof *pairs; i++) { /* in both orders */
        const char *const texts[] = {pairs[i / 2].a, pairs[i / 2].b}, *wanted = pairs[i / 2].first;
        cJSON *a = cJSON_Parse(texts[i % 2]), *b = cJSON_Parse(texts[1 - i % 2]);
        char first[KD_SETTING_NAME] = "";
        int differ = kd_configs_differ(a, b, kd_job_parts, pairs[i / 2].question, first, &err);
        if (differ != (wanted != NULL) || (wanted && strcmp(first, wanted) != 0))
            fail_msg("%s and %s: %s", texts[0], texts[1], differ ? first : "the same");
        cJSON_Delete(a);
        cJSON_Delete(b);
    }
}

/* ---- every option, asked of trainer and report ---- */

/* Of a part called "train.augment" the section is "augment". */
static void *field_of(struct kd_job *job, const char *part, const struct kd_option *row)
{
    struct kd_opt_section sections[KD_JOB_SECTIONS];
    const char *dot = strrchr(part, '.');
    kd_job_sections(job, sections);
    return (char *)kd_opts_section(sections, dot ? dot + 1 : part)->values + row->offset;
}

/* Another value than the one that is there. */
static void change(const struct kd_option *row, void *field)
{
    static double one[] = {1};
    static char name[] = "cat", *texts[] = {name};
    static struct kd_class_ref cat = {name, 0};
    switch (row->kind) {
    case KD_OPT_BOOL:
        *(bool *)field = !*(bool *)field;
        break;
    case KD_OPT_INT:
        *(int64_t *)field += 1;
        break;
    case KD_OPT_REAL:
        *(double *)field = isnan(*(double *)field) ? 0.5 : *(double *)field + 0.0625;
        break;
    case KD_OPT_CHOICE:
        *(int *)field = !*(int *)field;
        break;
    case KD_OPT_TEXT:
        *(char **)field = (char[]){"other"};
        break;
    case KD_OPT_REALS:
        *(struct kd_reals *)field = (struct kd_reals){one, 1};
        break;
    case KD_OPT_CLASSES:
        *(struct kd_class_list *)field = (struct kd_class_list){&cat, 1};
        break;
    case KD_OPT_TEXTS:
        *(struct kd_texts *)field = (struct kd_texts){texts, 1};
        break;
    case KD_OPT_JSON:
        *(cJSON **)field = cJSON_CreateString("other");
        break;
    }
}

/* The experiment as a training program would write it: the student s corrects another. */
static void write_experiment(const char *path, const struct kd_job *job)
{
    cJSON *root = cJSON_CreateObject(), *students = cJSON_AddObjectToObject(root, "students");
    cJSON *base = kd_job_to_json(job, &err), *s = cJSON_AddObjectToObject(students, "s");
    cJSON_DeleteItemFromObjectCaseSensitive(base, "name");
    cJSON_AddItemToObject(s, "correct", cJSON_DetachItemFromObject(base, "correct"));
    cJSON_AddItemToObject(students, job->correct.of, base);
    char *text = kd_json_text_of(root, &err);
    assert_non_null(text);
    assert_int_equal(kd_file_write(path, text, strlen(text), &err), 0);
    kd_free(text);
}

/* Does the report on a run say that the student was trained with another value of this option? */
static bool report_says(const char *run, const char *option)
{
    struct kd_report report;
    char what[KD_SETTING_NAME + 16];
    bool said = false;
    snprintf(what, sizeof what, "s s1 (%s)", option);
    if (kd_report_read(&run, 1, kd_job_parts, &report, &err) < 0) fail_msg("%s", err.text);
    for (size_t i = 0; i < report.n_notes; i++)
        if (strstr(report.notes[i], "other settings")) {
            said = true;
            if (!strstr(report.notes[i], what)) fail_msg("%s: %s", option, report.notes[i]);
        }
    kd_report_release(&report);
    return said;
}

static void each_option_makes_another_model_for_trainer_and_report(void **state)
{
    static const char *const sets[] = {"students.s.network=[\"flatten\",{\"kind\":\"dense\"}]",
                                       "students.s.train.epochs=1",
                                       "students.s.distill.from=teacher", NULL};
    struct kd_job job = {0};
    char run[512], path[600], output[600];
    size_t asked = 0;
    (void)state;
    job_make(&job, true, sets);
    job.corrected = true;
    job.correct.of = kd_strdup("base", &err);
    snprintf(run, sizeof run, "%s/run", scratch);
    snprintf(path, sizeof path, "%s/experiment.json", run);
    snprintf(output, sizeof output, "%s/students/s/s1", run);
    struct kd_training t = {.job = &job,
                            .seed = 1,
                            .experiment = "run",
                            .images = &images,
                            .output = output,
                            .command = ""};
    if (kd_training_run(&t, &err) != 0) fail_msg("%s", err.text);
    write_experiment(path, &job);
    assert_int_equal(kd_training_is_current(&t, &err), 1);
    assert_false(report_says(run, "nothing"));
    for (const struct kd_config_part *part = kd_job_parts; part->path; part++) {
        const struct kd_opt_section section = {.rows = part->rows};
        for (const struct kd_option *row = NULL; (row = kd_opt_next(&section, row));) {
            struct kd_job other = job; /* borrows all but the one value */
            char name[KD_SETTING_NAME];
            if (!row->key) continue;
            void *field = field_of(&other, part->path, row);
            change(row, field);
            snprintf(name, sizeof name, "%s.%s", part->path, row->key);
            write_experiment(path, &other);
            t.job = &other;
            int current = kd_training_is_current(&t, &err);
            bool says = report_says(run, name);
            if (current != row->aside || says == row->aside)
                fail_msg("%s: trainer says %s, report %s", name, current ? "current" : "other",
                         says ? "other" : "current");
            if (row->kind == KD_OPT_JSON) cJSON_Delete(*(cJSON **)field);
            t.job = &job;
            asked++;
        }
    }
    assert_true(asked > 50);
    kd_training_release(&t);
    kd_job_release(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(each_option_makes_another_model_for_trainer_and_report),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
