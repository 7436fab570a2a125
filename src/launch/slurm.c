/* The engine "slurm": operations on the jobs of a cluster.
 *
 * The happy path is: open: squeue answers -> opened; list: squeue -> listed; start: squeue, then sbatch for each
 * missing worker, one after another -> done; stop: squeue, then one scancel for the waiting jobs and one for the
 * running ones -> done. It can fail by: no such command, slurmctld or munge down, a refusal (done with Slurm's words,
 * slurm_words.c); a command that hangs (exec.h); a lost answer, whose effect the next squeue shows. Every operation
 * looks first, so no job is submitted twice.
 *
 * A list also repairs, since no other part would: a requeued job that Slurm delays by two minutes (StartTime=now) or
 * holds because its start failed (release); two jobs for one worker (the younger one is ended); a worker that was
 * told to end and exceeds its grace (scancel, which ends in SIGKILL). And a job near its time limit gets a successor,
 * which is queued before it leaves (--set lead). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "launch/slurm.h"

enum {
    QUERY_MS = 30000,            /* squeue takes 18 s to report that slurmctld is down */
    SUBMIT_MS = 60000,           /* then the next operation submits the rest: each ends within LAUNCHER_PATIENCE_MS */
    DOWN_MS = 70000,             /* until the jobs are gone: Slurm's KillWait is 30 s by default */
    DOWN_POLL_MS = 1000,
    RELEASE_MS = 60000,          /* a node that cannot start jobs would fail at once, again and again */
};

static void query(struct slurm *s);
static void run_chores(struct slurm *s);
static void submit(struct slurm *s, uint32_t index);

/* ---- the end of an operation ---- */

static void finish(struct slurm *s, const struct fault *f)
{
    enum slurm_op op = s->op;
    s->op = SLURM_OP_NONE;
    launcher_ended(&s->base, op == SLURM_OP_OPEN, s->ticket, f);
}

static void finish_well(struct slurm *s)
{
    finish(s, &(struct fault){0});
}

static void finish_list(struct slurm *s)
{
    struct launcher_worker *workers = xalloc_array(SLURM_JOBS_MAX, sizeof *workers);
    size_t n = slurm_workers(workers, SLURM_JOBS_MAX, s->jobs, s->jobs_n);
    for (size_t i = 0; i < n; i++) {
        if (workers[i].state == LAUNCHER_FAILED)
            slurm_logs_reason(s, &workers[i]);
    }
    s->op = SLURM_OP_NONE;
    s->base.events.listed(s->ticket, workers, n, s->base.user_data);
    free(workers);
}

/* ---- chores ---- */

static void on_chore(const struct exec_result *r, void *user_data)
{
    struct slurm *s = user_data;
    struct fault f;
    if (slurm_chore_done(s, r, &f) == 0) {
        run_chores(s);
    } else if (s->op == SLURM_OP_STOP || s->op == SLURM_OP_DOWN) {
        finish(s, &f);
    } else {
        launcher_say(&s->base, LOG_WARN, EVENT("chore_failed", KV("code", err_name(f.err))), "%s", f.text);
        run_chores(s);
    }
}

/* The index of a worker near its time limit without a successor; 0: none. */
static uint32_t next_to_succeed(const struct slurm *s)
{
    for (size_t i = 0; i < s->jobs_n; i++) {
        if (s->jobs[i].phase == SLURM_SUCCEEDED && slurm_job_of(s->jobs, s->jobs_n, s->jobs[i].index) == NULL)
            return s->jobs[i].index;
    }
    return 0;
}

/* Runs the pending chores one by one, then ends the operation. */
static void run_chores(struct slurm *s)
{
    if (slurm_chore_run(s, on_chore))
        return;
    if (s->op == SLURM_OP_LIST && next_to_succeed(s) != 0 && s->jobs_n < SLURM_JOBS_MAX && net_now_us(s->base.loop) < s->until_us)
        submit(s, next_to_succeed(s));
    else if (s->op == SLURM_OP_LIST)
        finish_list(s);
    else if (s->op == SLURM_OP_DOWN)
        net_timer_set(s->timer, net_now_us(s->base.loop) + DOWN_POLL_MS * (uint64_t)1000);
    else
        finish_well(s);
}

/* ---- acting on the queue ---- */

/* Reports "job 12 (worker-2) has ended: NODE_FAIL", except for jobs that ended before this launcher or as they should. */
static void say_endings(struct slurm *s)
{
    uint64_t newest = s->ended_id;
    for (size_t i = 0; i < s->jobs_n; i++) {
        const struct slurm_job *j = &s->jobs[i];
        if (slurm_is_there(j) || j->id <= s->ended_id)
            continue;
        newest = j->id > newest ? j->id : newest;
        if (s->looked && slurm_find_told(s, j->id) == NULL && strcmp(j->state, "COMPLETED") != 0)
            launcher_say(&s->base, LOG_WARN, EVENT("job_ended", KV("job", j->id), KV("state", j->state)),
                         "job %llu (%s) has ended: %s%s%s; its output is in %s/%s.log", (unsigned long long)j->id,
                         launcher_name(j->index).text, j->state, j->reason[0] != '\0' ? ", " : "", j->reason, s->logs,
                         launcher_name(j->index).text);
    }
    s->ended_id = newest;
}

