#include "picture_cache.h"
#include "kd/base/file.h"
#include "kd/base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "2" /* of what decoding gives: another when its pixels change */

static char *folder_find(bool *chosen, struct kd_err *err)
{
    const char *own = getenv("KD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *chosen = own && *own;
    if (*chosen) return strcmp(own, "no") == 0 ? NULL : kd_strdup(own, err);
    if (xdg && *xdg) return kd_path_join(err, xdg, "kd");
    return home && *home ? kd_path_join(err, home, ".cache/kd") : NULL;
}

static int key_make(const struct kd_folder *folder, const struct kd_load *load,
                    char out[KD_FINGERPRINT], struct kd_err *err)
{
    cJSON *how = NULL;
    struct kd_hash *hash = kd_hash_new(err);
    if (!hash) return -1;
    char *root = realpath(folder->root, NULL);
    char *text = kd_input_preprocess(load->input, &how, err) == 0 && how
                     ? kd_json_text(how, false, err)
                     : NULL;
    kd_hash_add(hash, VERSION, sizeof VERSION);
    if (root) kd_hash_add(hash, root, strlen(root) + 1);
    if (text) kd_hash_add(hash, text, strlen(text) + 1);
    kd_hash_add(hash, &load->input->skip_broken, sizeof load->input->skip_broken);
    for (size_t i = 0; i < folder->n; i++) {
        const struct kd_folder_file *f = &folder->files[i];
        kd_hash_add(hash, f->path, strlen(f->path) + 1);
        kd_hash_add(hash, &f->size, sizeof f->size);
        kd_hash_add(hash, &f->changed, sizeof f->changed);
    }
    kd_hash_end(hash, out);
    const int status = how && !text ? -1 : 0;
    free(root);
    kd_free(text);
    cJSON_Delete(how);
    return status;
}

int kd_picture_cache_open(struct kd_picture_cache *c, const struct kd_folder *folder,
                          const struct kd_load *load, struct kd_err *err)
{
    char key[KD_FINGERPRINT];
    *c = (struct kd_picture_cache){.opened = kd_seconds(), .files = folder->n, .other = UINT32_MAX};
    char *place = folder_find(&c->chosen, err);
    if (!place) return 0;
    int status = key_make(folder, load, key, err);
    if (status == 0 && !(c->path = kd_format(err, "%s/%s.safetensors", place, key))) status = -1;
    kd_free(place);
    return status;
}

/* Is it what kd_picture_cache_put wrote, for as many files? */
static bool is_whole(const struct kd_picture_cache *c, const struct kd_tensor *pixels,
                     const struct kd_tensor *kept)
{
    if (!pixels || !kept || pixels->dtype != KD_U8 || pixels->dims != 4 || kept->dtype != KD_U32 ||
        kept->dims != 1 || kept->count != pixels->shape[0] || kept->count == 0)
        return false;
    const uint32_t *place = kept->data;
    for (size_t i = 0; i < kept->count; i++)
        if (place[i] >= c->files || (i && place[i] <= place[i - 1])) return false;
    return true;
}

bool kd_picture_cache_take(struct kd_picture_cache *c, struct kd_images *out, uint32_t *kept)
{
    struct kd_tensorfile f;
    struct kd_err ignored;
    if (!c->path || !kd_path_exists(c->path)) return false;
    if (kd_tensorfile_read(c->path, NULL, &f, &ignored) < 0) return false;
    const struct kd_tensor *pixels = kd_tensorfile_find(&f, "pixels");
    const struct kd_tensor *places = kd_tensorfile_find(&f, "kept");
    const char *skipped = kd_tensorfile_meta(&f, "skipped"),
               *other = kd_tensorfile_meta(&f, "other");
    if (!is_whole(c, pixels, places)) {
        kd_tensorfile_release(&f);
        return false;
    }
    memcpy(kept, places->data, places->count * sizeof *kept);
    out->n = (uint32_t)pixels->shape[0];
    out->c = (uint32_t)pixels->shape[1];
    out->h = (uint32_t)pixels->shape[2];
    out->w = (uint32_t)pixels->shape[3];
    out->dtype = KD_U8;
    out->pixels = pixels->data;
    if (other) c->other = (uint32_t)strtoul(other, NULL, 10);
    out->skipped = skipped ? (uint32_t)strtoul(skipped, NULL, 10) : 0;
    if (out->skipped > c->files - out->n) out->skipped = (uint32_t)(c->files - out->n);
    out->keep = f;
    return true;
}

void kd_picture_cache_put(const struct kd_picture_cache *c, const struct kd_images *m,
                          const uint32_t *kept)
{
    struct kd_tensorfile f = {0};
    struct kd_err err = {0};
    const size_t shape[4] = {m->n, m->c, m->h, m->w}, n = m->n;
    char skipped[16], other[16];
    if (!c->path || (!c->chosen && kd_seconds() - c->opened < 1)) return;
    snprintf(skipped, sizeof skipped, "%u", m->skipped);
    snprintf(other, sizeof other, "%u", c->other);
    if (kd_tensorfile_init(&f, &err) == 0 &&
        kd_tensorfile_set(&f, "kd.kind", "pictures", &err) == 0 &&
        kd_tensorfile_set(&f, "skipped", skipped, &err) == 0 &&
        kd_tensorfile_set(&f, "other", other, &err) == 0 &&
        kd_tensorfile_add(&f, "pixels", (struct kd_array){KD_U8, 4, shape, m->pixels}, &err) == 0 &&
        kd_tensorfile_add(&f, "kept", (struct kd_array){KD_U32, 1, &n, kept}, &err) == 0)
        kd_tensorfile_write(c->path, &f, &err); /* without it the next start decodes again */
    kd_tensorfile_release(&f);
}

void kd_picture_cache_close(struct kd_picture_cache *c)
{
    kd_free(c->path);
    *c = (struct kd_picture_cache){0};
}
