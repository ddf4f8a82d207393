/* "distill" of a student: its options, and what they mean as a list of terms. */
#include "kd/base/mem.h"
#include "kd/run/weights.h"
#include "kind.h"

#include <math.h>
#include <string.h>

#define D(field) offsetof(struct kd_distill_config, field)
const struct kd_option kd_distill_rows[] = {
    {"from", 0, "from", KD_OPT_JSON, D(from), .metavar = "NAME",
     .help = "whose soft targets: teacher, a student, a model file, or a weighted list",
     .more = "A file of soft targets may be named too. A list with weights is JSON. `labels` is a "
             "virtual teacher, which knows the labels alone: the control that a comparison should "
             "have (Yuan et al. 2020, Revisiting Knowledge Distillation via Label Smoothing "
             "Regularization). `average` is the running average of the student's own weights, "
             "which `train.ema` keeps and saves (Tarvainen and Valpola 2017, Mean teachers are "
             "better role models). `peer` is a second student of the same training, each the "
             "other's teacher (Zhang et al. 2018, Deep Mutual Learning)."},
    {"peer", 0, "peer", KD_OPT_JSON, D(peer), .metavar = "NETWORK", .later = true,
     .help = "network of the second student of `from` peer (default the student's own)",
     .more = "It learns by the student's settings, from other initial weights, and is saved beside "
             "the student as `peer.safetensors`, as it is after the last epoch."},
    {"certainty", 0, "certainty", KD_OPT_REAL, D(certainty), .min = 0.01, .max = 0.99999,
     .metavar = "P", .optional = true,
     .help = "what a teacher `from` labels gives the label, the others sharing the rest (default "
             "0.9)"},
    {"temperature", 'T', "temperature", KD_OPT_REAL, D(temperature), .min = 0.01, .max = 1e4,
     .metavar = "T", .optional = true, .also = "temp tau t",
     .help = "temperature of the soft targets (default the loss's own: 4 for kl)"},
    {"alpha", 'a', "alpha", KD_OPT_REAL, D(alpha), .min = 0, .max = 1, .metavar = "A",
     .optional = true,
     .help = "weight of the soft term, 1 - A that of the labels; 1 needs no labels, 0 uses labels "
             "alone (default the loss's own: 0.9 for kl)"},
    {"force", 'f', "force", KD_OPT_BOOL, D(force), .later = true, .aside = true,
     .help = "accept soft targets that do not say which images they were made for",
     .more = "Row i is taken for image i. Files that do say it are checked all the same."},
    {"fixed-teacher", 0, "fixed_teacher", KD_OPT_BOOL, D(fixed_teacher),
     .help = "accept soft targets of plain images for an augmented student"},
    {"average", 0, "average", KD_OPT_CHOICE, D(average), .preset = "logits",
     .choices = KD_CHOICES(KD_AVERAGES), .metavar = "WHAT",
     .help = "what of several teachers is averaged"},
    {"loss", 0, "loss", KD_OPT_JSON, D(loss), .metavar = "LOSS", .later = true,
     .help = "how student and teacher are compared: a name, or JSON with parameters; ? lists them "
             "(default kl)",
     .more = "See Losses above. Several losses are a JSON list."},
    {"weight", 0, "weight", KD_OPT_REAL, D(weight), .min = 0, .max = 1e9, .metavar = "W",
     .optional = true,
     .help = "weight of the loss, apart from that of the labels; alpha excludes it"},
    {"label-weight", 0, "label_weight", KD_OPT_REAL, D(label_weight), .min = 0, .max = 1e9,
     .metavar = "W", .optional = true,
     .help = "weight of the labels' cross-entropy beside that of the loss"},
    {"ramp", 0, "ramp", KD_OPT_REAL, D(ramp), .min = 0, .max = 1e6, .metavar = "EPOCHS",
     .optional = true,
     .help = "epochs over which the weight of the loss rises from 0 (default the loss's own)"},
    {"confidence", 0, "confidence", KD_OPT_CHOICE, D(confidence), .preset = "none",
     .choices = KD_CHOICES(KD_CONFIDENCES), .metavar = "WHOSE", .later = true,
     .help = "multiply an image's loss by the teacher's probability of its first choice, or of the "
             "label, at T = 1"},
    {0},
};