/* Shows jobs that were told to end as ENDING; cancels those that wait, or exceed their grace. */
static void mark_told(struct slurm *s)
{
    for (size_t i = 0; i < s->jobs_n; i++) {
        struct slurm_job *j = &s->jobs[i];
        const struct slurm_told *told = slurm_find_told(s, j->id);
        if (told == NULL || !slurm_is_there(j) || j->phase == SLURM_ENDS)
            continue;
        if (net_now_us(s->base.loop) > told->until_us || j->phase == SLURM_WAITS)
            slurm_chore_add(s, SLURM_CHORE_CANCEL, j->id);
        j->phase = SLURM_ENDS;
    }
}

/* Two launchers looked at the same time, or slurmctld reported a job only after it had lost it. */
static void end_double(struct slurm *s, struct slurm_job *j, const struct slurm_job *first)
{
    launcher_say(&s->base, LOG_WARN, EVENT("job_doubled", KV("job", j->id), KV("beside", first->id)),
                 "job %llu is a second %s beside job %llu: it is told to end", (unsigned long long)j->id,
                 launcher_name(j->index).text, (unsigned long long)first->id);
    slurm_note_told(s, j->id);
    slurm_chore_add(s, j->phase == SLURM_RUNS ? SLURM_CHORE_TERM : SLURM_CHORE_CANCEL, j->id);
    j->phase = SLURM_ENDS;
}

static void look_after(struct slurm *s)
{
    bool later = strstr(launcher_option_value(&s->base, "sbatch"), "--begin") != NULL; /* the user asked for it */
    bool release = net_now_us(s->base.loop) >= s->release_us;
    for (size_t i = 0; i < s->jobs_n; i++) {
        struct slurm_job *j = &s->jobs[i];
        if (j->phase != SLURM_WAITS && j->phase != SLURM_RUNS)
            continue;
        const struct slurm_job *first = slurm_job_of(s->jobs, s->jobs_n, j->index);
        if (first != j)
            end_double(s, j, first);
        else if (j->delayed && !later)
            slurm_chore_add(s, SLURM_CHORE_HURRY, j->id);
        else if (j->held_back && release)
            slurm_chore_add(s, SLURM_CHORE_RELEASE, j->id);
    }
    if (s->ids_n[SLURM_CHORE_RELEASE] > 0)
        s->release_us = net_now_us(s->base.loop) + RELEASE_MS * (uint64_t)1000;
}

static void take_away(struct slurm *s, const struct slurm_job *j)
{
    if (j->phase == SLURM_WAITS || (!s->drain && j->phase != SLURM_ENDS)) {
        slurm_note_told(s, j->id);
        slurm_chore_add(s, SLURM_CHORE_CANCEL, j->id);
    } else if (j->phase == SLURM_RUNS || j->phase == SLURM_SUCCEEDED) {
        slurm_note_told(s, j->id);
        slurm_chore_add(s, SLURM_CHORE_TERM, j->id);
    }
}

static void stop_those_in_range(struct slurm *s)
{
    for (size_t i = 0; i < s->jobs_n; i++) {
        const struct slurm_job *j = &s->jobs[i];
        if (slurm_is_there(j) && j->index >= s->range.first && j->index <= s->range.last && slurm_find_told(s, j->id) == NULL)
            take_away(s, j);
    }
    run_chores(s);
}

static void finish_late(struct slurm *s, uint64_t id)
{
    struct fault f;
    fault_set(&f, ERR_TIMEOUT, "Slurm has job %llu of the cluster '%s' on its way out for %d s now: a node may be down "
              "(`scontrol show job %llu`); Slurm ends it when the node is back", (unsigned long long)id, s->base.cfg.cluster, DOWN_MS / 1000,
              (unsigned long long)id);
    finish(s, &f);
}

/* Ends when squeue shows no job of the cluster; each job is reported and cancelled once. */
static void take_all_down(struct slurm *s)
{
    uint64_t last = 0;
    for (size_t i = 0; i < s->jobs_n; i++) {
        const struct slurm_job *j = &s->jobs[i];
        char what[160];
        if (!slurm_is_there(j))
            continue;
        last = j->id;
        if (slurm_find_told(s, j->id) != NULL)
            continue;
        snprintf(what, sizeof what, "job %llu (%s)", (unsigned long long)j->id, launcher_name(j->index).text);
        s->base.events.took(what, s->base.user_data);
        take_away(s, j);
        slurm_note_told(s, j->id);
    }
    if (last == 0)
        finish_well(s);
    else if (net_now_us(s->base.loop) < s->until_us)
        run_chores(s);
    else
        finish_late(s, last);
}

/* ---- start ---- */

static void submit_next(struct slurm *s);

