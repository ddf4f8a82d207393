/* kd-quantize: a float model becomes the same network in integers. */
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/base/table.h"
#include "kd/base/terminal.h"
#include "kd/nn/model.h"
#include "kd/nn/predict.h"
#include "kd/nn/quantize.h"
#include "kd/run/places.h"
#include "kd/train/config.h"
#include "program.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

struct options {
    char *calibrate, *data_dir;
    int64_t images;
    int ranges, equalise;
    double percentile;
    bool correct_bias, per_tensor, explain, overwrite;
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"calibrate", 'd', NULL, KD_OPT_TEXT, O(calibrate), .metavar = "SOURCE",
     .help = "calibration images, as mnist:train or images:DIR; default: what the model was "
             "trained on",
     .also = "data dataset calibration"},
    {.also = "bits bit width int8 dtype precision",
     .help = "weights and activations get 8 bits, the one width that there is"},
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {"images", 'n', NULL, KD_OPT_INT, O(images), .preset = "512", .min = 1, .max = 1e6,
     .metavar = "N", .help = "how many of them are looked at, spread over the source"},
    {"ranges", 0, NULL, KD_OPT_CHOICE, O(ranges), .preset = "error",
     .choices = KD_CHOICES(KD_RANGES), .metavar = "HOW",
     .help = "ranges of activations: where the logits change least, all values seen, or a share "
             "of them"},
    {"percentile", 0, NULL, KD_OPT_REAL, O(percentile), .preset = "99.99", .min = 50, .max = 100,
     .metavar = "PERCENT", .help = "the share for --ranges percentile"},
    {"equalise", 0, NULL, KD_OPT_CHOICE, O(equalise), .preset = "auto",
     .choices = KD_CHOICES(KD_EQUALISE), .metavar = "WHEN",
     .help = "even out the ranges of channels between layers; auto: where the logits change less"},
    {"bias-correction", 0, NULL, KD_OPT_BOOL, O(correct_bias), .preset = "true",
     .help = "leave biases as rounding makes them, with the shift in the mean that this brings"},
    {"per-tensor", 0, NULL, KD_OPT_BOOL, O(per_tensor),
     .help = "one scale for all channels of a layer's weights, to see what this loses"},
    {"explain", 'x', NULL, KD_OPT_BOOL, O(explain),
     .help = "also show what would be gained if a layer alone stayed in floats (simulated)"},
    {"overwrite", 0, NULL, KD_OPT_BOOL, O(overwrite),
     .help = "replace what is there and was made otherwise"},
    {0},
};
static const struct kd_program_section sections[] = {
    {"images", "Calibration and method", rows, 0, NULL},
    {0},
};

/* ---- calibration images ---- */

struct calibration {
    struct kd_images images;
    float *in;
    int32_t *labels;
    uint32_t *index;
    size_t n;
};

static void calibration_release(struct calibration *c)
{
    kd_images_release(&c->images);
    kd_free(c->in);
    kd_free(c->labels);
    kd_free(c->index);
}

static int load(struct kd_invocation *inv, const struct kd_model *model, struct calibration *c,
                struct kd_err *err)
{
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    const struct options *options = inv->options;
    struct kd_images_options o = {.data_dir = options->data_dir,
                                  .default_split = "train",
                                  .input = &own.input,
                                  .pool = inv->pool};
    int status = kd_model_data(model, &own, err);
    const char *source = options->calibrate ? options->calibrate : own.source;
    if (status == 0 && !source)
        status = kd_fail_usage(
            err, "%s does not say what it was trained on; give --calibrate SOURCE", model->path);
    if (status == 0) status = kd_images_load(source, &o, &c->images, err);
    if (status == 0) status = kd_model_suits(model, &c->images, err);
    kd_opts_release(s);
    return status;
}