/* What a term further down a list of losses says of itself. */
#define E(field) offsetof(struct kd_loss_term, field)
static const struct kd_option term_rows[] = {
    {NULL, 0, "weight", KD_OPT_REAL, E(weight), .min = 0, .max = 1e9, .optional = true},
    {NULL, 0, "temperature", KD_OPT_REAL, E(temperature), .min = 0.01, .max = 1e4,
     .optional = true},
    {NULL, 0, "ramp", KD_OPT_REAL, E(ramp), .min = 0, .max = 1e6, .optional = true},
    {0},
};
enum { MOST_KEYS = 32 };

/* ---- one term ---- */

enum { MOST_KINDS = 64 };

static const struct kd_loss_kind *find(const char *name, const char *where, struct kd_err *err)
{
    const char *names[MOST_KINDS];
    unsigned n = 0;
    for (; n < MOST_KINDS && kd_loss_kinds[n]; n++) {
        names[n] = kd_loss_kinds[n]->name;
        if (strcmp(names[n], name) == 0) return kd_loss_kinds[n];
    }
    const char *near = kd_nearest(name, names, n);
    kd_fail_usage(err, "%s: there is no loss \"%.60s\"; %s%s%s", where, name,
                  near ? "did you mean \"" : "", near ? near : "",
                  near ? "\"? --loss '?' lists them" : "--loss '?' lists them");
    return NULL;
}

/* Two lists of one section each, with their ends. */
static void own_section(const struct kd_loss_term *term, struct kd_opt_section out[2])
{
    static const struct kd_option none[] = {{0}};
    const struct kd_option *rows = term->kind->rows ? term->kind->rows : none;
    out[0] = (struct kd_opt_section){"", "", rows, term->params, NULL};
    out[1] = (struct kd_opt_section){0};
}

static void term_section(const struct kd_loss_term *term, struct kd_opt_section out[2])
{
    out[0] = (struct kd_opt_section){"", "", term_rows, (void *)(uintptr_t)term, NULL};
    out[1] = (struct kd_opt_section){0};
}

static void keys_of(const struct kd_opt_section *section, const char *keys[MOST_KEYS])
{
    size_t n = 0;
    keys[n++] = "kind";
    for (const struct kd_option *row = NULL;
         (row = kd_opt_next(section, row)) && n < MOST_KEYS - 1;)
        keys[n++] = row->key;
    keys[n] = NULL;
}

/* The kind's own parameters and, further down a list, the term's; neither reader minds the other's
 * keys. */
static int read_params(struct kd_loss_term *term, const cJSON *object, const char *where,
                       bool first, struct kd_err *err)
{
    const char *own_keys[MOST_KEYS], *term_keys[MOST_KEYS];
    struct kd_opt_section own[2], terms[2];
    own_section(term, own);
    term_section(term, terms);
    keys_of(own, own_keys);
    keys_of(terms, term_keys);
    for (size_t i = 1; first && term_keys[i]; i++)
        if (cJSON_HasObjectItem(object, term_keys[i]))
            return kd_fail_usage(err, "%s.%s: of the first loss it is distill.%s", where,
                                 term_keys[i], term_keys[i]);
    if (kd_opts_from_json(own, object, where, term_keys, err) < 0) return -1;
    return kd_opts_from_json(terms, object, where, own_keys, err);
}

static int read_term(struct kd_loss_term *term, const cJSON *json, const char *where, bool first,
                     struct kd_err *err)
{
    const cJSON *kind =
        cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, "kind") : json;
    struct kd_opt_section section[2];
    term_section(term, section);
    if (kd_opts_preset(section, err) < 0) return -1;
    if (json && !cJSON_IsString(kind))
        return kd_fail_usage(err, "%s: expected a name, or {\"kind\": NAME, ...}", where);
    term->kind = json ? find(kind->valuestring, where, err) : kd_loss_kinds[0];
    if (!term->kind) return -1;
    if (term->kind->size) {
        term->params = kd_alloc(1, term->kind->size, "a loss's parameters", err);
        own_section(term, section);
        if (!term->params || kd_opts_preset(section, err) < 0) return -1;
    }
    return cJSON_IsObject(json) ? read_params(term, json, where, first, err) : 0;
}

static int check_temperature(const struct kd_loss_term *term, double usual, const char *where,
                             struct kd_err *err)
{
    if (isnan(term->temperature) || !isnan(usual)) return 0;
    return kd_fail_usage(err, "%s: loss %s has no temperature; leave it out", where,
                         term->kind->name);
}

