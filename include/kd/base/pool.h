/* Persistent worker threads that share out the parts of some work.
 *
 * Work is cut into `parts` by its size alone, never by the number of threads, so that results do
 * not depend on it. Part p runs on thread p mod threads; the caller is thread 0. kd_pool_run
 * returns when all parts are done. Workers spin briefly for the next work and then sleep.
 */
#ifndef KD_BASE_POOL_H
#define KD_BASE_POOL_H
#include "kd/base/err.h"

struct kd_pool;
/* threads 0: kd_cpus_usable() of them. 1 makes no thread at all. */
struct kd_pool *kd_pool_new(unsigned threads, struct kd_err *err);
void kd_pool_free(struct kd_pool *pool);              /* NULL allowed */
unsigned kd_pool_threads(const struct kd_pool *pool); /* of NULL: 1 */
/* fn(arg, part) for part 0..parts-1. pool may be NULL (all on the caller). Not reentrant. */
void kd_pool_run(struct kd_pool *pool, unsigned parts, void (*fn)(void *arg, unsigned part),
                 void *arg);
/* The same for parts of some microseconds in all, less than a thread takes to wake: shared out if
 * the workers are awake, else done by the caller, who wakes them when many such calls have come in
 * a row. */
void kd_pool_run_brief(struct kd_pool *pool, unsigned parts, void (*fn)(void *arg, unsigned part),
                       void *arg);
#endif
