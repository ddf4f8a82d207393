/* Several processes that do one piece of work: ranks, started by mpirun or srun, each with threads
 * of its own.
 *
 *     if (kd_team_wanted()) kd_team_open(&team, folder, &err);
 *     ...
 *     if (kd_team_meet(team, "step 17", &meeting, status, &err) < 0) return -1;
 *     kd_team_trade(team, out, n_out, in, n_in);
 *     ...
 *     kd_team_close(&team);
 *
 * A NULL team is a process by itself: everything here then does nothing.
 *
 * An error is told at the next meeting. Every rank comes to the same meetings in the same order;
 * one that has failed comes early, with its error, and then all of them fail. One of them prints.
 * So a rank may fail wherever it is, and nobody waits for it.
 *
 * MPI is a plugin, libkdmpi.so, which lies with the programs or in ../lib/ from there and is loaded
 * by kd_team_open alone. What it has to do is in struct kd_team_ops. */
#ifndef KD_BASE_TEAM_H
#define KD_BASE_TEAM_H
#include "kd/base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct kd_parcel { /* bytes to or from another rank */
    unsigned rank;
    void *data;
    size_t bytes;
};

#define KD_TEAM_PLUGIN "libkdmpi.so"
#define KD_TEAM_OPS    "kd_team_ops" /* the plugin's `const struct kd_team_ops` */
enum { KD_TEAM_VERSION = 2 };
struct kd_team_ops {
    unsigned version;                                         /* KD_TEAM_VERSION */
    int (*open)(unsigned *rank, unsigned *ranks);             /* 0 or -1 */
    void (*gather)(const void *own, void *all, size_t bytes); /* of each rank, in their order */
    /* Parcels between two ranks arrive in the order in which they were sent. */
    void *(*begin)(const struct kd_parcel *out, size_t n_out, const struct kd_parcel *in,
                   size_t n_in);
    bool (*arrived)(void *trade, bool wait);
    void (*close)(void);
};

struct kd_team {
    unsigned rank, ranks;
    const struct kd_team_ops *ops;
    void *memory;              /* records of a meeting */
    struct kd_parcel *parcels; /* [2 * ranks], of kd_team_spread */
    bool failed;               /* all ranks know of an error */
    bool speaks;               /* this rank prints it */
    bool stop;                 /* a rank was asked to stop before the last meeting */
};

/* Ranks that the environment tells of (1: this is a process by itself), and which this one is. */
unsigned kd_team_ranks(void);
unsigned kd_team_rank(void);
/* `folder`: of the programs. Fails where there is no plugin, or MPI counts other ranks. */
int kd_team_open(struct kd_team *team, const char *folder, struct kd_err *err);
void kd_team_close(struct kd_team *team);
bool kd_team_leads(
    const struct kd_team *team); /* rank 0, or no team: who writes files and speaks */

struct kd_meeting {
    int status;      /* -1: this rank has failed, err says how */
    bool stop;       /* it was asked to stop */
    const void *own; /* what it tells the others, bytes of it; NULL: nothing */
    void *all;       /* [ranks][bytes] */
    size_t bytes;
};
/* All ranks come together. -1 where any has failed, or where they are not at the same `place`; err
 * says what happened to whom. */
int kd_team_meet(struct kd_team *team, const char *place, const struct kd_meeting *m,
                 struct kd_err *err);
const char *kd_team_host(const struct kd_team *team, unsigned rank); /* as of the last meeting */
/* Only after a meeting at which nobody failed. */
void kd_team_trade(struct kd_team *team, const struct kd_parcel *out, size_t n_out,
                   const struct kd_parcel *in, size_t n_in);
/* The same in two halves, by the thread that opened the team. Between them the bytes travel while
 * other work is done, mostly when somebody asks for them. All ranks begin trades in one order, and
 * end all before they meet. */
void *kd_team_begin(struct kd_team *team, const struct kd_parcel *out, size_t n_out,
                    const struct kd_parcel *in, size_t n_in);
/* True: its parcels are there and those sent may change; `trade` is gone. NULL: true. */
bool kd_team_arrived(struct kd_team *team, void *trade, bool wait);

/* n rows in blocks of `block`, the last one shorter: those that a rank has. */
struct kd_team_part {
    size_t from, n;
};
struct kd_team_part kd_team_part(const struct kd_team *team, size_t n, size_t block);
/* Each rank has made its part of array [n][row bytes]; afterwards all have all of it. */
void kd_team_spread(struct kd_team *team, void *array, size_t row, size_t n, size_t block);
#endif
