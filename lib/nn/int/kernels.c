/* Which kernels integer networks run on: those of the table in force, with VNNI where there is. */
#include "kd/nn/kernels.h"
#include "kd/nn/int8.h"
#include "kd/nn/integers.h"

#include <string.h>

extern const struct kd_int8_kernels kd_int8_plain;
#if defined(__x86_64__)
extern const struct kd_int8_kernels kd_int8_avx2, kd_int8_avx512, kd_int8_avx512vnni;
#endif

const struct kd_int8_kernels *kd_int8_kernels(void)
{
#if defined(__x86_64__)
    const char *name = kd_kernels_name();
    __builtin_cpu_init();
    if (strcmp(name, "avx512") == 0)
        return __builtin_cpu_supports("avx512vnni") ? &kd_int8_avx512vnni : &kd_int8_avx512;
    if (strcmp(name, "avx2") == 0) return &kd_int8_avx2;
#endif
    return &kd_int8_plain;
}

const char *kd_int_kernels_name(void)
{
    return kd_int8_kernels()->name;
}
