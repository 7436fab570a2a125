/* The engine "slurm" with shell scripts in place of Slurm's commands: a queue that is a text file, refusals, nonsense.
 *
 * squeue prints $FAKE/queue, sbatch appends to it, scancel and scontrol note what they were asked. A script $FAKE/COMMAND.sh, where a test
 * writes one, takes a command's place. tests/engines/slurm does the same with the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "launch/slurm.h"
#include "os/file.h"

enum { TEXT_BYTES = 64 << 10 };

struct story {
    struct net_loop *loop;
    struct launcher *launcher;
    struct launcher_config cfg;
    const char *worker_args[8], *worker_env[4], *options[8];
    char dir[64];
    uint64_t ticket;              /* of the last answer */
    unsigned opened, dones;
    struct fault fault;           /* of opened or done */
    struct launcher_worker workers[16];
    size_t workers_n;
    unsigned changes;
    struct buf said, took;        /* owned */
};

static void on_opened(const struct fault *f, void *user_data)
{
    struct story *s = user_data;
    s->opened++;
    s->fault = *f;
    net_loop_stop(s->loop);
}

static void on_done(uint64_t ticket, const struct fault *f, void *user_data)
{
    struct story *s = user_data;
    s->ticket = ticket;
    s->dones++;
    s->fault = *f;
    net_loop_stop(s->loop);
}

static void on_listed(uint64_t ticket, const struct launcher_worker *workers, size_t n, void *user_data)
{
    struct story *s = user_data;
    assert_true(n <= sizeof s->workers / sizeof s->workers[0]);
    s->ticket = ticket;
    s->workers_n = n;
    memcpy(s->workers, workers, n * sizeof *workers);
    net_loop_stop(s->loop);
}

static void on_changed(void *user_data)
{
    struct story *s = user_data;
    s->changes++;
    net_loop_stop(s->loop);
}

static void on_took(const char *what, void *user_data)
{
    buf_printf(&((struct story *)user_data)->took, "%s\n", what);
}

static void on_said(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)level, (void)event;
    buf_printf(&((struct story *)user_data)->said, "%s\n", text);
}

static void put(struct story *s, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, 0700);
}

static const char *get(struct story *s, const char *name)
{
    static char text[TEXT_BYTES];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    file_read_text(path, text, sizeof text);
    return text;
}

static void add_command(struct story *s, const char *name, const char *body)
{
    char text[2048], path[96];
    snprintf(text, sizeof text, "#!/bin/sh\nFAKE=%s\n[ ! -e $FAKE/%s.sh ] || . $FAKE/%s.sh\n%s", s->dir, name, name, body);
    snprintf(path, sizeof path, "bin/%s", name);
    put(s, path, text);
}

