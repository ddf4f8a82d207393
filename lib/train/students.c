/* The students of an experiment: read, sweeps expanded, parents before children. */
#include "experiment_parts.h"
#include "kd/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_STUDENTS = 20000 };
#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- students and sweeps ---- */

/* Takes over name and json. */
static int add_student(struct kd_experiment *x, char *name, cJSON *json, struct kd_err *err)
{
    struct kd_student *s = NULL;
    if (!name || !json)
        kd_fail_memory(err, "not enough memory for a list of students");
    else if (x->n_students >= MOST_STUDENTS)
        kd_fail_usage(err, "students: more than %d with their sweeps", MOST_STUDENTS);
    else
        s = kd_grow(&x->students, &x->n_students, &x->room, sizeof *s, "students", err);
    if (s) {
        *s = (struct kd_student){name, json};
        return 0;
    }
    kd_free(name);
    cJSON_Delete(json);
    return -1;
}

static int bad_name(const char *name, struct kd_err *err)
{
    return kd_fail_usage(
        err,
        "students.%.250s: a student's name is a folder's name (no \"/\", no "
        "leading dot or dash, no control character, under 200 bytes) and not \"teacher\"",
        name);
}

static int check_student(const char *name, const cJSON *json, struct kd_err *err)
{
    char where[300];
    snprintf(where, sizeof where, "students.%.250s", name);
    /* A member of a JSON object has a name. */
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    if (!kd_experiment_name_ok(name) || strcmp(name, "teacher") == 0) return bad_name(name, err);
    if (kd_experiment_keys(json, where, kd_student_keys, KD_STUDENT_KEYS, err) < 0) return -1;
    const cJSON *correct = cJSON_GetObjectItemCaseSensitive(json, "correct");
    if (!correct || cJSON_IsNull(correct)) return 0;
    if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(correct, "of")))
        return kd_fail_usage(
            err, "%s.correct: expected an object with \"of\", the student to correct", where);
    for (int i = 0; i < KD_TAKEN; i++)
        if (cJSON_HasObjectItem(json, kd_student_keys[i]))
            return kd_fail_usage(
                err,
                "%s: a student with \"correct\" has its %s from the one it corrects; leave it out",
                where, kd_student_keys[i]);
    return 0;
}

/* Value as it stands in a name: numbers and words as they are, lists and objects as JSON. */
static char *value_text(const cJSON *value, struct kd_err *err)
{
    return cJSON_IsString(value) ? kd_strdup(value->valuestring, err)
                                 : kd_json_text(value, false, err);
}

/* The points of a sweep are its keys' combinations, the last key turning fastest. A point is
 * checked like any student: its values may be no part of a folder's name, its keys may be mistyped.
 */
static int expand(struct kd_experiment *x, const char *name, const cJSON *student,
                  const cJSON *axis, struct kd_err *err)
{
    if (!axis) {
        cJSON *copy = cJSON_Duplicate(student, 1);
        if (copy && check_student(name, copy, err) < 0) {
            cJSON_Delete(copy);
            return -1;
        }
        return add_student(x, kd_strdup(name, err), copy, err);
    }
    if (!cJSON_IsArray(axis) || !axis->child)
        return kd_fail_usage(err, "students.%s.sweep.%s: expected a list of values", name,
                             axis->string);
    const cJSON *value;
    cJSON_ArrayForEach(value, axis)
    {
        const char *dot = strrchr(axis->string, '.');
        char *text = value_text(value, err);
        char *point =
            text ? kd_format(err, "%s,%s=%s", name, dot ? dot + 1 : axis->string, text) : NULL;
        cJSON *copy = cJSON_Duplicate(student, 1), *put = cJSON_Duplicate(value, 1);
        int status =
            point && copy && put ? 0 : kd_fail_memory(err, "not enough memory for a sweep");
        if (status == 0 && !kd_experiment_name_ok(point)) status = bad_name(point, err);
        if (status == 0)
            status = kd_json_set(copy, axis->string, put, err);
        else
            cJSON_Delete(put);
        if (status == 0) status = expand(x, point, copy, axis->next, err);
        kd_free(text);
        kd_free(point);
        cJSON_Delete(copy);
        if (status < 0) return -1;
    }
    return 0;
}

/* The student with what "defaults" says where it says nothing; a corrected one has all from the one
 * that it corrects. */
static cJSON *with_defaults(const struct kd_experiment *x, const cJSON *student, struct kd_err *err)
{
    const cJSON *defaults = cJSON_GetObjectItemCaseSensitive(x->json, "defaults");
    const cJSON *correct = cJSON_GetObjectItemCaseSensitive(student, "correct");
    const bool own = !defaults || (correct && !cJSON_IsNull(correct));
    cJSON *whole = own ? cJSON_CreateObject() : cJSON_Duplicate(defaults, 1);
    if (!whole)
        kd_fail_memory(err, "not enough memory for a student");
    else if (kd_json_merge(whole, student, err) == 0)
        return whole;
    cJSON_Delete(whole);
    return NULL;
}

