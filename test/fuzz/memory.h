/* Bytes as a file that has a name, for functions that read files. */
#ifndef KD_FUZZ_MEMORY_H
#define KD_FUZZ_MEMORY_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline const char *memory_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char name[64];
    if (fd < 0) fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return name;
}
#endif
