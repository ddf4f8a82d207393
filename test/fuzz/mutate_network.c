/* A mutator for model files: most changes are made to the text of the header, in which the network
 * stands, and keep it text that is read as far as the network. Numbers become others (0, negative,
 * huge), objects and values are taken out, doubled or put elsewhere, and the length of the header
 * is told anew. The rest are libFuzzer's own changes. Only fuzzers call it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

enum { LENGTH = 8 }; /* bytes before the header */

/* The header in data, and how long the file and the buffer are. */
struct text {
    char *at;
    size_t n, size, max;
};

static unsigned draw(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* Puts n bytes of `with` in place of `old` bytes at `from` of the header, and tells its length. */
static void splice(struct text *t, size_t from, size_t old, const char *with, size_t n)
{
    if (t->size - old + n > t->max) return;
    const size_t rest = t->size - LENGTH - from - old;
    memmove(t->at + from + n, t->at + from + old, rest);
    memcpy(t->at + from, with, n);
    t->size = t->size - old + n;
    t->n = t->n - old + n;
    for (size_t i = 0, v = t->n; i < LENGTH; i++, v >>= 8)
        t->at[(ptrdiff_t)i - LENGTH] = (char)(v & 255);
}

/* A place at which one of the characters stands; the header's length if none was hit upon. */
static size_t find(const struct text *t, const char *characters, unsigned *seed)
{
    size_t i = draw(seed) % t->n;
    for (size_t k = 0; k < t->n; k++, i = (i + 1) % t->n)
        if (t->at[i] && strchr(characters, t->at[i])) return i;
    return t->n;
}

static void change_number(struct text *t, unsigned *seed)
{
    static const char *const numbers[] = {
        "0",          "1",          "2",          "3",          "-1",    "7",
        "255",        "256",        "65535",      "65536",      "1e6",   "1000000",
        "2147483647", "2147483648", "1e38",       "0.5",        "1e-9",  "-128",
        "null",       "127",        "4294967295", "4294967296", "1e308", "9007199254740993",
        "true",       "28"};
    const size_t from = find(t, "0123456789", seed);
    size_t n = 0;
    while (from + n < t->n && t->at[from + n] && strchr("0123456789.e", t->at[from + n])) n++;
    const char *with = numbers[draw(seed) % (sizeof numbers / sizeof *numbers)];
    if (n) splice(t, from, n, with, strlen(with));
}

/* The length of the object or array that begins at `from`; 0 if it does not end. */
static size_t span(const struct text *t, size_t from)
{
    size_t depth = 0;
    for (size_t i = from; i < t->n; i++) {
        if (t->at[i] == '{' || t->at[i] == '[') depth++;
        if ((t->at[i] == '}' || t->at[i] == ']') && --depth == 0) return i + 1 - from;
    }
    return 0;
}

/* An object or array is doubled beside itself, wrapped, taken out or copied over another. */
static void change_object(struct text *t, unsigned *seed)
{
    const size_t from = find(t, "{[", seed), n = from < t->n ? span(t, from) : 0;
    char *copy = n ? malloc(n + 1) : NULL;
    if (!copy) return;
    memcpy(copy, t->at + from, n);
    copy[n] = ',';
    const unsigned what = draw(seed) % 4;
    if (what == 0) {
        splice(t, from, 0, copy, n + 1);
    } else if (what == 1) {
        splice(t, from + n, 0, "]", 1);
        splice(t, from, 0, "[", 1);
    } else if (what == 2) {
        const size_t more = from + n < t->n && t->at[from + n] == ',';
        splice(t, from, n + more, "", 0);
    } else {
        const size_t to = find(t, "{[", seed), old = to < t->n ? span(t, to) : 0;
        if (old) splice(t, to, old, copy, n);
    }
    free(copy);
}

/* A word in quotes, plain or escaped, becomes the name of a layer or of a property. */
static void change_word(struct text *t, unsigned *seed)
{
    static const char *const words[] = {
        "conv2d",         "dense",          "residual",   "batchnorm", "maxpool",   "avgpool",
        "global_avgpool", "global_maxpool", "flatten",    "dropout",   "scale",     "channels_last",
        "relu",           "relu6",          "leaky_relu", "gelu",      "hardswish", "tanh",
        "body",           "shortcut",       "filters",    "kernel",    "stride",    "padding",
        "groups",         "units",          "bias",       "layers"};
    size_t from = find(t, "\"", seed), n = 0;
    if (from++ >= t->n) return;
    while (from + n < t->n && t->at[from + n] >= '_' && t->at[from + n] <= 'z') n++;
    const char *with = words[draw(seed) % (sizeof words / sizeof *words)];
    if (n) splice(t, from, n, with, strlen(with));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size_t n = 0;
    for (size_t i = LENGTH; size > LENGTH && i-- > 0;) n = n << 8 | data[i];
    if (n < 2 || size <= LENGTH || n > size - LENGTH || draw(&seed) % 4 == 0)
        return LLVMFuzzerMutate(data, size, max);
    struct text t = {(char *)data + LENGTH, n, size, max};
    for (unsigned times = 1 + draw(&seed) % 3; times-- > 0 && t.n > 1;) {
        const unsigned what = draw(&seed) % 5;
        if (what < 2)
            change_number(&t, &seed);
        else if (what < 4)
            change_object(&t, &seed);
        else
            change_word(&t, &seed);
    }
    return t.size;
}
