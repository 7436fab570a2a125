/* A command line of an engine's: its output, its words when it fails, its bounds. Shell scripts stand for the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "launch/exec.h"
#include "launch/launcher.h"

struct story {
    struct net_loop *loop;
    struct exec_result r;
    struct fault blame;
    char out[EXEC_OUT_BYTES_MAX + 1], err[EXEC_ERR_BYTES_MAX + 1];
    unsigned done;
};

static int setup(void **state)
{
    static struct story s;
    s = (struct story){.loop = net_loop_new()};
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    net_loop_free(s->loop);
    return 0;
}

static void on_done(const struct exec_result *r, void *user_data)
{
    struct story *s = user_data;
    s->done++;
    s->r = *r;
    assert_int_equal(r->out.p[r->out.n], 0);
    assert_int_equal(r->err.p[r->err.n], 0);
    memcpy(s->out, r->out.p, r->out.n + 1);
    memcpy(s->err, r->err.p, r->err.n + 1);
    if (r->fault.err != 0)
        exec_blame(&s->blame, r, 0, "start worker-1", "ask the administrator");
}

static struct exec *start(struct story *s, const char *script, struct exec_config cfg)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    if (cfg.argv == NULL)
        cfg.argv = argv;
    cfg.on_done = on_done;
    cfg.user_data = s;
    return exec_start(s->loop, &cfg);
}

static void run(struct story *s, const char *script, struct exec_config cfg)
{
    start(s, script, cfg);
    assert_int_equal(s->done, 0); /* never from within the call */
    net_loop_run(s->loop);
    assert_int_equal(s->done, 1);
}

static void test_output_and_errors_apart(void **state)
{
    struct story *s = *state;
    run(s, "echo out; echo err >&2; printf more", (struct exec_config){0});
    assert_int_equal(s->r.fault.err, 0);
    assert_int_equal(s->r.status, 0);
    assert_string_equal(s->out, "out\nmore");
    assert_string_equal(s->err, "err\n");
}

/* Given a script on its input and a secret in its environment, it reads the first to its end and finds the second. */
static void test_input_and_environment(void **state)
{
    struct story *s = *state;
    const char *env[] = {"MANTA_JOIN_TOKEN=open sesame", "HOME", NULL};
    run(s, "cat; echo $MANTA_JOIN_TOKEN ${HOME-none}", (struct exec_config){.input = str_of("#!/bin/sh\nline\n"), .env_add = env});
    assert_string_equal(s->out, "#!/bin/sh\nline\nopen sesame none\n");
}

/* Given much input and a command that reads none of it, its end is told all the same. */
static void test_input_that_nobody_reads(void **state)
{
    struct story *s = *state;
    struct buf much = buf_max(NET_CHILD_INPUT_BYTES_MAX + 1);
    while (much.n < 512 << 10)
        buf_puts(&much, "0123456789abcde\n");
    run(s, "exec <&-; echo unread", (struct exec_config){.input = buf_str(&much)});
    assert_int_equal(s->r.fault.err, 0);
    assert_string_equal(s->out, "unread\n");
    buf_fini(&much);
}

static void test_too_much_input(void **state)
{
    struct story *s = *state;
    static char much[NET_CHILD_INPUT_BYTES_MAX + 1];
    memset(much, 'x', sizeof much);
    run(s, "cat >/dev/null", (struct exec_config){.input = str_n(much, sizeof much)});
    assert_int_equal(s->r.fault.err, ERR_TOO_LARGE);
}

static void test_last_words(void **state)
{
    struct story *s = *state;
    run(s, "echo fine; echo 'sbatch: warning: x' >&2; echo 'sbatch: error: Invalid partition' >&2; printf ' \\n\\n' >&2; exit 3",
        (struct exec_config){0});
    assert_int_equal(s->r.fault.err, ERR_FAILED);
    assert_int_equal(s->r.status, 3);
    assert_string_equal(s->r.fault.text, "sbatch: error: Invalid partition");
    assert_string_equal(s->blame.text, "cannot start worker-1: sbatch: error: Invalid partition; ask the administrator");
}

