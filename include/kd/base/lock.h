/* One process at a time: a lock file that holds as long as its process lives, whatever ends it.
 *
 *     struct kd_lock lock;
 *     if (kd_lock_take(&lock, "runs/mnist/teacher/s1/.kd-lock", err) < 0) return -1;
 *     ...
 *     kd_lock_release(&lock);
 *
 * The lock is the kernel's (fcntl), the file only its place: one that a killed process left stands
 * in nobody's way. Where the file system knows no locks, none is held. It is between processes, not
 * between threads of one. */
#ifndef KD_BASE_LOCK_H
#define KD_BASE_LOCK_H
#include "kd/base/err.h"
#include <stdbool.h>

struct kd_lock {
    int fd;     /* -1: none is held */
    bool busy;  /* it was refused because another process has it */
    char *path; /* owned by the list of temporaries */
};
/* Creates the folders above path. Where another process has it, -1 and a text that tells its id. */
int kd_lock_take(struct kd_lock *lock, const char *path, struct kd_err *err);
/* The same, but waits so many seconds for another process to be done; *stop not 0 ends the wait. */
int kd_lock_wait(struct kd_lock *lock, const char *path, double seconds, const volatile int *stop,
                 struct kd_err *err);
/* Before each write: is the lock file still in its place? Where its folder was moved or removed,
 * the lock is taken anew there; -1 where another process has that place by now. */
int kd_lock_keep(struct kd_lock *lock, struct kd_err *err);
void kd_lock_release(struct kd_lock *lock); /* removes the file; harmless where none is held */
#endif
