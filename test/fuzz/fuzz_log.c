/* Whatever a log.jsonl holds: no crash, and what is accepted is in order. */
#include "kd/run/log.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_err err = {0};
    struct kd_log log = {0};
    if (kd_log_parse((const char *)data, size, "fuzz", &log, &err) < 0) {
        if (!err.text[0]) abort();
        return 0;
    }
    for (size_t i = 1; i < log.n; i++)
        if (!(log.epochs[i].epoch > log.epochs[i - 1].epoch)) abort();
    if (log.n && kd_log_best(&log) >= log.n) abort();
    if (log.bad && !log.problem[0]) abort();
    kd_log_release(&log);
    return 0;
}
