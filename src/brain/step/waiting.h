/* Waiting jobs: tenants, queues, and the lanes of tenants in them. Part of state.h. */
#ifndef MANTA_BRAIN_STEP_WAITING_H
#define MANTA_BRAIN_STEP_WAITING_H

#include "base/idtab.h"
#include "base/smooth.h"
#include "brain/kit/names.h"
#include "brain/kit/ranks.h"

/* A record that this step's effects may still point to: freed when the next step begins. */
struct grave {
    struct grave *next;
    void (*bury)(struct grave *g); /* NULL: free() */
};

/* The owner of requests: an API key, or the name in a header. */
struct tenant {
    struct grave grave;
    struct id_node node;      /* head.tenants */
    struct name_node by_name; /* head.tenant_names */
    struct list idle;         /* head.tenants_idle while it has no call; unused for labelled tenants */
    char *name;               /* owned */
    bool labelled;            /* has its own line in the metrics, for ever */
    uint32_t calls_n;         /* open */
    uint32_t queued, requeued, running; /* jobs; requeued: waiting ones that were sent before */
    uint64_t bytes;           /* of requests held */
    uint64_t since;           /* head.picks at its last turn, or when it began to wait */
    float answer_tokens;      /* of an answer, learned; 0: unknown */
    uint64_t calls_total, calls_refused, prompt_tokens, answered_tokens;
};

/* The pace of a queue: time between departures, over the last ones. */
struct pace {
    struct fading gap_s; /* seconds with waiting jobs, from one departure to the next */
    uint64_t from_us;    /* last departure, or the queue's beginning */
};

/* Jobs that wait for one pool, or for one actor: see fair.c. */
struct queue {
    uint64_t id;        /* never reused */
    struct list jobs;   /* job.queued: all of them, in no particular order */
    struct ranks back;  /* job.turn: jobs sent before, by arrival: they go first */
    struct ranks lanes; /* lane.turn, by tag: one lane for each tenant with other jobs here */
    uint32_t n, lanes_n;
    uint64_t clock;     /* tag of the last served lane */
    uint64_t places_at; /* head.steps when each job.place was computed */
    struct pace pace;
};

/* One tenant's waiting jobs in one queue. */
struct lane {
    struct name_node by_key; /* head.lane_names; its name is `key` */
    struct {
        uint64_t queue, tenant;
    } key;                   /* ids of both */
    struct rank turn;        /* in queue.lanes; key: `base` plus the first job's cost */
    struct ranks jobs;       /* job.turn, by priority and arrival */
    uint32_t n;
    struct queue *queue;
    struct tenant *tenant;
    uint64_t base;           /* the clock when the lane was last served, or made */
};

/* No job waits in it. */
static inline bool queue_is_empty(const struct queue *q)
{
    return q->n == 0;
}

#endif
