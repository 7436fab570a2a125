/* Calls, their jobs, and the flights by which these run on actors. */
#ifndef MANTA_BRAIN_RUN_RUN_H
#define MANTA_BRAIN_RUN_RUN_H

#include "brain/policy/router.h"
#include "brain/step/step.h"

/* ---- call.c: a client's request ---- */
/* HEAD_PROMPT: checks it, and gives it its branches; or refuses it with FX_CALL_FAILED. */
void head_prompt(struct head *h, const struct head_event *ev);
/* A call with everything but its jobs, in no table yet. */
struct call *head_call_new(struct head *h, const struct head_event *ev, struct pool *pool);
/* It is kept from now on, under its number and its stream's name. */
void head_call_add(struct head *h, struct call *call, uint64_t id);
/* Frees a call that is in no table any more, with its jobs. For graves. */
void head_call_free(struct grave *g);
/* The call that answers under this name here; NULL: none. */
struct call *head_call_by_stream(const struct head *h, uint64_t stream);
/* FX_CALL_FAILED for a call that is not kept; retry_s 0: no hint. */
void head_call_refuse(struct head *h, uint64_t call, const struct fault *f, uint32_t retry_s);
/* The same for one that is kept and of which nothing was reported yet; it is forgotten. */
void head_call_fail(struct head *h, struct call *call, const struct fault *f, uint32_t retry_s);
/* Its client has gone. False: there is no such call, or it has ended. */
bool head_call_gone(struct head *h, uint64_t id);
/* Its client continues it on another connection: this one is told so and the call ends; workers keep what it has. */
void head_call_taken(struct head *h, struct call *call);
/* Sends the job of a call that was waiting for its first actor to `a`, and makes the other branches. */
void head_call_spread(struct head *h, struct job *first, struct actor *a);
/* A branch has ended: with the last one FX_CALL_END, and the call is forgotten. */
void head_call_branch_ended(struct head *h, struct call *call);
/* A branch of it failed: counts the call, once. */
void head_call_count_failed(struct head *h, struct call *call);
/* FX_BRANCH_DONE with that fault, and the job ends; with the last branch the call does. */
void head_job_fail(struct head *h, struct job *job, const struct fault *f);

/* ---- job.c: one run of a call ---- */
/* The next branch of a call, which waits for `bound`, or for any actor where that is NULL. */
struct job *head_job_new(struct head *h, struct call *call, struct actor *bound);
/* A branch whose first tokens the client has from elsewhere; `a` has the rest of it, or began it. */
struct job *head_job_found(struct head *h, struct call *call, uint32_t branch, struct actor *a, uint32_t attempt,
                           struct wire_i32s ids);
/* A branch that another process had, as that told of it. */
struct job *head_job_taken(struct head *h, struct call *call, const struct wire_moved_job *m);
/* The one place where a job's state changes; a move that is not in the table is a MUST(). */
void head_job_move(struct job *job, enum job_state to);
/* Takes a waiting job out of its queue and sends it to `a`, which is open, or has it in quarantine: as `run`, or as `adopt`. */
void head_job_send(struct head *h, struct job *job, struct actor *a);
/* Tokens of its answer are delivered: they are kept, as far as the limits allow, for the actor that continues if need be. */
void head_job_says(struct head *h, struct job *job, struct wire_i32s ids);
/* Forgets it; what it still runs is cancelled. No effect for the client. */
void head_job_end(struct head *h, struct job *job);
/* Frees a job that is in no table any more. For graves. */
void head_job_free(struct grave *g);
/* What another actor has to read besides the prompt, in bytes of text about. */
static inline uint64_t head_replay_bytes(const struct job *job)
{
    return (uint64_t)job->said * ROUTER_BYTES_PER_TOKEN;
}

/* ---- flight.c: attempts of jobs on actors ---- */
/* The job runs on `a` from now on, and holds a slot of it. */
struct flight *head_flight_new(struct head *h, struct job *job, struct actor *a);
/* The flight is over: the slot is free. */
void head_flight_end(struct head *h, struct flight *f);
/* Tells the worker to stop it; it says `done` then. */
void head_flight_cancel(struct head *h, const struct flight *f);
/* The job leaves its flight, which is cancelled and keeps the slot until the worker says done. */
void head_job_abandon(struct head *h, struct job *job);
/* The flight a worker speaks of, also one that nobody waits for (job NULL). NULL: it is of the past; or nonsense, where *f has
 * ERR_PROTOCOL. */
