/* Whatever stands on a command line: no crash, and a refusal says why. The bytes are words, ended
 * by NUL or newline. */
#include "kd/base/mem.h"
#include "kd/train/config.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_err err = {0};
    struct kd_job job = {0};
    struct kd_opt_section sections[KD_JOB_SECTIONS];
    struct kd_args args = {0};
    char *text = malloc(size + 1), *argv[WORDS + 2] = {(char[]){"fuzz"}};
    int argc = 1;
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *p = text; p < text + size && argc <= WORDS; p += strlen(p) + 1) {
        p[strcspn(p, "\n")] = '\0';
        argv[argc++] = p;
    }
    kd_job_sections(&job, sections);
    if (kd_opts_preset(sections, &err) < 0) abort();
    if (kd_args_scan(&args, sections, argc, argv, &err) < 0 || kd_args_apply(&args, &err) < 0) {
        if (!err.text[0]) abort();
    } else if (args.n_operands >= (size_t)argc) {
        abort();
    }
    kd_args_release(&args);
    kd_opts_release(sections);
    free(text);
    return 0;
}