/* ---- the list ---- */

static int settle_first(struct kd_loss *loss, const struct kd_distill_config *d, struct kd_err *err)
{
    struct kd_loss_term *term = &loss->term[0];
    struct kd_loss_usual usual = term->kind->usual;
    if (term->kind->variant) term->kind->variant(term->params, &usual);
    if (!isnan(d->alpha) && !(isnan(d->weight) && isnan(d->label_weight)))
        return kd_fail_usage(err, "distill: alpha sets the weights of loss and labels together, "
                                  "weight and label_weight (--weight, --label-weight) each alone; "
                                  "give the one or the others");
    struct kd_weights w = {isnan(d->weight) ? usual.weight : d->weight,
                           isnan(d->label_weight) ? usual.label_weight : d->label_weight};
    double alpha = isnan(d->alpha) ? kd_weights_alpha(w) : d->alpha;
    if (!isnan(alpha)) w = kd_weights_of_alpha(alpha);
    loss->label_weight = w.label;
    term->weight = w.soft;
    term->temperature = d->temperature;
    if (check_temperature(term, usual.temperature, "distill.temperature", err) < 0) return -1;
    if (isnan(term->temperature)) term->temperature = usual.temperature;
    term->ramp = isnan(d->ramp) ? usual.ramp : d->ramp;
    term->needs = usual.needs;
    return 0;
}

static int settle_further(struct kd_loss_term *term, const char *where, struct kd_err *err)
{
    struct kd_loss_usual usual = term->kind->usual;
    if (term->kind->variant) term->kind->variant(term->params, &usual);
    if (check_temperature(term, usual.temperature, where, err) < 0) return -1;
    if (isnan(term->temperature)) term->temperature = usual.temperature;
    if (isnan(term->weight)) term->weight = usual.weight;
    if (isnan(term->ramp)) term->ramp = usual.ramp;
    term->needs = usual.needs;
    return 0;
}

/* Images are weighed one by one. */
static int check_confidence(const struct kd_loss *loss, struct kd_err *err)
{
    for (unsigned i = 0; i < loss->n; i++)
        if (loss->confidence && loss->term[i].needs & KD_LOSS_OVER_BATCH)
            return kd_fail_usage(err,
                                 "distill.confidence: loss %s compares the images of a batch, and "
                                 "none has a weight of its own",
                                 loss->term[i].kind->name);
    return 0;
}

static void name_term(struct kd_loss *loss, unsigned place)
{
    struct kd_loss_term *term = &loss->term[place];
    unsigned alike = 1;
    for (unsigned i = 0; i < place; i++) alike += loss->term[i].kind == term->kind;
    snprintf(term->name, sizeof term->name, alike > 1 ? "%.16s %u" : "%.16s", term->kind->name,
             alike);
}

static int read_terms(struct kd_loss *loss, const struct kd_distill_config *d, struct kd_err *err)
{
    const cJSON *json = d->loss && !cJSON_IsNull(d->loss) ? d->loss : NULL;
    bool list = cJSON_IsArray(json);
    int n = list ? cJSON_GetArraySize(json) : 1;
    if (n < 1 || n > KD_LOSS_TERMS)
        return kd_fail_usage(err, "distill.loss: expected one to %d losses", KD_LOSS_TERMS);
    for (int i = 0; i < n; i++) {
        char where[40] = "distill.loss";
        if (list) snprintf(where, sizeof where, "distill.loss.%d", i);
        struct kd_loss_term *term = &loss->term[loss->n++];
        const cJSON *item = list ? cJSON_GetArrayItem(json, i) : json;
        if (read_term(term, item, where, i == 0, err) < 0) return -1;
        if ((i ? settle_further(term, where, err) : settle_first(loss, d, err)) < 0) return -1;
        name_term(loss, loss->n - 1);
    }
    return 0;
}

int kd_loss_init(struct kd_loss *loss, const struct kd_distill_config *distill, double smoothing,
                 struct kd_err *err)
{
    *loss = (struct kd_loss){.smoothing = smoothing, .label_weight = 1};
    if (distill) loss->confidence = distill->confidence;
    if (!distill || (read_terms(loss, distill, err) == 0 && check_confidence(loss, err) == 0))
        return 0;
    kd_loss_release(loss);
    return -1;
}

