/* Errors are values.
 *
 * A function that can fail takes a `struct kd_err *` last and returns 0, or -1 with the struct
 * filled (functions that return a pointer return NULL). The library never prints and never exits.
 *
 *     struct kd_err err = {0};
 *     if (kd_model_read("m.safetensors", &model, &err) < 0)
 *         fprintf(stderr, "kd-eval: %s\n", err.text);
 *
 * The text is one line: it names the file, the key or byte offset, and the remedy. Text that
 * comes from outside is made printable on the way in, so a hostile file cannot break the line.
 */
#ifndef KD_BASE_ERR_H
#define KD_BASE_ERR_H

#if defined(__GNUC__)
#define KD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define KD_PRINTF(fmt, args)
#endif

enum kd_err_kind {
    KD_ERR_FAILURE = 1, /* exit status 1: the work could not be done */
    KD_ERR_USAGE = 2    /* exit status 2: the command or configuration asks for the impossible */
};

struct kd_err {
    enum kd_err_kind kind;
    char text[1024];
};

/* Fill err and return -1, so that a caller can `return kd_fail(err, ...)`. */
int kd_fail(struct kd_err *err, const char *format, ...) KD_PRINTF(2, 3);
int kd_fail_usage(struct kd_err *err, const char *format, ...) KD_PRINTF(2, 3);
/* The same with ": " and the text of errno behind it. */
int kd_fail_errno(struct kd_err *err, const char *format, ...) KD_PRINTF(2, 3);
/* The same for memory that was refused. */
int kd_fail_memory(struct kd_err *err, const char *format, ...) KD_PRINTF(2, 3);
/* The first failure of the machine itself (no memory, no descriptors, an input or output error) in
 * this process, also where it was passed over; NULL where there was none. For a program that leaves
 * out what it cannot read: it then cannot tell what is missing from what could not be had. */
const char *kd_err_machine(void);
/* Put "context: " before the text that err already has; returns -1. */
int kd_err_context(struct kd_err *err, const char *format, ...) KD_PRINTF(2, 3);

/* The nearest of `n` names to a mistyped one (the only one that begins so, or else by edit distance
 * with transpositions), or NULL where none is near enough to be meant. The result points into
 * names. */
const char *kd_nearest(const char *typed, const char *const *names, unsigned n);

/* Text from outside that goes to a terminal, in place: control characters, U+0080 to 9F among them,
 * and those that turn the direction of writing become ?, line ends and tabs spaces. */
void kd_text_tame(char *text);

#endif
