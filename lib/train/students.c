/* The students of an experiment: read, sweeps expanded, parents before children. */
#include "experiment_parts.h"
#include "kd/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_STUDENTS = 20000 };
const char *const kd_student_keys[KD_STUDENT_KEYS] = {"network", "train", "data",
                                                      "distill", "sweep", "correct"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Unknown keys of an object whose members are read one by one. */
int kd_experiment_keys(const cJSON *object, const char *where, const char *const *keys, size_t n,
                       struct kd_err *err)
{
    if (!cJSON_IsObject(object)) return kd_fail_usage(err, "%s: expected an object {...}", where);
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        size_t i = 0;
        while (i < n && strcmp(keys[i], item->string) != 0) i++;
        if (i < n) continue;
        const char *near = kd_nearest(item->string, keys, (unsigned)n);
        return kd_fail_usage(err, "%s%sunknown key \"%s\"%s%s%s", where, *where ? ": " : "",
                             item->string, near ? "; did you mean \"" : "", near ? near : "",
                             near ? "\"?" : "");
    }
    return 0;
}

/* ---- students and sweeps ---- */

static int add_student(struct kd_experiment *x, char *name, cJSON *json, struct kd_err *err)
{
    if (!name || !json || x->n_students >= MOST_STUDENTS) {
        kd_free(name);
        cJSON_Delete(json);
        return x->n_students >= MOST_STUDENTS
                   ? kd_fail_usage(err, "students: more than %d with their sweeps", MOST_STUDENTS)
                   : kd_fail_memory(err, "not enough memory for a list of students");
    }
    for (size_t i = 0; i < x->n_students; i++)
        if (strcmp(x->students[i].name, name) == 0) {
            kd_fail_usage(err, "students: two of them are named \"%s\"", name);
            kd_free(name);
            cJSON_Delete(json);
            return -1;
        }
    struct kd_student *students = realloc(x->students, (x->n_students + 1) * sizeof *students);
    if (!students) {
        kd_free(name);
        cJSON_Delete(json);
        return kd_fail_memory(err, "not enough memory for a list of students");
    }
    x->students = students;
    x->students[x->n_students++] = (struct kd_student){name, json};
    return 0;
}

/* Lists have a name a line, and runs a folder a name. */
bool kd_experiment_name_ok(const char *name)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) return false;
    return *name && name[0] != '.' && !strchr(name, '/') && strlen(name) < 200;
}

static int check_student(const char *name, const cJSON *json, struct kd_err *err)
{
    char where[300];
    snprintf(where, sizeof where, "students.%.250s", name);
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a member of a JSON object has a name
     */
    if (!kd_experiment_name_ok(name) || strcmp(name, "teacher") == 0)
        return kd_fail_usage(err,
                             "%s: a student's name is a folder's name (no \"/\", no leading dot, "
                             "no control character, under 200 bytes) and not \"teacher\"",
                             where);
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
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "sweep");
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

static int read_students(struct kd_experiment *x, struct kd_err *err)
{
    const cJSON *students = cJSON_GetObjectItemCaseSensitive(x->json, "students"), *student;
    if (students && !cJSON_IsObject(students))
        return kd_fail_usage(err, "students: expected an object {\"name\": {...}}");
    cJSON_ArrayForEach(student, students)
    {
        if (check_student(student->string, student, err) < 0) return -1;
        const cJSON *sweep = cJSON_GetObjectItemCaseSensitive(student, "sweep");
        if (sweep && !cJSON_IsObject(sweep))
            return kd_fail_usage(err,
                                 "students.%.250s.sweep: expected an object {\"key\": [values]}",
                                 student->string);
        if (expand(x, student->string, student, sweep ? sweep->child : NULL, err) < 0) return -1;
    }
    return 0;
}

/* ---- dependencies ---- */

static bool names(const cJSON *from, const char *name)
{
    if (cJSON_IsString(from)) return strcmp(from->valuestring, name) == 0;
    if (cJSON_IsObject(from)) return names(cJSON_GetObjectItemCaseSensitive(from, "from"), name);
    const cJSON *item;
    cJSON_ArrayForEach(item, from) if (names(item, name)) return true;
    return false;
}

static bool depends(const struct kd_student *a, const struct kd_student *b)
{
    return names(kd_json_get(a->json, "distill.from"), b->name) ||
           names(kd_json_get(a->json, "correct.of"), b->name);
}

/* Parents before children, otherwise in the order of the file. */
static int sort_students(struct kd_experiment *x, struct kd_err *err)
{
    for (size_t done = 0; done < x->n_students; done++) {
        size_t pick = done;
        for (; pick < x->n_students; pick++) {
            size_t j = done;
            while (j < x->n_students &&
                   (j == pick || !depends(&x->students[pick], &x->students[j])))
                j++;
            if (j == x->n_students && !depends(&x->students[pick], &x->students[pick])) break;
        }
        if (pick == x->n_students)
            return kd_fail_usage(
                err,
                cJSON_HasObjectItem(x->students[done].json, "correct")
                    ? "students.%s.correct.of: these students correct each other in a circle"
                    : "students.%s.distill.from: these students teach each other in a circle",
                x->students[done].name);
        struct kd_student s = x->students[pick];
        memmove(&x->students[done + 1], &x->students[done], (pick - done) * sizeof s);
        x->students[done] = s;
    }
    return 0;
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