static int read_student(struct kd_experiment *x, const cJSON *student, struct kd_err *err)
{
    const char *name = student->string;
    if (check_student(name, student, err) < 0) return -1;
    const cJSON *sweep = cJSON_GetObjectItemCaseSensitive(student, "sweep");
    if (sweep && !cJSON_IsObject(sweep))
        return kd_fail_usage(err, "students.%.250s.sweep: expected an object {\"key\": [values]}",
                             name);
    cJSON *whole = with_defaults(x, student, err);
    /* Every point is a copy of it: a list of n values in each would be n times n. */
    cJSON_DeleteItemFromObjectCaseSensitive(whole, "sweep");
    int status = whole ? expand(x, name, whole, sweep ? sweep->child : NULL, err) : -1;
    cJSON_Delete(whole);
    return status;
}

static int read_students(struct kd_experiment *x, struct kd_err *err)
{
    const cJSON *students = cJSON_GetObjectItemCaseSensitive(x->json, "students"), *student;
    if (students && !cJSON_IsObject(students))
        return kd_fail_usage(err, "students: expected an object {\"name\": {...}}");
    const cJSON *defaults = cJSON_GetObjectItemCaseSensitive(x->json, "defaults");
    if (defaults && kd_experiment_keys(defaults, "defaults", kd_student_keys, KD_TAKEN, err) < 0)
        return -1;
    cJSON_ArrayForEach(student, students)
    {
        if (cJSON_IsNull(student)) continue; /* of an experiment that this one extends */
        if (read_student(x, student, err) < 0) return -1;
    }
    return 0;
}

/* ---- finding by name ---- */

static int compare_names(const void *a, const void *b)
{
    const struct kd_student *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);
    return order ? order : (*x > *y) - (*x < *y);
}

/* x->by_name; again after the students have moved. */
static int index_names(struct kd_experiment *x, struct kd_err *err)
{
    kd_free(x->by_name);
    x->by_name = kd_alloc(x->n_students, sizeof *x->by_name, "a list of names", err);
    if (!x->by_name) return -1;
    for (size_t i = 0; i < x->n_students; i++) x->by_name[i] = &x->students[i];
    qsort(x->by_name, x->n_students, sizeof *x->by_name, compare_names);
    for (size_t i = 1; i < x->n_students; i++)
        if (strcmp(x->by_name[i - 1]->name, x->by_name[i]->name) == 0)
            return kd_fail_usage(err, "students: two of them are named \"%s\"",
                                 x->by_name[i]->name);
    return 0;
}

static int compare_to_name(const void *name, const void *student)
{
    const struct kd_student *const *s = student;
    return strcmp(name, (*s)->name);
}

const struct kd_student *kd_experiment_find(const struct kd_experiment *x, const char *name)
{
    struct kd_student *const *found = x->n_students ? bsearch(name, x->by_name, x->n_students,
                                                              sizeof *x->by_name, compare_to_name)
                                                    : NULL;
    return found ? *found : NULL;
}

const struct kd_student *kd_experiment_student(const struct kd_experiment *x, const char *name,
                                               struct kd_err *err)
{
    const struct kd_student *found = kd_experiment_find(x, name);
    if (found) return found;
    const char **known = kd_alloc(x->n_students, sizeof *known, "a list of names", err);
    if (!known) return NULL;
    for (size_t i = 0; i < x->n_students; i++) known[i] = x->students[i].name;
    const char *near = kd_nearest(name, known, (unsigned)x->n_students);
    kd_fail_usage(err, "%s has no student \"%s\"; %s%s%s", x->name, name,
                  near ? "did you mean \"" : "--list prints them", near ? near : "",
                  near ? "\"?" : "");
    kd_free(known);
    return NULL;
}

bool kd_experiment_knows(const struct kd_experiment *x, const char *name)
{
    if (strcmp(name, "teacher") == 0) return cJSON_HasObjectItem(x->json, "teacher");
    return kd_experiment_find(x, name) != NULL;
}

/* ---- dependencies ---- */

struct order { /* of n students: parents before children, otherwise as in the file */
    const struct kd_experiment *x;
    size_t *waits; /* [n] parents that are not in order yet */
    size_t *first; /* [n] of a parent's edges, or NONE */
    struct edge {
        size_t child, next;
    } * edges;
    size_t n_edges, room;
    size_t *heap, n_heap; /* students that wait for nobody, the first of the file on top */
};
static const size_t NONE = (size_t)-1;

static int add_edge(struct order *o, size_t parent, size_t child, struct kd_err *err)
{
    struct edge *e =
        kd_grow(&o->edges, &o->n_edges, &o->room, sizeof *e, "the order of students", err);
    if (!e) return -1;
    *e = (struct edge){child, o->first[parent]};
    o->first[parent] = o->n_edges - 1;
    o->waits[child]++;
    return 0;
}

