#include "alike.h"
#include "kd/base/file.h"
#include "kd/base/hash.h"
#include "kd/base/mem.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"

#include <string.h>

enum { PROGRAM, KERNELS, OWN };
struct prints {
    char of[OWN + KD_MOST_ALIKE][KD_FINGERPRINT];
};

/* Where a system does not show a program its file, versions are compared. */
static int find_program(char out[KD_FINGERPRINT], struct kd_err *err)
{
    static const char file[] = "/proc/self/exe";
    struct kd_bytes program = {0};
    int status = kd_path_exists(file) ? kd_file_read(file, (size_t)1 << 30, &program, err)
                                      : kd_bytes_text(&program, KD_VERSION " " KD_BUILD, err);
    if (status == 0) kd_fingerprint(program.data, program.size, out);
    kd_bytes_release(&program);
    return status;
}

static int find(const struct kd_alike *list, unsigned n, struct prints *own, struct kd_err *err)
{
    struct kd_bytes kernels = {0};
    int status = kd_bytes_format(&kernels, err, "%s %s", kd_kernels_name(), kd_blas_kernel());
    if (status == 0) status = find_program(own->of[PROGRAM], err);
    if (status == 0) kd_fingerprint(kernels.data, kernels.size, own->of[KERNELS]);
    for (unsigned i = 0; i < n && status == 0; i++)
        kd_fingerprint(list[i].text, strlen(list[i].text), own->of[OWN + i]);
    kd_bytes_release(&kernels);
    return status;
}

static int compare(const struct kd_team *team, const struct prints *all,
                   const struct kd_alike *list, struct kd_err *err)
{
    static const char *const named[OWN] = {
        "another kd", "other kernels (another processor, KD_CPU or OPENBLAS_CORETYPE)"};
    for (unsigned r = 1; r < team->ranks; r++)
        for (unsigned i = 0; i < OWN + KD_MOST_ALIKE; i++)
            if (memcmp(all[r].of[i], all[0].of[i], sizeof all[r].of[i]) != 0)
                return kd_fail(err, "rank %u on %s has %s than rank 0; give all ranks the same", r,
                               kd_team_host(team, r), i < OWN ? named[i] : list[i - OWN].what);
    return 0;
}

int kd_alike_meet(struct kd_team *team, const struct kd_alike *list, unsigned n,
                  const struct kd_meeting *meeting, struct kd_err *err)
{
    struct prints own = {0};
    struct kd_err unsaid;
    struct kd_meeting m = *meeting;
    struct prints *all = kd_alloc(team->ranks, sizeof *all, "ranks", m.status == 0 ? err : &unsaid);
    if (!all || (m.status == 0 && find(list, n, &own, err) < 0)) m.status = -1;
    m.own = &own;
    m.all = all;
    m.bytes = sizeof own;
    int status = kd_team_meet(team, "the start of a training", &m, err);
    if (all && status == 0) status = compare(team, all, list, err);
    kd_free(all);
    return status;
}
