#include "kd/train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int kd_interval_parse(const char *text, struct kd_interval *out, struct kd_err *err)
{
    static const struct {
        const char *name;
        unsigned unit;
        double factor;
    } units[] = {{"steps", KD_STEPS, 1},  {"step", KD_STEPS, 1}, {"epochs", KD_EPOCHS, 1},
                 {"epoch", KD_EPOCHS, 1}, {"s", KD_SECONDS, 1},  {"min", KD_SECONDS, 60},
                 {"h", KD_SECONDS, 3600}};
    *out = (struct kd_interval){0, KD_NEVER};
    if (strcmp(text, "never") == 0) return 0;
    char *end;
    out->amount = strtod(text, &end);
    if (end != text && out->amount > 0 && isfinite(out->amount))
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].name) == 0) {
                out->amount *= units[i].factor;
                out->unit = units[i].unit;
                return 0;
            }
    return kd_fail_usage(err,
                         "train.checkpoint_every: \"%s\" is no interval; expected 50steps, 1epoch, "
                         "30s, 5min, 1h or never",
                         text);
}
