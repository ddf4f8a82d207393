/* Ranks: the workloads by several processes that mpirun started, and what the way between them
 * costs. test/bench/hosts.sh puts the two together. */
#include "bench.h"
#include "kd/base/mem.h"
#include "kd/base/progress.h"
#include "kd/base/team.h"

#include <stdio.h>
#include <string.h>

int bench_team_open(struct kd_team *team, const char *bin, struct kd_err *err)
{
    *team = (struct kd_team){.ranks = 1};
    return kd_team_ranks() == 1 ? 0 : kd_team_open(team, bin, err);
}

/* Its own number and rank 0's: how long an epoch takes, from which all derive how many to run. */
int bench_team_agree(struct kd_team *team, double *number, struct kd_err *err)
{
    double all[64];
    struct kd_meeting m = {.own = number, .all = all, .bytes = sizeof *number};
    if (team->ranks == 1) return 0;
    if (team->ranks > sizeof all / sizeof *all) return kd_fail(err, "at most 64 ranks");
    if (kd_team_meet(team, "an epoch", &m, err) < 0) return -1;
    *number = all[0];
    return 0;
}

/* ---- the way between two ranks ---- */

enum { TURNS = 200, FEW_TURNS = 8, SMALL = 64, STEP = 8, LARGE = 16 << 20, PARCELS = 32 };

static int time_meetings(struct kd_team *team, double *seconds, struct kd_err *err)
{
    struct kd_loss_sums own = {0}, all[2];
    struct kd_meeting m = {.own = &own, .all = all, .bytes = sizeof own};
    double start = 0;
    for (int i = -TURNS; i < TURNS; i++) { /* the first ones open the way */
        if (i == 0) start = kd_seconds();
        if (kd_team_meet(team, "a step", &m, err) < 0) return -1;
    }
    *seconds = (kd_seconds() - start) / TURNS;
    return 0;
}

/* `parcels` of so many bytes there and as many back, at the same time. */
static double time_trades(struct kd_team *team, char *memory, size_t bytes, int parcels, int turns)
{
    struct kd_parcel out[PARCELS], in[PARCELS];
    double start = 0;
    for (int i = 0; i < parcels; i++) {
        out[i] = (struct kd_parcel){1 - team->rank, memory + (size_t)i * bytes, bytes};
        in[i] = (struct kd_parcel){1 - team->rank, memory + LARGE + (size_t)i * bytes, bytes};
    }
    for (int i = -2; i < turns; i++) {
        if (i == 0) start = kd_seconds();
        kd_team_trade(team, out, (size_t)parcels, in, (size_t)parcels);
    }
    return (kd_seconds() - start) / turns;
}

static double time_copies(char *memory)
{
    double start = 0;
    for (int i = -1; i < FEW_TURNS; i++) {
        if (i == 0) start = kd_seconds();
        memcpy(memory + LARGE, memory, LARGE);
        memory[i & 7]++; /* so that none is left out */
    }
    return (kd_seconds() - start) / FEW_TURNS;
}

int bench_link(struct kd_team *team, struct kd_err *err)
{
    double meeting;
    if (team->ranks != 2) return kd_fail_usage(err, "--link: start it as two ranks by mpirun");
    char *memory = kd_alloc(2, LARGE, "messages", err);
    if (!memory || time_meetings(team, &meeting, err) < 0) {
        kd_free(memory);
        return -1;
    }
    if (team->rank == 0) printf("{\"workload\":\"link\",\"meeting\":%.3e", meeting);
    const double many = time_trades(team, memory, SMALL, PARCELS, TURNS),
                 one = time_trades(team, memory, SMALL, 1, TURNS);
    for (size_t bytes = SMALL; bytes <= LARGE; bytes *= STEP) {
        const int turns = bytes < LARGE / STEP ? TURNS : FEW_TURNS;
        const double seconds = time_trades(team, memory, bytes, 1, turns);
        if (team->rank == 0) printf(",\"trade_%zu\":%.3e", bytes, seconds);
    }
    const double copy = time_copies(memory);
    if (team->rank == 0)
        printf(",\"parcel\":%.3e,\"copied_per_second\":%.4e}\n",
               many > one ? (many - one) / (PARCELS - 1) : 0, LARGE / copy);
    kd_free(memory);
    return 0;
}
