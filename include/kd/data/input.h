/* How pictures and tables become input: what the user asks for, and what a model remembers of it.
 *
 * A model's file holds it outside its fingerprint, and every program applies it to whatever images
 * that model is shown: `kd.preprocess` for pictures, `kd.columns` for tables, `kd.class_names`. */
#ifndef KD_DATA_INPUT_H
#define KD_DATA_INPUT_H
#include "kd/base/option.h"
#include "kd/base/tensorfile.h"
#include <stdbool.h>
#include <stdint.h>

#define KD_FITS(X)                                                                                 \
    X(KD_FIT_COVER, "cover") X(KD_FIT_CONTAIN, "contain") X(KD_FIT_STRETCH, "stretch")
#define KD_FILTERS(X)  X(KD_FILTER_BILINEAR, "bilinear") X(KD_FILTER_LANCZOS, "lanczos")
#define KD_COLORS(X)   X(KD_COLOR_AUTO, "auto") X(KD_COLOR_GRAY, "gray") X(KD_COLOR_RGB, "rgb")
#define KD_LAYOUTS(X)  X(KD_LAYOUT_AUTO, "auto") X(KD_LAYOUT_NCHW, "nchw") X(KD_LAYOUT_NHWC, "nhwc")
#define KD_MISSINGS(X) X(KD_MISSING_ERROR, "error") X(KD_MISSING_MEAN, "mean")
#define KD_HEADINGS(X) X(KD_HEADING_AUTO, "auto") X(KD_HEADING_YES, "yes") X(KD_HEADING_NO, "no")
enum kd_fit { KD_FITS(KD_CHOICE_ENUM) };
enum kd_filter { KD_FILTERS(KD_CHOICE_ENUM) };
enum kd_color { KD_COLORS(KD_CHOICE_ENUM) };
enum kd_layout { KD_LAYOUTS(KD_CHOICE_ENUM) };
enum kd_missing { KD_MISSINGS(KD_CHOICE_ENUM) };
enum kd_heading { KD_HEADINGS(KD_CHOICE_ENUM) };

struct kd_input { /* a part of "data" of an experiment; rows in kd_data_rows (split.c) */
    char *size;   /* "32", or height x width: "48x64"; NULL: pictures must have one size */
    int fit;      /* enum kd_fit */
    int filter;   /* enum kd_filter */
    int color;    /* enum kd_color */
    char *
        background; /* "white", "black", "#rrggbb": what shows through alpha; NULL: alpha dropped */
    int64_t bits;   /* of pictures with 16: how many are used, 9 to 16; 0: 16 */
    bool transpose; /* rows are columns, as EMNIST has them */
    int layout;     /* enum kd_layout, of arrays */
    int64_t labels_from; /* the number of the first class */
    bool skip_broken;    /* pass over pictures that cannot be read */
    char *label;         /* of a table: the column, by name or number from 1; NULL: the last */
    int missing;         /* enum kd_missing: what an empty cell is */
    int heading;         /* enum kd_heading: has a table a first line of names? */
    const char *columns; /* of a model: kd.columns, borrowed from its metadata; NULL: none */
};
/* What a model's metadata say, over what is there already; texts are the input's own but columns,
 * which stay the metadata's. Those of the data's option rows are released with these. */
int kd_input_from_metadata(struct kd_input *input, const cJSON *metadata, struct kd_err *err);
/* Another reading of the same source? Then a program that keeps images has to load them anew. */
bool kd_input_same(const struct kd_input *a, const struct kd_input *b);

/* Height and width; 0 and 0 where none is asked for. */
int kd_input_size(const struct kd_input *input, uint32_t *h, uint32_t *w, struct kd_err *err);
/* Red, green, blue; false: there is no background. */
int kd_input_background(const struct kd_input *input, bool *given, uint8_t rgb[3],
                        struct kd_err *err);
/* kd.preprocess: a JSON object of what differs from the defaults; NULL without error: nothing. */
int kd_input_preprocess(const struct kd_input *input, cJSON **out, struct kd_err *err);
#endif