static void test_fails_without_a_word(void **state)
{
    struct story *s = *state;
    run(s, "exit 4", (struct exec_config){0});
    assert_string_equal(s->r.fault.text, "sh ended with status 4 and said nothing");
}

static void test_killed(void **state)
{
    struct story *s = *state;
    run(s, "echo half >&2; kill -9 $$", (struct exec_config){0});
    assert_int_equal(s->r.signum, SIGKILL);
    assert_string_equal(s->r.fault.text, "sh was killed by signal 9 (Killed)");
}

static void test_no_such_command(void **state)
{
    struct story *s = *state;
    const char *argv[] = {"no-such-engine", "ps", NULL};
    run(s, NULL, (struct exec_config){.argv = argv});
    assert_int_equal(s->r.fault.err, ERR_NOT_FOUND);
    assert_int_equal(s->r.status, -1);
    assert_string_equal(s->r.fault.text, "cannot start 'no-such-engine': no such file or directory");
}

/* Given a command whose own child hangs, both are killed at the deadline. */
static void test_hangs(void **state)
{
    struct story *s = *state;
    run(s, "sleep 600 & echo $!; wait", (struct exec_config){.timeout_ms = 200});
    assert_int_equal(s->r.fault.err, ERR_TIMEOUT);
    assert_string_equal(s->r.fault.text, "sh did not answer within 0 s");
    int child = atoi(s->out);
    assert_true(child > 1);
    for (int i = 0; kill(child, 0) == 0 && i < 5000; i++) /* a zombie until init has reaped it */
        usleep(1000);
    char path[64], what[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    FILE *stat = fopen(path, "r");
    if (stat != NULL) {
        assert_non_null(fgets(what, sizeof what, stat));
        fclose(stat);
    }
    assert_true(stat == NULL || strstr(what, ") Z ") != NULL);
}

static void test_floods(void **state)
{
    struct story *s = *state;
    run(s, "while :; do echo 0123456789012345678901234567890123456789; done", (struct exec_config){0});
    assert_int_equal(s->r.fault.err, ERR_TOO_LARGE);
    assert_string_equal(s->r.fault.text, "sh wrote more than 256 KiB");
    assert_true(s->r.out.n <= EXEC_OUT_BYTES_MAX);
}

/* Of megabytes of complaints the last ones stay. */
static void test_floods_of_errors(void **state)
{
    struct story *s = *state;
    run(s, "yes 'one more complaint' | head -c 1900000 >&2; echo 'the last one' >&2; exit 1", (struct exec_config){0});
    assert_string_equal(s->r.fault.text, "the last one");
    assert_true(s->r.err.n <= EXEC_ERR_BYTES_MAX);
}

static void test_cancelled(void **state)
{
    struct story *s = *state;
    exec_cancel(start(s, "sleep 600", (struct exec_config){0}));
    net_loop_run(s->loop); /* ends: it is dead and reaped */
    assert_int_equal(s->done, 0);
}

static void test_names(void **state)
{
    (void)state;
    struct fault f;
    struct launcher a = {.cfg.cluster = "lab-2"};
    assert_string_equal(launcher_engine_name(&a, 7).text, "lab-2-worker-7");
    assert_int_equal(launcher_index(&a, "lab-2-worker-7"), 7);
    assert_int_equal(launcher_index(&a, "worker-256"), 256);
    static const char *const strange[] = {"worker-0", "worker-257", "worker-07", "worker-", "worker-1x", "lab-worker-1", "lab-2-head",
                                          "lab-2-worker-4294967297", ""};
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
        assert_int_equal(launcher_index(&a, strange[i]), 0);
    assert_int_equal(launcher_check_cluster("lab-2", &f), 0);
    static const char *const wrong[] = {"", "2lab", "Lab", "lab_2", "lab-", "a b", "lab/../x", "abcdefghijabcdefghijabcdefghijabcdefghijk"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(launcher_check_cluster(wrong[i], &f), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_output_and_errors_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_and_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_that_nobody_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much_input, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fails_without_a_word, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_such_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_floods, setup, teardown),
        cmocka_unit_test_setup_teardown(test_floods_of_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
