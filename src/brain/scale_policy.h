/* How many workers a load needs: from what is measured to a number between two limits. Numbers in, a number out; time is given.
 *
 * scale.c calls it, once a second and when a request comes to a cluster without workers; tests/autoscale drives it through the head.
 * The caller owns the structs, which own nothing. Times are seconds, counts are jobs, slots and workers. Nothing here can fail.
 *
 *   demand_*   what one model is asked for: arrivals, a job's time in a slot. O(1) per arrival and per job.
 *   scale_need workers that one model needs in the time that a new worker takes to start
 *   scale_next from the need of all models to the number that is asked for, with hysteresis
 *
 * It never flaps: an increase is kept for hold_s, a decrease needs the need to have been lower for all of hold_s, and decreases are
 * cool_s apart. So in any time t there are at most t / cool_s decreases, and t / hold_s changes from more to fewer. A decrease that is soon taken
 * back doubles hold_s: bursts that come every few minutes find the workers of the one before. */
#ifndef MANTA_BRAIN_SCALE_POLICY_H
#define MANTA_BRAIN_SCALE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum scale_mode { SCALE_FIXED = 0, SCALE_AUTO };
/* "fixed", "auto" */
const char *scale_mode_name(enum scale_mode mode);

/* Why the desired number is what it is. */
enum scale_reason {
    SCALE_NONE = 0,
    SCALE_ASKED,  /* somebody asked for that number */
    SCALE_TAUGHT, /* the launcher had it when it joined */
    SCALE_LIMITS, /* it was beyond min or max */
    SCALE_WAKE,   /* a request came and no worker was there */
    SCALE_RATE,   /* requests come more often, or will by the time a worker is ready */
    SCALE_QUEUE,  /* requests would wait too long */
    SCALE_IDLE,   /* fewer were enough for hold_s */
    SCALE_REASONS,
};
/* "rate", "idle", …: as in metrics. */
const char *scale_reason_name(enum scale_reason reason);

enum {
    SCALE_UP_EVERY_S = 10,   /* increases that follow each other: fewer, larger ones */
    SCALE_PEAKS = 64,        /* spans of time whose highest need is remembered */
};

struct scale_limits {
    enum scale_mode mode;
    uint32_t min, max;  /* AUTO: workers of the launcher */
    uint32_t idle_s;    /* AUTO: fewer when fewer were enough for so long; 0: by the start-up time */
};

/* What one model is asked for. */
struct demand {
    double arrivals;        /* since the last demand_tick() */
    double fast, slow;      /* jobs/s, over the last seconds and the last minute */
    double served_s, served; /* time in a slot, and jobs; older ones fade */
    double slots_each;      /* slots of a worker, as was last seen; 0: not known */
};
/* A job has come. */
static inline void demand_arrives(struct demand *d)
{
    d->arrivals++;
}
/* A job was in a slot for so long. */
void demand_served(struct demand *d, double s);
/* So much time has passed since the last tick. */
void demand_tick(struct demand *d, double s);
/* Of a job, in a slot; a guess where none has ended yet. */
double demand_service_s(const struct demand *d);

/* A model at this moment. */
struct scale_seen {
    double busy, waiting;   /* jobs in slots, jobs that wait */
    double slots;           /* of workers that are ready and take jobs */
    double desired_slots;   /* the same once all workers are there that were asked for */
};
struct scale_need {
    double workers;         /* that it needs, not rounded */
    double floor;           /* … for what is in slots now */
    double rate;            /* jobs/s that it will be asked for */
    double wait_s;          /* that a job would wait in start_s, with those that are ready now */
    enum scale_reason reason;
};
/* start_s: from asking for a worker until it is ready. */
struct scale_need scale_need(const struct demand *d, const struct scale_seen *seen, double start_s);

/* The memory of the decisions. */
struct scale_policy {
    struct scale_peak {
        double at_s, workers;
    } peaks[SCALE_PEAKS];   /* ring of spans: when it began, the highest need in it */
    uint32_t last;          /* the present span */
    double up_s, down_s;    /* when there was an increase, a decrease; or somebody else changed it */
    double more_s;          /* when there was an increase by the load */
    double wrong_s;         /* when a decrease was taken back last */
    uint32_t wrong;         /* how often that was, lately: hold_s doubles with each */
    bool fewer;             /* the last change was a decrease by the load */
};
/* The policy begins to look at that time, in seconds. */
void scale_policy_init(struct scale_policy *p, double now_s);
/* How long fewer must have been enough, and the time between decreases. */
double scale_hold_s(const struct scale_policy *p, const struct scale_limits *l, double start_s, double service_s);
/* The pause between one decrease and the next, in seconds. */
double scale_cool_s(double hold_s, double start_s);

struct scale_input {
    double now_s, start_s;
    double service_s;       /* of the model that needs the most */
    double workers, floor;  /* of all models: needed; needed for what is in slots now */
    double quiet_s;         /* no job has come or been there for so long */
    bool demand;            /* a job is there, running or waiting */
    enum scale_reason reason;
    uint32_t desired;       /* at present */
};
/* The number to ask for from now on, and why it differs from in->desired. */
uint32_t scale_next(struct scale_policy *p, const struct scale_limits *l, const struct scale_input *in, enum scale_reason *out_reason);
/* It was changed by somebody else: the hysteresis begins anew. */
void scale_policy_changed(struct scale_policy *p, double now_s);

#endif
