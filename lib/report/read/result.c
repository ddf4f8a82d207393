#include "kd/base/file.h"
#include "kd/base/json.h"
#include "kd/base/text.h"
#include "kd/run/places.h"
#include "kd/run/weights.h"
#include "read.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_LIMIT ((uint64_t)64 << 20)

bool kd_result_here(const char *folder, struct kd_err *err)
{
    static const char *const files[] = {KD_FILE_MODEL, KD_FILE_LOG, KD_FILE_EVALUATIONS};
    bool here = false;
    for (size_t i = 0; i < 3 && !here; i++) {
        char *path = kd_path_join(err, folder, files[i]);
        here = path && kd_path_exists(path);
        kd_free(path);
    }
    return here;
}

/* The JSON header of a safetensors file, without its data. */
static cJSON *header_read(const char *path, double *bytes, struct kd_err *err)
{
    unsigned char prefix[8];
    uint64_t size = 0;
    struct stat st;
    char *text = NULL;
    cJSON *header = NULL;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st) < 0) {
        kd_fail_errno(err, "%s: cannot be read", path);
        goto end;
    }
    *bytes = (double)st.st_size;
    if (fread(prefix, 1, 8, f) == 8)
        for (int i = 7; i >= 0; i--) size = size << 8 | prefix[i];
    if (size < 2 || size > HEADER_LIMIT || size > (uint64_t)st.st_size) {
        kd_fail(err, "%s: not a safetensors file, or cut short", path);
        goto end;
    }
    text = kd_alloc((size_t)size + 1, 1, "a model's header", err);
    if (!text) goto end;
    if (fread(text, 1, (size_t)size, f) != size) {
        kd_fail(err, "%s: header cut short: %llu bytes expected", path, (unsigned long long)size);
        goto end;
    }
    header = kd_json_parse(text, (size_t)size, path, err);
end:
    kd_free(text);
    if (f) fclose(f);
    return header;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Beside its parameters a quantised model has scales, multipliers, shifts and tables. */
static bool is_parameter(const char *name, bool quantised)
{
    if (!name || strncmp(name, "__", 2) == 0 || strncmp(name, "kd.", 3) == 0) return false;
    if (quantised) return ends_in(name, ".weight") || ends_in(name, ".bias");
    return !strstr(name, "running_");
}

static double count_parameters(const cJSON *header, bool quantised)
{
    double sum = 0;
    const cJSON *tensor, *d;
    cJSON_ArrayForEach(tensor, header)
    {
        if (!is_parameter(tensor->string, quantised)) continue;
        double count = 1;
        cJSON_ArrayForEach(d, cJSON_GetObjectItemCaseSensitive(tensor, "shape")) count *=
            d->valuedouble;
        sum += count;
    }
    return sum;
}

static cJSON *meta_json(const cJSON *meta, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(meta, key);
    struct kd_err ignored;
    if (!cJSON_IsString(v)) return NULL;
    return kd_json_parse(v->valuestring, strlen(v->valuestring), key, &ignored);
}

static int meta_text(const cJSON *meta, const char *key, char **out, struct kd_err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(meta, key);
    if (!cJSON_IsString(v) || !v->valuestring[0]) return 0;
    *out = kd_strdup(v->valuestring, err);
    return *out ? 0 : -1;
}

/* Fingerprints of teachers are the proof of distillation; the configuration is the next best. */
static void read_distillation(struct kd_result *r, const cJSON *config, bool has_parents)
{
    const cJSON *d = config ? cJSON_GetObjectItemCaseSensitive(config, "distill") : NULL;
    if (!cJSON_IsObject(d)) return;
    const cJSON *from = cJSON_GetObjectItemCaseSensitive(d, "from");
    struct kd_weights weights = kd_weights_read(d);
    bool named =
        from && !cJSON_IsNull(from) && !(cJSON_IsString(from) && from->valuestring[0] == '\0');
    r->distilled = (has_parents || named || !from) && weights.soft != 0.0;
    if (!r->distilled) return;
    r->temperature = kd_number_at(d, "temperature");
    r->alpha = kd_weights_alpha(weights);
}

/* The section as it is, and without what became of the labels. */
static int read_data(struct kd_result *r, const cJSON *data, struct kd_err *err)
{
    cJSON *images = cJSON_Duplicate(data, true);
    if (!images) return kd_fail_memory(err, "no memory for a configuration");
    cJSON_DeleteItemFromObjectCaseSensitive(images, "unlabelled");
    r->data = kd_json_text(data, false, err);
    r->images = kd_json_text(images, false, err);
    r->fraction = kd_number_at(data, "fraction");
    cJSON_Delete(images);
    return r->data && r->images ? 0 : -1;
}

