/* A mapped file that becomes shorter: the process lives, reads zeros, and can ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/mapped.h"

enum { PAGES = 4, PAGE = 4096 };

static char path[64];

static void on_bus(int signum, siginfo_t *info, void *context)
{
    (void)signum;
    (void)context;
    if (!mapped_mend(info->si_addr))
        _exit(7);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/manta-mapped-%d", (int)getpid());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static volatile unsigned char *map_whole(void)
{
    static char ones[PAGES * PAGE];
    struct sigaction sa = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER};
    assert_int_equal(sigaction(SIGBUS, &sa, NULL), 0); /* cmocka has its own in each test */
    memset(ones, 1, sizeof ones);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, ones, sizeof ones), sizeof ones);
    void *p = mmap(NULL, sizeof ones, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(p != MAP_FAILED);
    close(fd);
    return p;
}

/* Given a watched file that is cut while it is mapped, what is behind the cut reads as zeros, and the file is lost; others are not. */
static void test_a_cut_file(void **state)
{
    (void)state;
    volatile unsigned char *p = map_whole();
    mapped_watch(3, path);
    assert_int_equal(p[2 * PAGE], 1);
    assert_false(mapped_is_lost(3));
    assert_int_equal(truncate(path, PAGE), 0);
    assert_int_equal(p[3 * PAGE], 0);
    assert_int_equal(p[3 * PAGE + 100], 0);
    assert_true(mapped_is_lost(3));
    assert_false(mapped_is_lost(4));
    munmap((void *)(uintptr_t)p, PAGES * PAGE);
}

/* Given the same with a file that has no name any more, it is found all the same; watched anew it counts as whole. */
static void test_a_cut_file_without_a_name(void **state)
{
    (void)state;
    volatile unsigned char *p = map_whole();
    mapped_watch(3, path);
    assert_false(mapped_is_lost(3));
    int fd = open(path, O_RDWR);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    assert_int_equal(p[0], 0);
    assert_true(mapped_is_lost(3));
    munmap((void *)(uintptr_t)p, PAGES * PAGE);
    map_whole();
}

/* Given a file that nobody watches, the fault stays what it was. */
static void test_a_foreign_file(void **state)
{
    (void)state;
    volatile unsigned char *p = map_whole();
    mapped_watch(3, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (truncate(path, 0) != 0)
            _exit(8);
        _exit(p[PAGE]); /* the handler says 7 */
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
    munmap((void *)(uintptr_t)p, PAGES * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cut_file),
        cmocka_unit_test(test_a_cut_file_without_a_name),
        cmocka_unit_test(test_a_foreign_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