/* Adds the successor to this list, most probably in its true state; the next list reads it. */
static void note_successor(struct slurm *s, struct str id)
{
    struct slurm_job *j = &s->jobs[s->jobs_n++];
    *j = (struct slurm_job){.id = strtoull(id.p, NULL, 10), .index = s->next, .phase = SLURM_WAITS};
    launcher_say(&s->base, LOG_INFO, EVENT("job_follows", KV("job", j->id)),
                 "%s nears its time limit: job %llu follows it", launcher_name(s->next).text, (unsigned long long)j->id);
}

static void on_submitted(const struct exec_result *r, void *user_data)
{
    struct slurm *s = user_data;
    char tried[128];
    struct fault f = {0};
    snprintf(tried, sizeof tried, "submit %s to Slurm", launcher_name(s->next).text);
    if (r->fault.err != 0)
        slurm_blame(&f, r, tried);
    if (s->op == SLURM_OP_START && f.err == 0) {
        s->next++;
        submit_next(s);
    } else if (s->op == SLURM_OP_START) {
        finish(s, &f);
    } else if (f.err == 0) {
        note_successor(s, r->out);
        run_chores(s);
    } else { /* a later list tries again */
        launcher_say(&s->base, LOG_WARN, EVENT("not_followed", KV("code", err_name(f.err))), "%s", f.text);
        finish_list(s);
    }
}

static void submit(struct slurm *s, uint32_t index)
{
    struct slurm_command c;
    s->next = index;
    MUST(slurm_command_make(&c, &s->base, index, s->logs, NULL) == 0); /* checked in slurm_open() */
    slurm_run(s, c.argv, buf_str(&c.script), SLURM_CHANGE_MS, on_submitted);
    slurm_command_fini(&c);
}

static void submit_next(struct slurm *s)
{
    while (s->next <= s->range.last && slurm_job_of(s->jobs, s->jobs_n, s->next) != NULL)
        s->next++;
    if (s->next > s->range.last || net_now_us(s->base.loop) > s->until_us)
        finish_well(s);
    else
        submit(s, s->next);
}

/* ---- the queue ---- */

static uint32_t lead_s(const struct slurm *s)
{
    return (uint32_t)strtoul(launcher_option_value(&s->base, "lead"), NULL, 10) + slurm_notice_s(&s->base);
}

/* The queue was read. */
static void go_on(struct slurm *s)
{
    switch (s->op) {
    case SLURM_OP_OPEN: finish_well(s); break;
    case SLURM_OP_LIST:
        mark_told(s);
        look_after(s);
        run_chores(s);
        break;
    case SLURM_OP_START:
        slurm_warn_of_loopback(s);
        mark_told(s);
        submit_next(s);
        break;
    case SLURM_OP_STOP: stop_those_in_range(s); break;
    case SLURM_OP_DOWN: take_all_down(s); break;
    case SLURM_OP_NONE: MUST(false);
    }
}

static void on_queue(const struct exec_result *r, void *user_data)
{
    struct slurm *s = user_data;
    struct fault f;
    if (r->fault.err != 0) {
        slurm_blame(&f, r, "see Slurm's queue");
        finish(s, &f);
        return;
    }
    s->jobs_n = slurm_jobs_read(s->jobs, SLURM_JOBS_MAX, &s->base, r->out, lead_s(s));
    memset(s->ids_n, 0, sizeof s->ids_n);
    say_endings(s);
    s->looked = true;
    slurm_forget_gone(s);
    go_on(s);
}

static void query(struct slurm *s)
{
    const char *const argv[] = {"squeue", "--noheader", "--me", "--states=all", buf_cstr(&s->names), SLURM_FORMAT, NULL};
    slurm_run(s, argv, str_n("", 0), QUERY_MS, on_queue);
}

/* ---- interface ---- */

static void begin(struct launcher *a, enum slurm_op op, uint64_t ticket)
{
    struct slurm *s = (struct slurm *)a;
    MUST(s->op == SLURM_OP_NONE);
    s->op = op;
    s->ticket = ticket;
    s->until_us = net_now_us(s->base.loop) + (op == SLURM_OP_DOWN ? DOWN_MS : SUBMIT_MS) * (uint64_t)1000;
    query(s);
}

void slurm_start(struct launcher *a, uint64_t ticket, struct launcher_range r)
{
    struct slurm *s = (struct slurm *)a;
    s->range = r;
    s->next = r.first;
    begin(a, SLURM_OP_START, ticket);
}

void slurm_stop(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain)
{
    struct slurm *s = (struct slurm *)a;
    s->range = r;
    s->drain = drain;
    begin(a, SLURM_OP_STOP, ticket);
}

void slurm_list(struct launcher *a, uint64_t ticket)
{
    begin(a, SLURM_OP_LIST, ticket);
}

void slurm_down(struct launcher *a, uint64_t ticket)
{
    ((struct slurm *)a)->drain = false;
    begin(a, SLURM_OP_DOWN, ticket);
}

static void on_down_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    query(user_data);
}

void slurm_begin(struct slurm *s)
{
    s->timer = net_timer_new(s->base.loop, on_down_timer, s);
    begin(&s->base, SLURM_OP_OPEN, 0);
}

void slurm_end(struct slurm *s)
{
    exec_cancel(s->exec);
    net_timer_free(s->timer);
}
