/* The C file and its header: kernels that are needed, constants, the calls. */
#include "kd/export/c.h"
#include "writer.h"

#include <ctype.h>
#include <string.h>

bool kd_export_c_name_is_good(const char *name)
{
    size_t n = strlen(name);
    if (!n || n > KD_C_NAME || !(islower((unsigned char)name[0]))) return false;
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) && name[i] != '_')
            return false;
    return true;
}

static void put_top(struct kd_c_writer *w)
{
    kd_c_put(w, "/* ");
    for (const char *at = w->how->provenance; *at;) {
        size_t n = strcspn(at, "\n");
        kd_c_put(w, "%s%.*s\n", at == w->how->provenance ? "" : " * ", (int)(n > 400 ? 400 : n),
                 at);
        at += n + (at[n] ? 1 : 0);
    }
    kd_c_put(w, " */\n");
}

static void put_class_names(struct kd_c_writer *w)
{
    if (!cJSON_IsArray(w->how->class_names)) return;
    const cJSON *name;
    kd_c_put(w,
             "/* for: static const char *const names[] = %s_CLASS_NAMES; */\n#define "
             "%s_CLASS_NAMES {",
             w->upper, w->upper);
    cJSON_ArrayForEach(name, w->how->class_names)
    {
        kd_c_put(w, " \\\n    \"");
        for (const char *c = cJSON_IsString(name) ? name->valuestring : ""; *c; c++) {
            if (*c == '"' || *c == '\\' || (unsigned char)*c < 32 || (unsigned char)*c > 126 ||
                *c == '?')
                kd_c_put(w, "\\%03o", (unsigned)(unsigned char)*c);
            else
                kd_c_put(w, "%c", *c);
        }
        kd_c_put(w, "\",");
    }
    kd_c_put(w, "}\n");
}

static void put_header(struct kd_c_writer *w)
{
    const struct kd_device_plan *p = w->plan;
    struct kd_shape in = p->graph->input;
    put_top(w);
    kd_c_put(w, "#ifndef %s_H\n#define %s_H\n#include <stdint.h>\n\n#define %s_CLASSES %u\n",
             w->upper, w->upper, w->upper, p->graph->classes);
    kd_c_put(w, "#define %s_CHANNELS %u\n#define %s_HEIGHT %u\n#define %s_WIDTH %u\n", w->upper,
             in.c, w->upper, in.h, w->upper, in.w);
    kd_c_put(w, "#define %s_ARENA %zu /* bytes */\n", w->upper, p->arena ? p->arena : 4);
    if (p->ints) {
        kd_c_put(w,
                 "/* A logit times this is what it was in the float network. */\n#define "
                 "%s_LOGIT_SCALE ",
                 w->upper);
        kd_c_float(w, p->ints->logit_scale);
        kd_c_put(w, "\n");
    }
    put_class_names(w);
    kd_c_put(w,
             "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
             "/* image: %u x %u x %u bytes, %s. logits: the largest is the class.%s */\n",
             w->how->interleaved ? in.h : in.c, w->how->interleaved ? in.w : in.h,
             w->how->interleaved ? in.c : in.w,
             w->how->interleaved ? "[height][width][channel]" : "[channel][height][width]",
             w->how->caller_arena
                 ? " arena: memory for the call,\n * aligned as its type, its content "
                   "does not matter."
                 : "");
    kd_c_signature(w);
    kd_c_put(w, ";\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

static void put_source(struct kd_c_writer *w)
{
    put_top(w);
    kd_c_put(w, "#include \"%s.h\"\n", w->how->name);
    if (!w->plan->ints && (w->gelu || w->tanh)) kd_c_put(w, "#include <math.h>\n");
    kd_c_put(w, "#include <stddef.h>\n#include <string.h>\n\n");
    kd_c_pixels(w);
    kd_c_kernels(w);
    kd_c_constants(w);
    kd_c_predict(w);
    kd_c_selftest(w);
}

int kd_export_c(const struct kd_device_plan *plan, const struct kd_export_c *how,
                struct kd_bytes *source, struct kd_bytes *header, struct kd_err *err)
{
    struct kd_c_writer w = {.plan = plan, .how = how, .err = err, .out = source};
    if (!kd_export_c_name_is_good(how->name))
        return kd_fail_usage(err,
                             "\"%s\" is no name for C functions: expected small letters, "
                             "digits and _, a letter first",
                             how->name);
    for (size_t i = 0; how->name[i]; i++) w.upper[i] = (char)toupper((unsigned char)how->name[i]);
    kd_c_find_needs(&w);
    put_source(&w);
    w.out = header;
    put_header(&w);
    return w.status;
}
