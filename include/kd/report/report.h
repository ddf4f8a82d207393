/* What run folders hold, read into one structure that every form of the report is made from.
 *
 *     struct kd_report report;
 *     const char *folders[] = {"runs/digits"};
 *     if (kd_report_read(folders, 1, kd_job_parts, &report, &err) < 0) ...
 *     for (size_t i = 0; i < report.n_entries; i++)    // a model; its seeds are results
 *         for (size_t k = 0; k < report.entries[i].n; k++)
 *             use(&report.results[report.entries[i].first + k]);
 *     kd_report_release(&report);
 *
 * A run is read as far as it is there: what is missing, cut short or unreadable becomes a note, in
 * words, and NaN or NULL in the structure. Only a folder that does not exist is an error. A folder
 * may be a whole run, a part of it (runs/digits/teacher), one model's folder, or a file in one.
 */
#ifndef KD_REPORT_REPORT_H
#define KD_REPORT_REPORT_H
#include "kd/report/stats.h"
#include "kd/run/evaluation.h"
#include "kd/run/log.h"
#include "kd/run/settings.h"

enum { KD_DRAWN_RUNS = 16 }; /* runs side by side that charts are drawn of; tables have them all */

enum kd_role { KD_ROLE_TEACHER, KD_ROLE_STUDENT };

struct kd_result { /* one trained model: one seed */
    size_t run;    /* index into runs */
    enum kd_role role;
    char *name, *folder;
    bool placed;   /* its place says its name: students/NAME of a run; elsewhere the file does */
    char *model;   /* path of model.safetensors, or NULL where there is none (yet) */
    double seed;   /* NaN: unknown */
    char *network; /* JSON text, or NULL */
    cJSON *class_names; /* a list of texts as the model file has it, or NULL */
    cJSON *config;      /* the settings it was trained with, or NULL */
    char *data;   /* what it was trained on: the configuration's section as JSON text, or NULL */
    char *images; /* the same without "unlabelled": which images, whatever became of their labels;
                     or NULL */
    char *pixels; /* fingerprint of the whole split that it was trained on, or NULL */
    double fraction; /* of the images, as data says */
    bool distilled;
    double temperature, alpha;
    double parameters, macs, bytes; /* bytes: size of the model file */
    double best_epoch, planned_epochs;
    struct kd_score train, valid; /* at the epoch that was kept */
    struct kd_evaluations evaluations;
    struct kd_log log;
    bool has_log;
    char *command, *version, *parents, *fingerprint; /* as the model file says, or NULL */
    bool quantised;  /* of 8-bit integers, by kd-quantize or train.quantize */
    char *corrected; /* what its biases were found by (kd-correct): "transfer", ...; NULL: it was
                        trained so */
    bool elsewhere;  /* it was evaluated on the split, but on other images or in another way than
                        the rest of its run, which is passed over */
    bool stale;      /* it was trained anew after its evaluation, which is passed over */
};

struct kd_entry { /* the seeds of one model of one run: results[first .. first + n - 1], by seed */
    size_t first, n;
};

struct kd_pair {         /* a distilled student and a plain one to compare it with */
    size_t entry, plain; /* indices into entries */
    /* Where both have one seed and their answers are kept; p: NaN elsewhere. */
    struct kd_mcnemar mcnemar;
};

struct kd_source { /* one run */
    char *folder, *name;
    cJSON *experiment; /* or NULL */
    size_t first, n;   /* its results: results[first .. first + n - 1] */
};

struct kd_report {
    const struct kd_config_part *options; /* of the programs that train; borrowed */
    struct kd_source *runs;
    size_t n_runs, runs_room;
    struct kd_result *results; /* by run, teachers first, students as the experiment lists them */
    size_t n_results, results_room;
    struct kd_entry *entries;
    size_t n_entries, entries_room;
    /* By distilled student, its plain ones in the order of the experiment: undistilled students of
     * the same run and network that learn from the same images, whether or not it sees their
     * labels. Of the points of one sweep, and where none has the same images, of those with as
     * large a share of them, only the one best on validation. */
    struct kd_pair *pairs;
    size_t n_pairs, pairs_room;
    char **notes; /* what is missing, broken or worth knowing, a sentence each */
    size_t n_notes, notes_room;
    const char *
        command; /* that makes this report, as its files will say it; NULL or "": they do not say */
    const char *model; /* charts of one model show the best of those that this matches; NULL: any */
    const char *chart; /* charts in files are those whose names match this; NULL: all */
    double chart_width;   /* points that charts in files are wide; 0: as they are drawn best */
    const char *data_dir; /* where named data is found; NULL: as the model says, then $KD_DATA */
    const char *split;    /* the split whose figures are shown: "test" where any model has it */
};

