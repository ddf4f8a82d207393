#include "kd/base/team.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what the environment says ---- */

/* Open MPI's mpirun; MPICH's, and srun with a PMI; srun alone. A batch script has no step. */
static const struct {
    const char *ranks, *rank;
} starters[] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                {"PMI_SIZE", "PMI_RANK"},
                {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};

/* The value where it is a small number, or -1. */
static long number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long n = text && *text ? strtol(text, &end, 10) : -1;
    return n >= 0 && n < 1 << 20 && !*end ? n : -1;
}

unsigned kd_team_ranks(void)
{
    for (size_t i = 0; i < sizeof starters / sizeof *starters; i++) {
        long ranks = number(starters[i].ranks), rank = number(starters[i].rank);
        if (ranks > 0 && rank >= 0 && rank < ranks) return (unsigned)ranks;
    }
    return 1;
}

unsigned kd_team_rank(void)
{
    for (size_t i = 0; i < sizeof starters / sizeof *starters; i++) {
        long ranks = number(starters[i].ranks), rank = number(starters[i].rank);
        if (ranks > 0 && rank >= 0 && rank < ranks) return (unsigned)rank;
    }
    return 0;
}

/* ---- the plugin ---- */

static const struct kd_team_ops *load(const char *folder, struct kd_err *err)
{
    static const char *const below[] = {"", "../lib/"};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        char *path = kd_format(err, "%s/%s" KD_TEAM_PLUGIN, folder, below[i]);
        if (!path) return NULL;
        bool there = kd_path_exists(path);
        void *library = there ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
        const struct kd_team_ops *ops = library ? dlsym(library, KD_TEAM_OPS) : NULL;
        const char *why = there && !ops ? dlerror() : NULL;
        if (there && (!ops || ops->version != KD_TEAM_VERSION))
            kd_fail(err, "%s: %s", path, why ? why : "it belongs to another version of kd");
        kd_free(path);
        if (there) return ops && ops->version == KD_TEAM_VERSION ? ops : NULL;
    }
    kd_fail(err,
            "started as one of %u ranks, but kd was built without MPI: install libopenmpi-dev and "
            "run make again, or start it without mpirun or srun",
            kd_team_ranks());
    return NULL;
}

/* ---- meetings ---- */

enum { PLACE = 64, HOST = 64 };
struct record { /* what a rank tells at a meeting */
    int status, kind, stop;
    char place[PLACE], host[HOST], text[sizeof((struct kd_err *)0)->text];
};

int kd_team_open(struct kd_team *team, const char *folder, struct kd_err *err)
{
    *team = (struct kd_team){.ranks = 1};
    const struct kd_team_ops *ops = load(folder, err);
    if (!ops) return -1;
    const unsigned ranks = kd_team_ranks();
    if (ops->open(&team->rank, &team->ranks) < 0) return kd_fail(err, "MPI cannot be started");
    team->ops = ops;
    team->failed = true; /* as long as it cannot meet */
    team->speaks = kd_team_rank() == 0;
    if (team->ranks != ranks)
        return kd_fail(err,
                       "MPI counts %u ranks, but %u were started: is kd's Open MPI that of mpirun? "
                       "(with srun: --mpi=pmix)",
                       team->ranks, ranks);
    team->memory = kd_alloc(team->ranks + 1, sizeof(struct record), "ranks", err);
    team->parcels = kd_alloc(2 * (size_t)team->ranks, sizeof *team->parcels, "ranks", err);
    if (!team->memory || !team->parcels) return -1;
    team->failed = team->speaks = false;
    return 0;
}

void kd_team_close(struct kd_team *team)
{
    if (team->ops) team->ops->close();
    kd_free(team->memory);
    kd_free(team->parcels);
    *team = (struct kd_team){.ranks = 1};
}

bool kd_team_leads(const struct kd_team *team)
{
    return !team || !team->rank;
}

static void record_fill(struct record *r, const char *place, const struct kd_meeting *m,
                        const struct kd_err *err)
{
    *r = (struct record){.status = m->status, .stop = m->stop};
    snprintf(r->place, sizeof r->place, "%s", place);
    if (gethostname(r->host, sizeof r->host - 1) < 0) r->host[0] = '\0';
    if (m->status == 0) return;
    r->kind = (int)err->kind;
    memcpy(r->text, err->text, sizeof r->text);
}

