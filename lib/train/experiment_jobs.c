/* From an experiment's objects to settings: of each training, of the soft targets, and of all as
 * experiment.json has it. */
#include "experiment_parts.h"
#include "kd/base/mem.h"
#include "kd/nn/predict.h"

#include <string.h>

static const char *const teacher_keys[] = {"network", "train", "data", "seeds"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

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

/* A network's file may lie beside the experiment. */
static int find_network(const struct kd_experiment *x, cJSON *network, struct kd_err *err)
{
    if (!cJSON_IsString(network) || !strstr(network->valuestring, ".json")) return 0;
    char *path = kd_experiment_file(x, network->valuestring, err);
    bool set = path && cJSON_SetValuestring(network, path);
    kd_free(path);
    return set ? 0 : kd_fail_memory(err, "not enough memory for the name of a network");
}

static int find_source(const struct kd_experiment *x, char **spec, struct kd_err *err)
{
    if (!*spec) return 0;
    char *found = kd_spec_find(*spec, x->path, err);
    if (!found) return -1;
    kd_free(*spec);
    *spec = found;
    return 0;
}

/* Data that lie beside the experiment. */
static int find_sources(const struct kd_experiment *x, struct kd_job *job, struct kd_err *err)
{
    if (!x->path || find_source(x, &job->data.source, err) < 0 ||
        find_source(x, &job->data.test, err) < 0)
        return x->path ? -1 : 0;
    return find_source(x, &job->correct.images, err);
}

static int read_job(const struct kd_experiment *x, const cJSON *object, const char *where,
                    struct kd_job *job, struct kd_err *err)
{
    static const char *const augment[] = {"augment", NULL};
    struct kd_opt_section s[KD_JOB_SECTIONS];
    kd_job_sections(job, s);
    if (read_section(kd_opts_section(s, "data"), x->json, "", NULL, err) < 0) return -1;
    if (!object) return find_sources(x, job, err);
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
    if (find_network(x, job->network, err) < 0) return -1;
    const cJSON *distill = cJSON_GetObjectItemCaseSensitive(object, "distill");
    job->distilled = distill && !cJSON_IsNull(distill);
    if (job->distilled && !job->distill.from &&
        !(job->distill.from = cJSON_CreateString("teacher")))
        return kd_fail_memory(err, "not enough memory for a teacher's name");
    return find_sources(x, job, err);
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
        const struct kd_student *known = kd_experiment_find(x, name);
        object = known ? known->json : NULL;
    } else if (object &&
               kd_experiment_keys(object, where, teacher_keys, COUNT(teacher_keys), err) < 0)
        return -1;
    return read_job(x, object, where, job, err);
}

#define S(field) offsetof(struct kd_soften_config, field)
const struct kd_option kd_soften_rows[] = {
    {"split", 0, "split", KD_OPT_TEXT, S(split), .preset = "train", .metavar = "SPLIT",
     .help = "which split of the data: train or test"},
    {"temperature", 'T', "temperature", KD_OPT_REALS, S(temperature), .min = 0.01, .max = 1e4,
     .metavar = "T,...", .help = "temperatures of --probabilities and --show", .also = "temp tau t",
     .more = "`--show` takes 1, 4 and 20 where none are given."},
    {"probabilities", 0, "probabilities", KD_OPT_BOOL, S(probabilities),
     .help = "write softmax(logits / T) for each temperature too"},
    {"half", 0, "half", KD_OPT_BOOL, S(half), .help = "logits in half precision (F16)",
     .more = "They take half the space."},
    {"top", 0, "top", KD_OPT_INT, S(top), .preset = "0", .min = 0, .max = 16777216, .metavar = "K",
     .help = "the K largest logits of each image alone, and mean and variance of the others",
     .more = "They take about 3K + 4 bytes an image and view, on disk and in a student's memory. A "
             "class left out counts with the logit mean + variance / (2T). 0 records all logits."},
    {"features", 0, "features", KD_OPT_JSON, S(features), .metavar = "LAYERS",
     .help = "store what layers of the teacher say too: a name, a share of the depth, "
             "\"features\", or a list",
     .more = "For losses that compare layers, as fitnet and simkd, without the teacher. The layer "
             "half way is 0.5; `features` is what the classifier sees, which simkd compares; where "
             "both "
             "networks pool maps at their ends, it compares the last layer before that, 1. A layer "
             "takes as many numbers an image as its output has. Students are taught as by the "
             "teacher itself but for the last bits of sums, which its batches decide on, unless "
             "`--half` rounds."},
    {"views", 0, "views", KD_OPT_INT, S(views), .preset = "0", .min = 0, .max = 10000,
     .metavar = "N",
     .help = "record logits of N augmented views of each image, which a student replays",
     .more = "0 records the plain images."},
    {"views-seed", 0, "views_seed", KD_OPT_INT, S(views_seed), .preset = "1", .min = 0,
     .max = 9007199254740992.0, .metavar = "N", .help = "seed of the views"},
    {"tta", 0, "tta", KD_OPT_CHOICE, S(tta), .preset = "none", .choices = KD_CHOICES(KD_TTAS),
     .metavar = "COPIES",
     .help =
         "average each teacher's logits over copies of an image: mirrored, and shifted by a pixel",
     .more =
         "`mirror` takes the image and its mirror image; `mirror-shifts` gives these half the "
         "weight, and a quarter each to both moved by a pixel right and down, and left and up."},
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

/* ---- resolved ---- */

/* As an experiment may say it: the name is the key, and a corrected student has all else from the
 * one it corrects. */
static cJSON *job_json(const struct kd_experiment *x, const char *name, bool student,
                       struct kd_err *err)
{
    struct kd_job job = {0};
    int status = kd_experiment_job(x, name, student, &job, err);
    if (status == 0) status = kd_job_resolve(&job, err);
    cJSON *json = status == 0 ? kd_job_to_json(&job, err) : NULL;
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
        status = kd_json_append(students, x->students[i].name,
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
