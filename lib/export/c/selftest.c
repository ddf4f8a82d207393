/* A main() that runs images that are in the file and compares logits. */
#include "writer.h"

static void put_samples(struct kd_c_writer *w)
{
    struct kd_shape in = w->plan->graph->input;
    size_t pixels = kd_shape_pixels(in), size = kd_shape_size(in);
    kd_c_put(w, "static const uint8_t images[%d][%zu] = {", KD_EXPORT_SAMPLES, size);
    for (size_t s = 0; s < KD_EXPORT_SAMPLES; s++) {
        kd_c_put(w, "{");
        for (size_t i = 0; i < size; i++) {
            size_t from = w->how->interleaved ? i % in.c * pixels + i / in.c : i;
            kd_c_put(w, "%s%u,", i % 20 == 0 ? "\n    " : " ", w->how->samples[s * size + from]);
        }
        kd_c_put(w, "\n},");
    }
    kd_c_put(w, "};\nstatic const %s expected[%d][%u] = {", w->plan->ints ? "int32_t" : "float",
             KD_EXPORT_SAMPLES, w->plan->graph->classes);
    for (size_t s = 0; s < KD_EXPORT_SAMPLES; s++) {
        kd_c_put(w, "\n    {");
        for (size_t c = 0; c < w->plan->graph->classes; c++) {
            size_t at = s * w->plan->graph->classes + c;
            if (w->plan->ints)
                kd_c_put(w, "%ld, ", (long)w->how->sample_logits[at]);
            else {
                kd_c_float(w, w->how->sample_floats[at]);
                kd_c_put(w, ", ");
            }
        }
        kd_c_put(w, "},");
    }
    kd_c_put(w, "\n};\n\n");
}

void kd_c_selftest(struct kd_c_writer *w)
{
    bool ints = w->plan->ints != NULL;
    kd_c_put(w,
             "\n#ifdef %s_SELFTEST\n/* Eight images, and what kd computes for them. */\n"
             "#include <stdio.h>\n",
             w->upper);
    put_samples(w);
    kd_c_put(w, "int main(void)\n{\n    int wrong = 0;\n");
    if (w->how->caller_arena)
        kd_c_put(w, "    static %s arena[%s_ARENA / sizeof(%s)];\n", ints ? "int8_t" : "float",
                 w->upper, ints ? "int8_t" : "float");
    kd_c_put(w, "    for (int i = 0; i < %d; i++) {\n        %s logits[%s_CLASSES];\n",
             KD_EXPORT_SAMPLES, ints ? "int32_t" : "float", w->upper);
    kd_c_put(w, "        %s_predict(images[i], logits%s);\n", w->how->name,
             w->how->caller_arena ? ", arena" : "");
    kd_c_put(w, "        for (int c = 0; c < %s_CLASSES; c++) {\n", w->upper);
    if (ints)
        kd_c_put(w, "            if (logits[c] == expected[i][c]) continue;\n"
                    "            printf(\"image %%d, logit %%d: %%ld, expected %%ld\\n\", i, c, "
                    "(long)logits[c],\n                   (long)expected[i][c]);\n");
    else
        kd_c_put(w,
                 "            float off = logits[c] - expected[i][c], size = expected[i][c];\n"
                 "            if (off < 0) off = -off;\n            if (size < 0) size = -size;\n"
                 "            if (off <= 1e-4f * (1 + size)) continue;\n"
                 "            printf(\"image %%d, logit %%d: %%g, expected %%g\\n\", i, c, "
                 "(double)logits[c],\n                   (double)expected[i][c]);\n");
    kd_c_put(
        w,
        "            wrong++;\n        }\n    }\n"
        "    printf(\"%s: %d images, %%d logits wrong\\n\", wrong);\n    return wrong != 0;\n}\n"
        "#endif\n",
        w->how->name, KD_EXPORT_SAMPLES);
}
