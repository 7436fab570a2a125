#include "lab/report.h"

#include <stdio.h>
#include <unistd.h>

#include "json/write.h"
#include "lab/cluster.h"

bool report_accepts(const struct report *t, const struct judgement *j)
{
    return !j->lost && !j->malformed && !j->error && j->bytes.duplicated == 0 && (!j->changed || !t->exact);
}

bool report_is_well(const struct report *t)
{
    return t->lost == 0 && t->malformed == 0 && t->errors == 0 && t->bytes.duplicated == 0 && (t->changed == 0 || !t->exact);
}

void report_add(struct report *t, const struct answer *a, const struct judgement *j)
{
    t->streams++;
    t->lost += j->lost;
    t->malformed += j->malformed;
    t->errors += j->error;
    t->changed += j->changed;
    t->returned += a->returns > 0;
    t->bytes.lost += j->bytes.lost;
    t->bytes.duplicated += j->bytes.duplicated;
    t->bytes.changed += j->bytes.changed;
    if (a->away_us > 0)
        runner_times_add(&t->aways, (double)a->away_us / 1000);
    t->gap_us = a->gap_us > t->gap_us ? a->gap_us : t->gap_us;
}

static void put_times(const char *what, struct runner_times *t)
{
    if (t->n > 0)
        printf("%s: median %.0f ms, longest %.0f ms\n", what, runner_median_ms(t), runner_longest_ms(t));
}

void report_put_text(struct report *t, struct runner *w, const struct report_about *about)
{
    lab_cluster_put_machine(stdout);
    printf("; %u workers of %u slots, %u head%s, %u clients; model %s%s; seed %llu\n", w->schedule.workers, about->slots, w->schedule.heads,
           w->schedule.heads > 1 ? "s" : "", about->at_once, about->model, t->exact ? ", exact" : "", (unsigned long long)w->schedule.seed);
    printf("faults %u:", w->next);
    for (int k = 0; k < SCHEDULE_KINDS; k++)
        printf("%s %s %u", k > 0 ? "," : "", schedule_kind_name((enum schedule_kind)k), w->faults[k]);
    printf("; answers that continued elsewhere %u; streams asked for again at a head %u\n", w->resumed, t->returned);
    put_times("killed worker, until its head knew", &w->detected[SCHEDULE_KILL]);
    put_times("frozen worker, until its head gave it up", &w->detected[SCHEDULE_FREEZE]);
    put_times("cable pulled, until the head gave the worker up", &w->detected[SCHEDULE_CUT]);
    put_times("head killed under a stream, until it continued", &t->aways);
    put_times("answers that continued, replay", &w->replays);
    put_times("answers that continued, from token to token", &w->waits);
    printf("malformed %u, changed streams %u, lost bytes %llu\n", t->malformed, t->changed, (unsigned long long)t->bytes.lost);
    printf("streams %u, lost %u, duplicated bytes %llu, changed bytes %llu, longest gap %.0f ms, errors %u\n", t->streams, t->lost,
           (unsigned long long)t->bytes.duplicated, (unsigned long long)t->bytes.changed, (double)t->gap_us / 1000, t->errors);
}

static void put_json_times(const char *name, struct runner_times *t)
{
    printf(",\"%s_median_ms\":%.1f,\"%s_longest_ms\":%.1f", name, runner_median_ms(t), name, runner_longest_ms(t));
}

void report_put_json(struct report *t, struct runner *w, const struct report_about *about)
{
    printf("{\"machine\":\"");
    lab_cluster_put_machine(stdout);
    printf("\",\"model\":");
    jout_print(stdout, about->model);
    printf(",\"pid\":%d,\"exact\":%s,\"seed\":%llu,\"workers\":%u,\"heads\":%u,\"slots\":%u,\"at_once\":%u,\"faults\":{",
           (int)getpid(), t->exact ? "true" : "false", (unsigned long long)w->schedule.seed, w->schedule.workers, w->schedule.heads,
           about->slots, about->at_once);
    for (int k = 0; k < SCHEDULE_KINDS; k++)
        printf("%s\"%s\":%u", k > 0 ? "," : "", schedule_kind_name((enum schedule_kind)k), w->faults[k]);
    printf("},\"streams\":%u,\"lost\":%u,\"malformed\":%u,\"errors\":%u,\"changed\":%u,\"lost_bytes\":%llu,\"duplicated_bytes\":%llu,"
           "\"changed_bytes\":%llu,\"longest_gap_ms\":%.1f,\"went_on_elsewhere\":%u,\"asked_again\":%u",
           t->streams, t->lost, t->malformed, t->errors, t->changed, (unsigned long long)t->bytes.lost, (unsigned long long)t->bytes.duplicated,
           (unsigned long long)t->bytes.changed, (double)t->gap_us / 1000, w->resumed, t->returned);
    put_json_times("kill_seen", &w->detected[SCHEDULE_KILL]);
    put_json_times("freeze_seen", &w->detected[SCHEDULE_FREEZE]);
    put_json_times("cut_seen", &w->detected[SCHEDULE_CUT]);
    put_json_times("away", &t->aways);
    put_json_times("replay", &w->replays);
    put_json_times("wait", &w->waits);
    printf(",\"well\":%s}\n", report_is_well(t) ? "true" : "false");
}
