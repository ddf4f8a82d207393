/* Records: structs that stand as one JSON object, a line of a file, on disk. One table of fields
 * binds each member to its key; whoever writes and whoever reads goes by it.
 *
 *     static const struct kd_field fields[] = {
 *         {"epoch", KD_FIELD_NUMBER, offsetof(struct kd_epoch, epoch), KD_AS_NULL},
 *         {"valid.top1", KD_FIELD_NUMBER, offsetof(struct kd_epoch, valid.top1), KD_GROUP_NULL},
 *         {0}};
 *     cJSON *line = kd_record_write(fields, &epoch, &err);
 *     kd_record_read(fields, line, &epoch, &err);
 *
 * A path has at most two parts; the second is a key of an object. Numbers are doubles, NaN where
 * there is none; texts and matrices are owned by the record, NULL where there is none. */
#ifndef KD_RUN_RECORD_H
#define KD_RUN_RECORD_H
#include "kd/base/err.h"
#include <cjson/cJSON.h>
#include <stddef.h>

enum kd_field_kind {
    KD_FIELD_NUMBER, /* double */
    KD_FIELD_TEXT,   /* char * */
    KD_FIELD_MATRIX, /* struct kd_matrix, a list of its rows */
    KD_FIELD_TERMS   /* struct kd_terms, an object of numbers */
};
enum kd_field_missing {
    KD_AS_NULL,    /* null */
    KD_LEFT_OUT,   /* the key is left out */
    KD_GROUP_NULL, /* null for the whole object, where all its fields are missing */
};
struct kd_field {
    const char *path; /* NULL ends the table */
    enum kd_field_kind kind;
    size_t offset;
    enum kd_field_missing missing;
};

struct kd_matrix {
    double *v; /* [rows][columns]; owned; NULL: none */
    size_t rows, columns;
};
enum { KD_MOST_TERMS = 8 };
struct kd_terms { /* of a loss, each by its name */
    size_t n;
    struct kd_term {
        char name[24];
        double value;
    } of[KD_MOST_TERMS];
};
/* One more term; what is beyond KD_MOST_TERMS, or has a longer name, is passed over. */
void kd_terms_add(struct kd_terms *terms, const char *name, double value);

/* A new object, members in the order of the table. Caller: cJSON_Delete. */
cJSON *kd_record_write(const struct kd_field *fields, const void *record, struct kd_err *err);
/* Every member is set; what the object lacks, or has in another shape, is missing. -1: no memory,
 * and the record owns nothing. */
int kd_record_read(const struct kd_field *fields, const cJSON *object, void *record,
                   struct kd_err *err);
/* Frees texts and matrices, and leaves all missing. */
void kd_record_release(const struct kd_field *fields, void *record);

/* Number at a dotted path, or NaN; text or NULL. */
double kd_number_at(const cJSON *object, const char *path);
const char *kd_text_at(const cJSON *object, const char *path);
#endif
