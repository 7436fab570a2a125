/* A launch of shell scripts in place of manta: restarts, giving up, scaling, the end, and children that do not outlive us.
 *
 * A script gets its flags as $0 $1 …: a worker `--die-with-parent PID --node worker-1 --threads 1`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "launch/launch.h"

struct story {
    struct net_loop *loop;
    struct launch *launch;
    struct launch_config cfg;
    const char *head[3], *worker[3]; /* arguments */
    struct buf lines, events;        /* owned; one per line */
    struct fault fault;              /* of on_ended */
    unsigned ended;
    const char *act_at;              /* when this line comes … */
    void (*act)(struct story *s);    /* … this happens, once per coming */
    uint32_t most_running;
};

static void on_line(const char *who, struct str line, void *user_data)
{
    struct story *s = user_data;
    struct buf one = buf_max(1024);
    launch_prefix(&one, who, line);
    buf_printf(&s->lines, "%s\n", buf_cstr(&one));
    if (s->act_at != NULL && strcmp(s->act_at, buf_cstr(&one)) == 0)
        s->act(s);
    buf_fini(&one);
}

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)event;
    struct story *s = user_data;
    (void)level;
    buf_printf(&s->events, "%s\n", text);
}

static void on_ended(const struct fault *f, void *user_data)
{
    struct story *s = user_data;
    s->ended++;
    s->fault = *f;
    launch_free(s->launch);
    s->launch = NULL;
    net_loop_stop(s->loop);
}

static int setup(void **state)
{
    static struct story s;
    s = (struct story){.loop = net_loop_new(), .lines = buf_max(1 << 20), .events = buf_max(1 << 20),
                       .head = {"-c", "exec sleep 60"}, .worker = {"-c", "echo up; exec sleep 60"}};
    s.cfg = launch_config_default();
    s.cfg.program = "/bin/sh";
    s.cfg.head_args = s.head;
    s.cfg.worker_args = s.worker;
    s.cfg.host = "127.0.0.1";
    s.cfg.port = 1; /* nobody listens there */
    s.cfg.version = "0";
    s.cfg.workers = 1;
    s.cfg.times.restart_first_ms = 20;
    s.cfg.times.restart_max_ms = 100;
    s.cfg.times.grace_ms = 200;
    s.cfg.on_line = on_line;
    s.cfg.on_event = on_event;
    s.cfg.on_ended = on_ended;
    s.cfg.user_data = &s;
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    net_loop_free(s->loop);
    buf_fini(&s->lines);
    buf_fini(&s->events);
    return 0;
}

static void run(struct story *s)
{
    struct fault f = {0};
    s->launch = launch_start(s->loop, &s->cfg, &f);
    assert_non_null(s->launch);
    net_loop_run(s->loop);
    assert_int_equal(s->ended, 1);
}

