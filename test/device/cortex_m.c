/* Firmware of a Cortex-M under an emulator or a debugger: the start, and files by semihosting (Arm,
 * "Semihosting for AArch32 and AArch64", a breakpoint that the emulator answers). Images come from
 * images.bin, logits go to logits.bin. */
#include "driver.h"

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT = 0x18 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };

static uint32_t semihosting(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, length};
    return semihosting(SYS_OPEN, arguments);
}

static uint32_t images, logits;

/* Both calls return how many bytes were left over. */
int driver_read(void *to, size_t n)
{
    const uint32_t arguments[3] = {images, (uint32_t)(uintptr_t)to, n};
    return semihosting(SYS_READ, arguments) == 0;
}

int driver_write(const void *from, size_t n)
{
    const uint32_t arguments[3] = {logits, (uint32_t)(uintptr_t)from, n};
    return semihosting(SYS_WRITE, arguments) == 0;
}

extern uint32_t stack_top, data_load, data_start, data_end, bss_start, bss_end; /* cortex_m.ld */

void reset(void);
void reset(void)
{
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;) *to++ = 0;
    images = open_file("images.bin", 10, READ_BINARY);
    logits = open_file("logits.bin", 10, WRITE_BINARY);
    const int status = images == ~0U || logits == ~0U ? 1 : driver_run();
    semihosting(SYS_CLOSE, &logits);
    /* ADP_Stopped_ApplicationExit, or a run-time error */
    semihosting(SYS_EXIT, (const void *)(uintptr_t)(status ? 0x20023u : 0x20026u));
    for (;;) continue;
}

static void fault(void)
{
    semihosting(SYS_EXIT, (const void *)(uintptr_t)0x20023u);
    for (;;) continue;
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top,    (void *)reset, (void *)fault, (void *)fault,
    (void *)fault, (void *)fault, (void *)fault};