static int setup(void **state)
{
    static struct story s;
    char path[256];
    s = (struct story){.loop = net_loop_new(), .said = buf_max(TEXT_BYTES), .took = buf_max(TEXT_BYTES), .dir = "/tmp/manta-slurm-XXXXXX"};
    assert_non_null(mkdtemp(s.dir));
    snprintf(path, sizeof path, "%s/bin", s.dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", s.dir);
    setenv("PATH", path, 1);
    snprintf(path, sizeof path, "%s/state", s.dir);
    setenv("XDG_STATE_HOME", path, 1);
    put(&s, "queue", "");
    add_command(&s, "squeue", "echo \"$@\" >> $FAKE/asked; cat $FAKE/queue\n");
    add_command(&s, "sbatch",
                "cat > $FAKE/script; echo \"$@\" >> $FAKE/submitted; env > $FAKE/environment\n"
                "for a; do case $a in --job-name=*) name=${a#*=} ;; --comment=*) comment=${a#*=} ;; esac; done\n"
                "id=$((100 + $(wc -l < $FAKE/queue)))\n"
                "echo \"$id|$name|$comment|PENDING||1:00:00|1:00:00|Resources\" >> $FAKE/queue; echo $id\n");
    add_command(&s, "scancel", "echo \"scancel $*\" >> $FAKE/did\n");
    add_command(&s, "scontrol", "echo \"scontrol $*\" >> $FAKE/did\n");
    s.worker_args[0] = "worker";
    s.worker_args[1] = "--head";
    s.worker_args[2] = "login:8470";
    s.worker_env[0] = "MANTA_JOIN_TOKEN=a-secret";
    s.worker_env[1] = "MANTA_API_KEY";
    s.cfg = (struct launcher_config){.cluster = "lab", .head = "login:8470", .program = "/shared/manta", .worker_args = s.worker_args,
                                     .worker_env = s.worker_env, .options = s.options, .memory_bytes = 1 << 30, .threads = 2, .drain_ms = 8000};
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    char command[128];
    if (s->launcher != NULL)
        s->launcher->ops->free(s->launcher);
    net_loop_free(s->loop);
    buf_fini(&s->said);
    buf_fini(&s->took);
    snprintf(command, sizeof command, "exec /bin/rm -rf %s", s->dir);
    return system(command);
}

static void open_it(struct story *s)
{
    static const struct launcher_events events = {.opened = on_opened, .done = on_done, .listed = on_listed, .changed = on_changed,
                                                  .took = on_took, .said = on_said};
    struct fault f = {0};
    s->launcher = launch_slurm.open(s->loop, &s->cfg, &events, s, &f);
    assert_string_equal(f.text, "");
    assert_non_null(s->launcher);
    net_loop_run(s->loop);
    assert_int_equal(s->opened, 1);
}

static void start(struct story *s, uint64_t ticket, uint32_t first, uint32_t last)
{
    launch_slurm.start(s->launcher, ticket, (struct launcher_range){first, last});
    net_loop_run(s->loop);
    assert_int_equal(s->ticket, ticket);
}

static void stop(struct story *s, uint64_t ticket, uint32_t first, uint32_t last, bool drain)
{
    launch_slurm.stop(s->launcher, ticket, (struct launcher_range){first, last}, drain);
    net_loop_run(s->loop);
    assert_int_equal(s->ticket, ticket);
}

static void list(struct story *s, uint64_t ticket)
{
    launch_slurm.list(s->launcher, ticket);
    net_loop_run(s->loop);
    assert_int_equal(s->ticket, ticket);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' is in:\n%s", part, text);
}

static unsigned lines_of(const char *text)
{
    unsigned n = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        n++;
    return n;
}

/* ---- stories ---- */

static void each_worker_is_one_job_and_is_submitted_once(void **state)
{
    struct story *s = *state;
    s->options[0] = "partition=gpu";
    s->options[1] = "sbatch=--constraint=avx512  --exclude=n[1-3]";
    open_it(s);
    start(s, 1, 1, 2);
    start(s, 2, 1, 3);
    start(s, 3, 1, 3);
    assert_int_equal(s->fault.err, 0);
    list(s, 4);
    assert_int_equal(s->workers_n, 3);
    assert_int_equal(s->workers[2].state, LAUNCHER_PENDING);
    assert_string_equal(s->workers[2].reason, "Resources");
    const char *submitted = get(s, "submitted");
    assert_has(submitted, "--parsable --requeue --open-mode=append");
    assert_has(submitted, "--job-name=lab-worker-2 --comment=manta lab");
    assert_has(submitted, "--signal=B:TERM@60");
    assert_has(submitted, "--cpus-per-task=2 --mem=1152M --partition=gpu --constraint=avx512 --exclude=n[1-3]\n");
    assert_has(submitted, "/state/manta/slurm/lab/worker-3.log");
    assert_has(get(s, "script"), "'/shared/manta' 'worker' '--head' 'login:8470'");
    assert_has(get(s, "asked"), "--me --states=all --name=lab-worker-1,lab-worker-2,");
}

static void a_head_that_only_this_machine_finds_is_warned_of(void **state)
{
    struct story *s = *state;
    s->cfg.head = "127.0.0.1:8470";
    open_it(s);
    start(s, 1, 1, 1);
    start(s, 2, 1, 2);
    assert_int_equal(lines_of(buf_cstr(&s->said)), 1);
    assert_has(buf_cstr(&s->said), "--host 0.0.0.0");
}

static void secrets_go_by_environment_only(void **state)
{
    struct story *s = *state;
    setenv("MANTA_API_KEY", "the-head's", 1);
    setenv("SLURM_JOB_ID", "77", 1); /* as within an allocation */
    setenv("SLURM_CONF", "/etc/slurm.conf", 1);
    open_it(s);
    start(s, 1, 1, 1);
    for (size_t i = 0; i < 3; i++)
        unsetenv((const char *const[]){"MANTA_API_KEY", "SLURM_JOB_ID", "SLURM_CONF"}[i]);
    assert_lacks(get(s, "submitted"), "a-secret");
    assert_lacks(get(s, "script"), "a-secret");
    const char *environment = get(s, "environment");
    assert_has(environment, "MANTA_JOIN_TOKEN=a-secret\n");
    assert_has(environment, "SLURM_CONF=/etc/slurm.conf\n");
    assert_lacks(environment, "MANTA_API_KEY");
    assert_lacks(environment, "SLURM_JOB_ID");
}

static void a_refusal_has_slurms_words_and_what_would_help(void **state)
{
    static const struct {
        const char *says;
        int err;
        const char *words, *remedy;
    } cases[] = {
        {"sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified",
         ERR_USAGE, "invalid partition specified: nope", "--set partition=NAME"},
        {"sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified", ERR_USAGE,
         "Invalid account", "--set account=NAME"},
        {"sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job "
         "submit limit, user's size and/or time limits)", ERR_BUSY, "QOSMaxSubmitJobPerUserLimit: Batch job", "ask for fewer workers"},
        {"sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration "
         "is not available", ERR_USAGE, "Memory specification can not be satisfied", "a smaller --memory"},
        {"sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", ERR_UNAVAILABLE,
         "Unable to contact slurm controller", "scontrol ping"},
        {"sbatch: error: Munge encode failed: Failed to access \"/run/munge/munge.socket.2\": No such file or directory", ERR_UNAVAILABLE,
         "Munge encode failed", "is munged up"},
        {"sbatch: unrecognized option '--frobnicate'\nTry \"sbatch --help\" for more information", ERR_USAGE, "--frobnicate", "sbatch --help"},
        {"", ERR_FAILED, "cannot submit worker-1 to Slurm: sbatch ended with status 1", ""},
        {"\033[31mred\xff", ERR_FAILED, "cannot submit worker-1 to Slurm: ", ""},
    };
    struct story *s = *state;
    open_it(s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[1024];
        snprintf(script, sizeof script, "cat > /dev/null\ncat >&2 <<'END'\n%s\nEND\nexit 1\n", cases[i].says);
        put(s, "sbatch.sh", script);
        start(s, i + 1, 1, 3);
        assert_int_equal(s->fault.err, cases[i].err);
        assert_has(s->fault.text, cases[i].words);
        assert_has(s->fault.text, cases[i].remedy);
        assert_lacks(s->fault.text, "\033");
    }
    assert_string_equal(get(s, "queue"), "");
}

static void a_quota_reached_half_way_keeps_what_was_accepted(void **state)
{
    struct story *s = *state;
    put(s, "sbatch.sh", "[ $(wc -l < $FAKE/queue) -lt 2 ] || { echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1; }\n");
    open_it(s);
    start(s, 1, 1, 4);
    assert_int_equal(s->fault.err, ERR_BUSY);
    assert_has(s->fault.text, "cannot submit worker-3");
    list(s, 2);
    assert_int_equal(s->workers_n, 2);
}

static void without_slurm_here_it_says_where_to_go(void **state)
{
    struct story *s = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/bin/squeue", s->dir);
    unlink(path);
    setenv("PATH", s->dir, 1);
    open_it(s);
    assert_int_equal(s->fault.err, ERR_NOT_FOUND);
    assert_has(s->fault.text, "login node");
}

static void while_slurmctld_is_down_it_may_pass(void **state)
{
    struct story *s = *state;
    put(s, "squeue.sh", "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1\n");
    open_it(s);
    assert_int_equal(s->fault.err, ERR_UNAVAILABLE);
    assert_has(s->fault.text, "Unable to contact slurm controller (connect failure)");
    assert_has(s->fault.text, "scontrol ping");
    start(s, 1, 1, 2);
    assert_int_equal(s->fault.err, ERR_UNAVAILABLE);
    assert_string_equal(get(s, "submitted"), ""); /* whoever cannot look submits nothing */
}

static void nonsense_from_squeue_harms_nothing(void **state)
{
    struct story *s = *state;
    put(s, "squeue.sh", "i=0; while [ $i -lt 200 ]; do echo \"|||$i|99999999999999999999999|lab-worker-1|x\"; i=$((i + 1)); done\n"
        "echo '9|lab-worker-0|manta lab|RUNNING|n1|1:00|1:00|None'; echo '9|lab-worker-257|manta lab|RUNNING|n1|1:00|1:00|None'\n"
        "echo '9|lab-worker-2|manta lab|DANCING|n1|1:00|1:00|None'; echo '9_1|lab-worker-2|manta lab|RUNNING|n1|1:00|1:00|None'\n"
        "echo '-9|lab-worker-2|manta lab|RUNNING|n1|1:00|1:00|None'; head -c 5000 /dev/zero; echo; printf '7|lab-worker-2|manta lab|RUNNING'\n"
        "exit 0\n");
    open_it(s);
    list(s, 1);
    assert_int_equal(s->workers_n, 0);
    put(s, "squeue.sh", "head -c 400000 /dev/zero; exit 0\n");
    list(s, 2);
    assert_int_equal(s->fault.err, ERR_TOO_LARGE);
}

static void others_jobs_are_none_of_ours(void **state)
{
    struct story *s = *state;
    put(s, "queue", "1|lab-worker-1|(null)|RUNNING|n1|50:00|1:00:00|None\n"        /* somebody's, of the same name */
        "2|lab-worker-1|manta lab2|RUNNING|n1|50:00|1:00:00|None\n"
        "3|worker-1|manta lab|RUNNING|n1|50:00|1:00:00|None\n"
        "4|lab-worker-1|manta lab|RUNNING|n[1-2]|50:00|1:00:00|None\n");
    open_it(s);
    list(s, 1);
    assert_int_equal(s->workers_n, 1);
    assert_string_equal(s->workers[0].id, "4");
    assert_string_equal(s->workers[0].place, "n[1-2]");
    stop(s, 2, 1, 256, true);
    assert_string_equal(get(s, "did"), "scancel --signal=TERM --batch 4\n");
}

static void those_that_wait_are_cancelled_and_those_that_run_are_told(void **state)
{
    struct story *s = *state;
    put(s, "queue", "1|lab-worker-1|manta lab|RUNNING|n1|50:00|1:00:00|None\n2|lab-worker-2|manta lab|RUNNING|n2|50:00|1:00:00|None\n"
        "3|lab-worker-3|manta lab|PENDING||1:00:00|1:00:00|QOSMaxJobsPerUserLimit\n4|lab-worker-4|manta lab|COMPLETED|n1|1:00|1:00:00|None\n");
    open_it(s);
    stop(s, 1, 2, 4, true);
    assert_string_equal(get(s, "did"), "scancel --signal=TERM --batch 2\nscancel 3\n");
    list(s, 2); /* it drains: to everybody it is on its way out */
    assert_int_equal(s->workers[1].state, LAUNCHER_ENDING);
    start(s, 3, 2, 2); /* wanted again: another job, while the first one drains */
    assert_has(get(s, "submitted"), "--job-name=lab-worker-2");
}

static void a_worker_over_its_grace_is_cancelled(void **state)
{
    struct story *s = *state;
    put(s, "queue", "2|lab-worker-2|manta lab|RUNNING|n2|50:00|1:00:00|None\n");
    open_it(s);
    stop(s, 1, 2, 2, true);
    list(s, 2);
    assert_string_equal(get(s, "did"), "scancel --signal=TERM --batch 2\n");
    ((struct slurm *)s->launcher)->told[0].until_us = 0; /* the grace is over */
    list(s, 3);
    assert_string_equal(get(s, "did"), "scancel --signal=TERM --batch 2\nscancel 2\n");
}

static void the_younger_one_of_two_goes(void **state)
{
    struct story *s = *state;
    put(s, "queue", "5|lab-worker-1|manta lab|PENDING||1:00:00|1:00:00|Resources\n7|lab-worker-1|manta lab|RUNNING|n2|50:00|1:00:00|None\n"
        "8|lab-worker-1|manta lab|RUNNING|n2|50:00|1:00:00|None\n");
    open_it(s);
    list(s, 1);
    assert_string_equal(get(s, "did"), "scancel --signal=TERM --batch 8\nscancel 5\n"); /* the one that runs stays */
    assert_int_equal(s->workers_n, 1);
    assert_string_equal(s->workers[0].id, "7");
    assert_has(buf_cstr(&s->said), "job 5 is a second worker-1 beside job 7");
}

static void a_requeued_job_starts_at_once(void **state)
{
    struct story *s = *state;
    put(s, "queue", "5|lab-worker-1|manta lab|PENDING||1:00:00|1:00:00|BeginTime\n6|lab-worker-2|manta lab|PENDING||1:00:00|1:00:00|BeginTime\n");
    open_it(s);
    list(s, 1);
    assert_string_equal(get(s, "did"), "scontrol update JobId=5,6 StartTime=now\n");
    put(s, "queue", "5|lab-worker-1|manta lab|PENDING||1:00:00|1:00:00|launch failed requeued held\n");
    put(s, "did", "");
    list(s, 2);
    list(s, 3); /* once a minute: a node that starts nothing would fail again and again */
    assert_string_equal(get(s, "did"), "scontrol release 5\n");
}

static void a_job_near_its_limit_gets_a_successor(void **state)
{
    struct story *s = *state;
    put(s, "queue", "5|lab-worker-1|manta lab|RUNNING|n1|1:59|1:00:00|None\n6|lab-worker-2|manta lab|RUNNING|n1|0:59|1:30|None\n"
        "7|lab-worker-3|manta lab|RUNNING|n1|UNLIMITED|UNLIMITED|None\n");
    open_it(s);
    list(s, 1);
    const char *submitted = get(s, "submitted"); /* worker-2's limit is so short that it would always have one; worker-3 has none */
    assert_has(submitted, "--job-name=lab-worker-1 ");
    assert_int_equal(lines_of(submitted), 1);
    list(s, 2);
    list(s, 3);
    assert_int_equal(lines_of(get(s, "submitted")), 1);
    assert_int_equal(s->workers_n, 3);
    assert_string_equal(s->workers[0].id, "5"); /* it is the one that runs */
    assert_int_equal(s->workers[0].state, LAUNCHER_RUNNING);
    assert_string_equal(get(s, "did"), ""); /* nobody ends the old one before its time */
    assert_has(buf_cstr(&s->said), "worker-1 nears its time limit: job 103 follows it");
    stop(s, 4, 1, 1, true);
    assert_string_equal(get(s, "did"), "scancel --signal=TERM --batch 5\nscancel 103\n");
}

static void a_successor_that_is_refused_is_tried_again(void **state)
{
    struct story *s = *state;
    put(s, "queue", "5|lab-worker-1|manta lab|RUNNING|n1|1:59|1:00:00|None\n");
    put(s, "sbatch.sh", "cat > /dev/null; echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1\n");
    open_it(s);
    list(s, 1);
    assert_has(buf_cstr(&s->said), "cannot submit worker-1 to Slurm: QOSMaxSubmitJobPerUserLimit");
    assert_int_equal(s->workers_n, 1);
    put(s, "sbatch.sh", "");
    list(s, 2);
    assert_has(get(s, "submitted"), "--job-name=lab-worker-1 ");
}

static void an_ending_is_told_once(void **state)
{
    struct story *s = *state;
    put(s, "queue", "5|lab-worker-1|manta lab|TIMEOUT|n1|0:00|1:00:00|TimeLimit\n");
    open_it(s);
    put(s, "queue", "5|lab-worker-1|manta lab|TIMEOUT|n1|0:00|1:00:00|TimeLimit\n6|lab-worker-1|manta lab|NODE_FAIL|n1|0:00|1:00:00|NodeDown\n"
        "7|lab-worker-2|manta lab|FAILED|n1|0:00|1:00:00|NonZeroExitCode\n8|lab-worker-3|manta lab|FAILED|n1|0:00|1:00:00|RaisedSignal:9(Killed)\n");
    list(s, 1);
    list(s, 2);
    const char *said = buf_cstr(&s->said), *first = strstr(said, "job 6 (worker-1) has ended: NODE_FAIL, NodeDown");
    assert_non_null(first);
    assert_null(strstr(first + 1, "job 6"));
    assert_lacks(said, "job 5"); /* before this launcher's time */
    assert_int_equal(s->workers_n, 1);
    assert_int_equal(s->workers[0].state, LAUNCHER_FAILED); /* its script gave it up; the killed one may be tried again */
    assert_int_equal(s->workers[0].index, 2);
    start(s, 3, 2, 2);
    list(s, 4);
    assert_int_equal(s->workers_n, 1);
    assert_int_equal(s->workers[0].state, LAUNCHER_PENDING);
}

static void who_gave_up_is_told_of_with_its_own_last_words(void **state)
{
    struct story *s = *state;
    open_it(s);
    put(s, "queue", "7|lab-worker-2|manta lab|FAILED|n1|0:00|1:00:00|NonZeroExitCode\n");
    list(s, 1);
    assert_string_equal(s->workers[0].reason, "NonZeroExitCode"); /* no output that could be read here */
    put(s, "state/manta/slurm/lab/worker-2.log", "12:01:07.123 [X] error: an old one\n12:01:07.123 [WORKER NODE STARTING] error: cannot load "
        "model \033[31m'x'\nworker-2 ended with status 6: not starting it again\n");
    list(s, 2);
    assert_string_equal(s->workers[0].reason, "NonZeroExitCode: cannot load model  [31m'x'");
}

static void down_takes_all_of_it_and_waits(void **state)
{
    struct story *s = *state;
    put(s, "queue", "5|lab-worker-1|manta lab|RUNNING|n1|50:00|1:00:00|None\n6|lab-worker-9|manta lab|PENDING||1:00:00|1:00:00|Resources\n"
        "7|other-worker-1|manta other|RUNNING|n1|50:00|1:00:00|None\n");
    put(s, "scancel.sh", "sed -i 's/RUNNING|n1/COMPLETING|n1/; /PENDING/d' $FAKE/queue\n");
    open_it(s);
    put(s, "squeue.sh", "! grep -q COMPLETING $FAKE/queue || { cat $FAKE/queue; : > $FAKE/queue; exit; }\n");
    launch_slurm.down(s->launcher, 1);
    net_loop_run(s->loop);
    assert_int_equal(s->fault.err, 0);
    assert_string_equal(get(s, "did"), "scancel 5 6\n");
    assert_string_equal(buf_cstr(&s->took), "job 5 (worker-1)\njob 6 (worker-9)\n");
    launch_slurm.down(s->launcher, 2);
    net_loop_run(s->loop);
    assert_int_equal(s->fault.err, 0); /* nothing there is no error */
}

static void a_job_that_is_gone_already_is_no_failure(void **state)
{
    struct story *s = *state;
    put(s, "queue", "5|lab-worker-1|manta lab|RUNNING|n1|50:00|1:00:00|None\n");
    put(s, "scancel.sh", "echo 'scancel: error: Kill job error on job id 5: Invalid job id specified' >&2; exit 1\n");
    open_it(s);
    stop(s, 1, 1, 1, true);
    assert_int_equal(s->fault.err, 0);
    put(s, "scancel.sh", "echo 'scancel: error: Kill job error on job id 5: Access/permission denied' >&2; exit 1\n");
    ((struct slurm *)s->launcher)->told_n = 0;
    stop(s, 2, 1, 1, true);
    assert_int_equal(s->fault.err, ERR_FORBIDDEN);
    assert_has(s->fault.text, "permission denied");
}

static void who_leaves_while_slurm_is_slow_hears_no_more(void **state)
{
    struct story *s = *state;
    open_it(s);
    put(s, "squeue.sh", "exec sleep 60\n");
    launch_slurm.list(s->launcher, 1);
    s->launcher->ops->free(s->launcher);
    s->launcher = NULL;
    net_loop_run(s->loop);
    assert_int_equal(s->dones, 0);
}

static void it_is_watched_by_looking(void **state)
{
    struct story *s = *state;
    s->options[0] = "poll=1";
    open_it(s);
    launch_slurm.watch(s->launcher, true);
    net_loop_run(s->loop);
    assert_int_equal(s->changes, 1);
    launch_slurm.watch(s->launcher, false);
}

static void options_that_sbatch_could_not_take_are_refused(void **state)
{
    static const struct {
        const char *option, *words;
    } cases[] = {
        {"notice=soon", "--set notice='soon' is not a number of seconds"}, {"lead=-1", "--set lead"}, {"poll=0", "--set poll"},
        {"sbatch=--exclude n1", "'n1' is not an option of sbatch"}, {"logs=relative/path", "not an absolute path"},
        {"logs=/tmp/100%", "not an absolute path that sbatch takes"}, {"logs=/proc/nowhere", "cannot make the folder"},
        {"partitoin=x", "did you mean 'partition'"},
    };
    static const struct launcher_events events = {.opened = on_opened};
    struct story *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f = {0};
        s->options[0] = cases[i].option;
        assert_null(launch_slurm.open(s->loop, &s->cfg, &events, s, &f));
        assert_has(f.text, cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(each_worker_is_one_job_and_is_submitted_once),
        STORY(a_head_that_only_this_machine_finds_is_warned_of),
        STORY(secrets_go_by_environment_only),
        STORY(a_refusal_has_slurms_words_and_what_would_help),
        STORY(a_quota_reached_half_way_keeps_what_was_accepted),
        STORY(without_slurm_here_it_says_where_to_go),
        STORY(while_slurmctld_is_down_it_may_pass),
        STORY(nonsense_from_squeue_harms_nothing),
        STORY(others_jobs_are_none_of_ours),
        STORY(those_that_wait_are_cancelled_and_those_that_run_are_told),
        STORY(a_worker_over_its_grace_is_cancelled),
        STORY(the_younger_one_of_two_goes),
        STORY(a_requeued_job_starts_at_once),
        STORY(a_job_near_its_limit_gets_a_successor),
        STORY(a_successor_that_is_refused_is_tried_again),
        STORY(an_ending_is_told_once),
        STORY(who_gave_up_is_told_of_with_its_own_last_words),
        STORY(down_takes_all_of_it_and_waits),
        STORY(a_job_that_is_gone_already_is_no_failure),
        STORY(who_leaves_while_slurm_is_slow_hears_no_more),
        STORY(it_is_watched_by_looking),
        STORY(options_that_sbatch_could_not_take_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
