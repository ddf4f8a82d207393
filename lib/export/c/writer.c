#include "writer.h"

#include <stdarg.h>
#include <stdio.h>

void kd_c_put(struct kd_c_writer *w, const char *format, ...)
{
    char line[512];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (w->status < 0) return;
    w->status = n < (int)sizeof line ? kd_bytes_add(w->out, line, (size_t)n, w->err)
                                     : kd_fail(w->err, "a line of C is too long");
}
