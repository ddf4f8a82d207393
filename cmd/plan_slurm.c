/* A plan as a script for Slurm. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

enum { MOST_IN_ARRAY = 1000 }; /* Slurm's own default is 1001 */

/* Arrays of steps of one level and kind, which wait for all arrays that hold what they need. */
struct array {
    const char *what;
    size_t level, n;
    size_t *steps; /* [n] */
    bool *needs;   /* [arrays] before it */
};

static void arrays_release(struct array *arrays, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        kd_free(arrays[i].steps);
        kd_free(arrays[i].needs);
    }
    kd_free(arrays);
}

/* The array for this step: begun if there is none with room. */
static struct array *array_for(struct array **arrays, size_t *n, size_t *room, const struct step *s,
                               struct kd_err *err)
{
    for (size_t i = 0; i < *n; i++)
        if ((*arrays)[i].level == s->level && (*arrays)[i].n < MOST_IN_ARRAY &&
            strcmp((*arrays)[i].what, s->what) == 0)
            return &(*arrays)[i];
    struct array *a = kd_grow(arrays, n, room, sizeof *a, "a plan", err);
    if (!a) return NULL;
    *a = (struct array){.what = s->what, .level = s->level};
    a->steps = kd_alloc(MOST_IN_ARRAY, sizeof *a->steps, "a plan", err);
    return a->steps ? a : NULL;
}

static int find_needs(const struct plan *plan, struct array *arrays, size_t n,
                      const size_t *array_of, struct kd_err *err)
{
    for (size_t i = 0; i < n; i++) {
        arrays[i].needs = kd_alloc(n, sizeof *arrays[i].needs, "a plan", err);
        if (!arrays[i].needs) return -1;
        for (size_t k = 0; k < arrays[i].n; k++) {
            const struct step *s = &plan->steps[arrays[i].steps[k]];
            for (size_t j = 0; j < s->n_needs; j++) arrays[i].needs[array_of[s->needs[j]]] = true;
        }
    }
    return 0;
}

static int make_arrays(const struct plan *plan, struct array **arrays, size_t *n,
                       struct kd_err *err)
{
    size_t room = 0, levels = plan->steps[plan->n - 1].level;
    size_t *array_of = kd_alloc(plan->n, sizeof *array_of, "a plan", err);
    int status = array_of ? 0 : -1;
    for (size_t level = 0; level <= levels; level++)
        for (size_t i = 0; i < plan->n && status == 0; i++) {
            if (plan->steps[i].level != level) continue;
            struct array *a = array_for(arrays, n, &room, &plan->steps[i], err);
            if (a) {
                a->steps[a->n++] = i;
                array_of[i] = (size_t)(a - *arrays);
            } else
                status = -1;
        }
    if (status == 0) status = find_needs(plan, *arrays, *n, array_of, err);
    kd_free(array_of);
    return status;
}

static int add_submission(struct kd_bytes *out, const struct array *arrays, size_t i, size_t first,
                          struct kd_err *err)
{
    const struct array *a = &arrays[i];
    if (kd_bytes_format(out, err, "submit job%zu %s %zu %zu \"", i, a->what, first, a->n) < 0)
        return -1;
    for (size_t j = 0; j < i; j++)
        if (a->needs[j] && kd_bytes_format(out, err, "$job%zu", j) < 0) return -1;
    return plan_add_text(out, "\" \"$@\"\n", err);
}

/* ---- what the script can do with a step ---- */

/* "    3) kd-train-student ... ;;" */
static int add_case(struct kd_bytes *out, const struct plan *plan, size_t step, size_t number,
                    struct kd_err *err)
{
    if (kd_bytes_format(out, err, "    %zu) ", number) < 0 ||
        plan_add_command(out, &plan->steps[step].command, err) < 0)
        return -1;
    return plan_add_text(out, " ;;\n", err);
}

/* Number, what, numbers of the steps that it needs, output, and its model as `--list` prints it;
 * tabs between them. */
static int add_row(struct kd_bytes *out, const struct plan *plan, size_t step,
                   const size_t *number_of, struct kd_err *err)
{
    const struct step *s = &plan->steps[step];
    int status = kd_bytes_format(out, err, "%zu\t%s\t", number_of[step], s->what);
    for (size_t i = 0; i < s->n_needs && status == 0; i++)
        status = kd_bytes_format(out, err, "%s%zu", i ? " " : "", number_of[s->needs[i]]);
    if (status == 0) status = kd_bytes_format(out, err, "\t%s\t", s->outputs.v[0]);
    if (status == 0 && s->name && strcmp(s->what, "train-student") == 0) {
        status = plan_add_text(out, "--student ", err);
        if (status == 0) status = kd_quote(out, s->name, err);
        if (status == 0) status = plan_add_text(out, " ", err);
    }
    if (status == 0 && s->name)
        status = kd_bytes_format(out, err, "--seed %llu", (unsigned long long)s->seed);
    return status == 0 ? plan_add_text(out, "\n", err) : -1;
}

