/* Files that go with the process: those being written, and locks. Within lib/base alone. */
#ifndef KD_LIB_BASE_TEMPORARY_H
#define KD_LIB_BASE_TEMPORARY_H
#include "kd/base/err.h"

#include <stdbool.h>

/* How many there may be at once. */
#define KD_TEMPORARIES 64
/* Takes `name` over (kd_free'd by forget); -1 where there are too many. A handler that ends the
 * process unlinks what is registered. */
int kd_temporary_register(char *name);
void kd_temporary_forget(char *name);
/* A name in `folder` ("" or with its last slash) that no other process and no other moment gives.
 */
char *kd_temporary_name(const char *folder, struct kd_err *err);
/* Marks the open temporary as being written, as long as this process lives. 0, or -1 where somebody
 * else has it or there are no locks. */
int kd_temporary_lock(int fd);
/* Is what was opened still under its name? */
bool kd_temporary_is_there(int fd, const char *path);
/* The lock of a temporary just made; false where another process, which saw it unlocked, took it
 * for a leaving: make another. */
bool kd_temporary_claim(int fd, const char *path);
/* What was just made or renamed as `path` keeps its name when power is lost. Best effort: failing
 * now could not bring back what was there before. */
void kd_entry_sync(const char *path);
/* Before a file is made in a folder: what killed processes left there goes. */
void kd_leftovers_sweep(const char *folder);
#endif