/* An edge from each student that `from` names: a name, {"from": name}, or a list of these. */
static int add_parents(struct order *o, size_t child, const cJSON *from, struct kd_err *err)
{
    const cJSON *item;
    if (cJSON_IsObject(from)) from = cJSON_GetObjectItemCaseSensitive(from, "from");
    if (cJSON_IsString(from)) {
        const struct kd_student *parent = kd_experiment_find(o->x, from->valuestring);
        return parent ? add_edge(o, (size_t)(parent - o->x->students), child, err) : 0;
    }
    cJSON_ArrayForEach(item, from) if (add_parents(o, child, item, err) < 0) return -1;
    return 0;
}

static void push(struct order *o, size_t v)
{
    size_t i = o->n_heap++;
    for (; i && o->heap[(i - 1) / 2] > v; i = (i - 1) / 2) o->heap[i] = o->heap[(i - 1) / 2];
    o->heap[i] = v;
}

static size_t pop(struct order *o)
{
    size_t top = o->heap[0], v = o->heap[--o->n_heap], i = 0;
    for (size_t c; (c = 2 * i + 1) < o->n_heap; i = c) {
        if (c + 1 < o->n_heap && o->heap[c + 1] < o->heap[c]) c++;
        if (o->heap[c] >= v) break;
        o->heap[i] = o->heap[c];
    }
    o->heap[i] = v;
    return top;
}

static int circle(const struct order *o, struct kd_err *err)
{
    size_t i = 0;
    while (!o->waits[i]) i++;
    const struct kd_student *s = &o->x->students[i];
    return kd_fail_usage(
        err,
        cJSON_HasObjectItem(s->json, "correct")
            ? "students.%s.correct.of: these students correct each other in a circle"
            : "students.%s.distill.from: these students teach each other in a circle",
        s->name);
}

/* sorted[] in the order of o; the first of those that wait for nobody comes next. */
static int put_in_order(struct order *o, struct kd_student *sorted, struct kd_err *err)
{
    const struct kd_student *students = o->x->students;
    size_t n = o->x->n_students, done = 0;
    for (size_t i = 0; i < n; i++) {
        o->first[i] = NONE;
        o->waits[i] = 0;
    }
    for (size_t i = 0; i < n; i++)
        if (add_parents(o, i, kd_json_get(students[i].json, "distill.from"), err) < 0 ||
            add_parents(o, i, kd_json_get(students[i].json, "train.init"), err) < 0 ||
            add_parents(o, i, kd_json_get(students[i].json, "correct.of"), err) < 0)
            return -1;
    for (size_t i = 0; i < n; i++)
        if (!o->waits[i]) push(o, i);
    for (; o->n_heap; done++) {
        size_t i = pop(o);
        sorted[done] = students[i];
        for (size_t e = o->first[i]; e != NONE; e = o->edges[e].next)
            if (--o->waits[o->edges[e].child] == 0) push(o, o->edges[e].child);
    }
    return done == n ? 0 : circle(o, err);
}

static int sort_students(struct kd_experiment *x, struct kd_err *err)
{
    size_t n = x->n_students;
    struct order o = {.x = x};
    struct kd_student *sorted = kd_alloc(n, sizeof *sorted, "a list of students", err);
    size_t *numbers = kd_alloc(3 * n, sizeof *numbers, "a list of students", err);
    int status = sorted && numbers ? index_names(x, err) : -1;
    if (status == 0) {
        o.waits = numbers;
        o.first = numbers + n;
        o.heap = numbers + 2 * n;
        status = put_in_order(&o, sorted, err);
    }
    if (status == 0 && n) {
        memcpy(x->students, sorted, n * sizeof *sorted);
        status = index_names(x, err);
    }
    kd_free(o.edges);
    kd_free(numbers);
    kd_free(sorted);
    return status;
}

/* What a corrected student has of the one it corrects. */
static int take_from(const struct kd_experiment *x, struct kd_student *s, const char *of,
                     struct kd_err *err)
{
    const struct kd_student *from = kd_experiment_student(x, of, err);
    char where[300];
    snprintf(where, sizeof where, "students.%.250s.correct.of", s->name);
    if (!from) return kd_err_context(err, "%s", where);
    if (cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(from->json, "correct")))
        return kd_fail_usage(err, "%s: \"%s\" is a corrected student itself", where, of);
    for (int i = 0; i < KD_TAKEN; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(from->json, kd_student_keys[i]);
        cJSON *copy = value ? cJSON_Duplicate(value, 1) : NULL;
        if (value && kd_json_attach(s->json, kd_student_keys[i], copy, err) < 0) return -1;
    }
    return 0;
}

static int correct_students(struct kd_experiment *x, struct kd_err *err)
{
    for (size_t i = 0; i < x->n_students; i++) {
        struct kd_student *s = &x->students[i];
        const cJSON *of = kd_json_get(s->json, "correct.of");
        if (of && take_from(x, s, of->valuestring, err) < 0) return -1;
    }
    return 0;
}

int kd_experiment_students(struct kd_experiment *x, struct kd_err *err)
{
    return read_students(x, err) < 0 || sort_students(x, err) < 0 ? -1 : correct_students(x, err);
}
