/* A schedule carried out on a cluster, and what its heads say of it. */
#ifndef MANTA_LAB_RUNNER_H
#define MANTA_LAB_RUNNER_H

#include <stdbool.h>

#include "lab/cluster.h"
#include "lab/schedule.h"

enum { RUNNER_SAMPLES_MAX = 4096, RUNNER_LEAVE_S = 120, RUNNER_SETTLE_S = 30 };

/* The first RUNNER_SAMPLES_MAX of some times. */
struct runner_times {
    float ms[RUNNER_SAMPLES_MAX];
    uint32_t n;
};
void runner_times_add(struct runner_times *t, double ms);
/* Sorts them. 0 of none. */
double runner_median_ms(struct runner_times *t);
double runner_longest_ms(const struct runner_times *t);

struct runner {
    struct net_loop *loop;
    struct lab_cluster *cluster;              /* borrowed */
    struct schedule schedule;
    bool (*is_settled)(uint64_t since_us, void *user_data); /* each stream under way has heard something since then */
    void (*on_failed)(const char *why, void *user_data); /* a worker that was asked to leave does not */
    void *user_data;
    struct net_timer *timer;
    enum { RUNNER_CALM, RUNNER_WAITS, RUNNER_PAUSES, RUNNER_STRUCK, RUNNER_AWAY } state;
    uint32_t next, ended;             /* fault; streams that have ended */
    struct schedule_fault fault;         /* the present one */
    enum schedule_kind before;           /* the kind of the last one */
    uint64_t over_us, patient_us;     /* when the last one was over; until when to wait for what it hurt */
    struct {
        uint64_t at_us;               /* when its fault began, until a head has said that it left; 0: nothing is awaited */
        enum schedule_kind kind;
    } struck[LAB_CLUSTER_WORKERS_MAX];
    /* what was seen */
    uint32_t faults[SCHEDULE_KINDS];
    struct runner_times detected[SCHEDULE_KINDS]; /* from the fault until a head said that the worker left; of those frozen or cut off only when it did */
    struct runner_times replays;     /* of answers that continued elsewhere: from the run sent there to the first new token */
    struct runner_times waits;       /* of those: from the last token before to the first one after */
    uint32_t resumed;                 /* how many they were */
};

/* Begins at once. `w` has loop, cluster, schedule, is_settled, on_failed, user_data set, and the rest zero. */
void runner_start(struct runner *w);
void runner_end(struct runner *w);
/* All faults are over. */
bool runner_is_calm(const struct runner *w);
/* So many streams have ended by now. */
void runner_ended(struct runner *w, uint32_t ended);
/* From the cluster: a struck part was started again; a part printed a line. */
void runner_again(struct runner *w);
void runner_line(struct runner *w, struct str line);

#endif