/* `options` are those of a training, by which configurations are compared; they must outlive the
 * report. */
int kd_report_read(const char *const *folders, size_t n, const struct kd_config_part *options,
                   struct kd_report *report, struct kd_err *err);
void kd_report_release(struct kd_report *report);

/* Evaluation on a split, or NULL. */
const struct kd_evaluation *kd_result_on(const struct kd_result *r, const char *split);
/* Statistics over the seeds of a figure that `get` takes from a result; n is 0 where none has it.
 */
struct kd_stats kd_entry_stats(const struct kd_report *report, const struct kd_entry *entry,
                               double (*get)(const struct kd_report *, const struct kd_result *));

/* The student of a run best on validation: highest mean top-1 over its seeds, then lowest mean
 * loss, then fewest parameters, then the first. NULL where no student was validated. Test figures
 * play no part, and students whose biases were tuned on the test set are passed over. */
bool kd_entry_better(const struct kd_report *report, const struct kd_entry *a,
                     const struct kd_entry *b);  /* does a come before b in that order? */
bool kd_result_tuned(const struct kd_result *r); /* is it such a student? */
const struct kd_entry *kd_report_best(const struct kd_report *report, size_t run);
/* What a student must be to be chosen. */
struct kd_choice {
    const char *pattern;    /* its name matches this shell pattern; NULL: any */
    double bytes, macs, ms; /* its file, work and time for an image are at most so much, as the mean
                               over its seeds; NaN: any; what was not measured is not chosen */
};
/* The same among those that are. */
const struct kd_entry *kd_report_best_of(const struct kd_report *report, size_t run,
                                         const struct kd_choice *choice);
/* Of its seeds the one best on validation, among those whose model file is there. */
const struct kd_result *kd_report_best_seed(const struct kd_report *report,
                                            const struct kd_entry *entry);
/* Of the plain students that a distilled one is compared with (pairs) the one best on validation;
 * NULL where there is none. */
const struct kd_entry *kd_report_plain(const struct kd_report *report,
                                       const struct kd_entry *entry);
/* Per-seed differences of a figure, entry minus plain, over the seeds that both have. *pairs (may
 * be NULL): how many. */
struct kd_confidence
kd_report_paired(const struct kd_report *report, const struct kd_entry *entry,
                 const struct kd_entry *plain,
                 double (*get)(const struct kd_report *, const struct kd_result *), size_t *pairs);
enum kd_teaching { KD_TEACHERS_UNKNOWN, KD_TEACHERS_SHARED, KD_TEACHERS_OWN, KD_TEACHERS_MIXED };
/* Do the seeds of a run's distilled students learn from one teacher, or each from its own? */
enum kd_teaching kd_report_teachers(const struct kd_report *report, size_t run);

/* The networks of a run's students: entries with the same network get the same number, 0, 1, ...;
 * teachers get SIZE_MAX. group has n_entries places; returns how many networks. */
size_t kd_groups_of(const struct kd_report *report, size_t run, size_t *group);
bool kd_entry_distilled(const struct kd_report *report, const struct kd_entry *entry);

/* The newest run in a folder of runs, by the last change of any of its files. Caller: kd_free. */
char *kd_report_newest(const char *runs, struct kd_err *err);
/* Adds a note, a sentence. */
int kd_report_note(struct kd_report *report, struct kd_err *err, const char *format, ...)
    KD_PRINTF(3, 4);

/* Figures, for the functions above and the tables. */
double kd_figure_top1(const struct kd_report *report, const struct kd_result *r);
double kd_figure_valid(const struct kd_report *report, const struct kd_result *r);
double kd_figure_valid_loss(const struct kd_report *report, const struct kd_result *r);
double kd_figure_parameters(const struct kd_report *report, const struct kd_result *r);
#endif