static int read_metadata(struct kd_result *r, const cJSON *meta, struct kd_err *err)
{
    cJSON *config = meta_json(meta, "kd.config"), *metrics = meta_json(meta, "kd.metrics");
    cJSON *images = meta_json(meta, "kd.data");
    const char *pixels = kd_text_at(images, "pixels");
    const char *name = kd_text_at(config, "student");
    int status = -1;
    r->config = config;
    r->quantised = cJSON_HasObjectItem(meta, "kd.quantization");
    if (!name) name = kd_text_at(config, "teacher");
    if (meta_text(meta, "kd.network", &r->network, err) < 0 ||
        meta_text(meta, "kd.command", &r->command, err) < 0 ||
        meta_text(meta, "kd.version", &r->version, err) < 0 ||
        meta_text(meta, "kd.fingerprint", &r->fingerprint, err) < 0 ||
        meta_text(meta, "kd.parents", &r->parents, err) < 0)
        goto end;
    if (r->parents && (strcmp(r->parents, "[]") == 0 || strcmp(r->parents, "{}") == 0 ||
                       strcmp(r->parents, "null") == 0)) {
        kd_free(r->parents);
        r->parents = NULL;
    }
    const bool telling = name && *name && strcmp(name, "student") != 0 &&
                         strcmp(name, "teacher") != 0; /* or that of any model on the spot */
    if (telling && r->role == KD_ROLE_STUDENT && !r->placed) {
        char *copy = kd_strdup(name, err);
        if (!copy) goto end;
        kd_free(r->name);
        r->name = copy;
    }
    if (isnan(r->seed)) r->seed = kd_number_at(config, "seed");
    if (pixels && !(r->pixels = kd_strdup(pixels, err))) goto end;
    r->class_names = meta_json(meta, "kd.class_names");
    r->planned_epochs = kd_number_at(config, "train.epochs");
    const cJSON *data = config ? cJSON_GetObjectItemCaseSensitive(config, "data") : NULL;
    if (data && read_data(r, data, err) < 0) goto end;
    if (r->role == KD_ROLE_STUDENT) read_distillation(r, config, r->parents != NULL);
    const char *by = kd_text_at(config, "correct.by");
    if (by && !(r->corrected = kd_strdup(by, err))) goto end;
    struct kd_epoch kept;
    kd_epoch_from_json(metrics, &kept);
    r->best_epoch = kept.epoch;
    r->parameters = kd_number_at(metrics, "parameters");
    r->macs = kd_number_at(metrics, "macs");
    r->valid = kept.valid;
    r->train = kept.train;
    status = 0;
end:
    cJSON_Delete(metrics);
    cJSON_Delete(images);
    return status;
}

static int read_model(struct kd_report *report, struct kd_result *r, struct kd_err *err)
{
    struct kd_err why = {0};
    cJSON *header = header_read(r->model, &r->bytes, &why);
    if (!header) return kd_report_note(report, err, "%s.", why.text);
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(header, "__metadata__");
    int status = 0;
    if (cJSON_IsObject(meta))
        status = read_metadata(r, meta, err);
    else
        status = kd_report_note(report, err, "%s: no metadata; was it written by kd?", r->model);
    if (isnan(r->parameters)) r->parameters = count_parameters(header, r->quantised);
    cJSON_Delete(header);
    return status;
}

static int read_evaluations(struct kd_report *report, struct kd_result *r, const char *path,
                            struct kd_err *err)
{
    struct kd_err why = {0};
    if (kd_evaluations_read(path, &r->evaluations, &why) < 0)
        return kd_report_note(report, err, "%s.", why.text);
    const char *problem = r->evaluations.problem;
    return *problem ? kd_report_note(report, err, "%s.", problem) : 0;
}

/* Evaluations of the model that lay here before say nothing about the one that lies here now. */
static void drop_stale(struct kd_result *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->evaluations.n; i++) {
        struct kd_evaluation e = r->evaluations.of[i];
        if (!r->fingerprint || !e.fingerprint || strcmp(e.fingerprint, r->fingerprint) == 0) {
            r->evaluations.of[kept++] = e;
            continue;
        }
        r->stale = true;
        kd_evaluation_release(&e);
    }
    r->evaluations.n = kept;
}

/* What the model file does not say, the evaluations and the log may. */
void kd_result_fill(struct kd_result *r)
{
    const struct kd_evaluation *v = kd_result_on(r, "validation");
    for (size_t i = 0; i < r->evaluations.n; i++) {
        if (isnan(r->parameters)) r->parameters = r->evaluations.of[i].parameters;
        if (isnan(r->macs)) r->macs = r->evaluations.of[i].macs;
    }
    if (isnan(r->valid.top1) && v) r->valid = (struct kd_score){v->nll, v->top1, v->top5};
    if (r->log.n == 0 || !isnan(r->best_epoch)) return;
    const struct kd_epoch *best = &r->log.epochs[kd_log_best(&r->log)];
    if (isnan(r->valid.top1)) r->valid = best->valid;
    if (isnan(r->train.top1)) r->train = best->train;
    r->best_epoch = best->epoch;
}

int kd_result_read(struct kd_report *report, struct kd_result *r, struct kd_err *err)
{
    const struct kd_score none = {NAN, NAN, NAN};
    struct kd_err why = {0};
    char *log = kd_path_join(err, r->folder, KD_FILE_LOG),
         *eval = kd_path_join(err, r->folder, KD_FILE_EVALUATIONS);
    int status = -1;
    r->model = kd_path_join(err, r->folder, KD_FILE_MODEL);
    r->fraction = r->temperature = r->alpha = r->parameters = r->macs = r->bytes = NAN;
    r->best_epoch = r->planned_epochs = NAN;
    r->train = r->valid = none;
    if (!r->model || !log || !eval) goto end;
    if (!kd_path_exists(r->model)) {
        kd_free(r->model);
        r->model = NULL;
    } else if (read_model(report, r, err) < 0) {
        goto end;
    }
    int has = kd_log_read(log, &r->log, &why);
    if (has < 0 && kd_report_note(report, err, "%s.", why.text) < 0) goto end;
    r->has_log = has == 1;
    if (read_evaluations(report, r, eval, err) < 0) goto end;
    drop_stale(r);
    status = 0;
end:
    kd_free(log);
    kd_free(eval);
    return status;
}

void kd_result_release(struct kd_result *r)
{
    kd_evaluations_release(&r->evaluations);
    char *texts[] = {r->name,    r->folder,  r->model,   r->network,     r->data,      r->images,
                     r->command, r->version, r->parents, r->fingerprint, r->corrected, r->pixels};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) kd_free(texts[i]);
    cJSON_Delete(r->config);
    cJSON_Delete(r->class_names);
    kd_log_release(&r->log);
}
