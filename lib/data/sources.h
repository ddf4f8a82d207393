/* The list of the kinds of sources. Each has its row, kd_source_NAME, in the file of its reader. */
#ifndef KD_DATA_SOURCES_H
#define KD_DATA_SOURCES_H
#include "formats.h"

/* In the order in which messages name them. */
#define KD_SOURCES(X)                                                                              \
    X(mnist)                                                                                       \
    X(fashion)                                                                                     \
    X(cifar10)                                                                                     \
    X(cifar100)                                                                                    \
    X(digits)                                                                                      \
    X(idx)                                                                                         \
    X(images)                                                                                      \
    X(png)                                                                                         \
    X(csv)                                                                                         \
    X(tensors)

#define KD_SOURCE_ROW(name) extern const struct kd_source_kind kd_source_##name;
KD_SOURCES(KD_SOURCE_ROW)
#undef KD_SOURCE_ROW
#endif
