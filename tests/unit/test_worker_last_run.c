/* A worker that is killed cannot say so; the next one of its name can. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/last_run.h"

static char said[300];

/* A worker process that uses this much of its limit, then ends by itself or is killed. */
static void run_of(const char *node, uint64_t rss, uint64_t limit, int killed)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char text[300];
        struct last_run *r = last_run_begin(node, limit, text, sizeof text);
        last_run_note(r, rss, 1);
        if (killed)
            kill(getpid(), SIGKILL);
        last_run_end(r);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void start_again(const char *node)
{
    struct last_run *r = last_run_begin(node, 0, said, sizeof said);
    assert_non_null(r);
    last_run_end(r);
}

static void an_orderly_end_is_not_mentioned(void **state)
{
    (void)state;
    run_of("worker-1", 1000, 0, 0);
    start_again("worker-1");
    assert_string_equal(said, "");
}

static void a_kill_near_the_limit_is_called_memory(void **state)
{
    (void)state;
    run_of("worker-1", 2900000000u, 3000000000u, 1);
    start_again("worker-1");
    assert_non_null(strstr(said, "most likely by the kernel at its memory limit: it used 2900 of 3000 MB"));
    start_again("worker-1");
    assert_string_equal(said, ""); /* once */
}

static void a_kill_far_from_it_is_told_with_the_numbers(void **state)
{
    (void)state;
    run_of("a/b", 300000000u, 3000000000u, 1);
    start_again("a/b");
    assert_non_null(strstr(said, "did not end by itself; last seen with 300 of 3000 MB"));
}

/* Given a living worker of that name (another cluster on this machine); then its record is left alone. */
static void the_record_of_a_living_worker_is_left_alone(void **state)
{
    (void)state;
    char text[300];
    struct last_run *living = last_run_begin("worker-1", 0, text, sizeof text);
    assert_null(last_run_begin("worker-1", 0, said, sizeof said));
    assert_string_equal(said, "");
    last_run_end(living);
}

/* Given a worker of this host; then its record tells another process that it runs, beats and is ready, or which of it it does not. */
static void health_is_told_by_the_record(void **state)
{
    (void)state;
    struct fault f = {0};
    char text[300];
    assert_int_equal(last_run_health("w", &f), ERR_NOT_FOUND);
    struct last_run *r = last_run_begin("w", 0, text, sizeof text);
    assert_int_equal(last_run_health("w", &f), ERR_UNAVAILABLE);
    assert_string_equal(f.text, "w has not joined a head");
    last_run_note(r, 1000, 0);
    assert_int_equal(last_run_health("w", &f), ERR_UNAVAILABLE);
    assert_string_equal(f.text, "w has no actor that is ready: is its model still loading?");
    last_run_note(r, 1000, 1);
    assert_int_equal(last_run_health("w", &f), 0);
    last_run_end(r);
    assert_int_equal(last_run_health("w", &f), ERR_NOT_FOUND);
    run_of("w", 1000, 0, 1);
    assert_int_equal(last_run_health("w", &f), ERR_NOT_FOUND);
    assert_string_equal(f.text, "no worker 'w' runs on this host");
}

int main(void)
{
    char dir[] = "/tmp/manta-last-run-XXXXXX", command[64];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_orderly_end_is_not_mentioned),
        cmocka_unit_test(a_kill_near_the_limit_is_called_memory),
        cmocka_unit_test(a_kill_far_from_it_is_told_with_the_numbers),
        cmocka_unit_test(the_record_of_a_living_worker_is_left_alone),
        cmocka_unit_test(health_is_told_by_the_record),
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    setenv("XDG_STATE_HOME", dir, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return failed != 0 || system(command) != 0;
}
