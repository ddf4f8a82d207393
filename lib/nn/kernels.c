#include "kd/nn/kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const struct kd_kernels kd_kernels_plain;
#if defined(__x86_64__)
extern const struct kd_kernels kd_kernels_avx2, kd_kernels_avx512;
#elif defined(__aarch64__)
extern const struct kd_kernels kd_kernels_neon;
#endif

/* Workers may come first where a program has not called kd_kernels_init; they all find the same
 * table. */
static const struct kd_kernels *_Atomic chosen;

struct choice {
    const struct kd_kernels *table;
    int usable;
};

/* Best first. */
static unsigned list_tables(struct choice out[3])
{
    unsigned n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    out[n++] = (struct choice){&kd_kernels_avx512, avx512};
    out[n++] = (struct choice){&kd_kernels_avx2, avx2};
#elif defined(__aarch64__)
    out[n++] = (struct choice){&kd_kernels_neon, 1}; /* every such processor has it */
#endif
    out[n++] = (struct choice){&kd_kernels_plain, 1};
    return n;
}

int kd_kernels_init(struct kd_err *err)
{
    struct choice list[3];
    unsigned n = list_tables(list);
    const char *wanted = getenv("KD_CPU");
    for (unsigned i = 0; i < n; i++) {
        if (wanted && *wanted && strcmp(wanted, list[i].table->name) != 0) continue;
        if (list[i].usable) {
            chosen = list[i].table;
            return 0;
        }
        if (wanted && *wanted)
            return kd_fail_usage(err, "KD_CPU=%s: this processor has no %s; unset it", wanted,
                                 wanted);
    }
    return kd_fail_usage(err, "KD_CPU=%s: expected plain, avx2, avx512 or neon",
                         wanted ? wanted : "");
}

const struct kd_kernels *kd_kernels(void)
{
    const struct kd_kernels *table = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (table) return table;
    struct kd_err ignored;
    if (kd_kernels_init(&ignored) < 0) chosen = &kd_kernels_plain;
    return chosen;
}

const char *kd_kernels_best(void)
{
    struct choice list[3];
    unsigned n = list_tables(list), i = 0;
    while (i + 1 < n && !list[i].usable) i++;
    return list[i].table->name;
}

const char *kd_kernels_name(void)
{
    return kd_kernels()->name;
}
