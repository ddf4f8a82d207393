/* What lies in a folder of pictures: which file is of which class. Private to lib/data.
 *
 *     DIR/CLASS/x.jpg      one set
 *     DIR/train/CLASS/...  splits, as people name them: train, training; val, valid, validation;
 *     DIR/test/CLASS/...   test, testing; in upper or lower case
 *
 * A class's pictures may lie in folders of its own. Classes are ordered bytewise, or as numbers
 * where all names are numbers; files of a class bytewise by their path below it. */
#ifndef KD_DATA_FOLDER_H
#define KD_DATA_FOLDER_H
#include "formats.h"

struct kd_folder_file {
    char *path;
    int32_t label;
    uint64_t size;
    int64_t changed; /* nanoseconds */
    bool dangling;   /* a link to nothing */
};
struct kd_folder {
    char *root; /* where the split's class folders are */
    char **classes;
    size_t n_classes, classes_room;
    struct kd_folder_file *files; /* in order */
    size_t n, room;
    size_t hidden, empty; /* files passed over by their name; class folders without pictures */
};
/* Errors: no folder, no such split, a class that train does not have, links to nothing. */
int kd_folder_list(const struct kd_load *load, struct kd_folder *out, struct kd_err *err);
void kd_folder_release(struct kd_folder *f);
bool kd_folder_is(const char *path);
#endif