/* Images i n / wanted: from all of the source, whatever its order. */
static int take(struct kd_invocation *inv, const struct kd_model *model, struct calibration *c,
                struct kd_err *err)
{
    const struct kd_images *im = &c->images;
    const struct options *options = inv->options;
    size_t size = (size_t)im->c * im->h * im->w;
    c->n = (size_t)options->images < im->n ? (size_t)options->images : im->n;
    c->in = kd_alloc(c->n * size, sizeof *c->in, "calibration images", err);
    c->index = kd_alloc(c->n, sizeof *c->index, "calibration images", err);
    c->labels = kd_alloc(c->n, sizeof *c->labels, "labels", err);
    uint32_t *map = NULL;
    if (!c->in || !c->index || !c->labels || kd_model_classes(model, im, &map, err) < 0) return -1;
    for (size_t i = 0; i < c->n; i++) {
        c->index[i] = (uint32_t)((uint64_t)i * im->n / c->n);
        c->labels[i] = im->labels ? im->labels[c->index[i]] : -1;
        if (map && c->labels[i] >= 0) c->labels[i] = (int32_t)map[c->labels[i]];
    }
    kd_free(map);
    struct kd_view view = {.images = im, .index = c->index, .n = c->n};
    kd_view_fill(&view, &model->normalize, 0, c->n, inv->pool, c->in);
    return 0;
}

/* ---- the table ---- */

static const char *kind_name(enum kd_op_kind kind)
{
    static const char *const names[] = {
        [KD_OP_CONV] = "weights",          [KD_OP_ADD] = "sum",
        [KD_OP_AVGPOOL] = "average",       [KD_OP_MAXPOOL] = "maximum",
        [KD_OP_ACTIVATION] = "activation", [KD_OP_REORDER] = "order"};
    return names[kind];
}

/* Of integers that are the same as the floats there is no noise to tell. */
static void put_decibels(struct kd_table *t, struct kd_cell *row, size_t column, double v)
{
    if (isinf(v))
        kd_table_text(t, column, "exact");
    else
        row[column].value = v;
}

static int table(const struct kd_quantize_report *report, struct kd_bytes *out, struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"layer", "layer", KD_CELL_TEXT, false, 0},
        {"kind", "kind", KD_CELL_TEXT, false, 4},
        {"weight_snr", "weights dB", KD_CELL_MEASURE, false, 3},
        {"output_snr", "output dB", KD_CELL_MEASURE, false, 0},
        {"points", "points", KD_CELL_POINTS, false, 0},
        {"agreement", "agree %", KD_CELL_RATE, false, 0},
        {"points_without", "without", KD_CELL_POINTS, false, 2},
        {"agreement_without", "agree % then", KD_CELL_RATE, false, 2},
    };
    const size_t there = kd_terminal_columns(STDOUT_FILENO);
    const struct kd_table_style style = {
        .bare = true, .width = there ? there : KD_WIDE, .all = "--json has all"};
    struct kd_table t;
    kd_table_init(&t, "Layers", columns, sizeof columns / sizeof *columns, err);
    for (unsigned i = 0; i < report->n; i++) {
        const struct kd_quantize_layer *l = &report->layers[i];
        struct kd_cell *row = kd_table_row(&t);
        kd_table_text(&t, 0, l->name);
        kd_table_text(&t, 1, kind_name(l->kind));
        put_decibels(&t, row, 2, l->weight_snr);
        put_decibels(&t, row, 3, l->snr);
        row[4].value = l->accuracy_alone - report->float_accuracy;
        row[5].value = l->agreement_alone;
        row[6].value = l->accuracy_without - report->float_accuracy;
        row[7].value = l->agreement_without;
    }
    int status = kd_table_end(&t);
    if (status == 0) status = kd_table_render(&t, &style, out, err);
    kd_table_release(&t);
    return status;
}

static int number_or_null(cJSON *o, const char *key, double v, struct kd_err *err)
{
    return isfinite(v) ? kd_json_add_number(o, key, v, err) : kd_json_add(o, key, NULL, err);
}

