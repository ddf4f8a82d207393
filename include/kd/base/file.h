/* Files and pipes: read whole up to a limit, written atomically, every write and close checked.
 *
 * "-" is standard input or output. A file is written to a temporary name in its own folder, synced
 * and renamed, so that a reader sees the old file or the new one and nothing else; a failure at any
 * point removes the temporary and leaves the old file as it was.
 */
#ifndef KD_BASE_FILE_H
#define KD_BASE_FILE_H
#include "kd/base/err.h"
#include "kd/base/mem.h"
#include <stdbool.h>
#include <stddef.h>

/* Bytes that a single input may have, packed and unpacked, where nothing else is said: 16 GiB,
 * until a program says otherwise at its start (--read-limit). The remedy is for the end of a
 * refusal: the option's name where this limit was met, else "". */
size_t kd_read_limit(void);
void kd_read_limit_set(size_t bytes);
const char *kd_read_limit_remedy(size_t limit);

/* Whole file (or standard input for "-", once per process) into out (owned by the caller). */
int kd_file_read(const char *path, size_t limit, struct kd_bytes *out, struct kd_err *err);
/* The same of a kind of file that is known by its start: where a pipe's first bytes (up to
 * KD_FILE_START) cannot be of that kind, no more of it is read, and out has what there was. */
enum { KD_FILE_START = 16 };
int kd_file_read_kind(const char *path, size_t limit, bool (*may_be)(const void *start, size_t n),
                      struct kd_bytes *out, struct kd_err *err);

/* The first `size` bytes of a file, or as many as it has. */
int kd_file_start(const char *path, void *out, size_t size, size_t *got, struct kd_err *err);

/* First of all in a program: descriptors 0, 1 and 2, where they are closed, are taken, so that no
 * file gets them and finds in it what was printed. Reading and printing through them fails. */
void kd_descriptors_reserve(void);

/* The flag that a program's signal handler sets. Once it is set, waiting for a pipe (for data, for
 * a reader, for the other end of a named one) ends with an error, as does the writing of a folder's
 * files. One program, one flag. */
void kd_stop_watch(const volatile int *flag);
bool kd_stop_asked(void);

struct kd_outfile {
    int fd;
    char *path, *temporary;
};
/* Creates the folders above path. With "-" writes go to standard output as they come. Anything that
 * exists and is no regular file (/dev/full, a named pipe) is written in place. */
int kd_outfile_open(struct kd_outfile *f, const char *path, struct kd_err *err);
int kd_outfile_write(struct kd_outfile *f, const void *data, size_t size, struct kd_err *err);
/* Sync, close, rename. On failure the temporary is gone and path as before. */
int kd_outfile_commit(struct kd_outfile *f, struct kd_err *err);
void kd_outfile_discard(struct kd_outfile *f); /* harmless after commit */
/* Before long work: can a file be made there? An error where a folder has the name, what is there
 * may not be replaced, a name is too long, or the folder above (the nearest that is there) is none
 * or takes no files; else 0. Nothing is made. */
int kd_outfile_check(const char *path, struct kd_err *err);
int kd_folder_check(const char *path, struct kd_err *err); /* the last of these alone */
/* From now on files are written nowhere: they go to /dev/null, and standard output stays. For a
 * process of several that do the same, of which one writes. */
void kd_outfiles_mute(void);
/* The three in one. */
int kd_file_write(const char *path, const void *data, size_t size, struct kd_err *err);

/* A folder that appears as a whole: it is made beside its final name, filled with
 * kd_file_write_part (plain writes, checked to the close), and put in place, which syncs and
 * renames it. Where it cannot be put in place it is removed with all in it. */
char *kd_folder_begin(const char *beside,
                      struct kd_err *err); /* its temporary name; caller frees */
int kd_file_write_part(const char *path, const void *data, size_t size, struct kd_err *err);
int kd_folder_commit(const char *temporary, const char *path, struct kd_err *err);
void kd_folder_discard(const char *temporary);

/* Async-signal-safe: unlinks the temporaries of the files now open for writing; for a handler that
 * is about to end the process. */
void kd_outfile_abandon_all(void);
/* Removes the temporaries, files and folders, that killed processes left in a folder ("": this
 * one) and in the folders below it, `depth` levels down: what has a name that kd gives them and is
 * locked by nobody, since whoever writes a temporary holds a lock on it. */
void kd_leftovers_remove(const char *folder, unsigned depth);

int kd_folders_make(const char *path, struct kd_err *err);                    /* like mkdir -p */
char *kd_path_join(struct kd_err *err, const char *folder, const char *name); /* caller frees */
bool kd_path_exists(const char *path);
bool kd_path_is_file(const char *path); /* a regular one, and not "-" */
/* What is there under a similar name, each part of the path taken by itself ("run/digit" for
 * "runs/digits"); NULL where nothing is. Caller frees. */
char *kd_path_near(const char *typed);
/* "PATH: WHAT; did you mean NEAR?"; returns -1. */
int kd_fail_missing(struct kd_err *err, const char *path, const char *what);
/* Where a relative path is that stands in the file `from`: here, in the folder of `from`, or in one
 * of the `up` folders above that. The path as it is where it is absolute, "-", or in none of them;
 * `from` may be NULL. Caller frees. */
char *kd_path_find(const char *path, const char *from, unsigned up, struct kd_err *err);
/* The folder that the running program lies in, absolute; argv0 is how it was called. "" where
 * neither the system nor that tells. Caller frees. */
char *kd_program_folder(const char *argv0, struct kd_err *err);

#endif
