/* How pixels come in. */
#include "writer.h"

void kd_c_pixels(struct kd_c_writer *w)
{
    uint32_t c = w->plan->graph->input.c;
    const struct kd_normalize *n = w->how->normalize;
    if (w->how->interleaved)
        kd_c_put(w, "#define %s_AT(k, i, j) (((i) * %s_WIDTH + (j)) * %s_CHANNELS + (k))\n",
                 w->upper, w->upper, w->upper);
    else
        kd_c_put(w, "#define %s_AT(k, i, j) (((k) * %s_HEIGHT + (i)) * %s_WIDTH + (j))\n", w->upper,
                 w->upper, w->upper);
    if (w->plan->ints) {
        kd_c_put(w,
                 "\n/* What each byte of a channel is as input. */\nstatic const int8_t "
                 "%s_pixel[%u][256] = {",
                 w->how->name, c);
        for (uint32_t k = 0; k < c; k++) {
            kd_c_put(w, "{");
            for (int i = 0; i < 256; i++)
                kd_c_put(w, "%s%d,", i % 16 == 0 ? "\n    " : " ",
                         w->plan->ints->pixel[k * 256 + (uint32_t)i]);
            kd_c_put(w, "\n},");
        }
        kd_c_put(w, "};\n\n");
        return;
    }
    static const char *const names[] = {"gain", "offset"};
    for (unsigned i = 0; i < 2; i++) {
        kd_c_put(w, "static const float %s_%s[%u] = {", w->how->name, names[i], c);
        for (uint32_t k = 0; k < c; k++) {
            double std = (double)n->std[k], mean = (double)n->mean[k];
            kd_c_float(w, (float)(i ? -mean / std : 1 / (255 * std)));
            kd_c_put(w, ", ");
        }
        kd_c_put(w, "};\n");
    }
    kd_c_put(w, "\n");
}