static cJSON *layer_json(const struct kd_quantize_layer *l, struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject();
    if (kd_json_add_text(o, "layer", l->name, err) == 0 &&
        kd_json_add_text(o, "kind", kind_name(l->kind), err) == 0 &&
        number_or_null(o, "weight_snr", l->weight_snr, err) == 0 &&
        number_or_null(o, "output_snr", l->snr, err) == 0 &&
        number_or_null(o, "top1_alone", l->accuracy_alone, err) == 0 &&
        number_or_null(o, "agreement_alone", l->agreement_alone, err) == 0 &&
        (isnan(l->agreement_without) ||
         (number_or_null(o, "top1_without", l->accuracy_without, err) == 0 &&
          number_or_null(o, "agreement_without", l->agreement_without, err) == 0)))
        return o;
    cJSON_Delete(o);
    return NULL;
}

static char *report_json(const struct kd_quantize_report *report, const char *path, size_t images,
                         struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    int status = o && list ? 0 : kd_fail_memory(err, "not enough memory for a report");
    for (unsigned i = 0; i < report->n && status == 0; i++) {
        cJSON *l = layer_json(&report->layers[i], err);
        if (!l || !cJSON_AddItemToArray(list, l)) {
            cJSON_Delete(l);
            status = -1;
        }
    }
    if (status == 0 &&
        (kd_json_add_text(o, "model", path, err) < 0 ||
         kd_json_add_number(o, "images", (double)images, err) < 0 ||
         number_or_null(o, "top1_float", report->float_accuracy, err) < 0 ||
         number_or_null(o, "top1", report->accuracy, err) < 0 ||
         number_or_null(o, "agreement", report->agreement, err) < 0 ||
         number_or_null(o, "logit_snr", report->logit_snr, err) < 0 ||
         kd_json_attach(o, "equalised", cJSON_CreateBool(report->equalised), err) < 0))
        status = -1;
    if (status == 0) {
        status = kd_json_attach(o, "layers", list, err);
        list = NULL;
    }
    cJSON_Delete(list);
    if (status == 0) return kd_json_text_of(o, err);
    cJSON_Delete(o);
    return NULL;
}

/* ---- the file ---- */

/* What the float model's file says of data, teachers and classes holds for this one as well. */
static int copy_metadata(const struct kd_model *model, struct kd_tensorfile *f, struct kd_err *err)
{
    static const char *const own[] = {"kd.command", "kd.metrics", "kd.checksums"};
    for (const cJSON *item = model->metadata->child; item; item = item->next) {
        bool skip = kd_tensorfile_meta(f, item->string) || !cJSON_IsString(item);
        for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
            skip = skip || strcmp(item->string, own[i]) == 0;
        if (!skip && kd_tensorfile_set(f, item->string, item->valuestring, err) < 0) return -1;
    }
    return 0;
}

