/* What of this machine a process may use: processors and memory.
 *
 * Three things limit processors: how many there are, the scheduler's affinity (taskset, Slurm), and
 * the CPU quota of a control group (containers, systemd). Memory is limited by what there is and by
 * control groups. Both versions of control groups are read as the kernel documents them
 * (Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst); a group's limit holds for the groups
 * within it, so the smallest on the way up counts.
 */
#ifndef KD_BASE_MACHINE_H
#define KD_BASE_MACHINE_H
#include <stddef.h>

struct kd_quota {
    double cpus;   /* processors' worth of time; 0: no limit */
    size_t memory; /* bytes; 0: no limit */
};
/* The limits of this process's control groups. `root` stands before /proc and /sys, "" but in
 * tests. What cannot be read is no limit. */
struct kd_quota kd_quota_read(const char *root);

/* Both are found once and then remembered. */
unsigned kd_cpus_usable(void); /* at least 1; a quota is rounded to the next whole number */
size_t kd_memory_usable(void); /* bytes; 0 where that cannot be told */

/* The name that the processor gives itself, as "AMD EPYC 7B13"; where it gives none, that of its
 * kind, as "aarch64". */
enum { KD_PROCESSOR_NAME = 96 };
void kd_processor_name(char out[KD_PROCESSOR_NAME]);
#endif
