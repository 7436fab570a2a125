/* Who waits, and whose turn it is: tenants, queues, and the lanes that tenants have in them. Part of head_state.h. */
#ifndef MANTA_CLUSTER_FAIR_H
#define MANTA_CLUSTER_FAIR_H

#include "base/idtab.h"
#include "cluster/names.h"
#include "cluster/ranks.h"

struct call;
struct fault;
struct head;
struct job;
struct pool;

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

/* ---- queue.c ---- */
/* All that waits in `from` waits in `to` from now on; the jobs say so already. */
void head_queue_merge(struct head *h, struct pool *from, struct pool *to);
void head_queue_put(struct head *h, struct job *job);
/* The same, a moment later. */
void head_queue_regroup(struct head *h, struct job *job);
void head_queue_take(struct head *h, struct job *job);
/* The same for one that is sent: its tenant has had its turn. */
void head_queue_serve(struct head *h, struct job *job);
void head_queue_overdue(struct head *h, struct job *job);
/* One of the pool's actors has failed: those that wait look whether there is still something to wait for. */
void head_queue_hurry(struct head *h, struct pool *p);
/* The same, of all pools. */
void head_queues_hurry(struct head *h);

/* ---- fair.c: whose turn it is ---- */
void queue_init(struct head *h, struct queue *q);
static inline bool queue_is_empty(const struct queue *q)
{
    return q->n == 0;
}
void queue_add(struct head *h, struct queue *q, struct job *job);
/* `served`: because it is sent. */
void queue_remove(struct head *h, struct job *job, bool served);
/* The next to be sent, or NULL. */
struct job *queue_first(const struct queue *q);
/* Of the first jobs of two queues that one actor serves: a goes before b. */
bool queue_goes_first(const struct job *a, const struct job *b);
/* Of all that wait there, in the order in which they would be sent if nobody else came: job.place, from 1. */
void queue_work_out_places(struct head *h, struct queue *q);
/* How many of those would be sent before one of that tenant that came now; not worked out to the letter. */
uint32_t queue_place_guess(const struct head *h, const struct queue *q, const struct tenant *t);
void pace_begins(struct pace *p, uint64_t now_us);
void pace_moved(struct pace *p, uint64_t now_us);
/* Seconds from one departure to the next; 0: not known. */
double pace_s(const struct pace *p);

/* ---- tenant.c ---- */
/* The tenant of that name (empty: the common one); made when it is new. It may be forgotten again as long as nobody holds it. */
struct tenant *head_tenant_of(struct head *h, struct str name);
void head_tenant_hold(struct head *h, struct tenant *t);
void head_tenant_leave(struct head *h, struct tenant *t);
void head_tenant_free(struct grave *g);
/* Nobody but one tenant is there to share with. */
bool head_tenant_is_alone(const struct head *h, const struct tenant *t);

/* ---- admit.c: is there room, and when to come back ---- */
/* What there should be room for. */
struct admission {
    uint32_t jobs;  /* that will wait, and were never sent */
    uint64_t bytes; /* to be held; 0: they are counted already */
};
/* 0, or ERR_BUSY with f and the seconds to come back in. */
int head_admit(struct head *h, const struct pool *p, struct tenant *t, struct admission wants, struct fault *f,
               uint32_t *out_retry_s);
/* When one of that tenant may come again for that pool; NULL: for any. */
uint32_t head_retry_s(const struct head *h, const struct pool *p, const struct tenant *t);

#endif
