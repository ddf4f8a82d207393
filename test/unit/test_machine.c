/* Limits of control groups, read from trees of files as Linux shows them in containers. */
#include "kd/base/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"

/* put(ROOT/NAME, text), with the folders above it */
static void put(const char *root, const char *name, const char *text)
{
    put_file(in("%s%s", root, name), text, strlen(text));
}

static struct kd_quota quota_of(const char *root)
{
    return kd_quota_read(in("%s", root));
}

static void no_files_no_limit(void **state)
{
    (void)state;
    const struct kd_quota q = quota_of("nothing");
    assert_true(q.cpus == 0 && q.memory == 0);
}

static const char two[] = "25 1 0:22 / /sys rw - sysfs sysfs rw\n"
                          "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";

static void version_2_the_smallest_on_the_way_up(void **state)
{
    (void)state;
    put("v2", "/proc/self/cgroup", "0::/system.slice/kd.service\n");
    put("v2", "/proc/self/mountinfo", two);
    put("v2", "/sys/fs/cgroup/system.slice/kd.service/cpu.max", "max 100000\n");
    put("v2", "/sys/fs/cgroup/system.slice/kd.service/memory.max", "2147483648\n");
    assert_true(quota_of("v2").cpus == 0);
    put("v2", "/sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n");
    put("v2", "/sys/fs/cgroup/system.slice/memory.max", "max\n");
    assert_true(quota_of("v2").cpus == 1.5);
    assert_true(quota_of("v2").memory == (size_t)2 << 30);
    put("v2", "/sys/fs/cgroup/memory.max", "1073741824\n");
    put("v2", "/sys/fs/cgroup/cpu.max", "400000 100000\n");
    assert_true(quota_of("v2").cpus == 1.5);
    assert_true(quota_of("v2").memory == (size_t)1 << 30);
}

/* A container with a namespace of its own sees itself as "/". */
static void version_2_in_a_container(void **state)
{
    (void)state;
    put("box", "/proc/self/cgroup", "0::/\n");
    put("box", "/proc/self/mountinfo", two);
    put("box", "/sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_true(quota_of("box").cpus == 0.5);
    assert_true(quota_of("box").memory == 0);
}

/* One without sees the host's path, and its own group where the mount point is. */
static void version_1_in_a_container(void **state)
{
    (void)state;
    put("v1", "/proc/self/cgroup",
        "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n");
    put("v1", "/proc/self/mountinfo",
        "31 25 0:27 /docker/ab /sys/fs/cgroup/cpu\\040all rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 25 0:28 /docker/ab /sys/fs/cgroup/memory rw master:3 - cgroup cgroup rw,memory\n"
        "33 25 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n");
    put("v1", "/sys/fs/cgroup/cpu all/cpu.cfs_quota_us", "300000\n");
    put("v1", "/sys/fs/cgroup/cpu all/cpu.cfs_period_us", "100000\n");
    put("v1", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    assert_true(quota_of("v1").cpus == 3);
    assert_true(quota_of("v1").memory == (size_t)512 << 20);
    put("v1", "/sys/fs/cgroup/cpu all/cpu.cfs_quota_us", "-1\n");
    put("v1", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(quota_of("v1").cpus == 0);
    assert_true(quota_of("v1").memory == 0);
}

static void version_1_on_the_host(void **state)
{
    (void)state;
    put("host", "/proc/self/cgroup", "4:cpu,cpuacct:/batch/job7\n0::/\n");
    put("host", "/proc/self/mountinfo",
        "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
    put("host", "/sys/fs/cgroup/cpu,cpuacct/batch/job7/cpu.cfs_quota_us", "800000\n");
    put("host", "/sys/fs/cgroup/cpu,cpuacct/batch/job7/cpu.cfs_period_us", "100000\n");
    put("host", "/sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "200000\n");
    put("host", "/sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_period_us", "100000\n");
    assert_true(quota_of("host").cpus == 2);
}

static void nonsense_is_no_limit(void **state)
{
    (void)state;
    put("odd", "/proc/self/cgroup", "0::/\n::\n:\nx\n");
    put("odd", "/proc/self/mountinfo", "1 2 - cgroup2\n - \n\n30 25 0:26 / /c rw - cgroup2 c rw\n");
    put("odd", "/c/cpu.max", "-5 0\n");
    put("odd", "/c/memory.max", "\n");
    assert_true(quota_of("odd").cpus == 0 && quota_of("odd").memory == 0);
}

static void this_machine(void **state)
{
    (void)state;
    assert_true(kd_cpus_usable() >= 1);
    assert_true(kd_memory_usable() > 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_files_no_limit),
        cmocka_unit_test(version_2_the_smallest_on_the_way_up),
        cmocka_unit_test(version_2_in_a_container),
        cmocka_unit_test(version_1_in_a_container),
        cmocka_unit_test(version_1_on_the_host),
        cmocka_unit_test(nonsense_is_no_limit),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
