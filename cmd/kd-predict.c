/* kd-predict: what a model takes pictures for. */
#include "inputs.h"
#include "kd/run/places.h"
#include "predictions.h"

#include "kd/base/file.h"
#include "kd/nn/softmax.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FORMS(X) X(FORM_TEXT, "text") X(FORM_CSV, "csv") X(FORM_JSON, "json")
enum form { FORMS(KD_CHOICE_ENUM) };

struct options {
    int64_t top;
    int form, tta;
    char *data_dir;
    double temperature;
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"top", 'k', NULL, KD_OPT_INT, O(top), .preset = "1", .min = 1, .max = 1000, .metavar = "K",
     .help = "so many classes of each image, the most probable first"},
    {"format", 'f', NULL, KD_OPT_CHOICE, O(form), .preset = "text", .choices = KD_CHOICES(FORMS),
     .metavar = "FORM", .help = "columns to read, CSV, or a line of JSON for each image"},
    {"temperature", 'T', NULL, KD_OPT_REAL, O(temperature), .preset = "1", .min = 0.01, .max = 1e4,
     .metavar = "T", .help = "probabilities are softmax(logits / T)"},
    {"tta", 0, NULL, KD_OPT_CHOICE, O(tta), .preset = "none", .choices = KD_CHOICES(KD_TTAS),
     .metavar = "COPIES",
     .help = "average logits over copies of an image: mirrored, and shifted by a pixel"},
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {0},
};
static const struct kd_program_section sections[] = {{"predict", "Prediction", rows, 0, NULL}, {0}};

struct work {
    struct kd_invocation *inv;
    const struct options *o;
    struct kd_model model;
    struct class_names names;
    struct batch batch;
    float *logits;
    struct kd_bytes text;
    size_t images, unread;
};

/* ---- telling ---- */

static int add_csv(struct work *w, const char *text, struct kd_err *err)
{
    if (!strpbrk(text, ",\"\n\r")) return kd_bytes_format(&w->text, err, "%s", text);
    int status = kd_bytes_add(&w->text, "\"", 1, err);
    for (const char *p = text; *p && status == 0; p++)
        status = kd_bytes_add(&w->text, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1, err);
    return status == 0 ? kd_bytes_add(&w->text, "\"", 1, err) : -1;
}

static int tell_csv(struct work *w, const char *image, const struct ranked *top, size_t n,
                    struct kd_err *err)
{
    if (!w->images) {
        int status = kd_bytes_format(&w->text, err, "image");
        for (size_t i = 0; i < n && status == 0; i++)
            status = i ? kd_bytes_format(&w->text, err, ",class_%zu,probability_%zu", i + 1, i + 1)
                       : kd_bytes_format(&w->text, err, ",class,probability");
        if (status < 0 || kd_bytes_format(&w->text, err, "\n") < 0) return -1;
    }
    int status = add_csv(w, image, err);
    for (size_t i = 0; i < n && status == 0; i++) {
        char room[24];
        status = kd_bytes_format(&w->text, err, ",");
        if (status == 0) status = add_csv(w, class_name(&w->names, top[i].label, room), err);
        if (status == 0) status = kd_bytes_format(&w->text, err, ",%.9g", top[i].probability);
    }
    return status == 0 ? kd_bytes_format(&w->text, err, "\n") : -1;
}

static int tell_json(struct work *w, const char *image, const struct ranked *top, size_t n,
                     struct kd_err *err)
{
    char room[24];
    struct kd_maker b = kd_make_object(err);
    kd_put_text(&b, "image", image);
    kd_put_text(&b, "class", class_name(&w->names, top[0].label, room));
    kd_put_number(&b, "label", (double)top[0].label);
    kd_put_number(&b, "probability", top[0].probability);
    if (n > 1) {
        struct kd_maker list = kd_make_list(err);
        for (size_t i = 0; i < n; i++) {
            struct kd_maker one = kd_make_object(err);
            kd_put_text(&one, "class", class_name(&w->names, top[i].label, room));
            kd_put_number(&one, "label", (double)top[i].label);
            kd_put_number(&one, "probability", top[i].probability);
            kd_put_json(&list, NULL, kd_make_end(&one));
        }
        kd_put_json(&b, "top", kd_make_end(&list));
    }
    char *text = kd_json_text_of(kd_make_end(&b), err);
    int status = text ? kd_bytes_format(&w->text, err, "%s\n", text) : -1;
    kd_free(text);
    return status;
}

/* A line an image; names as a terminal can show them. */
static int tell_text(struct work *w, const char *image, const struct ranked *top, size_t n,
                     struct kd_err *err)
{
    int status = kd_text_plain(&w->text, image, err);
    for (size_t i = 0; i < n && status == 0; i++) {
        char room[24];
        status = kd_bytes_format(&w->text, err, "%s", i ? ", " : ": ");
        if (status == 0)
            status = kd_text_plain(&w->text, class_name(&w->names, top[i].label, room), err);
        if (status == 0)
            status = kd_bytes_format(&w->text, err, " %.2f %%", 100 * top[i].probability);
    }
    return status == 0 ? kd_bytes_format(&w->text, err, "\n") : -1;
}

