/* kd-plan: an experiment's work for make, Slurm or another engine. */
#include "inputs.h"
#include "kd/base/file.h"
#include "plan.h"

#include <string.h>

#define FORMATS(X) X(FORMAT_MAKE, "make") X(FORMAT_SLURM, "slurm") X(FORMAT_JSON, "json")
enum format { FORMATS(KD_CHOICE_ENUM) };

struct options {
    int format;
    struct kd_texts set;
    char *runs, *split;
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"format", 'f', NULL, KD_OPT_CHOICE, O(format), .preset = "make",
     .choices = KD_CHOICES(FORMATS), .metavar = "FORMAT",
     .help = "a makefile, a script that submits job arrays to Slurm, or JSON",
     .also = "to for engine scheduler"},
    {"set", 's', NULL, KD_OPT_TEXTS, O(set), .metavar = "KEY=VALUE",
     .help = "override a key of the experiment"},
    {"runs", 0, NULL, KD_OPT_TEXT, O(runs), .preset = KD_RUNS, .metavar = "DIR",
     .help = "folder of the run folders"},
    {"split", 0, NULL, KD_OPT_TEXT, O(split), .metavar = "SPLIT",
     .help = "evaluate on this split alone: test or validation; default both"},
    {0},
};
static const struct kd_program_section sections[] = {{"plan", "Plan", rows, 0, NULL}, {0}};

/* What is wrong with the experiment is said now rather than by the first step. */
static int check(const struct kd_tasks *tasks, struct kd_err *err)
{
    const struct kd_pick all = {.kinds = KD_PICK_TEACHERS | KD_PICK_STUDENTS};
    struct kd_picked picked;
    if (kd_tasks_pick(tasks, &all, &picked, err) < 0) return -1;
    int status = picked.n
                     ? kd_tasks_check(tasks, &picked, NULL, err)
                     : kd_fail_usage(err, "%s: it has no teacher and no students", tasks->x->path);
    kd_picked_release(&picked);
    return status;
}

static int deliver(struct kd_invocation *inv, const struct kd_bytes *text, struct kd_err *err)
{
    const char *path = inv->common.output;
    if (!path || strcmp(path, "-") == 0) return kd_print(err, "%s", text->data);
    if (kd_file_write(path, text->data, text->size, err) < 0) return -1;
    return kd_print_path(err, path);
}

static int write_plan(struct kd_invocation *inv, const struct plan *plan, struct kd_err *err)
{
    static int (*const write[])(const struct plan *, const struct plan_about *, struct kd_bytes *,
                                struct kd_err *) = {
        [FORMAT_MAKE] = plan_to_make, [FORMAT_SLURM] = plan_to_slurm, [FORMAT_JSON] = plan_to_json};
    const struct options *o = inv->options;
    struct kd_bytes text = {0};
    char *folder = kd_program_folder(inv->program, err);
    const struct plan_about about = {folder, inv->command};
    const int format = inv->common.json ? FORMAT_JSON : o->format;
    int status = folder ? write[format](plan, &about, &text, err) : -1;
    if (status == 0) status = deliver(inv, &text, err);
    kd_bytes_release(&text);
    kd_free(folder);
    return status;
}

static int make_plan(struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    if (output_file_check(inv, err) < 0) return -1;
    char *path = kd_experiment_named(inv, inv->args.operands[0], err);
    const uint64_t seed = (uint64_t)inv->common.seed;
    const uint64_t *only = kd_args_has(&inv->args, "seed") ? &seed : NULL;
    const struct plan_options options = {.experiment = path,
                                         .runs = o->runs,
                                         .split = o->split,
                                         .sets = &o->set,
                                         .threads = inv->common.threads,
                                         .seed = only};
    struct plan plan = {0};
    if (strcmp(inv->args.operands[0], "-") == 0) {
        kd_free(path);
        return kd_fail_usage(err, "the steps of a plan read the experiment again; give a file");
    }
    struct kd_experiment *x = path ? kd_experiment_open(path, o->runs, &o->set, err) : NULL;
    struct kd_tasks *tasks =
        x ? kd_tasks_open(x, &(struct kd_tasks_options){.seed = only}, err) : NULL;
    int status = tasks ? check(tasks, err) : -1;
    if (status == 0) status = plan_make(&plan, tasks, &options, err);
    if (status == 0) status = write_plan(inv, &plan, err);
    plan_release(&plan);
    kd_tasks_close(tasks);
    kd_experiment_close(x);
    kd_free(path);
    return status;
}

static const struct kd_opt_more more[] = {
    {"set", "It holds for every step too."},
    {"output", "Without it the plan goes to standard output."},
    {"threads", "They are those of each step."},
    {"seed", "It names the models of this seed alone."},
    {"json", "It is the same as `--format json`."},
    {0},
};

const struct kd_program kd_program = {
    .name = "kd-plan",
    .usage = "[OPTION]... EXPERIMENT",
    .summary = "Print the work of an experiment as steps with their inputs, outputs and commands, "
               "for make,\n"
               "for Slurm, or as JSON for other engines. Nothing is trained.",
    .details = "Each step passes over what is there and current, and goes on where it was "
               "interrupted.\n"
               "\n"
               "Examples:\n"
               "  kd-plan configs/digits.json -o digits.mk && make -f digits.mk -j2\n"
               "  kd-plan configs/digits.json --format slurm -o digits.sh && sh digits.sh "
               "--mem=4G\n"
               "  kd-plan configs/digits.json --json | jq -r '.steps[].outputs[]'\n",
    .sections = sections,
    .more = more,
    .min_operands = 1,
    .max_operands = 1,
    .options_size = sizeof(struct options),
    .work = make_plan,
};
