/* A plan as a makefile, as a script for Slurm, as JSON. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

static int add_text(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    return kd_bytes_add(out, text, strlen(text), err);
}

/* A command as a shell reads it. */
static int add_command(struct kd_bytes *out, const struct words *command, struct kd_err *err)
{
    for (size_t i = 0; i < command->n; i++)
        if ((i && add_text(out, " ", err) < 0) || kd_quote(out, command->v[i], err) < 0) return -1;
    return 0;
}

/* "# Plan of EXPERIMENT, made by ...", and how to run it. */
static int add_heading(struct kd_bytes *out, const struct plan *plan,
                       const struct plan_about *about, const char *how, struct kd_err *err)
{
    return kd_bytes_format(
        out, err, "# Plan of the experiment %s: %zu steps.\n# Made by: %s\n# %s\n", plan->x->name,
        plan->n, about->command[0] ? about->command : "kd-plan", how);
}

/* ---- make ---- */

/* A file's name as make reads it in a rule: an "=" would make the rule an assignment, a "$" begins
 * a variable, and a "%" before the colon a pattern. */
static int add_name(struct kd_bytes *out, const char *path, bool target, struct kd_err *err)
{
    if (strpbrk(path, ";|&\\\"'`<>()~")) /* no quoting of these works in every make */
        return kd_fail_usage(err,
                             "%s: make has no way to write this name; use --format slurm, or "
                             "another name",
                             path);
    for (const char *p = path; *p; p++) {
        int status = *p == '='                 ? add_text(out, "$(EQUALS)", err)
                     : *p == '$'               ? add_text(out, "$$", err)
                     : *p == '%' && target     ? add_text(out, "\\%", err)
                     : strchr(" \t:#*?[]", *p) ? kd_bytes_format(out, err, "\\%c", *p)
                                               : kd_bytes_add(out, p, 1, err);
        if (status < 0) return -1;
    }
    return 0;
}

static int add_names(struct kd_bytes *out, const struct words *paths, struct kd_err *err)
{
    for (size_t i = 0; i < paths->n; i++)
        if (add_text(out, " ", err) < 0 || add_name(out, paths->v[i], false, err) < 0) return -1;
    return 0;
}

/* The same with "$" doubled, for a recipe. */
static int add_recipe(struct kd_bytes *out, const struct words *command, struct kd_err *err)
{
    struct kd_bytes line = {0};
    int status = add_command(&line, command, err);
    for (size_t i = 0; i < line.size && status == 0; i++)
        status = line.data[i] == '$' ? add_text(out, "$$", err)
                                     : kd_bytes_add(out, &line.data[i], 1, err);
    kd_bytes_release(&line);
    return status;
}

/* One rule, of the first output; the others come with it. */
static int add_rule(struct kd_bytes *out, const struct step *s, struct kd_err *err)
{
    const struct words first = {s->outputs.v, 1, 1};
    if (add_text(out, "\n", err) < 0 || add_name(out, first.v[0], true, err) < 0 ||
        add_text(out, ":", err) < 0 || add_names(out, &s->inputs, err) < 0 ||
        add_text(out, "\n\t", err) < 0 || add_recipe(out, &s->command, err) < 0 ||
        add_text(out, "\n", err) < 0)
        return -1;
    for (size_t i = 1; i < s->outputs.n; i++)
        if (add_name(out, s->outputs.v[i], true, err) < 0 || add_text(out, ":", err) < 0 ||
            add_names(out, &first, err) < 0 || add_text(out, " ;\n", err) < 0)
            return -1;
    return 0;
}

int plan_to_make(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                 struct kd_err *err)
{
    const struct step *last = &plan->steps[plan->n - 1];
    if (add_heading(out, plan, about, "Run it where it was made: make -f THIS -j2", err) < 0)
        return -1;
    if (*about->folder &&
        (add_text(out, "export PATH := ", err) < 0 || add_text(out, about->folder, err) < 0 ||
         add_text(out, ":$(PATH)\n", err) < 0))
        return -1;
    if (add_text(out, "EQUALS := =\n.PHONY: all\nall:", err) < 0 ||
        add_names(out, &last->outputs, err) < 0 || add_text(out, "\n", err) < 0)
        return -1;
    for (size_t i = 0; i < plan->n; i++)
        if (add_rule(out, &plan->steps[i], err) < 0) return -1;
    return 0;
}

/* ---- Slurm ---- */

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
        if (a->needs[j] && kd_bytes_format(out, err, ":$job%zu", j) < 0) return -1;
    return add_text(out, "\"\n", err);
}

/* What `sh PLAN` does: an array after the other, each told which ones it waits for. */
static const char submission[] =
    "# submit VARIABLE WHAT FIRST COUNT DEPENDENCIES\n"
    "submit() {\n"
    "    id=$(sbatch --parsable --job-name=\"$name-$2\" --array=\"0-$(($4 - 1))\" \\\n"
    "        ${5:+--dependency=\"afterok$5\"} --kill-on-invalid-dep=yes $options \\\n"
    "        --wrap \"sh '$self' step $3\")\n"
    "    id=${id%%;*}\n"
    "    eval \"$1=\\$id\"\n"
    "    echo \"$id $2\"\n"
    "}\n";