struct flight *head_flight_of(struct head *h, struct worker *w, uint64_t id, uint32_t attempt, struct fault *f);
/* The job whose present attempt that is. NULL: nobody waits for it; or nonsense, where *f has ERR_PROTOCOL. */
struct job *head_job_of(struct head *h, struct worker *w, uint64_t id, uint32_t attempt, struct fault *f);
/* Its job is about to say so many tokens more: its pace is measured by when. */
void head_flight_paces(const struct head *h, struct flight *f, uint32_t tokens);

/* ---- pick.c: which actor ---- */
/* The best open actor of the pool the job waits in, which has one. */
struct actor *head_pick(struct head *h, const struct job *job);
/* The n best actors of the pool that are ready and take jobs, open ones first, in the order of ids. Returns how many. */
uint32_t head_pick_spread(struct head *h, const struct call *call, uint32_t n, struct actor **out);
/* How much of the call's prompt the actor should have in its cache, in bytes. */
uint64_t head_cached_bytes(const struct head *h, const struct call *call, const struct actor *a);

/* ---- dispatch.c ---- */
/* Sends what can be sent now; the end of each step. */
void head_dispatch(struct head *h);

/* ---- deadline.c ---- */
/* A waiting job's timer: it waits on, goes back to its queue after regrouping, or fails with what was missing. */
void head_queue_overdue(struct head *h, struct job *job);

/* ---- stream.c: messages about jobs. 0, or the fault for which the link is refused ---- */
/* The prompt is computed: FX_STARTED, once per branch. */
int head_prefilled(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* More of an answer: FX_TOKENS. */
int head_tokens(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* Moves a smoothed number towards one that was seen; 0: none was known. */
void head_learn(float *known, float seen);
/* A zeroed effect about that branch. */
struct fx *head_branch_fx(struct head *h, const struct job *job, enum fx_kind kind);
/* The effect tells of that actor: its id, model, node and address. */
void head_fx_actor(struct fx *fx, const struct actor *a);
/* A time that a worker said, in ms; nonsense is 0. */
float head_time_ms(float said);

/* ---- suspect.c: what may be what crashes workers ---- */
/* A quarantined job leaves its actor, if the job is one. */
void head_quarantined_leave(struct head *h, struct job *job);
/* More of a job was said: a suspect may be cleared. */
void head_suspect_says(struct head *h, struct job *job);
/* A suspect is cleared: it ended well, or said enough. */
void head_job_clear(struct job *job);

/* ---- moving.c: the record of a job that leaves a worker with what is computed of it ---- */
enum { MIGRATION_WINDOW = 4 }; /* parts that are on their way at once: what the head holds of one job is at most these */

enum migration_state { MIGRATION_SAVING = 0, MIGRATION_MOVING };

struct migration {
    struct list link; /* head.migrations */
    enum migration_state state;
    struct job *job;
    struct worker *from, *to;       /* borrowed; to: MOVING */
    uint32_t from_attempt;
    uint32_t aim;                   /* SAVING: id of the actor that was chosen */
    bool rebalances;                /* its actor would have kept it */
    uint64_t bytes, sum;            /* MOVING */
    uint64_t pulled, came, acked;   /* of bytes; pulled may be over it by less than a part */
    uint64_t began_us;              /* MOVING */
    double compute_s;               /* what computing it takes instead */
    struct timer timer;             /* nothing moved for so long */
};

/* SAVING: the job's actor is asked to stop it and save what is computed. */
struct migration *head_migration_new(struct head *h, struct job *job);
/* The record is forgotten; nobody is told. */
void head_migration_free(struct head *h, struct migration *mig);
/* The job ends, or leaves its flight: what moves of it is of no use, and both workers are told. Harmless where nothing moves. */
void head_migration_drop(struct head *h, struct job *job);
/* Tells a worker that is there to forget what it has of that attempt. */
void head_kv_drop(struct head *h, const struct worker *w, uint64_t job, uint32_t attempt);

/* ---- account.c: why a job went where it went, told to the program as it happens: the brain keeps none of it ---- */
struct candidate;
/* What was weighed for the job that is sent next: `chosen` of these candidates. */
void head_account_weighed(struct head *h, const struct candidate *c, struct actor *const *who, size_t n, size_t chosen);
/* FX_CHOSEN: it is sent to that actor now. */
void head_account_chosen(struct head *h, const struct job *job, const struct actor *a);
/* FX_LEFT: it leaves the actor it is on. */
void head_account_left(struct head *h, const struct job *job, const char *reason, const char *text);

#endif
