#include "training.h"

static int train(struct kd_invocation *inv, struct kd_err *err)
{
    return training_main(inv, true, err);
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
    .name = "kd-train-student",
    .usage = "[OPTION]... [EXPERIMENT]",
    .summary = "Train students of an experiment, or a network given by options, on labels, on a "
               "teacher's soft\n"
               "targets, or on both. The path of each model written is printed.",
    .details =
        "The loss is alpha T^2 KL(teacher || student, both at temperature T) + (1 - alpha) "
        "cross-entropy.\n"
        "Without --teacher, --soft-targets or a \"distill\" in the experiment it is cross-entropy "
        "alone.\n"
        "\n"
        "Examples:\n"
        "  kd-train-student configs/digits.json                every student, every seed\n"
        "  kd-train-student configs/digits.json --student plain --seed 1\n"
        "  kd-train-student --data digits --layers 20 --soft-targets soft.safetensors -T 4 -a 0.9\n"
        "  kd-train-student --data digits --layers 20 --teacher teacher/model.safetensors --shift "
        "2\n"
        "  kd-train-student EXPERIMENT --list --ready --update | xargs -P 2 -L 1 kd-train-student "
        "EXPERIMENT\n",
    .sections = training_student_sections,
    .more = more,
    .max_operands = 1,
    .computes = true,
    .teams = true,
    .options_size = sizeof(struct training_options),
    .work = train,
};
