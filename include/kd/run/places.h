/* Where the files of a run lie: every file name that kd gives, once.
 *
 *     RUNS/NAME/experiment.json              the experiment with all its settings
 *     RUNS/NAME/teacher/s1/                  a training: its model, log, checkpoints, evaluations
 *     RUNS/NAME/soft/s1/teacher.safetensors  what that teacher knows
 *     RUNS/NAME/students/kd/s1/              another training
 *     RUNS/NAME/report/                      charts, page and workbook
 *
 *     char *path = kd_place_model("runs/digits", &(struct kd_whose){"kd", true, 1}, &err);
 *     // "runs/digits/students/kd/s1/model.safetensors"
 *
 * Functions that return text give it to the caller (kd_free), NULL with err filled where there is
 * no memory. */
#ifndef KD_RUN_PLACES_H
#define KD_RUN_PLACES_H
#include "kd/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KD_FILE_EXPERIMENT  "experiment.json"
#define KD_FILE_MODEL       "model.safetensors"
#define KD_FILE_PEER        "peer.safetensors" /* a second student of the same training */
#define KD_FILE_LOG         "log.jsonl"
#define KD_FILE_EVALUATIONS "eval.json"
#define KD_FILE_LOGITS      "logits.safetensors" /* answers to the split last evaluated whole */
#define KD_FILE_CHECKPOINT  "checkpoint.safetensors"
#define KD_FILE_PREVIOUS    "checkpoint.previous.safetensors"
#define KD_FILE_LOCK        ".kd-lock"
#define KD_FILE_PAGE        "report.html"
#define KD_FILE_WORKBOOK    "report.xlsx"
#define KD_FILE_TENSORS     ".safetensors" /* the ending of a path that is a file, no folder */
#define KD_FOLDER_TEACHER   "teacher"
#define KD_FOLDER_STUDENTS  "students"
#define KD_FOLDER_SOFT      "soft"
#define KD_FOLDER_REPORT    "report"
#define KD_RUNS             "runs"   /* the folder of runs where nothing else is said */
#define KD_RUN_QUICK        "quick"  /* the run of what is made on the spot; quick-2, quick-3 ... */
#define KD_RUN_LATEST       "latest" /* a link to the last of those */
#define KD_RUN_DEPTH        4 /* folders from RUNS/NAME's parent down to a model's: see above */

/* Whose folder in a run: the teacher of a seed, or a student. */
struct kd_whose {
    const char *name; /* "teacher", "kd,temperature=4" */
    bool student;
    uint64_t seed;
};
char *kd_place_folder(const char *run, const struct kd_whose *whose, struct kd_err *err);
char *kd_place_model(const char *run, const struct kd_whose *whose, struct kd_err *err);
/* RUN/soft/s1/NAME.safetensors */
char *kd_place_soft(const char *run, const char *name, uint64_t seed, struct kd_err *err);
/* A file of this name in the folder of a model that lies at `path`. */
char *kd_place_beside(const char *path, const char *file, struct kd_err *err);

/* What a model's folder says of it, the other way round: .../students/NAME/s1, .../teacher/s1,
 * .../quick. */
struct kd_named {
    char *name;   /* kd_free */
    bool teacher; /* the folder is called so, and is no student of this name */
    bool student; /* among students, where the folder's name is the student's */
    double seed;  /* NaN: not said */
};
int kd_place_read(const char *folder, struct kd_named *out, struct kd_err *err);
/* The last part of a path, without slashes behind it; *length of it. */
const char *kd_place_base(const char *path, size_t *length);
/* Is it a folder that holds no trainings: what the report writes, hidden ones? */
bool kd_place_passed_over(const char *name);

/* The files of one training whose output is `output`: "-" (the model to standard output, nothing
 * else), X.safetensors (X.log.jsonl and so on beside it), or a folder. */
struct kd_outputs {
    char *model;
    char *peer, *log, *checkpoint, *previous, *lock; /* NULL with "-" */
};
int kd_outputs_of(const char *output, struct kd_outputs *out, struct kd_err *err);
void kd_outputs_release(struct kd_outputs *out);
/* "-" and X.safetensors as they are, else model.safetensors in that folder. */
char *kd_output_model(const char *output, struct kd_err *err);
#endif
