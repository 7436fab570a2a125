/* How many workers a load needs: from measurements to a number between two limits. Pure arithmetic;
 * time is given.
 *
 * scale.c calls it once a second, and when a request reaches a cluster without workers;
 * tests/autoscale drives it through the head. The caller owns the structs, which own nothing. Times
 * are seconds; counts are jobs, slots and workers. No function here can fail.
 *
 *   demand_*   the demand for one model: arrivals, a job's time in a slot. O(1) per arrival and per job.
 *   scale_need workers that one model needs by the time a new worker is ready
 *   scale_next from the need of all models to the number to ask for, with hysteresis
 *
 * The number never flaps: an increase is kept for hold_s, a decrease requires a lower need for all
 * of hold_s, and decreases are cool_s apart. So any time t sees at most t / cool_s decreases, and t
 * / hold_s changes from more to fewer. A decrease that is soon reversed doubles hold_s, so that
 * bursts every few minutes find the previous burst's workers. */
#ifndef MANTA_BRAIN_SCALE_POLICY_H
#define MANTA_BRAIN_SCALE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/smooth.h"

enum scale_mode { SCALE_FIXED = 0, SCALE_AUTO };
/* "fixed", "auto" */
const char *scale_mode_name(enum scale_mode mode);

/* The reason for the desired number. */
enum scale_reason {
    SCALE_NONE = 0,
    SCALE_ASKED,  /* a client asked for that number */
    SCALE_TAUGHT, /* the launcher had it when it joined */
    SCALE_LIMITS, /* it was beyond min or max */
    SCALE_WAKE,   /* a request came and no worker was there */
    SCALE_RATE,   /* requests come more often, or will when a new worker is ready */
    SCALE_QUEUE,  /* requests would wait too long */
    SCALE_IDLE,   /* fewer sufficed for hold_s */
    SCALE_REASONS,
};
/* "rate", "idle", …: the names in metrics. */
const char *scale_reason_name(enum scale_reason reason);

enum {
    SCALE_UP_EVERY_S = 10,   /* time between increases: fewer, larger ones */
    SCALE_PEAKS = 64,        /* time spans whose highest need is remembered */
};

struct scale_limits {
    enum scale_mode mode;
    uint32_t min, max;  /* AUTO: workers of the launcher */
    uint32_t idle_s;    /* AUTO: decrease after fewer sufficed this long; 0: derived from the start-up time */
};

/* The demand for one model. */
struct demand {
    double arrivals;        /* since the last demand_tick() */
    double fast, slow;      /* jobs/s, over the last seconds and the last minute */
    struct fading served_s; /* seconds of a job in a slot */
    double slots_each;      /* slots of a worker, as last seen; 0: not known */
};
/* Counts one arrived job. */
static inline void demand_arrives(struct demand *d)
{
    d->arrivals++;
}
/* Counts a job that held a slot for s seconds. */
void demand_served(struct demand *d, double s);
/* Ends a measuring interval of s seconds. */
void demand_tick(struct demand *d, double s);
/* Mean seconds of a job in a slot; a guess until one has ended. */
double demand_service_s(const struct demand *d);

/* The present state of a model. */
struct scale_seen {
    double busy, waiting;   /* jobs in slots, waiting jobs */
    double slots;           /* of ready workers that take jobs */
    double desired_slots;   /* slots once all ordered workers are there */
};
struct scale_need {
    double workers;         /* needed, not rounded */
    double floor;           /* … for the jobs in slots now */
    double rate;            /* predicted jobs/s */
    double wait_s;          /* a job's wait in start_s, with the workers that are ready now */
    enum scale_reason reason;
};
/* start_s: time from ordering a worker until it is ready. */
struct scale_need scale_need(const struct demand *d, const struct scale_seen *seen, double start_s);

/* The policy's state. */
struct scale_policy {
    struct scale_peak {
        double at_s, workers;
    } peaks[SCALE_PEAKS];   /* ring of spans: start, highest need */
    uint32_t last;          /* the present span */
    double up_s, down_s;    /* last increase and decrease; a change from outside sets both */
    double more_s;          /* last increase by the load */
    double wrong_s;         /* last time an increase soon reversed a decrease */
    uint32_t wrong;         /* how often recently: each doubles hold_s */
    bool fewer;             /* the last change was a decrease by the load */
};
/* Starts the policy at now_s. */
void scale_policy_init(struct scale_policy *p, double now_s);
/* Seconds for which fewer must have sufficed before a decrease. */
double scale_hold_s(const struct scale_policy *p, const struct scale_limits *l, double start_s, double service_s);
/* Seconds between two decreases. */
double scale_cool_s(double hold_s, double start_s);

struct scale_input {
    double now_s, start_s;
    double service_s;       /* of the neediest model */
    double workers, floor;  /* over all models: needed; needed for the jobs in slots now */
    double quiet_s;         /* seconds without a job */
    bool demand;            /* a job runs or waits */
    enum scale_reason reason;
    uint32_t desired;       /* the present number */
};
/* Returns the number to ask for from now on, and in *out_reason why it differs from in->desired. */
uint32_t scale_next(struct scale_policy *p, const struct scale_limits *l, const struct scale_input *in, enum scale_reason *out_reason);
/* The number was changed from outside: restarts the hysteresis. */
void scale_policy_changed(struct scale_policy *p, double now_s);

#endif