/* What `sh PLAN` does: an array after the other, each told which jobs it waits for. */
static const char submission[] =
    "# submit VARIABLE WHAT FIRST COUNT JOBS [OPTION]...\n"
    "submit() {\n"
    "    variable=$1 what=$2 first=$3 count=$4 waits=$5 tasks='' held='' n=0\n"
    "    shift 5\n"
    "    while [ \"$n\" -lt \"$count\" ]; do\n"
    "        case \" ${KD_STEPS:-} \" in\n"
    "        *\" $((first + n))=- \"*) ;;\n"
    "        *\" $((first + n))=\"*)\n"
    "            job=\" $KD_STEPS \"\n"
    "            job=${job#* $((first + n))=}\n"
    "            held=$held:${job%% *} ;;\n"
    "        *) tasks=$tasks,$n ;;\n"
    "        esac\n"
    "        n=$((n + 1))\n"
    "    done\n"
    "    [ -n \"${KD_STEPS:-}\" ] || tasks=,0-$((count - 1))\n"
    "    if [ -n \"$tasks\" ]; then\n"
    "        id=$(sbatch --parsable --job-name=\"$name-$what\" --comment=\"$self $first\" \\\n"
    "            --array=\"${tasks#,}${KD_AT_ONCE:+%$KD_AT_ONCE}\" --kill-on-invalid-dep=yes \\\n"
    "            ${waits:+--dependency=\"afterok$waits\"} \"$@\" --wrap \"sh $quoted step "
    "$first\")\n"
    "        held=$held:${id%%;*}\n"
    "        echo \"${id%%;*} $what\"\n"
    "    fi\n"
    "    eval \"$variable=\\$held\"\n"
    "}\n"
    "case ${1:-} in\n"
    "step) step $(($2 + SLURM_ARRAY_TASK_ID)); exit ;;\n"
    "list) list; exit ;;\n"
    "folder) printf '%s\\n' \"$folder\"; exit ;;\n"
    "esac\n"
    "self=$(cd \"$(dirname \"$0\")\" && pwd)/$(basename \"$0\")\n"
    "quoted=\"'$(printf %s \"$self\" | sed \"s/'/'\\\\\\\\''/g\")'\"\n";

static int add_steps(struct kd_bytes *out, const struct plan *plan, const struct array *arrays,
                     size_t n, struct kd_err *err)
{
    size_t number = 0;
    size_t *number_of = kd_alloc(plan->n, sizeof *number_of, "a plan", err);
    int status = number_of ? plan_add_text(out, "step() {\n    case $1 in\n", err) : -1;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < arrays[i].n && status == 0; k++) {
            number_of[arrays[i].steps[k]] = number;
            status = add_case(out, plan, arrays[i].steps[k], number++, err);
        }
    if (status == 0)
        status = plan_add_text(out, "    esac\n}\nlist() {\n    cat <<'END OF LIST'\n", err);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < arrays[i].n && status == 0; k++)
            status = add_row(out, plan, arrays[i].steps[k], number_of, err);
    kd_free(number_of);
    return status == 0 ? plan_add_text(out, "END OF LIST\n}\n", err) : -1;
}

/* ---- the script ---- */

static const char how[] =
    "Submit it where it was made: sh THIS [OPTION OF SBATCH]...; it prints the jobs, one a line.\n"
    "# A second call goes on where the first one stopped, once that one's jobs have ended.\n"
    "#   sh THIS list     the steps, one a line: number, what, needs, output, model\n"
    "#   sh THIS folder   the run folder\n"
    "#   KD_STEPS='3=- 5=17_2'   step 3 is left out, step 5 is task 2 of job 17 already\n"
    "#   KD_AT_ONCE=N            so many tasks of an array at once";

static int add_setting(struct kd_bytes *out, const char *name, const char *value,
                       struct kd_err *err)
{
    if (plan_add_text(out, name, err) < 0 || kd_quote(out, value, err) < 0) return -1;
    return plan_add_text(out, "\n", err);
}

static int add_start(struct kd_bytes *out, const struct plan *plan, const struct plan_about *about,
                     struct kd_err *err)
{
    if (plan_add_text(out, "#!/bin/sh\n", err) < 0 ||
        plan_add_heading(out, plan, about, how, err) < 0 ||
        plan_add_text(out, "set -eu\n", err) < 0)
        return -1;
    if (*about->folder && (add_setting(out, "programs=", about->folder, err) < 0 ||
                           plan_add_text(out, "export PATH=\"$programs:$PATH\"\n", err) < 0))
        return -1;
    return add_setting(out, "name=", plan->x->name, err) < 0
               ? -1
               : add_setting(out, "folder=", plan->x->folder, err);
}

int plan_to_slurm(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                  struct kd_err *err)
{
    struct array *arrays = NULL;
    size_t n = 0, number = 0;
    int status = add_start(out, plan, about, err);
    if (status == 0) status = make_arrays(plan, &arrays, &n, err);
    if (status == 0) status = add_steps(out, plan, arrays, n, err);
    if (status == 0) status = plan_add_text(out, submission, err);
    for (size_t i = 0; i < n && status == 0; number += arrays[i++].n)
        status = add_submission(out, arrays, i, number, err);
    arrays_release(arrays, n);
    return status;
}
