/* Limits of control groups, read from both versions of the kernel's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/cgroup.h"

static char root[64], own[80];

static void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void folder(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    assert_int_equal(mkdir(full, 0700), 0);
}

/* A machine whose /proc/self/cgroup says this. */
static void machine(const char *groups)
{
    snprintf(root, sizeof root, "/tmp/manta-cgroup-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(own, sizeof own, "%s/own", root);
    put("own", groups);
    cgroup_set_root(root, own);
}

static void machine_end(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", root);
    assert_int_equal(system(command), 0);
}

static void read_limits(uint64_t memory_bytes, double cpus)
{
    struct cgroup_limits l;
    cgroup_read(&l);
    assert_true(l.memory_bytes == memory_bytes);
    assert_true(l.cpus > cpus - 0.001 && l.cpus < cpus + 0.001);
}

/* Given version 2 with 3 GB in our group and 2 GB in the one above it, and 1.5 processors in ours; then the tighter ones count. */
static void the_tightest_group_on_the_way_up_counts(void **state)
{
    (void)state;
    machine("0::/outer/inner\n");
    folder("outer");
    folder("outer/inner");
    put("outer/inner/memory.max", "3221225472\n");
    put("outer/memory.max", "2147483648\n");
    put("outer/inner/cpu.max", "150000 100000\n");
    put("outer/cpu.max", "max 100000\n");
    read_limits(2147483648u, 1.5);
    machine_end();
}

/* Given a container on a machine with version 1: the path is the host's, but mounted is only our own group. */
static void a_container_finds_its_group_at_the_root(void **state)
{
    (void)state;
    machine("5:memory:/docker/0123\n3:cpu,cpuacct:/docker/0123\n");
    folder("memory");
    folder("cpu");
    put("memory/memory.limit_in_bytes", "3221225472\n");
    put("cpu/cpu.cfs_quota_us", "200000\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    read_limits(3221225472u, 2.0);
    machine_end();
}

/* "None" is a large number, -1, "max", or no file at all. */
static void no_limit_is_zero(void **state)
{
    (void)state;
    machine("5:memory:/\n3:cpu:/\n");
    folder("memory");
    folder("cpu");
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    read_limits(0, 0);
    machine_end();
    machine("");
    read_limits(0, 0);
    machine_end();
}

/* Given a machine that lets us make no group; when we want to enter one; then the reason names the place, and nothing breaks. */
static void what_is_not_allowed_is_told(void **state)
{
    (void)state;
    struct fault f = {0};
    machine("5:memory:/\n");
    assert_int_equal(cgroup_enter(1 << 30, 1, &f), ERR_FORBIDDEN);
    assert_non_null(strstr(f.text, root));
    machine_end();
}

static bool is_there(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    return access(full, F_OK) == 0;
}

/* Given groups of a process that is gone, of one that lives and is not in its own yet, and of others whose names begin like ours; when we enter one; then
 * only the first is removed. */
static void only_groups_of_the_dead_are_removed(void **state)
{
    (void)state;
    struct fault f = {0};
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    assert_int_equal(waitpid(gone, NULL, 0), gone);
    const char *const kept[] = {"memory/manta-kube-1-n1", "memory/manta-", "memory/manta-12x", "memory/manta-99999999999999999999", "memory/manta-0"};
    char alive[64], dead[64];
    snprintf(alive, sizeof alive, "memory/manta-%d", (int)getppid());
    snprintf(dead, sizeof dead, "memory/manta-%d", (int)gone);
    machine("5:memory:/\n");
    folder("memory");
    folder(alive);
    folder(dead);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        folder(kept[i]);
    cgroup_enter(1 << 30, 0, &f);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_true(is_there(kept[i]));
    assert_true(is_there(alive));
    assert_false(is_there(dead));
    machine_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_group_on_the_way_up_counts),
        cmocka_unit_test(a_container_finds_its_group_at_the_root),
        cmocka_unit_test(no_limit_is_zero),
        cmocka_unit_test(what_is_not_allowed_is_told),
        cmocka_unit_test(only_groups_of_the_dead_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
