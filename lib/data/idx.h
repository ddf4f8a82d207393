/* IDX, the format of MNIST: 00 00 TYPE DIMS, DIMS sizes as u32 big-endian, then the elements,
 * big-endian too. Private to lib/data; what reader and writer share. */
#ifndef KD_DATA_IDX_H
#define KD_DATA_IDX_H
#include "formats.h"

enum { KD_IDX_U8 = 0x08, KD_IDX_DIMS = 4 };

/* The file of a split ("train", "test") that holds "images" or "labels" in a folder, or the one
 * whose name begins with FOLDER/PREFIX. NULL without error: there is none. Several: an error that
 * names two. Caller frees. */
int kd_idx_find(const char *place, const char *split, const char *what, char **path,
                struct kd_err *err);
#endif