const struct kd_loss_places *kd_loss_places_of(const struct kd_loss_term *term)
{
    return term->kind->features ? term->params : NULL;
}

void kd_loss_release(struct kd_loss *loss)
{
    for (unsigned i = 0; i < loss->n; i++) {
        if (!loss->term[i].params) continue;
        struct kd_opt_section own[2];
        own_section(&loss->term[i], own);
        kd_opts_release(own);
        kd_free(loss->term[i].params);
    }
    kd_free(loss->class_weight);
    *loss = (struct kd_loss){0};
}

/* ---- resolved ---- */

static bool is_default(const struct kd_loss_term *term, const cJSON *json)
{
    return term->kind == kd_loss_kinds[0] && !json->child;
}

static int add_options(cJSON *to, const struct kd_opt_section *section, struct kd_err *err)
{
    cJSON *options = kd_opts_to_json(section, err);
    int status = options ? 0 : -1;
    for (cJSON *item; status == 0 && (item = options->child);)
        status = kd_json_add(to, item->string, cJSON_DetachItemViaPointer(options, item), err);
    cJSON_Delete(options);
    return status;
}

/* {"kind", parameters}, and further down a list the term's own settings. */
static cJSON *term_json(const struct kd_loss_term *term, bool first, struct kd_err *err)
{
    struct kd_opt_section section[2];
    cJSON *out = cJSON_CreateObject();
    own_section(term, section);
    int status = kd_json_add_text(out, "kind", term->kind->name, err);
    if (status == 0) status = add_options(out, section, err);
    term_section(term, section);
    if (status == 0 && !first) status = add_options(out, section, err);
    if (status == 0) return out;
    cJSON_Delete(out);
    return NULL;
}

static cJSON *list_json(const struct kd_loss *loss, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned i = 0; list && i < loss->n; i++) {
        cJSON *item = term_json(&loss->term[i], i == 0, err);
        if (item && cJSON_AddItemToArray(list, item)) continue;
        cJSON_Delete(item);
        cJSON_Delete(list);
        kd_fail_memory(err, "not enough memory for a list of losses");
        return NULL;
    }
    return list;
}

/* NULL with status 0: the default, which files written before there was a choice do not name. */
static int loss_json(const struct kd_loss *loss, cJSON **out, struct kd_err *err)
{
    *out = loss->n == 1 ? term_json(&loss->term[0], true, err) : list_json(loss, err);
    if (!*out) return -1;
    if (loss->n > 1 || (*out)->child->next) return 0; /* a list, or it has parameters */
    cJSON *name = cJSON_DetachItemFromObjectCaseSensitive(*out, "kind");
    bool plain = is_default(&loss->term[0], *out);
    cJSON_Delete(*out);
    *out = name;
    if (!plain) return 0;
    cJSON_Delete(name);
    *out = NULL;
    return 0;
}

int kd_distill_resolve(struct kd_distill_config *d, struct kd_err *err)
{
    struct kd_loss loss;
    cJSON *json;
    if (kd_loss_init(&loss, d, 0, err) < 0) return -1;
    int status = loss_json(&loss, &json, err);
    if (status == 0) {
        const struct kd_loss_term *first = &loss.term[0];
        struct kd_weights w = {first->weight, loss.label_weight};
        cJSON_Delete(d->loss);
        d->loss = json;
        d->temperature = first->temperature;
        d->alpha = kd_weights_alpha(w);
        d->weight = isnan(d->alpha) ? w.soft : NAN;
        d->label_weight = isnan(d->alpha) ? w.label : NAN;
        d->ramp = first->ramp > 0 || first->kind->usual.ramp > 0 ? first->ramp : NAN;
    }
    kd_loss_release(&loss);
    return status;
}

/* ---- questions about a configuration ---- */

enum kd_own_teacher kd_own_teacher(const struct kd_distill_config *d)
{
    const int kind = cJSON_IsString(d->from)
                         ? kd_choice_index(KD_CHOICES(KD_OWN_TEACHERS), d->from->valuestring)
                         : -1;
    return kind < 0 ? KD_TEACHER_FILES : (enum kd_own_teacher)kind;
}