static int deliver(struct work *w, bool end, struct kd_err *err)
{
    const char *path = w->inv->common.output;
    const bool file = path && strcmp(path, "-") != 0;
    int status = 0;
    if (!file && w->text.size) {
        status = kd_print(err, "%s", w->text.data);
        kd_bytes_release(&w->text);
    } else if (file && end) {
        status = kd_file_write(path, w->text.data ? w->text.data : "", w->text.size, err);
        if (status == 0) status = kd_print_path(err, path);
    }
    return status;
}

/* ---- asking ---- */

static int tell(struct work *w, const char *image, const float *logits, struct kd_err *err)
{
    const size_t classes = w->model.net->classes;
    const size_t n = (size_t)w->o->top < classes ? (size_t)w->o->top : classes;
    struct ranked top[1000];
    const int form = w->inv->common.json ? FORM_JSON : w->o->form;
    if (rank(logits, classes, w->o->temperature, n, top, err) < 0) return -1;
    int status = (form == FORM_CSV    ? tell_csv
                  : form == FORM_JSON ? tell_json
                                      : tell_text)(w, image, top, n, err);
    w->images++;
    return status;
}

/* Images of the batch that could be read, as a set of their own. */
static int ask(struct work *w, struct kd_err *err)
{
    struct batch *b = &w->batch;
    const size_t classes = w->model.net->classes;
    struct kd_images images = batch_images(b);
    const struct kd_view view = {.images = &images, .n = images.n};
    const struct kd_asking how = {.tta = (enum kd_tta)w->o->tta, .pool = w->inv->pool};
    int status = images.n ? kd_predict(&w->model, &view, &how, w->logits, err) : 0;
    if (status == 0) status = kd_logits_check(w->model.path, w->logits, images.n, classes, err);
    for (size_t i = 0, row = 0; i < b->n && status == 0; i++) {
        if (b->why[i]) {
            kd_bar_clear(&w->inv->bar);
            fprintf(stderr, "%s: %s\n", kd_program.name, b->why[i]);
            w->unread++;
        } else {
            status = tell(w, b->paths[i], w->logits + row++ * classes, err);
        }
    }
    batch_clear(b);
    return status == 0 ? deliver(w, false, err) : -1;
}

static int flush(struct work *w, struct kd_err *err)
{
    if (!w->batch.n) return 0;
    batch_read(&w->batch, w->inv->pool);
    return ask(w, err);
}

static int add_picture(struct work *w, const char *path, struct kd_err *err)
{
    if (kd_stopping) return 0;
    if (batch_add(&w->batch, path, err) < 0) return -1;
    return w->batch.n == BATCH ? flush(w, err) : 0;
}

/* ---- where images come from ---- */

static int add_path(struct work *w, const char *path, bool listed, struct kd_err *err);

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int add_folder(struct work *w, const char *folder, struct kd_err *err)
{
    struct dirent **found = NULL;
    int n = scandir(folder, &found, visible, alphasort), status = 0;
    if (n < 0) return kd_fail_errno(err, "%s", folder);
    for (int i = 0; i < n; i++) {
        char *path = status == 0 ? kd_path_join(err, folder, found[i]->d_name) : NULL;
        if (status == 0) status = path ? add_path(w, path, true, err) : -1;
        kd_free(path);
        free(found[i]);
    }
    free(found);
    return status;
}

