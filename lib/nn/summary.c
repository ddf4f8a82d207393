/* The table people know from Keras: layer, output shape, parameters; with multiply-adds. */
#include "kd/nn/network.h"
#include "layers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 1234567 -> "1,234,567" */
static const char *grouped(uint64_t v, char out[32])
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, v), at = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

static void shape_text(struct kd_shape s, char *out, size_t size)
{
    if (s.flat)
        snprintf(out, size, "%u", s.c);
    else
        snprintf(out, size, "%u x %u x %u", s.c, s.h, s.w);
}

static int line(struct kd_bytes *out, const char *a, const char *b, const char *c, const char *d,
                struct kd_err *err)
{
    return kd_bytes_format(out, err, "%-17s %-14s %12s %14s\n", a, b, c, d);
}

/* Of a block: of all that it holds. */
static void add_up(const struct kd_layer *l, size_t *count, uint64_t *macs)
{
    for (unsigned j = 0; j < l->n_params; j++)
        if (l->param[j].role != KD_STATISTIC) *count += l->param[j].count;
    if (l->kind->macs) *macs += l->kind->macs(l);
    const struct kd_chain *held;
    for (unsigned i = 0; (held = kd_layer_chain(l, i)); i++)
        for (unsigned j = 0; j < held->n_layers; j++) add_up(&held->layers[j], count, macs);
}

int kd_network_summary(const struct kd_network *net, struct kd_bytes *out, struct kd_err *err)
{
    char shape[64], params[32], macs[32], name[96];
    shape_text(net->input, shape, sizeof shape);
    if (line(out, "layer", "output", "parameters", "multiply-adds", err) < 0 ||
        line(out, "input", shape, "", "", err) < 0)
        return -1;
    for (unsigned i = 0; i < net->chain.n_layers; i++) {
        const struct kd_layer *l = &net->chain.layers[i];
        size_t count = 0;
        uint64_t m = 0;
        add_up(l, &count, &m);
        snprintf(name, sizeof name, "%s %s", l->name, l->kind->name);
        shape_text(l->out, shape, sizeof shape);
        if (line(out, name, shape, count ? grouped(count, params) : "", m ? grouped(m, macs) : "",
                 err) < 0)
            return -1;
    }
    return line(out, "total", "", grouped(net->parameters, params), grouped(net->macs, macs), err);
}
