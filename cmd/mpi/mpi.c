/* MPI behind kd's teams (kd/base/team.h), as a plugin: the only file that knows it. mpicc builds it
 * into libkdmpi.so, which nothing links. */
#include "kd/base/team.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

/* MPI counts in int. */
enum { MOST_AT_ONCE = 1 << 30 };

static int team_open(unsigned *rank, unsigned *ranks)
{
    int have, r, n;
    /* Open MPI over TCP else has large messages of both directions take turns on the wire. */
    setenv("OMPI_MCA_btl_tcp_flags", "send", 0);
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &have) != MPI_SUCCESS) return -1;
    MPI_Comm_rank(MPI_COMM_WORLD, &r);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    *rank = (unsigned)r;
    *ranks = (unsigned)n;
    return 0;
}

static void team_gather(const void *own, void *all, size_t bytes)
{
    MPI_Allgather(own, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD);
}

static size_t pieces(const struct kd_parcel *p, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (p[i].bytes + MOST_AT_ONCE - 1) / MOST_AT_ONCE;
    return sum;
}

static MPI_Request *post(const struct kd_parcel *p, size_t n, int sends, MPI_Request *to)
{
    for (size_t i = 0; i < n; i++)
        for (size_t from = 0; from < p[i].bytes; from += MOST_AT_ONCE) {
            size_t left = p[i].bytes - from;
            int count = left < MOST_AT_ONCE ? (int)left : MOST_AT_ONCE, rank = (int)p[i].rank;
            char *at = (char *)p[i].data + from;
            if (sends)
                MPI_Isend(at, count, MPI_BYTE, rank, 0, MPI_COMM_WORLD, to++);
            else
                MPI_Irecv(at, count, MPI_BYTE, rank, 0, MPI_COMM_WORLD, to++);
        }
    return to;
}

struct trade {
    int n;
    MPI_Request all[];
};

static void *team_begin(const struct kd_parcel *out, size_t n_out, const struct kd_parcel *in,
                        size_t n_in)
{
    const size_t n = pieces(out, n_out) + pieces(in, n_in);
    struct trade *t = malloc(sizeof *t + n * sizeof *t->all);
    if (!t) {
        fprintf(stderr, "kd: not enough memory for %zu messages between ranks\n", n);
        MPI_Abort(MPI_COMM_WORLD, 1);
        return NULL;
    }
    t->n = (int)n;
    post(out, n_out, 1, post(in, n_in, 0, t->all));
    return t;
}

static bool team_arrived(void *trade, bool wait)
{
    struct trade *t = trade;
    int done = 1;
    if (wait)
        MPI_Waitall(t->n, t->all, MPI_STATUSES_IGNORE);
    else
        MPI_Testall(t->n, t->all, &done, MPI_STATUSES_IGNORE);
    if (done) free(t);
    return done;
}

static void team_close(void)
{
    MPI_Finalize();
}

extern const struct kd_team_ops kd_team_ops;
const struct kd_team_ops kd_team_ops = {.version = KD_TEAM_VERSION,
                                        .open = team_open,
                                        .gather = team_gather,
                                        .begin = team_begin,
                                        .arrived = team_arrived,
                                        .close = team_close};
