/* JSON by cJSON, with the strictness that configuration needs on top: errors give file, line and
 * column; duplicate keys, excessive depth and text behind the value are refused. */
#ifndef KD_BASE_JSON_H
#define KD_BASE_JSON_H
#include "kd/base/err.h"
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KD_JSON_DEPTH 64

/* `name` is what errors call the text ("configs/mnist.json"). Caller: cJSON_Delete. */
cJSON *kd_json_parse(const char *text, size_t size, const char *name, struct kd_err *err);
cJSON *kd_json_read(const char *path, struct kd_err *err); /* "-": standard input */
/* One line without spaces, or indented for people (pretty). Numbers are printed so that they read
 * back as the same double, shortest form; NaN and infinities become null. Caller: kd_free. */
char *kd_json_text(const cJSON *value, bool pretty, struct kd_err *err);
/* The text, one line, of a value that was just made, which is deleted. NULL: making it had failed
 * already. */
char *kd_json_text_of(cJSON *made, struct kd_err *err);

/* Put value at a dotted path, making objects on the way ("students.kd.distill.alpha"); takes
 * ownership of value. A segment that names no key of an object standing there is added: whether the
 * key means anything is for the reader of the tree to say. An element of a list is named by its
 * number ("teacher.network.1.rate"); a key that holds dots itself is found where it stands already.
 */
int kd_json_set(cJSON *root, const char *path, cJSON *value, struct kd_err *err);
/* "key=value" as --set has it: value is JSON where it parses as such, else a string; what
 * starts as an object or a list and does not parse is an error. */
int kd_json_assign(cJSON *root, const char *assignment, struct kd_err *err);
/* What `over` says, over what `under` says: objects key by key, all else as a whole. `under`
 * changes; a key of `over` that is null stands in it as null. */
int kd_json_merge(cJSON *under, const cJSON *over, struct kd_err *err);
/* Value at a dotted path or NULL. */
const cJSON *kd_json_get(const cJSON *root, const char *path);

/* The same value: numbers to the last bit (seeds up to 2^53 differ by less than cJSON_Compare tells
 * apart), objects whatever the order of their keys. */
bool kd_json_equal(const cJSON *a, const cJSON *b);

/* A JSON value in the making. It remembers its first error, after which nothing more is added, so
 * whoever builds checks once, at the end:
 *
 *     struct kd_maker b = kd_make_object(err);
 *     kd_put_text(&b, "name", name);
 *     kd_put_number(&b, "loss", loss);
 *     kd_put_json(&b, "train", train_json(log, err));
 *     return kd_make_end(&b);                           the object, or NULL with err filled
 *
 * A key that is there already gets the new value. The key of a list's element is NULL. */
struct kd_maker {
    cJSON *json; /* owned until the end; NULL after an error */
    struct kd_err *err;
};
struct kd_maker kd_make_object(struct kd_err *err);
struct kd_maker kd_make_list(struct kd_err *err);
struct kd_maker kd_make_copy(const cJSON *of, struct kd_err *err);
/* Go on with a value that was just made by a function that takes err; NULL: making it failed. */
struct kd_maker kd_make_on(cJSON *made, struct kd_err *err);
void kd_put_null(struct kd_maker *b, const char *key);
void kd_put_bool(struct kd_maker *b, const char *key, bool v);
void kd_put_text(struct kd_maker *b, const char *key, const char *text); /* NULL: null */
void kd_put_number(struct kd_maker *b, const char *key, double v);       /* NaN, infinities: null */
void kd_put_numbers(struct kd_maker *b, const char *key, const double *v, size_t n);
void kd_put_floats(struct kd_maker *b, const char *key, const float *v, size_t n);
void kd_put_texts(struct kd_maker *b, const char *key, const char *const *v, size_t n);
/* A value made by a function that takes err, which is owned from now on; NULL: making it failed. */
void kd_put_json(struct kd_maker *b, const char *key, cJSON *made);
void kd_put_copy(struct kd_maker *b, const char *key, const cJSON *value); /* NULL: null */
cJSON *kd_make_end(struct kd_maker *b);                                    /* caller deletes */
char *kd_make_end_text(struct kd_maker *b); /* the same as one line; caller frees */

/* Conveniences that fail with err instead of crashing without memory. `value` may be NULL: -> null.
 * A key that is there already gets the new value. */
int kd_json_add(cJSON *object, const char *key, cJSON *value, struct kd_err *err); /* owns value */
/* The same for a value that was just made, by cJSON or by a function that takes err: NULL means
 * that making it failed, and is no null. */
int kd_json_attach(cJSON *object, const char *key, cJSON *made, struct kd_err *err);
/* The same where the key is known to be new: no look at those that are there, of which there may be
 * thousands. */
int kd_json_append(cJSON *object, const char *key, cJSON *made, struct kd_err *err);
int kd_json_add_text(cJSON *object, const char *key, const char *text, struct kd_err *err);
int kd_json_add_number(cJSON *object, const char *key, double v, struct kd_err *err);
int kd_json_add_numbers(cJSON *object, const char *key, const double *v, size_t n,
                        struct kd_err *err);
#endif
