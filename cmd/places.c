#include "places.h"
#include "kd/base/file.h"
#include "kd/base/lock.h"
#include "kd/base/mem.h"
#include "kd/base/text.h"

#include <string.h>
#include <unistd.h>

/* A process that was killed when all was done has left its lock. */
static void take_lock_away(const char *path)
{
    struct kd_lock lock;
    struct kd_err ignored;
    if (path && kd_path_exists(path) && kd_lock_take(&lock, path, &ignored) == 0)
        kd_lock_release(&lock);
}

int place_spare(struct kd_invocation *inv, const struct place_wishes *how, struct kd_training *t,
                struct kd_err *err)
{
    int current = kd_training_is_current(t, err);
    if (current == 1) take_lock_away(t->at.lock);
    if (current < 0 || how->update) return current;
    if (how->overwrite) return 0;
    const bool goes_on = how->resume && (current || t->why[0]) && t->at.checkpoint;
    int interrupted = goes_on ? kd_training_is_interrupted(t, err) : 0;
    if (interrupted) return interrupted < 0 ? -1 : 0;
    if (current && how->resume) {
        kd_say(inv, "%s: its training has ended; --overwrite trains anew", t->at.model);
        return 1;
    }
    if (!t->why[0]) return 0;
    return kd_fail(err,
                   "%s: is there and was made otherwise: %s; --resume goes on with a training that "
                   "was stopped, --update or --overwrite replaces it, another -o keeps both",
                   t->at.model, t->why);
}

int place_find_quick(const char *folder, bool resume, struct kd_training *t, char **place,
                     struct kd_err *err)
{
    const char *below = t->output + strlen(folder); /* "" or "/teacher/s1" */
    char *at = kd_strdup(t->output, err);
    for (unsigned n = 2; at; n++) {
        t->output = at;
        int mine = kd_training_is_current(t, err);
        if (mine == 0 && resume && (mine = kd_training_is_interrupted(t, err)) == 0)
            mine = !t->why[0] && t->at.checkpoint && !kd_path_exists(t->at.checkpoint);
        else if (mine == 0)
            mine = !t->why[0];
        if (mine) {
            *place = at;
            return mine < 0 ? -1 : 0;
        }
        kd_free(at);
        at = kd_format(err, "%s-%u%s", folder, n, below);
    }
    return -1;
}

int place_name_latest(const struct kd_experiment *x, const char *place, struct kd_err *err)
{
    const size_t head = strlen(x->folder) - strlen(x->name);
    const char *run = place + head;
    char *link_to = kd_format(err, "%.*s", (int)strcspn(run, "/"), run);
    char *path = link_to ? kd_format(err, "%.*s%s", (int)head, place, KD_RUN_LATEST) : NULL;
    char *made = path ? kd_format(err, "%s.%ld", path, (long)getpid()) : NULL;
    if (made && symlink(link_to, made) == 0 && rename(made, path) < 0) unlink(made);
    int status = made ? 0 : -1;
    kd_free(link_to);
    kd_free(path);
    kd_free(made);
    return status;
}
