/* What a set of images is, in words. */
#include "kd/base/json.h"
#include "kd/base/text.h"
#include "kd/data/images.h"
#include <stdio.h>

struct said {
    const char *source, *split;
    double n, shape[3], classes; /* 0: not said */
};

static void say(const struct said *s, char out[KD_IMAGES_WORDS])
{
    char n[64], classes[64], shape[48] = "", in[96] = "";
    kd_number_grouped(s->n, 0, n);
    kd_number_grouped(s->classes, 0, classes);
    if (s->shape[0] > 0)
        snprintf(shape, sizeof shape, " of %.0fx%.0fx%.0f", s->shape[0], s->shape[1], s->shape[2]);
    if (s->classes > 0) snprintf(in, sizeof in, " in %s classes", classes);
    if (s->n > 0)
        snprintf(out, KD_IMAGES_WORDS, "%.160s:%.20s, %s image%s%s%s", s->source, s->split, n,
                 s->n > 1 ? "s" : "", shape, in);
    else
        snprintf(out, KD_IMAGES_WORDS, "%.160s:%.20s", s->source, s->split);
}

static const char *text_at(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "?";
}

static double number_at(const cJSON *item)
{
    const double v = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return v > 0 && v < 1e15 ? v : 0;
}

void kd_identity_words(const cJSON *identity, char out[KD_IMAGES_WORDS])
{
    const char *source = text_at(identity, "source"), *split = text_at(identity, "split");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(identity, "shape");
    struct said s = {.source = source, .split = split};
    s.n = number_at(cJSON_GetObjectItemCaseSensitive(identity, "n"));
    s.classes = number_at(cJSON_GetObjectItemCaseSensitive(identity, "classes"));
    for (int i = 0; i < 3; i++) s.shape[i] = number_at(cJSON_GetArrayItem(shape, i));
    say(&s, out);
}

void kd_images_words(const struct kd_images *images, char out[KD_IMAGES_WORDS])
{
    const struct said s = {images->source,
                           images->split,
                           images->n,
                           {images->c, images->h, images->w},
                           images->classes};
    say(&s, out);
}
