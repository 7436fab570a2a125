/* Turn squeue's table into jobs, and jobs into workers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/plain.h"
#include "base/utf8.h"
#include "launch/slurm.h"

enum { FIELDS = 8, NAMES_BYTES_MAX = 32 << 10 };

static const struct state_word {
    const char *word;
    enum slurm_phase phase;
} state_words[] = {
    {"PENDING", SLURM_WAITS}, {"CONFIGURING", SLURM_WAITS}, {"REQUEUED", SLURM_WAITS}, {"REQUEUE_FED", SLURM_WAITS},
    {"REQUEUE_HOLD", SLURM_WAITS}, {"RESV_DEL_HOLD", SLURM_WAITS}, {"SPECIAL_EXIT", SLURM_WAITS},
    {"POWER_UP_NODE", SLURM_WAITS},
    {"RUNNING", SLURM_RUNS}, {"SUSPENDED", SLURM_RUNS}, {"STOPPED", SLURM_RUNS}, {"SIGNALING", SLURM_RUNS},
    {"RESIZING", SLURM_RUNS}, {"STAGE_OUT", SLURM_ENDS}, {"COMPLETING", SLURM_ENDS},
    {"BOOT_FAIL", SLURM_GONE}, {"CANCELLED", SLURM_GONE}, {"COMPLETED", SLURM_GONE}, {"NODE_FAIL", SLURM_GONE},
    {"OUT_OF_MEMORY", SLURM_GONE}, {"PREEMPTED", SLURM_GONE}, {"REVOKED", SLURM_GONE}, {"TIMEOUT", SLURM_GONE},
    {"FAILED", SLURM_GONE}, {"DEADLINE", SLURM_BROKEN},
};

void slurm_names(struct buf *out, const struct launcher *a)
{
    *out = buf_max(NAMES_BYTES_MAX);
    for (uint32_t i = 1; i <= LAUNCHER_WORKERS_MAX; i++)
        buf_printf(out, "%s%s", i == 1 ? "--name=" : ",", launcher_engine_name(a, i).text);
}

int64_t slurm_seconds(struct str text)
{
    unsigned d = 0, h = 0, m = 0, s = 0;
    char t[32];
    int n = 0;
    if (text.n == 0 || text.n >= sizeof t)
        return -1;
    snprintf(t, sizeof t, "%.*s", STR_ARG(text));
    const char *p = t;
    if (strchr(t, '-') != NULL) {
        if (sscanf(t, "%5u-%n", &d, &n) != 1 || n == 0)
            return -1;
        p += n;
    }
    n = 0;
    if (sscanf(p, "%5u:%2u:%2u%n", &h, &m, &s, &n) != 3 || p[n] != '\0') {
        h = 0;
        n = 0;
        if (d > 0 || sscanf(p, "%5u:%2u%n", &m, &s, &n) != 2 || p[n] != '\0')
            return -1;
    }
    return ((int64_t)d * 24 + h) * 3600 + (int64_t)m * 60 + s;
}

/* Splits a line at its bars into exactly FIELDS fields; the last one may contain bars. */
static bool split(struct str line, struct str *fields)
{
    for (size_t i = 0; i < FIELDS - 1; i++) {
        const char *bar = memchr(line.p, '|', line.n);
        if (bar == NULL)
            return false;
        fields[i] = str_n(line.p, (size_t)(bar - line.p));
        line = str_n(bar + 1, line.n - fields[i].n - 1);
    }
    fields[FIELDS - 1] = line;
    return true;
}

static void copy(char *out, size_t cap, struct str s)
{
    s = utf8_head(s, cap - 1);
    memcpy(out, s.p, s.n);
    out[plain_in_place(out, s.n)] = '\0';
}

/* True for a job that exited with a status: its script does so only if another try would end the
 * same way. */
static bool is_broken(const struct slurm_job *j)
{
    return strcmp(j->state, "FAILED") == 0 && (strstr(j->reason, "NonZeroExitCode") != NULL ||
                                               strstr(j->reason, "JobLaunchFailure") != NULL || strstr(j->reason, "BadConstraints") != NULL);
}

static bool read_phase(struct slurm_job *j)
{
    for (size_t i = 0; i < sizeof state_words / sizeof state_words[0]; i++) {
        if (strcmp(j->state, state_words[i].word) == 0) {
            j->phase = is_broken(j) ? SLURM_BROKEN : state_words[i].phase;
            return true;
        }
    }
    return false;
}

