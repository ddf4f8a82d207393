/* One round of work at a time. The caller publishes it by raising `round` (release); workers take
 * their parts, and each lowers `busy` when done. Waiting is first by spinning, since the next round
 * of a training step is microseconds away, then asleep on a condition, since nothing may come for
 * seconds; the caller too, as a worker may have lost its processor to another program. */
#include "kd/base/pool.h"
#include "kd/base/machine.h"
#include "kd/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ volatile("yield")
#else
#define RELAX() ((void)0)
#endif

enum { SPINS = 4000, MOST_THREADS = 256 };

struct worker {
    struct kd_pool *pool;
    pthread_t thread;
    unsigned number;
};

struct kd_pool {
    unsigned threads, parts;
    void (*fn)(void *arg, unsigned part);
    void *arg;
    atomic_uint round, busy, asleep;
    atomic_bool caller_asleep;
    bool stop;
    int64_t brief;   /* when kd_pool_run_brief last found workers asleep */
    unsigned streak; /* and how often in a row */
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    struct worker worker[MOST_THREADS];
};

static unsigned wait_for_round(struct kd_pool *pool, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->round, memory_order_acquire) != seen) break;
        RELAX();
    }
    if (atomic_load_explicit(&pool->round, memory_order_acquire) == seen) {
        pthread_mutex_lock(&pool->mutex);
        atomic_fetch_add(&pool->asleep, 1);
        while (atomic_load(&pool->round) == seen) pthread_cond_wait(&pool->wake, &pool->mutex);
        atomic_fetch_sub(&pool->asleep, 1);
        pthread_mutex_unlock(&pool->mutex);
    }
    return atomic_load_explicit(&pool->round, memory_order_acquire);
}

static void do_parts(const struct kd_pool *pool, unsigned thread)
{
    for (unsigned part = thread; part < pool->parts; part += pool->threads)
        pool->fn(pool->arg, part);
}

/* Sequentially consistent with wait_for_workers: either the caller sees busy 0 or this thread sees
 * it asleep. */
static void tell_done(struct kd_pool *pool)
{
    if (atomic_fetch_sub(&pool->busy, 1) != 1 || !atomic_load(&pool->caller_asleep)) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_workers(struct kd_pool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (!atomic_load_explicit(&pool->busy, memory_order_acquire)) return;
        RELAX();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_asleep, true);
    while (atomic_load(&pool->busy)) pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->caller_asleep, false);
    pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *arg)
{
    struct worker *me = arg;
    struct kd_pool *pool = me->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_round(pool, seen);
        if (pool->stop) return NULL;
        do_parts(pool, me->number);
        tell_done(pool);
    }
}

static void publish(struct kd_pool *pool)
{
    atomic_store(&pool->busy, pool->threads - 1);
    atomic_fetch_add(&pool->round, 1); /* sequentially consistent with the worker's `asleep` */
    if (atomic_load(&pool->asleep)) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->mutex);
    }
}

void kd_pool_run(struct kd_pool *pool, unsigned parts, void (*fn)(void *arg, unsigned part),
                 void *arg)
{
    if (!pool || pool->threads == 1 || parts <= 1) {
        for (unsigned part = 0; part < parts; part++) fn(arg, part);
        return;
    }
    pool->parts = parts;
    pool->fn = fn;
    pool->arg = arg;
    publish(pool);
    do_parts(pool, 0);
    wait_for_workers(pool);
}

static void nothing(void *arg, unsigned part)
{
    (void)arg;
    (void)part;
}

static const int64_t soon = 200000; /* nanoseconds; about as long as workers stay awake */
enum { STREAK = 16 }; /* so many in a row are worth waking them: not the layers of one image */

static int64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void kd_pool_run_brief(struct kd_pool *pool, unsigned parts, void (*fn)(void *arg, unsigned part),
                       void *arg)
{
    if (!pool || pool->threads == 1 || parts <= 1 || !atomic_load(&pool->asleep)) {
        kd_pool_run(pool, parts, fn, arg);
        return;
    }
    int64_t now = nanoseconds();
    pool->streak = now - pool->brief < soon ? pool->streak + 1 : 0;
    pool->brief = now;
    if (pool->streak >= STREAK) {
        pool->streak = 0;
        kd_pool_run(pool, pool->threads, nothing, NULL);
    }
    for (unsigned part = 0; part < parts; part++) fn(arg, part);
}

struct kd_pool *kd_pool_new(unsigned threads, struct kd_err *err)
{
    if (!threads) threads = kd_cpus_usable();
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    struct kd_pool *pool = kd_alloc(1, sizeof *pool, "worker threads", err);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->threads = 1;
    for (unsigned i = 1; i < threads; i++) {
        pool->worker[i] = (struct worker){.pool = pool, .number = i};
        if (pthread_create(&pool->worker[i].thread, NULL, work, &pool->worker[i]) != 0) {
            kd_fail(err, "thread %u of %u could not be started; try --threads %u", i + 1, threads,
                    i);
            kd_pool_free(pool);
            return NULL;
        }
        pool->threads = i + 1;
    }
    return pool;
}

void kd_pool_free(struct kd_pool *pool)
{
    if (!pool) return;
    pool->stop = true;
    publish(pool);
    for (unsigned i = 1; i < pool->threads; i++) pthread_join(pool->worker[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->mutex);
    kd_free(pool);
}

unsigned kd_pool_threads(const struct kd_pool *pool)
{
    return pool ? pool->threads : 1;
}