static int add_lines(struct work *w, FILE *from, struct kd_err *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int status = 0;
    while (status == 0 && !kd_stopping && (n = getline(&line, &room, from)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
        if (n > 0) status = add_path(w, line, false, err);
    }
    if (status == 0 && ferror(from)) status = kd_fail_errno(err, "standard input");
    free(line);
    return status;
}

/* All images of a source, in its order. */
static int add_source(struct work *w, const char *spec, struct kd_err *err)
{
    struct kd_images images = {0};
    const struct kd_images_options how = {.data_dir = w->o->data_dir,
                                          .default_split = "test",
                                          .whole = true,
                                          .input = &w->batch.input,
                                          .pool = w->inv->pool,
                                          .progress = &w->inv->progress};
    const size_t classes = w->model.net->classes;
    uint32_t index[BATCH];
    int status = flush(w, err);
    if (status == 0) status = kd_images_load(spec, &how, &images, err);
    if (status == 0) status = kd_pixels_suit(&w->model, &images, err);
    for (uint32_t from = 0; from < images.n && status == 0 && !kd_stopping; from += BATCH) {
        const uint32_t n = images.n - from < BATCH ? images.n - from : BATCH;
        for (uint32_t i = 0; i < n; i++) index[i] = from + i;
        const struct kd_view view = {.images = &images, .index = index, .n = n};
        const struct kd_asking asking = {.tta = (enum kd_tta)w->o->tta, .pool = w->inv->pool};
        status = kd_predict(&w->model, &view, &asking, w->logits, err);
        if (status == 0) status = kd_logits_check(w->model.path, w->logits, n, classes, err);
        for (uint32_t i = 0; i < n && status == 0; i++) {
            char *name = kd_format(err, "%s:%s#%u", images.source, images.split, from + i);
            status = name ? tell(w, name, w->logits + i * classes, err) : -1;
            kd_free(name);
        }
        if (status == 0) status = deliver(w, false, err);
    }
    kd_images_release(&images);
    return status;
}

static bool ends(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

static bool is_picture(const char *path)
{
    static const char *const endings[] = {".png", ".PNG", ".jpg", ".JPG", ".jpeg", ".JPEG"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends(path, endings[i])) return true;
    return false;
}

/* `listed`: found in a folder, where what is no picture is passed over. */
static int add_path(struct work *w, const char *path, bool listed, struct kd_err *err)
{
    struct stat about;
    const bool there = stat(path, &about) == 0;
    char *source, *split;
    struct kd_err no_source;
    if (there && S_ISDIR(about.st_mode)) return add_folder(w, path, err);
    if (listed) return is_picture(path) ? add_picture(w, path, err) : 0;
    if (there && (ends(path, ".safetensors") || ends(path, ".npy"))) {
        char *spec = kd_format(err, "tensors:%s", path);
        int status = spec ? add_source(w, spec, err) : -1;
        kd_free(spec);
        return status;
    }
    if (!there && kd_spec_parse(path, &source, &split, &no_source) == 0) {
        kd_free(source);
        kd_free(split);
        return add_source(w, path, err);
    }
    return add_picture(w, path, err);
}

/* ---- the program ---- */

static int predict_all(struct work *w, struct kd_err *err)
{
    const struct kd_args *args = &w->inv->args;
    int status = 0;
    for (size_t i = 1; i < args->n_operands && status == 0 && !kd_stopping; i++)
        status = strcmp(args->operands[i], "-") == 0 ? add_lines(w, stdin, err)
                                                     : add_path(w, args->operands[i], false, err);
    if (status == 0) status = flush(w, err);
    if (status == 0 && !kd_stopping) status = deliver(w, true, err);
    if (status < 0 || kd_stopping) return status;
    if (w->unread == 1 && !w->images) { /* its own line is the whole of it */
        *err = (struct kd_err){.kind = KD_ERR_FAILURE};
        return -1;
    }
    if (w->unread)
        return kd_fail(err, "%zu of %zu image%s could not be read (see above)", w->unread,
                       w->unread + w->images, w->unread + w->images == 1 ? "" : "s");
    return w->images ? 0 : kd_fail(err, "there are no images in what was named");
}

static bool holds_model(const char *path)
{
    struct kd_err ignored;
    const size_t n = strlen(path), end = strlen(KD_FILE_TENSORS);
    if (n > end && strcmp(path + n - end, KD_FILE_TENSORS) == 0) return kd_path_is_file(path);
    char *within = kd_path_join(&ignored, path, KD_FILE_MODEL);
    const bool there = within && kd_path_is_file(within);
    kd_free(within);
    return there;
}

static int predict(struct kd_invocation *inv, struct kd_err *err)
{
    struct work w = {.inv = inv, .o = inv->options};
    const struct kd_args *args = &inv->args;
    size_t pipes = 0;
    for (size_t i = 0; i < args->n_operands; i++) pipes += strcmp(args->operands[i], "-") == 0;
    if (pipes > 1) return kd_fail_usage(err, "standard input (-) can be read once");
    if (output_file_check(inv, err) < 0) return -1;
    int status = kd_model_read(args->operands[0], &w.model, err);
    if (status < 0 && holds_model(args->operands[1]) && !holds_model(args->operands[0]))
        kd_fail_usage(err, "the model comes first: kd-predict %s %s", args->operands[1],
                      args->operands[0]);
    if (status == 0) status = class_names_read(&w.names, &w.model, err);
    if (status == 0) status = batch_open(&w.batch, &w.model, err);
    if (status == 0) {
        w.logits = kd_alloc((size_t)BATCH * w.model.net->classes, sizeof *w.logits, "logits", err);
        status = w.logits ? predict_all(&w, err) : -1;
    }
    batch_close(&w.batch);
    kd_bytes_release(&w.text);
    class_names_release(&w.names);
    kd_free(w.logits);
    kd_model_release(&w.model);
    return status;
}

const struct kd_program kd_program = {
    .name = "kd-predict",
    .usage = "[OPTION]... MODEL IMAGE...",
    .summary = "Say what a model takes images for: the class of each, and how probable the model "
               "finds it.",
    .details =
        "IMAGE is a picture, a folder of pictures, a tensor file, a data source as "
        "mnist:test, or - for\n"
        "a list of these on standard input, one a line.\n"
        "\n"
        "Examples:\n"
        "  kd-predict runs/latest photo.png\n"
        "  kd-predict runs/latest photos/ --top 3\n"
        "  find photos -name '*.png' | kd-predict runs/latest - --format csv -o answers.csv\n"
        "  kd-predict runs/latest digits:test --json | jq -r 'select(.probability < 0.5)'\n",
    .sections = sections,
    .min_operands = 2,
    .max_operands = 1 << 20,
    .computes = true,
    .options_size = sizeof(struct options),
    .work = predict,
};