/* Where all ranks have failed in the same way it is nobody's error in particular. */
static int tell(struct kd_team *team, const struct record *all, unsigned first, struct kd_err *err)
{
    bool same = true;
    for (unsigned i = 0; i < team->ranks; i++)
        same = same && all[i].status && strcmp(all[i].text, all[first].text) == 0;
    team->failed = true;
    team->speaks = team->rank == first;
    err->kind = (enum kd_err_kind)all[first].kind;
    memcpy(err->text, all[first].text, sizeof err->text);
    return same ? -1 : kd_err_context(err, "rank %u on %.60s", first, all[first].host);
}

static int tell_apart(struct kd_team *team, const struct record *all, unsigned other,
                      struct kd_err *err)
{
    team->failed = true;
    team->speaks = team->rank == 0;
    return kd_fail(err,
                   "rank %u on %.60s is at \"%.60s\", rank 0 at \"%.60s\": give all ranks the same "
                   "command, files and kd",
                   other, all[other].host, all[other].place, all[0].place);
}

int kd_team_meet(struct kd_team *team, const char *place, const struct kd_meeting *m,
                 struct kd_err *err)
{
    if (!team) return m->status;
    if (team->failed) return -1;
    struct record *all = team->memory, *own = all + team->ranks;
    record_fill(own, place, m, err);
    team->ops->gather(own, all, sizeof *own);
    team->stop = false;
    for (unsigned i = 0; i < team->ranks; i++) {
        if (all[i].status) return tell(team, all, i, err);
        team->stop = team->stop || all[i].stop;
    }
    for (unsigned i = 1; i < team->ranks; i++)
        if (strcmp(all[i].place, all[0].place) != 0) return tell_apart(team, all, i, err);
    if (m->own) team->ops->gather(m->own, m->all, m->bytes);
    return 0;
}

const char *kd_team_host(const struct kd_team *team, unsigned rank)
{
    const struct record *all = team->memory;
    return all[rank].host;
}

void kd_team_trade(struct kd_team *team, const struct kd_parcel *out, size_t n_out,
                   const struct kd_parcel *in, size_t n_in)
{
    kd_team_arrived(team, kd_team_begin(team, out, n_out, in, n_in), true);
}

void *kd_team_begin(struct kd_team *team, const struct kd_parcel *out, size_t n_out,
                    const struct kd_parcel *in, size_t n_in)
{
    return team && !team->failed ? team->ops->begin(out, n_out, in, n_in) : NULL;
}

bool kd_team_arrived(struct kd_team *team, void *trade, bool wait)
{
    return !trade || team->ops->arrived(trade, wait);
}

static struct kd_team_part part_of(unsigned ranks, unsigned rank, size_t n, size_t block)
{
    const size_t blocks = (n + block - 1) / block;
    size_t from = blocks * rank / ranks * block, to = blocks * (rank + 1) / ranks * block;
    if (from > n) from = n;
    if (to > n) to = n;
    return (struct kd_team_part){from, to - from};
}

struct kd_team_part kd_team_part(const struct kd_team *team, size_t n, size_t block)
{
    return team ? part_of(team->ranks, team->rank, n, block) : (struct kd_team_part){0, n};
}

void kd_team_spread(struct kd_team *team, void *array, size_t row, size_t n, size_t block)
{
    if (!team) return;
    struct kd_parcel *out = team->parcels, *in = out + team->ranks;
    const struct kd_team_part own = kd_team_part(team, n, block);
    size_t others = 0;
    for (unsigned r = 0; r < team->ranks; r++) {
        const struct kd_team_part part = part_of(team->ranks, r, n, block);
        if (r == team->rank) continue;
        out[others] = (struct kd_parcel){r, (char *)array + own.from * row, own.n * row};
        in[others++] = (struct kd_parcel){r, (char *)array + part.from * row, part.n * row};
    }
    kd_team_trade(team, out, others, in, others);
}
