/* Names of classes, and which output of a model is which class of a data set.
 *
 *     struct kd_classes model = {"t.safetensors", names, 10}, data = {"images:d",
 * images.class_names, 4}; uint32_t *map; if (kd_classes_match(&model, &data, &map, &err) < 0) ...
 * // no way to match: both lists output = map ? map[label] : label; */
#ifndef KD_DATA_CLASSES_H
#define KD_DATA_CLASSES_H
#include "kd/base/option.h"
#include "kd/data/images.h"

struct kd_classes {
    const char *who;    /* for messages */
    char *const *names; /* [n]; NULL: they have only numbers */
    uint32_t n;
};
/* map [data->n]: the model's number of each class of the data; NULL: the same numbers. By name
 * where both sides have names, in whatever order, if all the data's are among the model's. A side
 * without names stands for "0", "1", ... where the other's are all numbers. Caller frees. */
int kd_classes_match(const struct kd_classes *model, const struct kd_classes *data, uint32_t **map,
                     struct kd_err *err);
/* A permutation of the model's classes [model->n]: those of the data in their order, then the rest;
 * NULL where that is how they are. Caller frees. */
int kd_classes_order(const struct kd_classes *model, const uint32_t *map, uint32_t data_n,
                     uint32_t **order, struct kd_err *err);

/* marked[class] = as for each class that the list names. An error names the classes there are. */
int kd_classes_mark(const struct kd_classes *of, const struct kd_class_list *list, bool as,
                    bool *marked, struct kd_err *err);

/* kd.class_names of a file's metadata: n names, each owned; NULL where there are none. Another
 * number of names is an error. */
int kd_class_names_read(const cJSON *metadata, uint32_t n, char ***names, struct kd_err *err);
int kd_class_names_put(struct kd_tensorfile *file, char *const *names, uint32_t n,
                       struct kd_err *err); /* nothing where names is NULL */
char **kd_class_names_copy(char *const *names, const uint32_t *order, uint32_t n,
                           struct kd_err *err); /* in this order; NULL: as they are */
void kd_class_names_free(char **names, uint32_t n);
#endif
