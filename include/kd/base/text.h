/* Small things that several parts of the report need. */
#ifndef KD_BASE_TEXT_H
#define KD_BASE_TEXT_H
#include "kd/base/mem.h"
#include <stdbool.h>
#include <stddef.h>

/* A double so that it reads back the same, as short as that allows; "" for what is not finite. */
void kd_number_text(double v, char out[32]);
/* 1234567 as "1,234,567"; digits behind the point. */
void kd_number_grouped(double v, int digits, char out[64]);
/* Columns that UTF-8 text takes on a terminal. */
size_t kd_text_width(const char *text);
/* A model's name with the settings that a sweep writes into it in short. Caller: kd_free. */
char *kd_name_short(const char *name, bool ascii, struct kd_err *err);
/* Bytes of the longest start of the text that takes at most `width` columns, cut behind a comma, a
 * slash or a space where there is one; all of it where it fits; at least one character. */
size_t kd_text_piece(const char *text, size_t width);
/* Words from left to right in lines of at most `width` columns, `indent` spaces before each. */
int kd_text_wrap(struct kd_bytes *out, const char *text, size_t indent, size_t width,
                 struct kd_err *err);
/* A help text in lines of at most `width` columns: paragraphs are filled anew; an indented line
 * that is too long is a command, which goes on as a shell takes it, with what is said of it below.
 */
int kd_text_page(struct kd_bytes *out, const char *text, size_t width, struct kd_err *err);
/* Next code point of UTF-8; malformed bytes are U+FFFD each. Advances *text. */
unsigned kd_utf8_next(const char **text);
/* Text for a kind of reader, added to out; control characters and malformed UTF-8 become U+FFFD or
 * spaces. */
int kd_text_plain(struct kd_bytes *out, const char *text, struct kd_err *err);
int kd_text_xml(struct kd_bytes *out, const char *text, struct kd_err *err);
int kd_text_markdown(struct kd_bytes *out, const char *text, struct kd_err *err);
/* Numbers within names by value: "T=2.5" before "T=10". */
int kd_natural_order(const char *a, const char *b);
#endif
