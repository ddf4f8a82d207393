/* Within lib/base alone: bytes that were mapped, given back. */
#ifndef KD_LIB_BASE_VIEW_H
#define KD_LIB_BASE_VIEW_H
#include "kd/base/mem.h"

void kd_view_release(struct kd_bytes *b);
#endif
