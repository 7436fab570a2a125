/* The script of a Slurm job, run by the real shell with a shell script in place of manta; and squeue's words for times and states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "launch/slurm.h"
#include "os/file.h"

enum { TEXT_BYTES = 64 << 10, PATIENCE_MS = 120000 };

struct story {
    char dir[64];
    struct launcher launcher;
    const char *args[8], *options[4];
    pid_t job;
};

static const char *path_of(struct story *s, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    return path;
}

static void put(struct story *s, const char *name, const char *text, size_t n)
{
    FILE *f = fopen(path_of(s, name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
    chmod(path_of(s, name), 0700);
}

static const char *output(struct story *s)
{
    static char text[TEXT_BYTES];
    file_read_text(path_of(s, "output"), text, sizeof text);
    return text;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void await(struct story *s, const char *part)
{
    for (int waited = 0; waited < PATIENCE_MS && strstr(output(s), part) == NULL; waited += 20)
        pause_ms(20);
    if (strstr(output(s), part) == NULL)
        fail_msg("'%s' did not come in:\n%s", part, output(s));
}

static int setup(void **state)
{
    static struct story s;
    s = (struct story){.dir = "/tmp/manta-slurm-XXXXXX"};
    assert_non_null(mkdtemp(s.dir));
    s.launcher.ops = &launch_slurm;
    s.args[0] = "worker";
    s.args[1] = "it's $HOME";
    s.launcher.cfg = (struct launcher_config){.cluster = "lab", .worker_args = s.args, .options = s.options, .drain_ms = 0};
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    char command[128];
    if (s->job > 0) {
        kill(-s->job, SIGKILL);
        waitpid(s->job, NULL, 0);
    }
    snprintf(command, sizeof command, "exec /bin/rm -rf %s", s->dir);
    return system(command);
}

/* Submits it to nobody: a process group of its own is the job. `worker` stands in for manta. */
static void run_job(struct story *s, const char *worker)
{
    struct slurm_command c;
    struct fault f = {0};
    static char program[128];
    put(s, "manta worker", worker, strlen(worker));
    snprintf(program, sizeof program, "%s", path_of(s, "manta worker"));
    s->launcher.cfg.program = program;
    assert_int_equal(slurm_command_make(&c, &s->launcher, 3, s->dir, &f), 0);
    put(s, "job", c.script.p, c.script.n);
    slurm_command_fini(&c);
    s->job = fork();
    assert_true(s->job >= 0);
    if (s->job > 0) {
        setpgid(s->job, s->job);
        return;
    }
    setpgid(0, 0);
    setenv("SLURM_CPUS_ON_NODE", "2", 1);
    setenv("D", s->dir, 1);
    if (freopen(path_of(s, "output"), "w", stdout) == NULL || dup2(1, 2) < 0)
        _exit(9);
    execl("/bin/sh", "sh", path_of(s, "job"), (char *)NULL);
    _exit(9);
}

static int end_of_job(struct story *s)
{
    int status = -1;
    for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
        if (waitpid(s->job, &status, WNOHANG) == s->job) {
            s->job = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        pause_ms(20);
    }
    fail_msg("the job does not end:\n%s", output(s));
    return -1;
}

/* ---- stories ---- */

static void the_worker_gets_its_arguments_as_they_are(void **state)
{
    struct story *s = *state;
    run_job(s, "#!/bin/sh\nfor a; do echo \"<$a>\"; done; exec sleep 60\n");
    await(s, "<--die-with-parent>");
    char own[32];
    snprintf(own, sizeof own, "<%d>", (int)s->job);
    await(s, own);
    assert_non_null(strstr(output(s), "<worker>\n<it's $HOME>\n<--threads>\n<2>\n<--node>\n<worker-3>\n"));
    assert_null(strstr(output(s), "<--again>"));
}

static void a_worker_that_dies_is_started_again(void **state)
{
    struct story *s = *state;
    run_job(s, "#!/bin/sh\necho \"life $@\"; [ -e $D/2 ] && exec sleep 60; [ -e $D/1 ] && touch $D/2; touch $D/1; kill -9 $$\n");
    await(s, "ended with status 137: starting it again in 0 s");
    await(s, "ended with status 137: starting it again in 1 s");
    const char *last = strstr(output(s), "in 1 s");
    await(s, "--again");
    assert_non_null(last);
}

static void the_end_is_passed_on_and_waited_for(void **state)
{
    struct story *s = *state;
    run_job(s, "#!/bin/sh\ntrap 'echo draining; sleep 1; echo drained; exit 0' TERM\necho up\nwhile :; do sleep 0.1; done\n");
    await(s, "up");
    kill(s->job, SIGTERM); /* as scancel --batch: the shell alone */
    kill(s->job, SIGTERM);
    assert_int_equal(end_of_job(s), 0);
    assert_non_null(strstr(output(s), "draining\ndrained\n"));
    assert_null(strstr(output(s), "again"));
}

