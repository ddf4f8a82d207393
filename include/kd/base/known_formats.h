/* What a file is, by its first bytes, for the message when it is not what was expected.
 *
 *     struct kd_known_format is;
 *     if (kd_known_format(b.data, b.size, &is))
 *         kd_fail(err, "%s: no PNG file: this is %s; %s", path, is.name, is.remedy); */
#ifndef KD_BASE_KNOWN_FORMATS_H
#define KD_BASE_KNOWN_FORMATS_H
#include <stdbool.h>
#include <stddef.h>

struct kd_known_format {
    const char *name;   /* "a JPEG picture" */
    const char *remedy; /* what to do: "convert it to PNG" */
};
/* false: unknown. */
bool kd_known_format(const void *bytes, size_t size, struct kd_known_format *out);
#endif
