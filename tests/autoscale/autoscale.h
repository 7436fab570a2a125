/* A load and a rule that scales for it, in told time: the real head with its autoscaler, beside rules people use elsewhere.
 *
 * Simulated are a launcher (link, orders, one worker after the other with a time to start), workers (slots, drains, deaths), and clients.
 * A job takes its slot for a time that belongs to the job, so each rule meets the same work. One seed, one story. */
#ifndef TESTS_AUTOSCALE_H
#define TESTS_AUTOSCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "brain/head.h"

enum { AS_MODELS_MAX = 2, AS_SLOTS = 4, AS_WORKERS_MAX = 16, AS_JOBS_MAX = 60000, AS_POINTS = 240 };
enum rule { RULE_AUTO = 0, RULE_HPA, RULE_KEDA, RULE_FIXED, RULES };
/* "manta auto", "HPA", … */
const char *rule_name(enum rule rule);

struct shape {
    const char *name, *about;
    double (*rate)(double t, int model, const struct shape *s); /* jobs/s at t seconds */
    double most;             /* that rate() gives */
    uint32_t minutes;
    double service_s, sigma; /* median time in a slot, and of its logarithm; sigma < 0: a heavy tail (Pareto) */
    double start_s;          /* from a launcher's order until a worker is ready */
    uint32_t min, max;       /* limits of the rules; a HPA cannot go to zero */
    uint32_t models;         /* 1 or 2; each worker has an actor of each */
    uint32_t quota;          /* more workers than this the engine does not give; 0: any */
    double dies_every_s;     /* worker 1 dies so often and is started again by the engine; 0: never */
    double launcher_away_s[2]; /* it is dead from, until */
    uint32_t dump;           /* so many jobs at once every ten minutes, beside the rate */
};
extern const struct shape shapes[];
extern const uint32_t shapes_n;

struct outcome {
    double p95_s, worst_s, mean_s; /* time in the queue */
    double worker_hours;           /* from a worker's order until it has gone */
    uint32_t changes;              /* of the number asked for */
    uint32_t most, jobs;           /* workers at a time; jobs */
    uint32_t turns;                /* changes from more to fewer, or back */
    float workers[AS_POINTS], wanted[AS_POINTS], queue[AS_POINTS], load[AS_POINTS]; /* means over equal parts of the time */
};
/* RULE_FIXED: `fixed` workers. */
struct outcome autoscale_run(const struct shape *shape, enum rule rule, uint32_t fixed, uint64_t seed);

/* ---- rules.c: what others do ---- */
struct rule_state {
    double said_s[64];
    uint32_t said[64], said_n; /* ring: recommendations of the last five minutes */
    double active_s;           /* KEDA: something was there last */
    double polled_s;
};
/* Once every 15 s, with the jobs in the system of each model: the number of workers to ask for. */
uint32_t rule_hpa(struct rule_state *r, const struct shape *s, double now_s, const uint32_t *in_system, uint32_t desired);
uint32_t rule_keda(struct rule_state *r, const struct shape *s, double now_s, const uint32_t *in_system, uint32_t desired);

#endif
