/* How many workers the launcher is to keep up, and who decided it. Part of state.h.
 *
 * The desired number is *taught* by the first launcher that joins a head without a number (the
 * launcher's own target), or it is the head's *own*: a client asked for it, or the policy decided
 * (scale_policy.h). A head with its own number sends it to a launcher that joins, after `welcome`.
 * A launcher repeats mode and limits in each scale_state, so a restarted head without settings of
 * its own learns them, too. */
#ifndef MANTA_BRAIN_STEP_SCALING_H
#define MANTA_BRAIN_STEP_SCALING_H

#include "brain/head.h"
#include "brain/kit/timers.h"

enum { SCALE_EVERY_MS = 1000, SCALE_ORDERS_MAX = 32 };

/* Workers that were ordered and are not ready yet. */
struct scale_order {
    uint64_t at_us;
    uint32_t workers;
};

enum { NOT_ORDERED = 0, ORDERED, ORDERED_AND_READY }; /* worker.ordered: joined while an order was open; one of its
                                                         actors was ready */

/* The demand for a model, and the policy's last view of it. */
struct model_load {
    struct demand demand;
    struct scale_seen seen;
    struct scale_need need;
    bool brought; /* an ordered worker had this model */
};

struct scale {
    struct scale_limits limits;
    bool limits_own;         /* from this head's settings or a client; else a launcher may teach them */
    bool known, own;         /* there is a desired number; it is more than the launcher's word */
    uint32_t desired;
    struct scale_policy policy;
    struct timer timer;      /* AUTO: set */
    bool due;                /* the policy looks at the end of this step */
    uint64_t ticked_us;
    struct scale_order orders[SCALE_ORDERS_MAX]; /* the oldest first */
    uint32_t orders_n;
    double start_s;          /* seconds from ordering a worker until it is ready, learned; 0: not known */
    uint32_t unmanaged;      /* workers that our launchers did not start */
    uint32_t unmanaged_seen;   /* a candidate for that number, … */
    uint64_t unmanaged_since_us; /* … seen since then */
    uint64_t quiet_us;       /* the last time there was a job */
    struct pool *busiest;    /* at the last look: the neediest model; borrowed within it; NULL: none */
    bool brought_any;        /* an ordered worker became ready */
    double wait_s, hold_s;   /* at the last look: predicted wait; how long fewer must suffice before a decrease */
    enum scale_reason reason;
    char why[160];           /* of the last change, in words */
    char note[HEAD_LINE_BYTES_MAX]; /* the launcher's last problem */
    uint64_t changed_us;     /* 0: never */
    uint64_t changes[SCALE_REASONS];
};

#endif
