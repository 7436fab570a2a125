/* Jobs that wait: which queue they are in, whose turn it is, and whether there is room for more. */
#ifndef MANTA_BRAIN_QUEUE_QUEUE_H
#define MANTA_BRAIN_QUEUE_QUEUE_H

#include "brain/step/step.h"

/* ---- queue.c: into the queue and out of it ---- */
/* The pool a job waits in: its call's, or once its answer has begun, the pool of the same bits while an actor of it is ready and
 * well, else the pool of the same file. */
struct pool *head_job_pool(const struct job *job);
/* A job waits from now on, for its pool or the actor it is bound to. It MUST be JOB_QUEUED and in no queue. */
void head_queue_put(struct head *h, struct job *job);
/* The same after regroup_ms; at once where the job is bound to an actor. */
void head_queue_regroup(struct head *h, struct job *job);
/* The job no longer waits, and was not sent. It MUST wait. */
void head_queue_take(struct head *h, struct job *job);
/* The same for one that is sent: its tenant has had its turn. */
void head_queue_serve(struct head *h, struct job *job);
/* All that waits in `from` waits in `to` from now on; the jobs say so already. */
void head_queue_merge(struct head *h, struct pool *from, struct pool *to);
/* When to look at a waiting job next: at its deadline, or earlier when the head will have settled. */
uint64_t head_queue_look_us(const struct head *h, const struct job *job);
/* The last ready and well actor of this pool of the same bits may have left: jobs that wait for one wait for any actor of the file, with the old deadline. */
void head_compatible_left(struct head *h, struct pool *same_bits);

/* ---- fair.c: whose turn it is ---- */
/* An empty queue, with an id of its own. */
void queue_init(struct head *h, struct queue *q);
/* The job joins the queue: in its tenant's lane, or with those that go first where it was sent before. */
void queue_add(struct head *h, struct queue *q, struct job *job);
/* The job leaves its queue; `served`: because it is sent, which moves the queue's clock. */
void queue_remove(struct head *h, struct job *job, bool served);
/* The next to be sent, or NULL. */
struct job *queue_first(const struct queue *q);
/* Of the first jobs of two queues that one actor serves: a goes before b. */
bool queue_goes_first(const struct job *a, const struct job *b);
/* Works out job.place, from 1, of all that wait there: the order in which they would be sent if nobody else came. */
void queue_work_out_places(struct head *h, struct queue *q);
/* How many of those would be sent before one of that tenant that came now; not worked out to the letter. */
uint32_t queue_place_guess(const struct head *h, const struct queue *q, const struct tenant *t);
/* Somebody waits again, where nobody did. */
void pace_begins(struct pace *p, uint64_t now_us);
/* A job has left the queue. */
void pace_moved(struct pace *p, uint64_t now_us);
/* Seconds from one departure to the next; 0: not known. */
double pace_s(const struct pace *p);

/* ---- tenant.c ---- */
/* The tenant of that name (empty: the common one); made when it is new. It may be forgotten again as long as nobody holds it. */
struct tenant *head_tenant_of(struct head *h, struct str name);
/* A call of this tenant begins: it is not forgotten until as many have left. */
void head_tenant_hold(struct head *h, struct tenant *t);
/* A call of this tenant has ended. */
void head_tenant_leave(struct head *h, struct tenant *t);
/* Frees a tenant that is in no table any more. For graves. */
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
/* When one of that tenant may come again for that pool, in seconds; p NULL: for any. */
uint32_t head_retry_s(const struct head *h, const struct pool *p, const struct tenant *t);

#endif
