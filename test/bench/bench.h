/* What the parts of the benchmark share: workloads, opened and run epoch by epoch; the machine's
 * own peak; memory. */
#ifndef KD_TEST_BENCH_H
#define KD_TEST_BENCH_H
#include "kd/train/trainer.h"

enum teaching {
    LABELS,
    STORED,
    AT_HAND
}; /* at hand: by a network 784-1200-1200-10, asked batch by batch */

struct workload {
    const char *name, *what, *network; /* network as JSON */
    struct kd_shape shape;
    int64_t batch;
    uint32_t images;
    int optimizer; /* enum kd_optimizer_kind */
    enum teaching teaching;
    bool inference;
    int64_t shards; /* 0: one */
};
extern const struct workload bench_workloads[];
extern const size_t bench_workloads_n;
const struct workload *bench_workload_find(const char *name); /* NULL: there is none */
/* Smaller in all that is not the network: to see that it works, not to measure. */
struct workload bench_workload_quick(const struct workload *w);
extern const char bench_w1_network[];

/* A workload that is ready to run. */
struct work {
    struct workload w;
    struct kd_pool *pool;
    struct kd_network *net;
    struct kd_images images;
    struct kd_subset all, none;
    struct kd_normalize normalize;
    struct kd_job job;
    struct kd_targets targets;
    struct kd_trainer trainer;
    float *logits;  /* of inference, [images][classes] */
    size_t planned; /* bytes that kd says it needs */
};
/* What it runs on. */
struct bench_place {
    struct kd_pool *pool;
    struct kd_team *team; /* NULL: a process by itself */
};
int bench_work_open(struct work *k, const struct workload *w, const struct bench_place *place,
                    struct kd_err *err);
/* One epoch by the function that the programs run, on shuffled, gathered images; inference: all
 * images once, as kd-eval and kd-soften do it. */
int bench_work_epoch(struct work *k, double *seconds, struct kd_err *err);
void bench_work_close(struct work *k);
/* Operations an image: twice the multiply-adds of dense layers and of direct convolution; in
 * training three times, but for the first layer, whose input gradient nobody needs. */
double bench_work_flops(const struct work *k);

/* Random bytes and labels; released by kd_images_release. */
int bench_images_make(struct kd_images *im, struct kd_shape shape, uint32_t n, struct kd_err *err);

/* GFLOP/s of BLAS with a product of 1024 x 1024 on each thread: the best of ten, as others only
 * ever slow it. */
int bench_machine_peak(struct kd_pool *pool, bool quick, double *gflops, struct kd_err *err);
struct bench_memory {
    double now, peak; /* MB resident */
};
struct bench_memory bench_memory_read(void);
/* Lets each thread's BLAS touch the buffer that it packs into, so that what follows is the
 * workload's own memory. */
int bench_memory_settle(struct kd_pool *pool, struct kd_err *err);

/* A team of the ranks that mpirun started, or of one; `bin` is where kd's programs are. */
int bench_team_open(struct kd_team *team, const char *bin, struct kd_err *err);
/* All get the number that rank 0 has. */
int bench_team_agree(struct kd_team *team, double *number, struct kd_err *err);
/* One line of JSON of what passes between two ranks: seconds of a meeting as in a step, of trades
 * of 64 bytes to 16 MB both ways at once, of each parcel more; bytes a second that a rank copies.
 */
int bench_link(struct kd_team *team, struct kd_err *err);

struct bench_sample { /* rates, times: whatever was measured again and again */
    double v[64];
    size_t n;
};
struct bench_spread {
    double low, median, high;
};
void bench_sample_add(struct bench_sample *s, double v); /* when it is full the last is replaced */
struct bench_spread bench_sample_spread(struct bench_sample *s);

/* How time grows with width, depth, batch, images, threads: JSON lines to `lines` (may be NULL), a
 * chart beside chart: CHART.svg, and CHART.png with Cairo (NULL: none). */
int bench_growth(FILE *lines, const char *chart, bool quick, struct kd_err *err);
/* What soft targets cost a student: one line of JSON. */
int bench_soft(struct kd_pool *pool, double seconds, bool quick, FILE *to, struct kd_err *err);

enum { BENCH_IMAGES = 60000, BENCH_QUICK_IMAGES = 600 }; /* of C1 */
struct bench_whole { /* one run of a whole process: seconds, MB resident at its peak, the epoch's
                        own images a second */
    double seconds, peak, epoch_rate;
};
/* C1: kd-train-teacher from BIN on the IDX files in FOLDER, which are written where there are none.
 */
int bench_whole_prepare(const char *folder, bool quick, struct kd_err *err);
int bench_whole_run(const char *bin, const char *folder, unsigned threads, struct bench_whole *out,
                    struct kd_err *err);
/* Runs argv, reads its standard output into out; an exit status other than 0 is an error. */
int bench_process_run(const char *const argv[], struct kd_bytes *out, double *seconds, double *peak,
                      struct kd_err *err);
#endif