static int add_arrays(struct kd_bytes *out, const struct plan *plan, const struct array *arrays,
                      size_t n, struct kd_err *err)
{
    size_t number = 0;
    if (add_text(out, "step() {\n    case $1 in\n", err) < 0) return -1;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < arrays[i].n; k++)
            if (kd_bytes_format(out, err, "    %zu) ", number++) < 0 ||
                add_command(out, &plan->steps[arrays[i].steps[k]].command, err) < 0 ||
                add_text(out, " ;;\n", err) < 0)
                return -1;
    if (add_text(out, "    esac\n}\n", err) < 0 || add_text(out, submission, err) < 0 ||
        add_text(out,
                 "if [ \"${1:-}\" = step ]; then\n"
                 "    step $(($2 + SLURM_ARRAY_TASK_ID))\n"
                 "    exit\n"
                 "fi\n"
                 "self=$(cd \"$(dirname \"$0\")\" && pwd)/$(basename \"$0\")\n"
                 "options=$*\n",
                 err) < 0)
        return -1;
    number = 0;
    for (size_t i = 0; i < n; number += arrays[i++].n)
        if (add_submission(out, arrays, i, number, err) < 0) return -1;
    return 0;
}

int plan_to_slurm(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                  struct kd_err *err)
{
    struct array *arrays = NULL;
    size_t n = 0;
    int status = add_text(out, "#!/bin/sh\n", err);
    if (status == 0)
        status =
            add_heading(out, plan, about,
                        "Submit it where it was made: sh THIS [OPTION OF SBATCH]...; it prints "
                        "the jobs, one a line.\n"
                        "# A second call goes on where the first one stopped.",
                        err);
    if (status == 0) status = add_text(out, "set -eu\n", err);
    if (status == 0 && *about->folder) {
        status = add_text(out, "PATH=", err);
        if (status == 0) status = kd_quote(out, about->folder, err);
        if (status == 0) status = add_text(out, ":$PATH\nexport PATH\n", err);
    }
    if (status == 0) status = add_text(out, "name=", err);
    if (status == 0) status = kd_quote(out, plan->x->name, err);
    if (status == 0) status = add_text(out, "\n", err);
    if (status == 0) status = make_arrays(plan, &arrays, &n, err);
    if (status == 0) status = add_arrays(out, plan, arrays, n, err);
    arrays_release(arrays, n);
    return status;
}

/* ---- JSON ---- */

static cJSON *words_json(const struct words *w)
{
    return cJSON_CreateStringArray((const char *const *)w->v, (int)w->n);
}

static cJSON *needs_json(const struct step *s)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; list && i < s->n_needs; i++) {
        cJSON *number = cJSON_CreateNumber((double)s->needs[i]);
        if (number && cJSON_AddItemToArray(list, number)) continue;
        cJSON_Delete(number);
        cJSON_Delete(list);
        list = NULL;
    }
    return list;
}

static int add_step_json(cJSON *steps, const struct step *s, size_t number, struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject();
    int status = kd_json_add_number(o, "step", (double)number, err);
    if (status == 0) status = kd_json_add_text(o, "what", s->what, err);
    if (status == 0 && s->name) status = kd_json_add_text(o, "name", s->name, err);
    if (status == 0 && s->name) status = kd_json_add_number(o, "seed", (double)s->seed, err);
    if (status == 0) status = kd_json_add_number(o, "level", (double)s->level, err);
    if (status == 0) status = kd_json_attach(o, "needs", needs_json(s), err);
    if (status == 0) status = kd_json_attach(o, "inputs", words_json(&s->inputs), err);
    if (status == 0) status = kd_json_attach(o, "outputs", words_json(&s->outputs), err);
    if (status == 0) status = kd_json_attach(o, "command", words_json(&s->command), err);
    if (status == 0 && !cJSON_AddItemToArray(steps, o)) status = kd_fail_memory(err, "no memory");
    if (status < 0) cJSON_Delete(o);
    return status;
}

int plan_to_json(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                 struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject(), *steps = cJSON_CreateArray();
    int status = kd_json_add_text(o, "name", plan->x->name, err);
    if (status == 0) status = kd_json_add_text(o, "run", plan->x->folder, err);
    if (status == 0 && about->command[0])
        status = kd_json_add_text(o, "made_by", about->command, err);
    for (size_t i = 0; i < plan->n && status == 0; i++)
        status = add_step_json(steps, &plan->steps[i], i, err);
    if (status == 0) {
        status = kd_json_attach(o, "steps", steps, err);
        steps = NULL;
    }
    char *text = status == 0 ? kd_json_text(o, true, err) : NULL;
    status = text ? kd_bytes_format(out, err, "%s\n", text) : -1;
    kd_free(text);
    cJSON_Delete(steps);
    cJSON_Delete(o);
    return status;
}