int kd_distill_check_unlabelled(const struct kd_distill_config *d, const char *what,
                                struct kd_err *err)
{
    struct kd_loss loss;
    if (!d)
        return kd_fail_usage(err, "%s: only a student with soft targets can learn without labels",
                             what);
    if (kd_loss_init(&loss, d, 0, err) < 0) return -1;
    int status = 0;
    for (unsigned i = 0; i < loss.n && status == 0; i++)
        if (loss.term[i].needs & KD_LOSS_NEEDS_LABELS)
            status = kd_fail_usage(err, "%s: loss %s needs labels; choose one that does not, as kl",
                                   what, loss.term[i].kind->name);
    if (status == 0 && loss.confidence == KD_CONFIDENCE_LABEL)
        status = kd_fail_usage(err, "%s: distill.confidence=label needs labels; choose top", what);
    if (status == 0 && loss.label_weight > 0)
        status = kd_fail_usage(err,
                               "%s: without labels only soft targets can be learnt; set "
                               "distill.alpha to 1 (--alpha 1) and give a teacher or soft targets",
                               what);
    kd_loss_release(&loss);
    return status;
}

int kd_distill_check_mixed(const struct kd_distill_config *d, struct kd_err *err)
{
    struct kd_loss loss;
    if (kd_loss_init(&loss, d, 0, err) < 0) return -1;
    int status = 0;
    for (unsigned i = 0; i < loss.n && status == 0; i++)
        if (loss.term[i].needs & KD_LOSS_NEEDS_LABELS)
            status = kd_fail_usage(err,
                                   "train.mix: loss %s is about one label, and a mixed image has "
                                   "two; choose a loss that needs none, as kl, or mix none",
                                   loss.term[i].kind->name);
    if (status == 0 && loss.confidence == KD_CONFIDENCE_LABEL)
        status = kd_fail_usage(err, "train.mix: distill.confidence=label is about one label, and a "
                                    "mixed image has two; choose top");
    kd_loss_release(&loss);
    return status;
}

/* Is there a term whose features are compared, or one that has the teacher's head? A mistake is
 * told where the loss is read to be used. */
static bool any_features(const struct kd_distill_config *d, bool reusing)
{
    struct kd_loss loss;
    struct kd_err ignored;
    bool any = false;
    if (kd_loss_init(&loss, d, 0, &ignored) < 0) return false;
    for (unsigned i = 0; i < loss.n; i++) {
        const struct kd_loss_features *features = loss.term[i].kind->features;
        any = any || (features && (!reusing || features->reuses));
    }
    kd_loss_release(&loss);
    return any;
}

bool kd_distill_wants_features(const struct kd_distill_config *d)
{
    return any_features(d, false);
}

bool kd_distill_reuses(const struct kd_distill_config *d)
{
    return any_features(d, true);
}

int kd_distill_check_probabilities(const struct kd_distill_config *d, struct kd_err *err)
{
    struct kd_loss loss;
    if (kd_loss_init(&loss, d, 0, err) < 0) return -1;
    int status = 0;
    if (loss.confidence)
        status = kd_fail(err, "distill.confidence needs logits, not probabilities; write logits");
    for (unsigned i = 0; i < loss.n && status == 0; i++)
        if (!(loss.term[i].needs & KD_LOSS_TAKES_PROBABILITIES))
            status = kd_fail(err,
                             "loss %s needs logits, not probabilities; write logits, or choose "
                             "loss kl",
                             loss.term[i].kind->name);
    kd_loss_release(&loss);
    return status;
}

static int list_params(const struct kd_loss_kind *kind, struct kd_bytes *out, struct kd_err *err)
{
    for (const struct kd_option *row = kind->rows; row && row->key; row++)
        if (kd_bytes_format(out, err, "        %s: %s%s%s%s\n", row->key, row->help,
                            row->preset ? " (default " : "", row->preset ? row->preset : "",
                            row->preset ? ")" : "") < 0)
            return -1;
    return 0;
}

int kd_loss_list(struct kd_bytes *out, struct kd_err *err)
{
    for (const struct kd_loss_kind *const *kind = kd_loss_kinds; *kind; kind++)
        if (kd_bytes_format(
                out, err, "%-7s %s\n        %s\n%s", (*kind)->name, (*kind)->about, (*kind)->paper,
                (*kind)->features ? "        compares layers inside the networks\n" : "") < 0 ||
            list_params(*kind, out, err) < 0)
            return -1;
    return 0;
}
