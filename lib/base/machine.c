#include "kd/base/machine.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, FILE_ROOM = 65536 };

/* A small file as text, cut off where it is longer; false where it cannot be read. */
static bool slurp(char text[FILE_ROOM], const char *path)
{
    size_t n = 0;
    ssize_t got = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    while (n < FILE_ROOM - 1 && (got = read(fd, text + n, FILE_ROOM - 1 - n)) > 0) n += (size_t)got;
    close(fd);
    text[n] = '\0';
    return got >= 0 && n > 0;
}

/* A number in root/folder/name; -1 where there is none, as in "max" of version 2. */
static double number(const char *folder, const char *name, double *second)
{
    char path[2 * PATH_ROOM], text[FILE_ROOM], *end;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return -1;
    if (!slurp(text, path)) return -1;
    const double value = strtod(text, &end);
    if (end == text) return -1;
    if (second) *second = strtod(end, NULL);
    return value;
}

static void lower(struct kd_quota *quota, double cpus, double memory)
{
    if (cpus > 0 && (quota->cpus == 0 || cpus < quota->cpus)) quota->cpus = cpus;
    if (memory >= 0 && memory < 9e18 && (!quota->memory || memory < (double)quota->memory))
        quota->memory = memory > 1 ? (size_t)memory : 1;
}

/* The limits that one group sets itself, of either version: files of the other are not there. */
static void group_limits(struct kd_quota *quota, const char *folder)
{
    double period = 0, time = number(folder, "cpu.max", &period);
    if (time < 0) {
        time = number(folder, "cpu.cfs_quota_us", NULL);
        period = number(folder, "cpu.cfs_period_us", NULL);
    }
    double memory = number(folder, "memory.max", NULL);
    if (memory < 0) memory = number(folder, "memory.limit_in_bytes", NULL);
    lower(quota, time > 0 && period > 0 ? time / period : 0, memory);
}

/* The path of this process's group in the hierarchy of `controller` ("" is version 2's), from lines
 * "4:cpu,cpuacct:/a/b". */
static bool group_path(char path[PATH_ROOM], const char *groups, const char *controller)
{
    for (const char *line = groups; line && *line;
         line = strchr(line, '\n'), line += line != NULL) {
        const char *names = strchr(line, ':'), *at = names ? strchr(names + 1, ':') : NULL;
        if (!at) continue;
        const size_t n = strcspn(at + 1, "\n");
        bool found = !*controller && at == names + 1;
        for (const char *p = names + 1; *controller && p < at; p += strcspn(p, ",:") + 1)
            if (strcspn(p, ",:") == strlen(controller) &&
                !strncmp(p, controller, strlen(controller)))
                found = true;
        if (!found || n >= PATH_ROOM) continue;
        memcpy(path, at + 1, n);
        path[n] = '\0';
        return true;
    }
    return false;
}

/* Mount points are written with \040 and the like. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        if (p[0] == '\\' && p[1] && p[2] && p[3]) {
            *to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            p += 3;
        } else
            *to++ = *p;
    }
    *to = '\0';
}

/* Limits of a group and of all above it up to the mount point. Only what lies below `mounted` is to
 * be seen there: of a path elsewhere the mount point stands for the group itself. */
static void walk_up(struct kd_quota *quota, const char *mount, const char *mounted, char *path)
{
    char folder[2 * PATH_ROOM];
    const size_t n = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
    char *rest = path + n;
    if (strncmp(path, mounted, n) != 0 || (*rest && *rest != '/')) rest = path + strlen(path);
    for (;;) {
        snprintf(folder, sizeof folder, "%s%s", mount, rest);
        group_limits(quota, folder);
        char *slash = strrchr(rest, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

/* A line of mountinfo: ID PARENT DEVICE MOUNTED MOUNT OPTIONS [TAGS...] - TYPE SOURCE SUPER */
static void mount_limits(struct kd_quota *quota, const char *root, const char *line,
                         const char *groups)
{
    char mounted[PATH_ROOM], place[PATH_ROOM], type[32], super[256];
    char mount[2 * PATH_ROOM], path[PATH_ROOM];
    const char *tail = strstr(line, " - ");
    if (!tail || sscanf(line, "%*s %*s %*s %4095s %4095s", mounted, place) != 2) return;
    if (sscanf(tail, " - %31s %*s %255s", type, super) != 2) return;
    unescape(mounted);
    unescape(place);
    snprintf(mount, sizeof mount, "%s%s", root, place);
    if (strcmp(type, "cgroup2") == 0) {
        if (group_path(path, groups, "")) walk_up(quota, mount, mounted, path);
    } else if (strcmp(type, "cgroup") == 0) {
        for (char *one = super, *end; *one; one = end) {
            end = one + strcspn(one, ",");
            if (*end) *end++ = '\0';
            if ((!strcmp(one, "cpu") || !strcmp(one, "memory")) && group_path(path, groups, one))
                walk_up(quota, mount, mounted, path);
        }
    }
}

struct kd_quota kd_quota_read(const char *root)
{
    struct kd_quota quota = {0};
    char path[PATH_ROOM];
    char *groups = malloc(FILE_ROOM), *mounts = malloc(FILE_ROOM);
    bool read = groups && mounts;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    read = read && slurp(groups, path);
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    read = read && slurp(mounts, path);
    for (char *line = read ? mounts : NULL, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        mount_limits(&quota, root, line, groups);
    }
    free(groups);
    free(mounts);
    return quota;
}

static struct kd_quota own;
static void find_own(void)
{
    own = kd_quota_read("");
}
static struct kd_quota own_quota(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_own);
    return own;
}

unsigned kd_cpus_usable(void)
{
    const double quota = own_quota().cpus;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) n = CPU_COUNT(&set);
#endif
    if (quota > 0 && quota + 0.5 < (double)n) n = (long)(quota + 0.5);
    return n > 0 ? (unsigned)n : 1;
}

size_t kd_memory_usable(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const size_t all = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
    const size_t most = own_quota().memory;
    return most && (!all || most < all) ? most : all;
}

void kd_processor_name(char out[KD_PROCESSOR_NAME])
{
    char text[FILE_ROOM];
    struct utsname kind;
    const char *at = slurp(text, "/proc/cpuinfo") ? strstr(text, "model name") : NULL;
    if (at) at = strchr(at, ':');
    if (at) at += 1 + strspn(at + 1, " \t");
    const char *name = at && *at != '\n' ? at : uname(&kind) == 0 ? kind.machine : "unknown";
    snprintf(out, KD_PROCESSOR_NAME, "%.*s", (int)strcspn(name, "\n"), name);
}
