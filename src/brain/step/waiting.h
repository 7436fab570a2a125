/* Who waits, and whose turn it is: tenants, queues, and the lanes that tenants have in them. Part of state.h. */
#ifndef MANTA_BRAIN_STEP_WAITING_H
#define MANTA_BRAIN_STEP_WAITING_H

#include "base/idtab.h"
#include "brain/kit/names.h"
#include "brain/kit/ranks.h"

/* Something that effects of this step may still point to: freed when the next step begins. */
struct grave {
    struct grave *next;
    void (*bury)(struct grave *g); /* NULL: free() */
};

/* Whose requests these are: an API key, or what a header says. */
struct tenant {
    struct grave grave;
    struct id_node node;      /* head.tenants */
    struct name_node by_name; /* head.tenant_names */
    struct list idle;         /* head.tenants_idle while it has no call; not when it is never forgotten */
    char *name;               /* owned */
    bool labelled;            /* has a line of its own in the metrics, for ever */
    uint32_t calls_n;         /* open */
    uint32_t queued, requeued, running; /* jobs; requeued: of those that wait, ones that were sent before */
    uint64_t bytes;           /* of requests held */
    uint64_t since;           /* head.picks when it got its last turn, or began to wait */
    float answer_tokens;      /* of an answer, learned; 0: unknown */
    uint64_t calls_total, calls_refused, prompt_tokens, answered_tokens;
};

/* How fast a queue moves: the time between jobs that leave it, over the last ones. */
struct pace {
    double s, n;      /* seconds in which somebody waited, and departures in them; older ones fade */
    uint64_t from_us; /* when a job last left, or when the queue began */
};

/* Jobs that wait for one pool, or for one actor: see fair.c. */
struct queue {
    uint64_t id;        /* never used twice */
    struct list jobs;   /* job.queued: all of them, in no order that matters */
    struct ranks back;  /* job.turn: those that were sent before, by arrival: they go first */
    struct ranks lanes; /* lane.turn, by tag: one of each tenant that has others here */
    uint32_t n, lanes_n;
    uint64_t clock;     /* tag of the lane that was served last */
    uint64_t places_at; /* head.steps when job.place of all of them was worked out */
    struct pace pace;
};

/* What one tenant has waiting in one queue. */
struct lane {
    struct name_node by_key; /* head.lane_names; its name is `key` */
    struct {
        uint64_t queue, tenant;
    } key;                   /* ids of both */
    struct rank turn;        /* in queue.lanes; key: `base` and the cost of the first job */
    struct ranks jobs;       /* job.turn, by priority and arrival */
    uint32_t n;
    struct queue *queue;
    struct tenant *tenant;
    uint64_t base;           /* the clock when it was served last, or became a lane */
};

/* Nobody waits in it. */
static inline bool queue_is_empty(const struct queue *q)
{
    return q->n == 0;
}

#endif
