/* A plan as a makefile, and as JSON. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

int plan_add_text(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    return kd_bytes_add(out, text, strlen(text), err);
}

int plan_add_command(struct kd_bytes *out, const struct words *command, struct kd_err *err)
{
    for (size_t i = 0; i < command->n; i++)
        if ((i && plan_add_text(out, " ", err) < 0) || kd_quote(out, command->v[i], err) < 0)
            return -1;
    return 0;
}

int plan_add_heading(struct kd_bytes *out, const struct plan *plan, const struct plan_about *about,
                     const char *how, struct kd_err *err)
{
    return kd_bytes_format(
        out, err, "# Plan of the experiment %s: %zu step%s.\n# Made by: %s\n# %s\n", plan->x->name,
        plan->n, plan->n == 1 ? "" : "s", about->command[0] ? about->command : "kd-plan", how);
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
        int status = *p == '='                 ? plan_add_text(out, "$(EQUALS)", err)
                     : *p == '$'               ? plan_add_text(out, "$$", err)
                     : *p == '%' && target     ? plan_add_text(out, "\\%", err)
                     : strchr(" \t:#*?[]", *p) ? kd_bytes_format(out, err, "\\%c", *p)
                                               : kd_bytes_add(out, p, 1, err);
        if (status < 0) return -1;
    }
    return 0;
}

static int add_names(struct kd_bytes *out, const struct words *paths, struct kd_err *err)
{
    for (size_t i = 0; i < paths->n; i++)
        if (plan_add_text(out, " ", err) < 0 || add_name(out, paths->v[i], false, err) < 0)
            return -1;
    return 0;
}

/* The same with "$" doubled, for a recipe. */
static int add_recipe(struct kd_bytes *out, const struct words *command, struct kd_err *err)
{
    struct kd_bytes line = {0};
    int status = plan_add_command(&line, command, err);
    for (size_t i = 0; i < line.size && status == 0; i++)
        status = line.data[i] == '$' ? plan_add_text(out, "$$", err)
                                     : kd_bytes_add(out, &line.data[i], 1, err);
    kd_bytes_release(&line);
    return status;
}

/* One rule, of the first output; the others come with it. */
static int add_rule(struct kd_bytes *out, const struct step *s, struct kd_err *err)
{
    const struct words first = {s->outputs.v, 1, 1};
    if (plan_add_text(out, "\n", err) < 0 || add_name(out, first.v[0], true, err) < 0 ||
        plan_add_text(out, ":", err) < 0 || add_names(out, &s->inputs, err) < 0 ||
        plan_add_text(out, "\n\t", err) < 0 || add_recipe(out, &s->command, err) < 0 ||
        plan_add_text(out, "\n", err) < 0)
        return -1;
    for (size_t i = 1; i < s->outputs.n; i++)
        if (add_name(out, s->outputs.v[i], true, err) < 0 || plan_add_text(out, ":", err) < 0 ||
            add_names(out, &first, err) < 0 || plan_add_text(out, " ;\n", err) < 0)
            return -1;
    return 0;
}

int plan_to_make(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                 struct kd_err *err)
{
    const struct step *last = &plan->steps[plan->n - 1];
    if (plan_add_heading(out, plan, about, "Run it where it was made: make -f THIS -j2", err) < 0)
        return -1;
    if (*about->folder &&
        (plan_add_text(out, "export PATH := ", err) < 0 ||
         plan_add_text(out, about->folder, err) < 0 || plan_add_text(out, ":$(PATH)\n", err) < 0))
        return -1;
    if (plan_add_text(out, "EQUALS := =\n.PHONY: all\nall:", err) < 0 ||
        add_names(out, &last->outputs, err) < 0 || plan_add_text(out, "\n", err) < 0)
        return -1;
    for (size_t i = 0; i < plan->n; i++)
        if (add_rule(out, &plan->steps[i], err) < 0) return -1;
    return 0;
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