static bool read_job(struct slurm_job *j, const struct launcher *a, struct str line, uint32_t lead_s)
{
    struct str f[FIELDS];
    char text[128];
    if (!split(line, f) || f[0].n == 0 || f[0].n > 18 || f[1].n >= sizeof text || f[2].n >= sizeof text)
        return false;
    *j = (struct slurm_job){0};
    for (size_t i = 0; i < f[0].n; i++) { /* 12_3, 12+1: arrays and jobs of several components are not ours */
        if (f[0].p[i] < '0' || f[0].p[i] > '9')
            return false;
        j->id = j->id * 10 + (uint64_t)(f[0].p[i] - '0');
    }
    copy(text, sizeof text, f[1]);
    j->index = launcher_index(a, text);
    if (j->index == 0 || strcmp(text, launcher_engine_name(a, j->index).text) != 0)
        return false;
    snprintf(text, sizeof text, "manta %s", a->cfg.cluster);
    if (!str_is(f[2], text))
        return false;
    copy(j->state, sizeof j->state, f[3]);
    copy(j->node, sizeof j->node, f[4]);
    if (!str_is(f[7], "None") && !str_is(f[7], "(null)"))
        copy(j->reason, sizeof j->reason, f[7]);
    if (!read_phase(j))
        return false;
    j->delayed = j->phase == SLURM_WAITS && strcmp(j->reason, "BeginTime") == 0;
    j->held_back = j->phase == SLURM_WAITS && strcmp(j->reason, "launch failed requeued held") == 0;
    int64_t left_s = slurm_seconds(f[5]), limit_s = slurm_seconds(f[6]);
    if (j->phase == SLURM_RUNS && left_s >= 0 && limit_s > 0 && left_s < (int64_t)lead_s && left_s < limit_s / 2)
        j->phase = SLURM_SUCCEEDED;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct slurm_job *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

size_t slurm_jobs_read(struct slurm_job *out, size_t max, const struct launcher *a, struct str text, uint32_t lead_s)
{
    size_t n = 0;
    while (text.n > 0 && n < max) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t line = end != NULL ? (size_t)(end - text.p) : text.n;
        n += read_job(&out[n], a, str_n(text.p, line), lead_s);
        line += end != NULL;
        text = str_n(text.p + line, text.n - line);
    }
    if (n > 0)
        qsort(out, n, sizeof *out, by_id);
    return n;
}

const struct slurm_job *slurm_job_of(const struct slurm_job *jobs, size_t n, uint32_t index)
{
    const struct slurm_job *waits = NULL;
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].index != index)
            continue;
        if (jobs[i].phase == SLURM_RUNS)
            return &jobs[i];
        if (jobs[i].phase == SLURM_WAITS && waits == NULL)
            waits = &jobs[i];
    }
    return waits;
}

/* Of two jobs of a worker, chooses the one that describes it better: a running one, else one that
 * will run, else one that leaves, else the newest. */
static const struct slurm_job *better(const struct slurm_job *a, const struct slurm_job *b)
{
    static const int rank[] = {
        [SLURM_RUNS] = 5, [SLURM_SUCCEEDED] = 4, [SLURM_WAITS] = 3, [SLURM_ENDS] = 2, [SLURM_BROKEN] = 1, [SLURM_GONE] = 1,
    };
    if (a == NULL || rank[b->phase] > rank[a->phase])
        return b;
    return rank[b->phase] == 1 && rank[a->phase] == 1 && b->id > a->id ? b : a;
}

static void make_worker(struct launcher_worker *w, const struct slurm_job *j)
{
    static const enum launcher_state states[] = {
        [SLURM_WAITS] = LAUNCHER_PENDING, [SLURM_RUNS] = LAUNCHER_RUNNING, [SLURM_SUCCEEDED] = LAUNCHER_RUNNING,
        [SLURM_ENDS] = LAUNCHER_ENDING, [SLURM_BROKEN] = LAUNCHER_FAILED,
    };
    *w = (struct launcher_worker){.index = j->index, .state = states[j->phase]};
    snprintf(w->id, sizeof w->id, "%llu", (unsigned long long)j->id);
    snprintf(w->place, sizeof w->place, "%s", j->node);
    if (j->phase == SLURM_WAITS || j->phase == SLURM_BROKEN)
        snprintf(w->reason, sizeof w->reason, "%s", j->reason);
}

size_t slurm_workers(struct launcher_worker *out, size_t max, const struct slurm_job *jobs, size_t n)
{
    const struct slurm_job *best[LAUNCHER_WORKERS_MAX + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        best[jobs[i].index] = better(best[jobs[i].index], &jobs[i]);
    for (uint32_t i = 1; i <= LAUNCHER_WORKERS_MAX && count < max; i++) {
        if (best[i] != NULL && best[i]->phase != SLURM_GONE)
            make_worker(&out[count++], best[i]);
    }
    return count;
}
