/* The lists of networks known by name, and how one is written down. */
#include "networks.h"
#include "kd/nn/network.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kd_named_network *const lists[] = {
    kd_networks_plain,
    kd_networks_vgg,
    kd_networks_resnet,
    kd_networks_small,
};
enum { LISTS = sizeof lists / sizeof *lists, MOST = 64 };

/* ---- writing ---- */

static void separate(struct kd_writing *w)
{
    if (w->text.size && !strchr("[:", w->text.data[w->text.size - 1]))
        kd_bytes_text(&w->text, ",", w->err);
}

void kd_write(struct kd_writing *w, const char *format, ...)
{
    char piece[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    separate(w);
    kd_bytes_text(&w->text, piece, w->err);
}

void kd_write_open(struct kd_writing *w, const char *text)
{
    if (*text == '{') separate(w);
    kd_bytes_text(&w->text, text, w->err);
}

void kd_write_close(struct kd_writing *w, const char *text)
{
    kd_bytes_text(&w->text, text, w->err);
}

/* Only what is not the default, and in this order: what is inside a residual block counts in a
 * model's fingerprint as it is written. */
void kd_write_conv(struct kd_writing *w, struct kd_write_conv c)
{
    const bool narrow = c.kernel == 1;
    kd_write(w, "{\"kind\":\"conv2d\",\"filters\":%d", c.filters);
    if (c.kernel) kd_write(w, "\"kernel\":%d", c.kernel);
    if (narrow && c.stride > 1) kd_write(w, "\"stride\":%d", c.stride);
    if (!narrow) kd_write(w, "\"padding\":%d", 1);
    if (!c.bias) kd_write(w, "\"bias\":%s", "false");
    if (!narrow && c.stride > 1) kd_write(w, "\"stride\":%d", c.stride);
    if (c.groups > 1) kd_write(w, "\"groups\":%d", c.groups);
    kd_write_close(w, "}");
}

void kd_write_block(struct kd_writing *w, struct kd_write_conv c, const char *activation)
{
    kd_write_conv(w, c);
    kd_write(w, "\"batchnorm\"");
    if (activation) kd_write(w, "\"%s\"", activation);
}

/* ---- by name ---- */

const struct kd_named_network *kd_named_each(unsigned *list, unsigned *at)
{
    while (*list < LISTS && !lists[*list][*at].name) {
        ++*list;
        *at = 0;
    }
    return *list < LISTS ? &lists[*list][(*at)++] : NULL;
}

/* "NAME-0.5" where a width may follow the name: thousandths of it; 0 where it is none. */
static int width_of(const char *text)
{
    char *end;
    double width = strtod(text, &end);
    bool plain = *text >= '0' && *text <= '9' && !*end;
    return plain && width >= 0.01 && width <= 10 ? (int)lround(1000 * width) : 0;
}

static cJSON *written(const struct kd_named_network *n, const int *v, struct kd_err *err)
{
    struct kd_writing w = {.err = err};
    kd_write_open(&w, "[");
    n->write(&w, v);
    kd_write_close(&w, "]");
    cJSON *list = w.text.failed ? NULL : kd_json_parse(w.text.data, w.text.size, n->name, err);
    kd_bytes_release(&w.text);
    return list;
}

cJSON *kd_network_named(const char *name, bool *known, struct kd_err *err)
{
    const struct kd_named_network *n;
    *known = true;
    for (unsigned list = 0, at = 0; (n = kd_named_each(&list, &at));) {
        size_t length = strlen(n->name);
        if (strcmp(name, n->name) == 0) return written(n, n->v, err);
        if (!n->any_width || strncmp(name, n->name, length) != 0 || name[length] != '-') continue;
        int v[1] = {width_of(name + length + 1)};
        if (v[0]) return written(n, v, err);
        kd_fail_usage(err, "network \"%s\": expected a width like %s-0.5, from 0.01 to 10", name,
                      n->name);
        return NULL;
    }
    *known = false;
    return NULL;
}

const char *kd_network_name(size_t i)
{
    const struct kd_named_network *n = NULL;
    unsigned list = 0, at = 0;
    if (i == 0) return "mlp-800-800";
    while (i-- > 0)
        if (!(n = kd_named_each(&list, &at))) return NULL;
    return n->name;
}

const char *kd_network_near(const char *name)
{
    const char *names[MOST];
    unsigned count = 0;
    while (count < MOST && (names[count] = kd_network_name(count))) count++;
    return kd_nearest(name, names, count);
}

/* ---- the list ---- */
