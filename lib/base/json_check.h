/* The grammar of RFC 8259, checked before a text is given to cJSON, which by itself takes leading
 * zeros, control characters, "1." and broken UTF-8, and cannot say where a text goes wrong. */
#ifndef KD_BASE_JSON_CHECK_H
#define KD_BASE_JSON_CHECK_H
#include "kd/base/json.h"

/* 0, or -1 with "name: line L, column C: what is wrong and how to mend it". Columns count
 * characters, from 1. */
int kd_json_check(const char *text, size_t size, const char *name, struct kd_err *err);

/* Bytes of the UTF-8 character at p (1 to 4), or 0 where there is none within size bytes. */
size_t kd_utf8_size(const char *p, size_t size);
#endif
