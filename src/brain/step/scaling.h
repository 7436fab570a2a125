/* How many workers a launcher is to keep up: the head's word, and who gave it. Part of state.h.
 *
 * The desired number is *taught* by the first launcher that joins a head without one (its own target), or is the head's *own*: asked
 * for by somebody, or decided by the policy (scale_policy.h). A launcher that joins a head with an own number is told it after `welcome`.
 * A launcher repeats mode and limits in each scale_state, so a head that starts anew without settings of its own learns them, too. */
#ifndef MANTA_BRAIN_STEP_SCALING_H
#define MANTA_BRAIN_STEP_SCALING_H

#include "brain/head.h"
#include "brain/kit/timers.h"

enum { SCALE_EVERY_MS = 1000, SCALE_ORDERS_MAX = 32 };

/* Workers that were asked for and are not ready yet. */
struct scale_order {
    uint64_t at_us;
    uint32_t workers;
};

enum { NOT_ORDERED = 0, ORDERED, ORDERED_AND_READY }; /* worker.ordered: it came when one was asked for; an actor of it was ready */

/* What a model is asked for, and what the last look made of it. */
struct model_load {
    struct demand demand;
    struct scale_seen seen;
    struct scale_need need;
    bool brought; /* a worker that was asked for had it */
};

struct scale {
    struct scale_limits limits;
    bool limits_own;         /* by this head's settings, or asked for here; else a launcher may teach them */
    bool known, own;         /* there is a desired number; it is not just what the launcher said */
    uint32_t desired;
    struct scale_policy policy;
    struct timer timer;      /* AUTO: set */
    bool due;                /* the policy looks at the end of this step */
    uint64_t ticked_us;
    struct scale_order orders[SCALE_ORDERS_MAX]; /* the oldest first */
    uint32_t orders_n;
    double start_s;          /* from asking for a worker until it is ready, learned; 0: not known */
    uint32_t unmanaged;      /* workers that no launcher of ours started */
    uint32_t unmanaged_seen;   /* as it seems, … */
    uint64_t unmanaged_since_us; /* … since then */
    uint64_t quiet_us;       /* since then no job has come or been there */
    struct pool *busiest;    /* at the last look: whose need is the most; borrowed within it; NULL: none */
    bool brought_any;        /* a worker that was asked for became ready */
    double wait_s, hold_s;   /* at the last look: predicted wait; so long fewer must have been enough */
    enum scale_reason reason;
    char why[160];           /* of the last change, in words */
    char note[HEAD_LINE_BYTES_MAX]; /* the launcher's last problem */
    uint64_t changed_us;     /* 0: never */
    uint64_t changes[SCALE_REASONS];
};

#endif
