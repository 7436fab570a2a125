/* Child processes and signals: lines, exit codes, kills, programs that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/net.h"

struct story {
    struct net_loop *loop;
    struct net_child *child;
    struct buf lines; /* owned; each line between <> */
    unsigned exits;
    int64_t status;
    int signum;
    const char *kill_at; /* this line gets it killed with SIGTERM */
};

static int setup(void **state)
{
    static struct story s;
    s = (struct story){.loop = net_loop_new(), .lines = buf_max(1 << 20)};
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    net_loop_free(s->loop);
    buf_fini(&s->lines);
    return 0;
}

static void on_line(struct net_child *c, struct str line, void *user_data)
{
    struct story *s = user_data;
    buf_printf(&s->lines, "<%.*s>", STR_ARG(line));
    if (s->kill_at != NULL && str_is(line, s->kill_at))
        net_child_kill(c, SIGTERM);
}

static void on_exit_(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct story *s = user_data;
    net_child_kill(c, SIGKILL); /* too late, and harmless */
    s->exits++;
    s->status = status;
    s->signum = signum;
}

static void spawn_shell(struct story *s, const char *script, const char *const *env_add)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct fault f = {0};
    s->child = net_spawn(s->loop,
                         &(struct net_child_config){.argv = argv, .env_add = env_add, .on_line = on_line,
                                                    .on_exit = on_exit_, .user_data = s}, &f);
    assert_non_null(s->child);
    assert_true(net_child_pid(s->child) > 1);
}

static void test_lines_of_both_outputs_in_order(void **state)
{
    struct story *s = *state;
    spawn_shell(s, "echo one; echo two >&2; printf 'three\\r\\n\\n'; printf end; exit 7", NULL);
    net_loop_run(s->loop);
    assert_string_equal(buf_cstr(&s->lines), "<one><two><three><><end>");
    assert_int_equal(s->exits, 1);
    assert_int_equal(s->status, 7);
    assert_int_equal(s->signum, 0);
}

static void test_killed_child_names_its_signal(void **state)
{
    struct story *s = *state;
    s->kill_at = "ready";
    spawn_shell(s, "echo ready; exec sleep 60", NULL);
    net_loop_run(s->loop);
    assert_string_equal(buf_cstr(&s->lines), "<ready>");
    assert_int_equal(s->signum, SIGTERM);
}

/* The environment is ours, with what was added in place of what had the same name, and without what was named alone. */
static void test_environment(void **state)
{
    struct story *s = *state;
    assert_int_equal(setenv("MANTA_TEST_A", "old", 1), 0);
    assert_int_equal(setenv("MANTA_TEST_B", "kept", 1), 0);
    assert_int_equal(setenv("MANTA_TEST_C", "secret", 1), 0);
    const char *env[] = {"MANTA_TEST_A=new", "MANTA_TEST_C", "MANTA_TEST_NONE", NULL};
    spawn_shell(s, "echo $MANTA_TEST_A $MANTA_TEST_B; env | grep -c MANTA_TEST_A; env | grep -e TEST_C -e TEST_NONE", env);
    net_loop_run(s->loop);
    assert_string_equal(buf_cstr(&s->lines), "<new kept><1>");
}

static void test_stdin_is_empty_and_sigpipe_is_default(void **state)
{
    struct story *s = *state;
    spawn_shell(s, "read x || echo nothing; kill -PIPE $$; echo survived", NULL);
    net_loop_run(s->loop);
    assert_string_equal(buf_cstr(&s->lines), "<nothing>");
    assert_int_equal(s->signum, SIGPIPE);
}

/* A line without end comes in pieces of 8 KiB, nothing is lost. */
static void test_endless_line(void **state)
{
    struct story *s = *state;
    spawn_shell(s, "head -c 20000 /dev/zero | tr '\\0' x; echo", NULL);
    net_loop_run(s->loop);
    assert_int_equal(s->lines.n, 20000 + 2 * 3);
}

/* A grandchild that keeps the pipe open does not hold up the news of the child's end. */
static void test_grandchild_is_not_waited_for(void **state)
{
    struct story *s = *state;
    spawn_shell(s, "sleep 5 & echo $!; exit 3", NULL);
    uint64_t start_us = net_now_us(s->loop);
    net_loop_run(s->loop);
    assert_int_equal(s->status, 3);
    assert_true(net_now_us(s->loop) - start_us < 4000000);
    int grandchild = atoi(buf_cstr(&s->lines) + 1);
    assert_true(grandchild > 1);
    kill(grandchild, SIGKILL);
}

static void test_no_such_program(void **state)
{
    struct story *s = *state;
    const char *argv[] = {"/no/such/program", NULL};
    struct fault f = {0};
    assert_null(net_spawn(s->loop,
                          &(struct net_child_config){.argv = argv, .on_line = on_line, .on_exit = on_exit_,
                                                     .user_data = s}, &f));
    assert_string_equal(f.text, "cannot start '/no/such/program': no such file or directory");
    net_loop_run(s->loop);
    assert_int_equal(s->exits, 0);
}

/* Given a child that would run for a minute, freeing the loop kills it and says so. */
static void test_free_kills_what_runs(void **state)
{
    struct story *s = *state;
    spawn_shell(s, "exec sleep 60", NULL);
    net_loop_free(s->loop);
    s->loop = NULL;
    assert_int_equal(s->exits, 1);
    assert_int_equal(s->signum, SIGKILL);
}

/* ---- signals ---- */

static void stop_on_signal(int signum, void *user_data)
{
    struct story *s = user_data;
    s->signum = signum;
    net_loop_stop(s->loop);
}

static void raise_usr1(struct net_timer *t, void *user_data)
{
    (void)user_data;
    net_timer_free(t);
    raise(SIGUSR1);
}

static void never(struct net_timer *t, void *user_data)
{
    (void)t;
    (void)user_data;
    fail_msg("the signal did not stop the loop");
}

static void test_signal_is_a_call(void **state)
{
    struct story *s = *state;
    net_signal(s->loop, SIGUSR1, stop_on_signal, s);
    net_loop_run(s->loop); /* nothing to wait for: watching does not count */
    net_timer_set(net_timer_new(s->loop, raise_usr1, s), 0);
    net_timer_set(net_timer_new(s->loop, never, s), net_now_us(s->loop) + 2000000);
    net_loop_run(s->loop);
    assert_int_equal(s->signum, SIGUSR1);
    net_signal(s->loop, SIGUSR1, NULL, NULL);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    assert_true(now.sa_handler == SIG_DFL);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_lines_of_both_outputs_in_order),
        STORY(test_killed_child_names_its_signal),
        STORY(test_environment),
        STORY(test_stdin_is_empty_and_sigpipe_is_default),
        STORY(test_endless_line),
        STORY(test_grandchild_is_not_waited_for),
        STORY(test_no_such_program),
        STORY(test_free_kills_what_runs),
        STORY(test_signal_is_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
