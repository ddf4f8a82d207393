#include "kd/data/image_cache.h"
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "kd/data/input.h"

#include <string.h>

static char *key_of(const struct kd_image_cache *cache, const char *source, const char *data_dir,
                    const char *split, const struct kd_input *input, struct kd_err *err)
{
    cJSON *how = NULL;
    if (input && kd_input_preprocess(input, &how, err) < 0) return NULL;
    char *text = how ? kd_json_text_of(how, err) : kd_strdup("", err);
    char *key = text ? kd_format(err, "%s\n%s\n%s\n%s\n%s\n%s", source, data_dir ? data_dir : "",
                                 split, cache->beside && strchr(source, ':') ? cache->beside : "",
                                 text, input && input->columns ? input->columns : "")
                     : NULL;
    kd_free(text);
    return key;
}

static void drop(struct kd_image_cache *cache, size_t i)
{
    struct kd_cached_images *set = cache->sets[i];
    if (!set) return;
    kd_images_release(&set->images);
    kd_free(set->key);
    kd_free(set);
    cache->sets[i] = NULL;
}

/* Place of the set with this key, or KD_IMAGE_CACHE_MOST. */
static size_t find(const struct kd_image_cache *cache, const char *key)
{
    size_t i = 0;
    while (i < KD_IMAGE_CACHE_MOST && !(cache->sets[i] && strcmp(cache->sets[i]->key, key) == 0))
        i++;
    return i;
}

const struct kd_images *kd_image_cache_peek(const struct kd_image_cache *cache, const char *source,
                                            const char *data_dir, const char *split,
                                            const struct kd_input *input)
{
    struct kd_err ignored;
    char *key = source ? key_of(cache, source, data_dir, split, input, &ignored) : NULL;
    size_t i = key ? find(cache, key) : KD_IMAGE_CACHE_MOST;
    kd_free(key);
    return i < KD_IMAGE_CACHE_MOST ? &cache->sets[i]->images : NULL;
}

/* A set of the cache comes first, those before it move back by one. */
static const struct kd_images *to_front(struct kd_image_cache *cache, size_t i)
{
    struct kd_cached_images *set = cache->sets[i];
    memmove(&cache->sets[1], &cache->sets[0], i * sizeof(struct kd_cached_images *));
    cache->sets[0] = set;
    return &set->images;
}

/* Takes over key. */
static struct kd_cached_images *load(char *key, const char *source,
                                     const struct kd_images_options *options, struct kd_err *err)
{
    struct kd_cached_images *set = kd_alloc(1, sizeof *set, "a set of images", err);
    if (set && kd_images_load(source, options, &set->images, err) == 0) {
        set->key = key;
        return set;
    }
    kd_free(key);
    kd_free(set);
    return NULL;
}

const struct kd_images *kd_image_cache_get(struct kd_image_cache *cache, const char *source,
                                           const char *data_dir, const char *split,
                                           const struct kd_input *input, struct kd_err *err)
{
    const struct kd_images_options options = {.data_dir = data_dir,
                                              .beside = cache->beside,
                                              .up = cache->up,
                                              .default_split = split,
                                              .input = input,
                                              .pool = cache->pool,
                                              .progress = cache->progress};
    if (!source) {
        kd_fail_usage(err,
                      "no data is given; use --data mnist, --data digits, --data images:DIR, ...");
        return NULL;
    }
    char *key = key_of(cache, source, data_dir, split, input, err);
    size_t i = key ? find(cache, key) : 0;
    if (!key) return NULL;
    if (i < KD_IMAGE_CACHE_MOST) {
        kd_free(key);
        return to_front(cache, i);
    }
    i = cache->keep > 1 ? cache->keep - 1 : 0;
    drop(cache, i); /* room is made before it is needed */
    cache->sets[i] = load(key, source, &options, err);
    return cache->sets[i] ? to_front(cache, i) : NULL;
}

void kd_image_cache_release(struct kd_image_cache *cache)
{
    for (size_t i = 0; i < KD_IMAGE_CACHE_MOST; i++) drop(cache, i);
}
