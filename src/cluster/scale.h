/* How many workers a launcher is to keep up: the head's word, and who gave it. Part of head_state.h.
 *
 * The desired number is *taught* by the first launcher that joins a head without one (its own target), or is the head's *own*: asked
 * for by somebody, or decided by the policy (scale_policy.h). A launcher that joins a head with an own number is told it after `welcome`.
 * A launcher repeats mode and limits in each scale_state, so a head that starts anew without settings of its own learns them, too. */
#ifndef MANTA_CLUSTER_SCALE_H
#define MANTA_CLUSTER_SCALE_H

#include "base/list.h"
#include "base/str.h"
#include "cluster/head.h"
#include "cluster/scale_policy.h"
#include "cluster/timers.h"
#include "wire/wire.h"

struct actor;
struct fault;
struct link;
struct worker;

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
    uint32_t foreign;        /* workers that no launcher of ours started */
    uint32_t foreign_seen;   /* as it seems, … */
    uint64_t foreign_since_us; /* … since then */
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

void head_scale_begin(struct head *h);
/* TIMER_SCALE */
void head_scale_overdue(struct head *h);
/* A job waits: where no worker is there, or shall be, the policy looks at once. */
void head_scale_waits(struct head *h);
/* The end of a step: decides, when it is time to. */
void head_scale_look(struct head *h);

/* To somebody who asked for something other than a prompt. */
void head_answer(struct head *h, uint64_t call, const struct fault *f);
void head_scale(struct head *h, const struct head_event *ev);
void head_scale_state(struct head *h, struct link *link, const struct wire_scale_state *m);
/* The link that joined last, or NULL. */
const struct link *head_launcher(const struct head *h);
/* Another worker is on its way. */
bool head_launcher_brings(const struct head *h);
/* False: it was refused, as another process of its name keeps up the same workers. */
bool head_launcher_may_join(struct head *h, struct link *link, const struct wire_hello *m);
void head_launcher_joins(struct head *h, const struct link *link);
/* A worker joined; an actor of it became ready. */
void head_scale_joined(struct head *h, struct worker *w);
void head_scale_ready(struct head *h, struct actor *a);
/* From asking for a worker until it is ready, as far as is known. */
double head_scale_start_s(const struct head *h);
/* Workers that were asked for and are on their way; 0: none are. */
uint32_t head_scale_starting(const struct head *h);
/* Until the first of them is ready, by those before it; 0: not known. */
double head_scale_eta_s(const struct head *h);
/* Asking for a worker makes one, and no worker is there because none was needed. */
bool head_scale_sleeps(const struct head *h);

/* scale_measure.c: what all models together need now; ticks their demand. */
struct scale_input head_scale_measure(struct head *h, double s);

#endif
