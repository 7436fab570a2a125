/* Carry out a schedule of faults on a cluster, and collect what its heads report. */
#ifndef MANTA_LAB_RUNNER_H
#define MANTA_LAB_RUNNER_H

#include <stdbool.h>

#include "lab/cluster.h"
#include "lab/schedule.h"

enum { RUNNER_SAMPLES_MAX = 4096, RUNNER_LEAVE_S = 120, RUNNER_SETTLE_S = 30 };

/* The first RUNNER_SAMPLES_MAX samples of a time. */
struct runner_times {
    float ms[RUNNER_SAMPLES_MAX];
    uint32_t n;
};
void runner_times_add(struct runner_times *t, double ms);
/* Sorts the samples. 0 when there are none. */
double runner_median_ms(struct runner_times *t);
double runner_longest_ms(const struct runner_times *t);

struct runner {
    struct net_loop *loop;
    struct lab_cluster *cluster;              /* borrowed */
    struct schedule schedule;
    /* each stream under way has received something since then */
    bool (*is_settled)(uint64_t since_us, void *user_data);
    void (*on_failed)(const char *why, void *user_data); /* a worker that was asked to leave stays */
    void *user_data;
    struct net_timer *timer;
    enum { RUNNER_CALM, RUNNER_WAITS, RUNNER_PAUSES, RUNNER_STRUCK, RUNNER_AWAY } state;
    uint32_t next, ended;             /* index of the next fault; streams that have ended */
    struct schedule_fault fault;         /* the current fault */
    enum schedule_kind before;           /* kind of the previous fault */
    /* when the previous fault was over; until when to wait for the streams it hit */
    uint64_t over_us, patient_us;
    struct {
        /* start of its fault, until a head reported that it left; 0: no report is awaited */
        uint64_t at_us;
        enum schedule_kind kind;
    } struck[LAB_CLUSTER_WORKERS_MAX];
    /* observations */
    uint32_t faults[SCHEDULE_KINDS];
    /* from the fault until a head reported the worker lost; frozen and cut-off workers count only
     * if it did */
    struct runner_times detected[SCHEDULE_KINDS];
    /* of answers that resumed on another worker: from sending the run there to the first new token */
    struct runner_times replays;
    struct runner_times waits;       /* of those: from the last token before to the first one after */
    uint32_t resumed;                 /* how many answers resumed */
};

/* Begins at once. The caller has set loop, cluster, schedule, is_settled, on_failed and user_data
 * in `w`, and zeroed the rest. */
void runner_start(struct runner *w);
void runner_end(struct runner *w);
/* All faults are over. */
bool runner_is_calm(const struct runner *w);
/* Tells the runner how many streams have ended so far. */
void runner_ended(struct runner *w, uint32_t ended);
/* Called by the cluster's callbacks: a struck part was started again; a part printed a line. */
void runner_again(struct runner *w);
void runner_line(struct runner *w, struct str line);

#endif