static unsigned count(struct buf *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = buf_cstr(text); (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void stop(struct story *s)
{
    launch_stop(s->launch);
}

/* ---- stories ---- */

static void stop_when_four_are_up(const char *who, struct str line, void *user_data)
{
    struct story *s = user_data;
    on_line(who, line, user_data);
    if (count(&s->lines, "up\n") == 4)
        launch_stop(s->launch);
}

/* Given three workers and a head, each gets its flags and its share of the processors; stopping ends all in order. */
static void test_start_and_stop(void **state)
{
    struct story *s = *state;
    char flags[128];
    s->cfg.workers = 3;
    s->cfg.worker_threads = 2;
    s->head[1] = "echo $0 $1; echo up; exec sleep 60";
    s->worker[1] = "echo $0 $1 $2 $3 $4 $5; echo up; exec sleep 60";
    s->cfg.on_line = stop_when_four_are_up;
    run(s);
    snprintf(flags, sizeof flags, "head | --die-with-parent %d\n", (int)getpid());
    assert_int_equal(count(&s->lines, flags), 1);
    snprintf(flags, sizeof flags, "worker-3 | --die-with-parent %d --node worker-3 --threads 2\n", (int)getpid());
    assert_int_equal(count(&s->lines, flags), 1);
    assert_int_equal(s->fault.err, 0);
    /* the head is the last to go */
    assert_int_equal(count(&s->events, "stopped\n"), 4);
    const char *head_stopped = strstr(buf_cstr(&s->events), "head stopped\n");
    assert_non_null(head_stopped);
    assert_null(strstr(head_stopped, "worker"));
}

static void kill_worker_then_stop(struct story *s)
{
    if (count(&s->lines, "worker-1 | up") == 3)
        launch_stop(s->launch);
    else
        kill(launch_pid(s->launch, "worker-1"), SIGKILL);
}

/* Given a worker that is killed twice, it comes back each time, after a pause that has grown; it is told that it had been there, and
 * so waits for a model's file that has gone meanwhile. */
static void test_a_killed_worker_comes_back(void **state)
{
    struct story *s = *state;
    s->worker[1] = "echo \"as $0 $*\"; echo up; exec sleep 60";
    s->act_at = "worker-1 | up";
    s->act = kill_worker_then_stop;
    run(s);
    assert_int_equal(count(&s->events, "worker-1 started"), 3);
    assert_int_equal(count(&s->events, "worker-1 was killed by signal 9 (Killed): starting it again in 20 ms"), 1);
    assert_int_equal(count(&s->events, "worker-1 was killed by signal 9 (Killed): starting it again in 40 ms"), 1);
    assert_int_equal(count(&s->lines, " --again"), 2);
}

/* The same for a worker that had run for long enough: its pause starts from the beginning. */
static void test_a_stable_worker_is_forgiven(void **state)
{
    struct story *s = *state;
    s->cfg.times.stable_ms = 0;
    s->act_at = "worker-1 | up";
    s->act = kill_worker_then_stop;
    run(s);
    assert_int_equal(count(&s->events, "starting it again in 20 ms"), 2);
}

static void kill_head_then_stop(struct story *s)
{
    if (count(&s->lines, "head | up") == 2)
        launch_stop(s->launch);
    else
        kill(launch_pid(s->launch, "head"), SIGSEGV);
}

static void test_a_crashed_head_comes_back(void **state)
{
    struct story *s = *state;
    s->head[1] = "echo up; exec sleep 60";
    s->act_at = "head | up";
    s->act = kill_head_then_stop;
    run(s);
    assert_int_equal(count(&s->events, "head started"), 2);
    assert_int_equal(s->fault.err, 0);
}

/* A head that cannot start (its port is taken) ends everything, with its own last words. */
static void test_a_head_that_cannot_start_ends_all(void **state)
{
    struct story *s = *state;
    s->head[1] = "echo 'port 8470 on 127.0.0.1 is already in use'; exit 1";
    run(s);
    assert_int_equal(s->fault.err, ERR_FAILED);
    assert_string_equal(s->fault.text, "head ended with status 1: port 8470 on 127.0.0.1 is already in use");
}

/* Given a launch without workers; when its owner begins with two once the head is up; then they are first ones, whose unusable model ends
 * everything, and not ones that were good before. */
static void begin_on_line(struct story *s)
{
    launch_begin(s->launch, 2);
}

static void test_workers_begin_later(void **state)
{
    struct story *s = *state;
    s->cfg.workers = 0;
    s->head[1] = "echo here; exec sleep 60";
    s->worker[1] = "echo \"args $*\"; echo 'error: x.gguf is not a GGUF file'; exit 6";
    s->act_at = "head | here";
    s->act = begin_on_line;
    run(s);
    assert_int_equal(count(&s->lines, "args "), 2);
    assert_int_equal(count(&s->lines, " --again"), 0);
    assert_non_null(strstr(s->fault.text, "ended with status 6: x.gguf is not a GGUF file"));
}

/* A worker whose model is unusable says so with its status: it is not tried again, and when none is left all ends. */
static void test_hopeless_workers_end_all(void **state)
{
    struct story *s = *state;
    s->cfg.workers = 2;
    s->worker[1] = "echo 'error: x.gguf is not a GGUF file'; echo bye; exit 6";
    run(s);
    assert_int_equal(count(&s->events, "started, pid"), 3);
    assert_non_null(strstr(s->fault.text, "ended with status 6: x.gguf is not a GGUF file"));
}

/* What a child said last is told without the time and the tag of its log line; one that is too long keeps its remedy, which stands at
 * its end, and whole characters. */
static void test_a_reason_keeps_its_remedy(void **state)
{
    (void)state;
    struct fault f;
    launch_reason(&f, "worker-1", "ended with status 5", "14:43:11.616 [WORKER NODE STARTING] error: it needs 160 MiB: --memory 183m");
    assert_string_equal(f.text, "worker-1 ended with status 5: it needs 160 MiB: --memory 183m");
    launch_reason(&f, "head", "ended with status 1", "");
    assert_string_equal(f.text, "head ended with status 1");
    for (unsigned pad = 0; pad < 3; pad++) {
        char line[1200] = "cannot open '/";
        size_t n = strlen(line) + pad;
        memset(line + n - pad, 'a', pad);
        for (; n < 1000; n += 3)
            memcpy(line + n, "\xe6\x9d\xb1", 3);
        snprintf(line + n, sizeof line - n, "' as a model: what would fit: --memory 183m");
        launch_reason(&f, "worker-17", "ended with status 5", line);
        assert_non_null(strstr(f.text, "worker-17 ended with status 5: cannot open '/"));
        assert_non_null(strstr(f.text, " ... \xe6\x9d\xb1"));
        assert_string_equal(f.text + strlen(f.text) - 43, "' as a model: what would fit: --memory 183m");
        for (size_t i = 0, len; f.text[i] != '\0'; i += len)
            assert_int_not_equal(len = utf8_len(f.text + i, strlen(f.text + i)), 0);
    }
}

/* worker-1 up: to three. worker-3 up: back to one. */
static void scale_on_line(const char *who, struct str line, void *user_data)
{
    struct story *s = user_data;
    on_line(who, line, user_data);
    if (strcmp(who, "worker-1") == 0)
        assert_int_equal(launch_scale(s->launch, 3), 3);
    if (strcmp(who, "worker-3") != 0)
        return;
    s->most_running = launch_running(s->launch);
    assert_int_equal(launch_scale(s->launch, 1), 1);
}

static void stop_when_alone(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    if (s->most_running == 3 && launch_running(s->launch) == 1) {
        assert_int_equal(launch_pid(s->launch, "worker-2"), 0);
        assert_true(launch_pid(s->launch, "worker-1") > 0);
        launch_stop(s->launch);
    } else {
        net_timer_set(t, net_now_us(s->loop) + 10000);
    }
}

/* Given one worker, scaled to three and then to one: the new ones come, and the surplus leaves by SIGTERM. */
static void test_scale_up_and_down(void **state)
{
    struct story *s = *state;
    s->cfg.on_line = scale_on_line;
    net_timer_set(net_timer_new(s->loop, stop_when_alone, s), net_now_us(s->loop) + 10000);
    run(s);
    assert_int_equal(s->most_running, 3);
    assert_int_equal(count(&s->events, "worker-1 started"), 1);
    assert_int_equal(count(&s->events, "worker-3 stopped"), 1);
}

/* A worker deaf to signals is killed after the grace. */
static void test_a_deaf_worker_is_killed(void **state)
{
    struct story *s = *state;
    s->worker[1] = "trap '' TERM INT; echo up; while :; do sleep 1; done";
    s->act_at = "worker-1 | up";
    s->act = stop;
    run(s);
    assert_int_equal(count(&s->events, "worker-1 did not stop within 200 ms: killing it"), 1);
}

/* Scales to none when the worker is up; with `stop` ends it all when the worker has been told. */
static void scale_to_none(const char *who, struct str line, void *user_data)
{
    struct story *s = user_data;
    on_line(who, line, user_data);
    if (str_is(line, "up"))
        launch_scale(s->launch, 0);
    else if (str_is(line, "drained") || str_is(line, s->act_at != NULL ? s->act_at : ""))
        launch_stop(s->launch);
}

/* Given a worker with something running; when it is one too many; then it is asked to drain and has its time for that. */
static void test_a_surplus_worker_drains(void **state)
{
    struct story *s = *state;
    s->cfg.times.drain_ms = 20000;
    s->cfg.on_line = scale_to_none;
    s->worker[1] = "trap 'sleep 0.4; echo drained; exit 0' TERM; echo up; while :; do sleep 0.05; done"; /* more than the grace of 0.2 s */
    run(s);
    assert_int_equal(count(&s->lines, "worker-1 | drained"), 1);
    assert_int_equal(count(&s->events, "did not stop"), 0);
}

/* Given a worker that drains for long; when all of it is to end; then nothing is waited for any more. */
static void test_the_end_of_all_does_not_wait_for_a_drain(void **state)
{
    struct story *s = *state;
    s->cfg.times.drain_ms = 20000;
    s->cfg.on_line = scale_to_none;
    s->act_at = "drains";
    s->worker[1] = "trap 'exit 0' INT; trap 'echo drains' TERM; echo up; while :; do sleep 0.05; done";
    uint64_t start_us = net_now_us(s->loop);
    run(s);
    assert_int_equal(count(&s->events, "worker-1 stopped"), 1);
    assert_true(net_now_us(s->loop) - start_us < 10000000);
}

static void stop_twice(struct story *s)
{
    launch_stop(s->launch);
    launch_stop(s->launch);
}

static void test_a_second_stop_does_not_wait(void **state)
{
    struct story *s = *state;
    s->cfg.times.grace_ms = 30000;
    s->worker[1] = "trap '' TERM INT; echo up; while :; do sleep 1; done";
    s->act_at = "worker-1 | up";
    s->act = stop_twice;
    uint64_t start_us = net_now_us(s->loop);
    run(s);
    assert_true(net_now_us(s->loop) - start_us < 10000000);
}

static void leave(struct story *s)
{
    launch_free(s->launch);
    s->launch = NULL;
}

/* Freed while all runs: the children are killed, nothing is heard of them, and the loop has nothing left to wait for. */
static void test_free_while_running(void **state)
{
    struct story *s = *state;
    struct fault f = {0};
    s->act_at = "worker-1 | up";
    s->act = leave;
    s->launch = launch_start(s->loop, &s->cfg, &f);
    net_loop_run(s->loop);
    assert_int_equal(s->ended, 0);
    assert_int_equal(count(&s->events, "killed"), 0);
}

static void test_no_such_program(void **state)
{
    struct story *s = *state;
    struct fault f = {0};
    s->cfg.program = "/no/such/manta";
    assert_null(launch_start(s->loop, &s->cfg, &f));
    assert_string_equal(f.text, "cannot start '/no/such/manta': no such file or directory");
}

static const char gone[] = "gone.sh"; /* the program of the next story: a name of /bin/sh, until it is taken away */

static void take_the_program_away(struct story *s)
{
    s->act_at = NULL;
    assert_int_equal(unlink(gone), 0);
    assert_int_equal(launch_scale(s->launch, 2), 2);
}

static void stop_after_four_tries(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    struct story *s = user_data;
    on_event(level, event, text, user_data);
    if (count(&s->events, "worker-2 cannot start") == 4 && s->launch != NULL)
        launch_stop(s->launch);
}

/* Given a cluster whose program cannot be started any more; when it is scaled up; then each try for the new worker waits longer than the one before,
 * although that worker has never run. */
static void test_tries_that_start_nothing_become_rare(void **state)
{
    struct story *s = *state;
    (void)unlink(gone);
    assert_int_equal(symlink("/bin/sh", gone), 0);
    s->cfg.program = "./gone.sh";
    s->cfg.times.stable_ms = 1000;
    s->cfg.on_event = stop_after_four_tries;
    s->act_at = "worker-1 | up";
    s->act = take_the_program_away;
    run(s);
    assert_int_equal(count(&s->events, "starting it again in 20 ms"), 1);
    assert_int_equal(count(&s->events, "starting it again in 40 ms"), 1);
    assert_int_equal(count(&s->events, "starting it again in 100 ms"), 1);
}

/* ---- no orphans ---- */

/* The middle process of the next story: starts a launch of this very program and runs until it is killed. */
static void print_line(const char *who, struct str line, void *user_data)
{
    (void)who;
    (void)user_data;
    dprintf(STDOUT_FILENO, "%.*s\n", STR_ARG(line));
}

static int be_parent(void)
{
    struct net_loop *l = net_loop_new();
    const char *const child[] = {"child", NULL};
    struct launch_config cfg = launch_config_default();
    struct fault f = {0};
    cfg.head_args = cfg.worker_args = child;
    cfg.host = "127.0.0.1";
    cfg.port = 1;
    cfg.workers = 1;
    cfg.on_line = print_line;
    cfg.on_ended = on_ended;
    if (launch_start(l, &cfg, &f) != NULL)
        net_loop_run(l);
    return 1;
}

static int be_child(int parent)
{
    launch_die_with_parent(parent, true);
    printf("%d %d\n", (int)getpid(), getpgrp() == getpid());
    fflush(stdout);
    pause();
    return 0;
}

static bool is_gone(int pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return true;
    if (fscanf(f, "%*d %*s %c", &state) != 1)
        state = 'X';
    fclose(f);
    return state == 'Z' || state == 'X';
}

/* Given a parent with a head and a worker, when the parent is killed with SIGKILL, both are gone at once. */
static void test_no_orphans_of_a_killed_parent(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t parent = fork();
    if (parent == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_launch_supervise", "parent", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *from = fdopen(out[0], "r");
    int pids[2], leads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fscanf(from, "%d %d", &pids[i], &leads[i]), 2);
        assert_true(leads[i]);
        assert_false(is_gone(pids[i]));
    }
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    for (int i = 0; i < 2; i++) {
        for (int tries = 0; tries < 200 && !is_gone(pids[i]); tries++)
            usleep(10000);
        assert_true(is_gone(pids[i]));
    }
    fclose(from);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "parent") == 0)
        return be_parent();
    if (argc >= 4 && strcmp(argv[1], "child") == 0)
        return be_child(atoi(argv[3]));
    const struct CMUnitTest tests[] = {
        STORY(test_start_and_stop),
        STORY(test_a_killed_worker_comes_back),
        STORY(test_a_stable_worker_is_forgiven),
        STORY(test_a_crashed_head_comes_back),
        STORY(test_a_head_that_cannot_start_ends_all),
        STORY(test_hopeless_workers_end_all),
        STORY(test_workers_begin_later),
        cmocka_unit_test(test_a_reason_keeps_its_remedy),
        STORY(test_scale_up_and_down),
        STORY(test_a_deaf_worker_is_killed),
        STORY(test_a_surplus_worker_drains),
        STORY(test_the_end_of_all_does_not_wait_for_a_drain),
        STORY(test_a_second_stop_does_not_wait),
        STORY(test_free_while_running),
        STORY(test_no_such_program),
        STORY(test_tries_that_start_nothing_become_rare),
        STORY(test_no_orphans_of_a_killed_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
