#include "kd/run/places.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

char *kd_place_folder(const char *run, const struct kd_whose *whose, struct kd_err *err)
{
    return kd_format(err, "%s/%s%s/s%llu", run, whose->student ? KD_FOLDER_STUDENTS "/" : "",
                     whose->name, (unsigned long long)whose->seed);
}

char *kd_place_model(const char *run, const struct kd_whose *whose, struct kd_err *err)
{
    char *folder = kd_place_folder(run, whose, err);
    char *path = folder ? kd_path_join(err, folder, KD_FILE_MODEL) : NULL;
    kd_free(folder);
    return path;
}

char *kd_place_soft(const char *run, const char *name, uint64_t seed, struct kd_err *err)
{
    return kd_format(err, "%s/" KD_FOLDER_SOFT "/s%llu/%s" KD_FILE_TENSORS, run,
                     (unsigned long long)seed, name);
}

char *kd_place_beside(const char *path, const char *file, struct kd_err *err)
{
    const char *slash = strrchr(path, '/');
    return kd_format(err, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, file);
}

const char *kd_place_base(const char *path, size_t *length)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    *length = end - start;
    return path + start;
}

bool kd_place_passed_over(const char *name)
{
    return name[0] == '.' || strcmp(name, KD_FOLDER_REPORT) == 0;
}

static bool read_seed(const char *name, size_t length, double *seed)
{
    if (length < 2 || length > 17 || name[0] != 's') return false;
    for (size_t i = 1; i < length; i++)
        if (name[i] < '0' || name[i] > '9') return false;
    *seed = strtod(name + 1, NULL);
    return true;
}

static bool is(const char *name, size_t length, const char *folder)
{
    return length == strlen(folder) && strncmp(name, folder, length) == 0;
}

int kd_place_read(const char *folder, struct kd_named *out, struct kd_err *err)
{
    size_t length, up_length;
    *out = (struct kd_named){.seed = NAN};
    char *path = kd_strdup(folder, err);
    if (!path) return -1;
    const char *name = kd_place_base(path, &length);
    if (read_seed(name, length, &out->seed) && name > path) {
        path[name - path] = '\0';
        name = kd_place_base(path, &length);
    }
    out->name = kd_format(err, "%.*s", (int)length, name);
    path[name - path] = '\0';
    const char *up = kd_place_base(path, &up_length);
    out->student = is(up, up_length, KD_FOLDER_STUDENTS);
    out->teacher = out->name && !out->student && strcmp(out->name, KD_FOLDER_TEACHER) == 0;
    kd_free(path);
    return out->name ? 0 : -1;
}

/* Length of X where the path is X.safetensors, else 0. */
static size_t stem_of(const char *path)
{
    size_t n = strlen(path), s = strlen(KD_FILE_TENSORS);
    return n > s && strcmp(path + n - s, KD_FILE_TENSORS) == 0 ? n - s : 0;
}

char *kd_output_model(const char *output, struct kd_err *err)
{
    bool file = strcmp(output, "-") == 0 || stem_of(output);
    return file ? kd_strdup(output, err) : kd_path_join(err, output, KD_FILE_MODEL);
}

int kd_outputs_of(const char *output, struct kd_outputs *out, struct kd_err *err)
{
    int stem = (int)stem_of(output);
    *out = (struct kd_outputs){.model = kd_output_model(output, err)};
    if (strcmp(output, "-") == 0) return out->model ? 0 : -1;
    if (stem) {
        const char *slash = strrchr(output, '/');
        int folder = slash ? (int)(slash + 1 - output) : 0;
        out->peer = kd_format(err, "%.*s." KD_FILE_PEER, stem, output);
        out->log = kd_format(err, "%.*s." KD_FILE_LOG, stem, output);
        out->checkpoint = kd_format(err, "%.*s." KD_FILE_CHECKPOINT, stem, output);
        out->previous = kd_format(err, "%.*s." KD_FILE_PREVIOUS, stem, output);
        out->lock = kd_format(err, "%.*s.%.*s" KD_FILE_LOCK, folder, output, stem - folder,
                              output + folder);
    } else {
        out->peer = kd_path_join(err, output, KD_FILE_PEER);
        out->log = kd_path_join(err, output, KD_FILE_LOG);
        out->checkpoint = kd_path_join(err, output, KD_FILE_CHECKPOINT);
        out->previous = kd_path_join(err, output, KD_FILE_PREVIOUS);
        out->lock = kd_path_join(err, output, KD_FILE_LOCK);
    }
    bool whole =
        out->model && out->peer && out->log && out->checkpoint && out->previous && out->lock;
    if (!whole) kd_outputs_release(out);
    return whole ? 0 : -1;
}

void kd_outputs_release(struct kd_outputs *out)
{
    kd_free(out->model);
    kd_free(out->peer);
    kd_free(out->log);
    kd_free(out->checkpoint);
    kd_free(out->previous);
    kd_free(out->lock);
    *out = (struct kd_outputs){0};
}
