#include "training.h"

static int train(struct kd_invocation *inv, struct kd_err *err)
{
    return training_main(inv, false, err);
}

static const struct kd_opt_more more[] = {
    {"output",
     "A file named X.safetensors: log and checkpoint become X.log.jsonl and "
     "X.checkpoint.safetensors. A folder: model.safetensors, log.jsonl and checkpoint.safetensors "
     "are in it. Standard output has no log and no checkpoint beside it."},
    {"seed", "It is of initialization, order, dropout and augmentation."},
    {"json", "A line for each model instead of its path: model, name, seed, fingerprint, and the "
             "figures of the epoch that was kept, as in log.jsonl."},
    {0},
};

const struct kd_program kd_program = {
    .name = "kd-train-teacher",
    .usage = "[OPTION]... [EXPERIMENT]",
    .summary =
        "Train the teacher of an experiment, or a network given by options, on labelled images.\n"
        "The path of each model written is printed.",
    .details = "Examples:\n"
               "  kd-train-teacher configs/digits.json               every seed of the experiment\n"
               "  kd-train-teacher configs/digits.json --seed 1 --set teacher.train.epochs=5\n"
               "  kd-train-teacher --data mnist --layers 1200,1200 --validation 5000 -o teacher/\n"
               "  kd-train-teacher --data digits --layers 400 --epochs 5 -o - | kd-eval - --data "
               "digits:test\n",
    .sections = training_teacher_sections,
    .more = more,
    .max_operands = 1,
    .computes = true,
    .teams = true,
    .options_size = sizeof(struct training_options),
    .work = train,
};