static void the_end_in_a_pause_is_the_end(void **state)
{
    struct story *s = *state;
    run_job(s, "#!/bin/sh\nexit 1\n");
    await(s, "in 4 s");
    kill(s->job, SIGTERM);
    assert_int_equal(end_of_job(s), 0);
}

static void a_status_that_stays_ends_the_job_with_it(void **state)
{
    static const int statuses[] = {ERR_USAGE, ERR_AUTH, ERR_MEMORY, ERR_MODEL};
    struct story *s = *state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        char worker[64];
        snprintf(worker, sizeof worker, "#!/bin/sh\nexit %d\n", err_exit(statuses[i]));
        run_job(s, worker);
        assert_int_equal(end_of_job(s), err_exit(statuses[i]));
        assert_non_null(strstr(output(s), "not starting it again"));
    }
}

static void a_worker_that_hangs_is_killed(void **state)
{
    struct story *s = *state;
    put(s, "sleep", "#!/bin/sh\nexec /bin/sleep 0.3\n", 31); /* the job's patience is 15 s */
    char path[256];
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", s->dir);
    setenv("PATH", path, 1);
    run_job(s, "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do /bin/sleep 0.1; done\n");
    await(s, "up");
    kill(s->job, SIGTERM);
    assert_int_equal(end_of_job(s), 0);
    setenv("PATH", "/usr/bin:/bin", 1);
}

static void times_are_read_as_slurm_writes_them(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"0:00", 0}, {"1:05", 65}, {"59:59", 3599}, {"1:00:00", 3600}, {"1-00:00:00", 86400}, {"365-01:02:03", 365 * 86400LL + 3723},
        {"UNLIMITED", -1}, {"INVALID", -1}, {"NOT_SET", -1}, {"", -1}, {"5", -1}, {"1:2:3:4", -1}, {"-1:00", -1}, {"1-", -1}, {"1-5:00", -1},
        {"1:00x", -1}, {"99999999999999999999:00", -1}, {"9999999999999999999999999999999999999", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (slurm_seconds(str_of(cases[i].text)) != cases[i].seconds)
            fail_msg("'%s' is read as %lld", cases[i].text, (long long)slurm_seconds(str_of(cases[i].text)));
    }
}

static void each_state_has_its_meaning(void **state)
{
    static const struct {
        const char *word, *reason;
        enum slurm_phase phase;
    } cases[] = {
        {"PENDING", "JobHeldAdmin", SLURM_WAITS}, {"CONFIGURING", "None", SLURM_WAITS}, {"REQUEUED", "None", SLURM_WAITS},
        {"REQUEUE_HOLD", "None", SLURM_WAITS}, {"SPECIAL_EXIT", "None", SLURM_WAITS}, {"RUNNING", "None", SLURM_RUNS},
        {"SUSPENDED", "None", SLURM_RUNS}, {"COMPLETING", "None", SLURM_ENDS}, {"COMPLETED", "None", SLURM_GONE},
        {"CANCELLED", "None", SLURM_GONE}, {"TIMEOUT", "TimeLimit", SLURM_GONE}, {"NODE_FAIL", "NodeDown", SLURM_GONE},
        {"PREEMPTED", "None", SLURM_GONE}, {"OUT_OF_MEMORY", "OutOfMemory", SLURM_GONE}, {"FAILED", "RaisedSignal:9(Killed)", SLURM_GONE},
        {"FAILED", "NonZeroExitCode", SLURM_BROKEN}, {"FAILED", "JobLaunchFailure", SLURM_BROKEN}, {"DEADLINE", "DeadLine", SLURM_BROKEN},
    };
    struct story *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[128];
        struct slurm_job job;
        snprintf(line, sizeof line, "12|lab-worker-3|manta lab|%s|n1|5:00|1:00:00|%s\n", cases[i].word, cases[i].reason);
        assert_int_equal(slurm_jobs_read(&job, 1, &s->launcher, str_of(line), 120), 1);
        assert_int_equal(job.id, 12);
        assert_int_equal(job.index, 3);
        if (job.phase != cases[i].phase)
            fail_msg("%s %s is read as %d", cases[i].word, cases[i].reason, job.phase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(the_worker_gets_its_arguments_as_they_are),
        STORY(a_worker_that_dies_is_started_again),
        STORY(the_end_is_passed_on_and_waited_for),
        STORY(the_end_in_a_pause_is_the_end),
        STORY(a_status_that_stays_ends_the_job_with_it),
        STORY(a_worker_that_hangs_is_killed),
        STORY(times_are_read_as_slurm_writes_them),
        STORY(each_state_has_its_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
