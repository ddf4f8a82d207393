#include "kd/train/experiment.h"
#include "experiment_parts.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/train/predict.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_SEEDS = 10000 };

static const char *const top_keys[] = {"name", "seeds", "data", "teacher", "soften", "students"};
static const char *const teacher_keys[] = {"network", "train", "data", "seeds"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- seeds ---- */

static int bad_seeds(struct kd_err *err)
{
    return kd_fail_usage(
        err, "seeds: expected a count from 1 to %d, or a list of whole numbers up to 2^53",
        MOST_SEEDS);
}

static int read_seeds(struct kd_experiment *x, struct kd_err *err)
{
    const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(x->json, "seeds");
    bool list = cJSON_IsArray(seeds);
    double count = !seeds                  ? 1
                   : list                  ? cJSON_GetArraySize(seeds)
                   : cJSON_IsNumber(seeds) ? seeds->valuedouble
                                           : 0;
    if (!(count >= 1 && count <= MOST_SEEDS) || count != (double)(int)count) return bad_seeds(err);
    x->n_seeds = (size_t)count;
    x->seeds = kd_alloc(x->n_seeds, sizeof *x->seeds, "seeds", err);
    if (!x->seeds) return -1;
    for (size_t i = 0; i < x->n_seeds; i++) {
        const cJSON *item = list ? cJSON_GetArrayItem(seeds, (int)i) : NULL;
        double v = list ? (cJSON_IsNumber(item) ? item->valuedouble : -1) : (double)i + 1;
        if (!(v >= 0 && v <= 9007199254740992.0) || v != (double)(uint64_t)v) return bad_seeds(err);
        x->seeds[i] = (uint64_t)v;
        for (size_t j = 0; j < i; j++)
            if (x->seeds[j] == x->seeds[i])
                return kd_fail_usage(err, "seeds: %llu is there twice",
                                     (unsigned long long)x->seeds[i]);
    }
    return 0;
}

static int read_teacher_seeds(struct kd_experiment *x, struct kd_err *err)
{
    const cJSON *teacher = cJSON_GetObjectItemCaseSensitive(x->json, "teacher");
    const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(teacher, "seeds");
    double count = cJSON_IsNumber(seeds) ? seeds->valuedouble : seeds ? 0 : (double)x->n_seeds;
    if (!(count >= 1 && count <= MOST_SEEDS) || count != (double)(int)count)
        return kd_fail_usage(
            err, "teacher.seeds: expected how many of the seeds train a teacher, from 1 to %d",
            MOST_SEEDS);
    x->n_teacher_seeds = (size_t)count < x->n_seeds ? (size_t)count : x->n_seeds;
    return 0;
}

uint64_t kd_experiment_teacher_seed(const struct kd_experiment *x, uint64_t seed)
{
    if (x->n_teacher_seeds == x->n_seeds) return seed;
    for (size_t i = 0; i < x->n_seeds; i++)
        if (x->seeds[i] == seed) return x->seeds[i % x->n_teacher_seeds];
    return x->seeds[seed % x->n_teacher_seeds];
}

/* ---- opening ---- */

static char *default_name(const char *path, struct kd_err *err)
{
    if (!path || strcmp(path, "-") == 0) return kd_strdup(KD_RUN_QUICK, err);
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return kd_format(err, "%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

static int read_name(struct kd_experiment *x, const char *path, const char *runs,
                     struct kd_err *err)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(x->json, "name");
    if (name && (!cJSON_IsString(name) || !kd_experiment_name_ok(name->valuestring)))
        return kd_fail_usage(err, "name: expected a folder's name (no \"/\", no leading dot)");
    x->name = name ? kd_strdup(name->valuestring, err) : default_name(path, err);
    if (!x->name) return -1;
    x->folder = kd_path_join(err, runs ? runs : KD_RUNS, x->name);
    return x->folder ? 0 : -1;
}

static int read_all(struct kd_experiment *x, const char *path, const char *runs,
                    const struct kd_texts *sets, struct kd_err *err)
{
    x->json = path ? kd_json_read(path, err) : cJSON_CreateObject();
    if (!x->json) return path ? -1 : kd_fail_memory(err, "not enough memory for an experiment");
    int status = cJSON_IsObject(x->json) ? 0 : kd_fail_usage(err, "expected an object {...}");
    for (size_t i = 0; sets && i < sets->n && status == 0; i++)
        status = kd_json_assign(x->json, sets->v[i], err);
    if (status < 0 || kd_experiment_keys(x->json, "", top_keys, COUNT(top_keys), err) < 0 ||
        read_name(x, path, runs, err) < 0 || read_seeds(x, err) < 0 ||
        read_teacher_seeds(x, err) < 0 || kd_experiment_students(x, err) < 0)
        return path ? kd_err_context(err, "%s", path) : -1;
    return 0;
}

struct kd_experiment *kd_experiment_open(const char *path, const char *runs,
                                         const struct kd_texts *sets, struct kd_err *err)
{
    struct kd_experiment *x = kd_alloc(1, sizeof *x, "an experiment", err);
    if (x && read_all(x, path, runs, sets, err) < 0) {
        kd_experiment_close(x);
        x = NULL;
    }
    return x;
}

void kd_experiment_close(struct kd_experiment *x)
{
    if (!x) return;
    for (size_t i = 0; i < x->n_students; i++) {
        kd_free(x->students[i].name);
        cJSON_Delete(x->students[i].json);
    }
    free(x->students);
    kd_free(x->seeds);
    kd_free(x->name);
    kd_free(x->folder);
    cJSON_Delete(x->json);
    kd_free(x);
}

/* ---- jobs ---- */

static int read_section(const struct kd_opt_section *s, const cJSON *object, const char *where,
                        const char *const *besides, struct kd_err *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, s->name);
    if (!item || cJSON_IsNull(item)) return 0;
    char path[400];
    snprintf(path, sizeof path, "%.300s%s%s", where, *where ? "." : "", s->name);
    return kd_opts_from_json(s, item, path, besides, err);
}

static int read_job(const struct kd_experiment *x, const cJSON *object, const char *where,
                    struct kd_job *job, struct kd_err *err)
{
    static const char *const augment[] = {"augment", NULL};
    struct kd_opt_section s[KD_JOB_SECTIONS];
    kd_job_sections(job, s);
    if (read_section(kd_opts_section(s, "data"), x->json, "", NULL, err) < 0) return -1;
    if (!object) return 0;
    const cJSON *train = cJSON_GetObjectItemCaseSensitive(object, "train");
    char path[400];
    snprintf(path, sizeof path, "%.300s.train", where);
    if (read_section(kd_opts_section(s, "data"), object, where, NULL, err) < 0 ||
        read_section(kd_opts_section(s, "train"), object, where, augment, err) < 0 ||
        read_section(kd_opts_section(s, "augment"), train, path, NULL, err) < 0 ||
        read_section(kd_opts_section(s, "distill"), object, where, NULL, err) < 0 ||
        read_section(kd_opts_section(s, "correct"), object, where, NULL, err) < 0)
        return -1;
    job->corrected = job->correct.of != NULL;
    const cJSON *network = cJSON_GetObjectItemCaseSensitive(object, "network");
    if (network && !(job->network = cJSON_Duplicate(network, 1)))
        return kd_fail_memory(err, "not enough memory for a network");
    const cJSON *distill = cJSON_GetObjectItemCaseSensitive(object, "distill");
    job->distilled = distill && !cJSON_IsNull(distill);
    if (job->distilled && !job->distill.from &&
        !(job->distill.from = cJSON_CreateString("teacher")))
        return kd_fail_memory(err, "not enough memory for a teacher's name");
    return 0;
}

int kd_experiment_job(const struct kd_experiment *x, const char *name, bool student,
                      struct kd_job *job, struct kd_err *err)
{
    struct kd_opt_section s[KD_JOB_SECTIONS];
    kd_job_release(job);
    kd_job_sections(job, s);
    job->student = student;
    job->name = kd_strdup(name, err);
    if (!job->name || kd_opts_preset(s, err) < 0) return -1;
    char where[300] = "teacher";
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(x->json, "teacher");
    if (student) {
        snprintf(where, sizeof where, "students.%.250s", name);
        object = NULL;
        for (size_t i = 0; i < x->n_students; i++)
            if (strcmp(x->students[i].name, name) == 0) object = x->students[i].json;
    } else if (object &&
               kd_experiment_keys(object, where, teacher_keys, COUNT(teacher_keys), err) < 0)
        return -1;
    return read_job(x, object, where, job, err);
}

const struct kd_student *kd_experiment_student(const struct kd_experiment *x, const char *name,
                                               struct kd_err *err)
{
    const char **known = kd_alloc(x->n_students, sizeof *known, "a list of names", err);
    if (!known) return NULL;
    const struct kd_student *found = NULL;
    for (size_t i = 0; i < x->n_students; i++) {
        known[i] = x->students[i].name;
        if (strcmp(known[i], name) == 0) found = &x->students[i];
    }
    if (!found) {
        const char *near = kd_nearest(name, known, (unsigned)x->n_students);
        kd_fail_usage(err, "%s has no student \"%s\"; %s%s%s", x->name, name,
                      near ? "did you mean \"" : "--list prints them", near ? near : "",
                      near ? "\"?" : "");
    }
    kd_free(known);
    return found;
}

bool kd_experiment_knows(const struct kd_experiment *x, const char *name)
{
    if (strcmp(name, "teacher") == 0) return cJSON_HasObjectItem(x->json, "teacher");
    for (size_t i = 0; i < x->n_students; i++)
        if (strcmp(x->students[i].name, name) == 0) return true;
    return false;
}

#define S(field) offsetof(struct kd_soften_config, field)
const struct kd_option kd_soften_rows[] = {
    {"split", 0, "split", KD_OPT_TEXT, S(split), .preset = "train", .metavar = "SPLIT",
     .help = "which split of the data: train or test"},
    {"temperature", 'T', "temperature", KD_OPT_REALS, S(temperature), .min = 0.01, .max = 1e4,
     .metavar = "T,...", .help = "temperatures of --probabilities and --show"},
    {"probabilities", 0, "probabilities", KD_OPT_BOOL, S(probabilities),
     .help = "write softmax(logits / T) for each temperature too"},
    {"half", 0, "half", KD_OPT_BOOL, S(half), .help = "logits in half precision (F16)"},
    {"views", 0, "views", KD_OPT_INT, S(views), .preset = "0", .min = 0, .max = 10000,
     .metavar = "N",
     .help = "record logits of N augmented views of each image, which a student replays"},
    {"views-seed", 0, "views_seed", KD_OPT_INT, S(views_seed), .preset = "1", .min = 0,
     .max = 9007199254740992.0, .metavar = "N", .help = "seed of the views"},
    {"tta", 0, "tta", KD_OPT_CHOICE, S(tta), .preset = "none", .choices = KD_CHOICES(KD_TTAS),
     .metavar = "COPIES",
     .help =
         "average each teacher's logits over copies of an image: mirrored, and shifted by a pixel"},
    {0},
};

int kd_experiment_soften(const struct kd_experiment *x, struct kd_soften_config *out,
                         struct kd_augment *augment, struct kd_err *err)
{
    static const char *const besides[] = {"augment", NULL};
    const struct kd_opt_section s[] = {{"soften", "", kd_soften_rows, out, NULL},
                                       {"augment", "", kd_augment_rows, augment, NULL},
                                       {0}};
    const cJSON *soften = cJSON_GetObjectItemCaseSensitive(x->json, "soften");
    if (read_section(kd_opts_section(s, "soften"), x->json, "", besides, err) < 0) return -1;
    return read_section(kd_opts_section(s, "augment"), soften, "soften", NULL, err);
}

/* ---- places ---- */

char *kd_experiment_place(const struct kd_experiment *x, const char *name, bool student,
                          uint64_t seed, struct kd_err *err)
{
    return kd_place_folder(x->folder, &(struct kd_whose){name, student, seed}, err);
}

char *kd_experiment_model(const struct kd_experiment *x, const char *name, bool student,
                          uint64_t seed, struct kd_err *err)
{
    return kd_place_model(x->folder, &(struct kd_whose){name, student, seed}, err);
}

char *kd_experiment_soft(const struct kd_experiment *x, const char *name, uint64_t seed,
                         struct kd_err *err)
{
    return kd_place_soft(x->folder, name, seed, err);
}

/* ---- resolved ---- */

/* As an experiment may say it: the name is the key, and a corrected student has all else from the
 * one it corrects. */
static cJSON *job_json(const struct kd_experiment *x, const char *name, bool student,
                       struct kd_err *err)
{
    struct kd_job job = {0};
    cJSON *json =
        kd_experiment_job(x, name, student, &job, err) == 0 ? kd_job_to_json(&job, err) : NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(json, "name");
    for (size_t i = 0; job.corrected && i < KD_TAKEN; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(json, kd_student_keys[i]);
    kd_job_release(&job);
    return json;
}

cJSON *kd_experiment_resolved(const struct kd_experiment *x, struct kd_err *err)
{
    cJSON *out = cJSON_CreateObject(), *students = cJSON_CreateObject(),
          *seeds = cJSON_CreateArray();
    int status = 0;
    for (size_t i = 0; i < x->n_seeds && status == 0; i++) {
        cJSON *seed = cJSON_CreateNumber((double)x->seeds[i]);
        if (seed && cJSON_AddItemToArray(seeds, seed)) continue;
        cJSON_Delete(seed);
        status = kd_fail_memory(err, "not enough memory for seeds");
    }
    for (size_t i = 0; i < x->n_students && status == 0; i++)
        status = kd_json_attach(students, x->students[i].name,
                                job_json(x, x->students[i].name, true, err), err);
    if (status == 0) status = kd_json_add_text(out, "name", x->name, err);
    if (status == 0) {
        status = kd_json_attach(out, "seeds", seeds, err);
        seeds = NULL;
    }
    if (status == 0 && cJSON_HasObjectItem(x->json, "teacher")) {
        cJSON *teacher = job_json(x, "teacher", false, err);
        if (teacher && x->n_teacher_seeds < x->n_seeds)
            status = kd_json_add_number(teacher, "seeds", (double)x->n_teacher_seeds, err);
        if (status == 0)
            status = kd_json_attach(out, "teacher", teacher, err);
        else
            cJSON_Delete(teacher);
    }
    const cJSON *soften = cJSON_GetObjectItemCaseSensitive(x->json, "soften");
    if (status == 0 && soften) {
        cJSON *copy = cJSON_Duplicate(soften, 1);
        status = copy ? kd_json_add(out, "soften", copy, err)
                      : kd_fail_memory(err, "not enough memory for \"soften\"");
    }
    if (status == 0) {
        status = kd_json_attach(out, "students", students, err);
        students = NULL;
    }
    cJSON_Delete(students);
    cJSON_Delete(seeds);
    if (status == 0) return out;
    cJSON_Delete(out);
    return NULL;
}