static int write_model(const struct kd_invocation *inv, const struct kd_model *model,
                       const char *path, struct kd_network *net, struct kd_err *err)
{
    struct kd_tensorfile f;
    int status = kd_tensorfile_init(&f, err);
    if (status == 0) status = kd_model_to_file(net, &model->normalize, &f, err);
    if (status == 0) status = copy_metadata(model, &f, err);
    if (status == 0 && inv->command[0])
        status = kd_tensorfile_set(&f, "kd.command", inv->command, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    return status;
}

static int set_parent(struct kd_int_network *ints, const char *fingerprint, struct kd_err *err)
{
    cJSON *text = cJSON_CreateString(fingerprint);
    ints->parents = cJSON_CreateArray();
    if (ints->parents && text && cJSON_AddItemToArray(ints->parents, text)) return 0;
    cJSON_Delete(text);
    return kd_fail_memory(err, "not enough memory for a list");
}

static int tell(struct kd_invocation *inv, const char *path,
                const struct kd_quantize_report *report, const struct calibration *c,
                struct kd_err *err)
{
    bool to_stdout = strcmp(path, "-") == 0;
    if (inv->common.json && !to_stdout) {
        char *json = report_json(report, path, c->n, err);
        int status = json ? kd_print(err, "%s\n", json) : -1;
        kd_free(json);
        return status;
    }
    struct kd_bytes text = {0};
    int status = table(report, &text, err);
    if (status == 0 && !to_stdout) status = kd_print(err, "%s", text.data);
    if (status == 0)
        kd_say_words(inv,
                     "%zu images of %s:%s: %.2f %% right in floats, %.2f %% in integers; the same "
                     "class for %.2f %%; logits %.1f dB%s",
                     c->n, c->images.source, c->images.split, 100 * report->float_accuracy,
                     100 * report->accuracy, 100 * report->agreement, report->logit_snr,
                     report->equalised ? "; channels evened out" : "");
    if (status == 0 && !to_stdout) status = kd_print_path(err, path);
    kd_bytes_release(&text);
    return status;
}

static int quantise(struct kd_invocation *inv, struct kd_model *model, const char *path,
                    struct kd_err *err)
{
    struct calibration c = {0};
    const struct options *options = inv->options;
    struct kd_quantize_report report = {0};
    struct kd_network *folded = NULL;
    struct kd_int_network *ints = kd_alloc(1, sizeof *ints, "an integer network", err);
    int status = ints ? load(inv, model, &c, err) : -1;
    if (status == 0) status = take(inv, model, &c, err);
    if (status == 0) status = (folded = kd_network_fold(model->net, err)) ? 0 : -1;
    if (status == 0) {
        struct kd_calibration calibration = {.in = c.in,
                                             .labels = c.labels,
                                             .n = c.n,
                                             .normalize = &model->normalize,
                                             .pool = inv->pool,
                                             .progress = &inv->progress};
        struct kd_quantize_options how = {.ranges = (enum kd_ranges)options->ranges,
                                          .percentile = options->percentile,
                                          .equalise = (enum kd_equalise)options->equalise,
                                          .no_bias_correction = !options->correct_bias,
                                          .per_tensor = options->per_tensor,
                                          .explain = options->explain};
        status = kd_quantize(folded, &calibration, &how, ints, &report, err);
        if (status < 0) kd_err_context(err, "%s", model->path);
    }
    if (status == 0) status = set_parent(ints, model->fingerprint, err);
    if (status == 0) {
        folded->integers = ints; /* freed with it */
        ints = NULL;
        status = write_model(inv, model, path, folded, err);
    }
    if (status == 0) status = tell(inv, path, &report, &c, err);
    kd_free(report.layers);
    kd_int_free(ints);
    kd_network_free(folded);
    calibration_release(&c);
    return status;
}

static int make_integers(struct kd_invocation *inv, struct kd_err *err)
{
    struct kd_model model = {0};
    const struct options *options = inv->options;
    const struct kd_idle rules[] = {
        {options->ranges != KD_RANGES_PERCENTILE, "percentile", "goes with --ranges percentile"}};
    if (kd_args_idle(&inv->args, rules, 1, err) < 0) return -1;
    if (!inv->common.output)
        return kd_fail_usage(
            err, "say where the quantised model goes with --output PATH (or - for a pipe)");
    kd_tensorfile_spare(!options->overwrite);
    int status = kd_model_read(inv->args.operands[0], &model, err);
    if (status == 0 && model.net->integers)
        status = kd_fail_usage(err, "%s is in integers already; give the float model", model.path);
    char *path = status == 0 ? kd_output_model(inv->common.output, err) : NULL;
    if (status == 0 && path) status = kd_outfile_check(path, err);
    if (status == 0) status = path ? quantise(inv, &model, path, err) : -1;
    kd_free(path);
    kd_model_release(&model);
    return status;
}

const struct kd_program kd_program = {
    .name = "kd-quantize",
    .usage = "[OPTION]... MODEL",
    .summary = "Turn a float model into the same network in 8-bit integers, after training, by "
               "looking at\ncalibration images; show what each layer's integers cost.",
    .details =
        "Without labels only agreement with the float model is told. \"points\" is the change in\n"
        "accuracy on the calibration images where this layer alone is in integers.\n"
        "\n"
        "Examples:\n"
        "  kd-quantize student/ -o small/                        by images it was trained on\n"
        "  kd-quantize student/ --calibrate images:photos -n 200 -o small.safetensors\n"
        "  kd-quantize student/ -o - | kd-eval - --reference student/\n",
    .sections = sections,
    .min_operands = 1,
    .max_operands = 1,
    .computes = true,
    .work = make_integers,
    .options_size = sizeof(struct options),
};
