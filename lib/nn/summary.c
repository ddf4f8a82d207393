/* The table people know from Keras: layer, output shape, parameters; with multiply-adds. */
#include "kd/base/table.h"
#include "kd/nn/network.h"
#include "layers.h"

#include <stdio.h>
#include <string.h>

static void shape_text(struct kd_shape s, char *out, size_t size)
{
    if (s.flat)
        snprintf(out, size, "%u", s.c);
    else
        snprintf(out, size, "%u x %u x %u", s.c, s.h, s.w);
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

static void put_row(struct kd_table *t, const char *name, const char *shape, size_t count,
                    uint64_t macs)
{
    struct kd_cell *row = kd_table_row(t);
    kd_table_text(t, 0, name);
    kd_table_text(t, 1, shape);
    if (count) row[2].value = (double)count;
    if (macs) row[3].value = (double)macs;
}

int kd_network_summary(const struct kd_network *net, size_t width, struct kd_bytes *out,
                       struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"layer", "layer", KD_CELL_TEXT, false, 0},
        {"output", "output", KD_CELL_TEXT, false, 0},
        {"parameters", "parameters", KD_CELL_COUNT, false, 1},
        {"macs", "multiply-adds", KD_CELL_COUNT, false, 2}};
    const struct kd_table_style style = {
        .bare = true, .width = width ? width : KD_WIDE, .all = "a wider terminal shows all"};
    char shape[64], name[96];
    struct kd_table t;
    kd_table_init(&t, "Layers", columns, sizeof columns / sizeof *columns, err);
    shape_text(net->input, shape, sizeof shape);
    put_row(&t, "input", shape, 0, 0);
    for (unsigned i = 0; i < net->chain.n_layers; i++) {
        const struct kd_layer *l = &net->chain.layers[i];
        size_t count = 0;
        uint64_t macs = 0;
        add_up(l, &count, &macs);
        snprintf(name, sizeof name, "%s %s", l->name, l->kind->name);
        shape_text(l->out, shape, sizeof shape);
        put_row(&t, name, shape, count, macs);
    }
    put_row(&t, "total", "", net->parameters, net->macs);
    int status = kd_table_end(&t);
    if (status == 0) status = kd_table_render(&t, &style, out, err);
    kd_table_release(&t);
    return status;
}
