/* Waiting jobs: their queues, their order, and admission of more. */
#ifndef MANTA_BRAIN_QUEUE_QUEUE_H
#define MANTA_BRAIN_QUEUE_QUEUE_H

#include "brain/step/step.h"

/* ---- queue.c: into the queue and out of it ---- */
/* Returns the pool a job waits in: its call's; once its answer has begun, the pool of the same bits
 * while one of its actors is ready and well, else the pool of the same file. */
struct pool *head_job_pool(const struct job *job);
/* Queues a job for its pool, or for the actor it is bound to. It MUST be JOB_QUEUED and in no queue. */
void head_queue_put(struct head *h, struct job *job);
/* As head_queue_put(), after regroup_ms; at once if the job is bound to an actor. */
void head_queue_regroup(struct head *h, struct job *job);
/* Removes a waiting job that is not sent. It MUST wait. */
void head_queue_take(struct head *h, struct job *job);
/* Removes a waiting job that is sent: its tenant has had its turn. */
void head_queue_serve(struct head *h, struct job *job);
/* Moves all waiting jobs of `from` to `to`; job.pool is `to` already. */
void head_queue_merge(struct head *h, struct pool *from, struct pool *to);
/* Returns when to look at a waiting job next: at its deadline, or earlier when the head will have settled. */
uint64_t head_queue_look_us(const struct head *h, const struct job *job);
/* The last well actor of this pool of the same bits may have left: if so, its waiting jobs wait for
 * any actor of the file, with the old deadline. */
void head_compatible_left(struct head *h, struct pool *same_bits);

/* ---- fair.c: the order within a queue ---- */
/* Makes an empty queue with its own id. */
void queue_init(struct head *h, struct queue *q);
/* Adds a job: to its tenant's lane, or to those that go first if it was sent before. */
void queue_add(struct head *h, struct queue *q, struct job *job);
/* Removes a job; `served`: it is sent, which advances the queue's clock. */
void queue_remove(struct head *h, struct job *job, bool served);
/* Returns the next job to send; NULL: none. */
struct job *queue_first(const struct queue *q);
/* For the first jobs of two queues that share an actor: a goes before b. */
bool queue_goes_first(const struct job *a, const struct job *b);
/* Computes job.place, from 1, of all waiting jobs: the order in which they would be sent if no others came. */
void queue_work_out_places(struct head *h, struct queue *q);
/* Estimates how many of the waiting jobs would be sent before a new job of that tenant. */
uint32_t queue_place_guess(const struct head *h, const struct queue *q, const struct tenant *t);
/* A job waits again after the queue was empty. */
void pace_begins(struct pace *p, uint64_t now_us);
/* Counts a departure from the queue. */
void pace_moved(struct pace *p, uint64_t now_us);
/* Seconds from one departure to the next; 0: not known. */
double pace_s(const struct pace *p);

/* ---- tenant.c ---- */
/* Returns the tenant of that name (empty: the common one), made if it is new. It may be forgotten
 * again until head_tenant_hold(). */
struct tenant *head_tenant_of(struct head *h, struct str name);
/* A call of this tenant begins: the tenant is kept until head_tenant_leave() was called as often. */
void head_tenant_hold(struct head *h, struct tenant *t);
/* A call of this tenant has ended. */
void head_tenant_leave(struct head *h, struct tenant *t);
/* Frees a tenant that is in no table any more. For graves. */
void head_tenant_free(struct grave *g);
/* The common tenant is the only one, so there is none to share with. */
bool head_tenant_is_alone(const struct head *h, const struct tenant *t);

/* ---- admit.c: admission, and when to come back ---- */
/* The room that a request needs. */
struct admission {
    uint32_t jobs;  /* that will wait, and were never sent */
    uint64_t bytes; /* to be held; 0: counted already */
};
/* Returns 0, or ERR_BUSY with f and the seconds until a retry. */
int head_admit(struct head *h, const struct pool *p, struct tenant *t, struct admission wants, struct fault *f,
               uint32_t *out_retry_s);
/* Returns the seconds until that tenant may retry for that pool; p NULL: for any. */
uint32_t head_retry_s(const struct head *h, const struct pool *p, const struct tenant *t);

#endif
