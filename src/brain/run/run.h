/* Calls, their jobs, and the attempts in which jobs run on actors. */
#ifndef MANTA_BRAIN_RUN_RUN_H
#define MANTA_BRAIN_RUN_RUN_H

#include "brain/policy/router.h"
#include "brain/step/step.h"

/* ---- call.c: a client's request ---- */
/* HEAD_PROMPT: checks the request and makes its branches, or refuses it with FX_CALL_FAILED. */
void head_prompt(struct head *h, const struct head_event *ev);
/* Makes a call without jobs, in no table yet. */
struct call *head_call_new(struct head *h, const struct head_event *ev, struct pool *pool);
/* Adds the call to the tables, under its number and its stream's name. */
void head_call_add(struct head *h, struct call *call, uint64_t id);
/* Frees a call that is in no table any more, with its jobs. For graves. */
void head_call_free(struct grave *g);
/* The call that answers the stream here; NULL: none. */
struct call *head_call_by_stream(const struct head *h, uint64_t stream);
/* FX_CALL_FAILED for a call in no table; retry_s 0: no hint. */
void head_call_refuse(struct head *h, uint64_t call, const struct fault *f, uint32_t retry_s);
/* Likewise for a call in the tables of which nothing was reported yet; ends and forgets it. */
void head_call_fail(struct head *h, struct call *call, const struct fault *f, uint32_t retry_s);
/* The client has gone: ends its call without effects for it. False: there is no such call. */
bool head_call_gone(struct head *h, uint64_t id);
/* The client continues the call on another connection: reports that on this one and ends the call;
 * workers keep their journals. */
void head_call_taken(struct head *h, struct call *call);
/* Sends the job of a call that waited for its first actor to `a`, and makes the other branches. */
void head_call_spread(struct head *h, struct job *first, struct actor *a);
/* A branch has ended: if it was the last, FX_CALL_END, and the call is forgotten. */
void head_call_branch_ended(struct head *h, struct call *call);
/* A branch failed: counts the call as failed, once. */
void head_call_count_failed(struct head *h, struct call *call);
/* FX_BRANCH_DONE with that fault; ends the job, and with its last branch the call. */
void head_job_fail(struct head *h, struct job *job, const struct fault *f);

/* ---- job.c: one run of a call ---- */
/* Makes the call's next branch and queues it for `bound`, or for any actor if that is NULL. */
struct job *head_job_new(struct head *h, struct call *call, struct actor *bound);
/* Makes a branch whose first tokens the client has from another head; `a` has its journal. */
struct job *head_job_found(struct head *h, struct call *call, uint32_t branch, struct actor *a, uint32_t attempt,
                           struct wire_i32s ids);
/* Makes a branch of a former head from that head's record. */
struct job *head_job_taken(struct head *h, struct call *call, const struct wire_moved_job *m);
/* Changes a job's state, in this function only; a move that its table forbids is a MUST(). */
void head_job_move(struct job *job, enum job_state to);
/* Takes a waiting job out of its queue and sends it as `run` or `adopt` to `a`, which is open or
 * has it in quarantine. */
void head_job_send(struct head *h, struct job *job, struct actor *a);
/* Counts delivered tokens, and keeps their ids, within the limits, for an actor that may have to continue. */
void head_job_says(struct head *h, struct job *job, struct wire_i32s ids);
/* Ends and forgets the job, and cancels its attempt. No effect for the client. */
void head_job_end(struct head *h, struct job *job);
/* Frees a job that is in no table any more. For graves. */
void head_job_free(struct grave *g);
/* The delivered tokens in approximate bytes of text: another actor has to read them besides the prompt. */
static inline uint64_t head_replay_bytes(const struct job *job)
{
    return (uint64_t)job->said * ROUTER_BYTES_PER_TOKEN;
}

/* ---- attempt.c: attempts of jobs on actors ---- */
/* Starts an attempt of the job on `a`, which holds a slot. */
struct attempt *head_attempt_new(struct head *h, struct job *job, struct actor *a);
/* Ends the attempt and frees its slot. */
void head_attempt_end(struct head *h, struct attempt *f);
/* Tells the worker to stop the attempt; the worker answers `done`. */
void head_attempt_cancel(struct head *h, const struct attempt *f);
/* The job leaves its attempt, which is cancelled and keeps its slot until the worker says `done`. */
void head_job_abandon(struct head *h, struct job *job);
/* The attempt that a worker's message names, with or without a job. NULL: it has ended; or the name
 * is nonsense, and *f has ERR_PROTOCOL. */
struct attempt *head_attempt_of(struct head *h, struct worker *w, uint64_t id, uint32_t number, struct fault *f);
/* The job whose present attempt a message names. NULL: cancelled or ended; or nonsense, and *f has ERR_PROTOCOL. */
struct job *head_job_of(struct head *h, struct worker *w, uint64_t id, uint32_t number, struct fault *f);
/* The job is about to deliver that many tokens: measures the pace. Call before head_job_says(). */
void head_attempt_paces(const struct head *h, struct attempt *f, uint32_t tokens);

/* ---- pick.c: which actor ---- */
/* The best open actor of the job's pool, which MUST have one. */
struct actor *head_pick(struct head *h, const struct job *job);
/* Writes the n best actors of the pool that are ready and take jobs, open ones first, sorted by id.
 * Returns how many. */
uint32_t head_pick_spread(struct head *h, const struct call *call, uint32_t n, struct actor **out);
/* Estimates how many bytes of the call's prompt the actor has in its cache. */
uint64_t head_cached_bytes(const struct head *h, const struct call *call, const struct actor *a);

/* ---- dispatch.c ---- */
/* Sends all jobs that can be sent now; at the end of each step. */
void head_dispatch(struct head *h);

/* ---- deadline.c ---- */
/* A waiting job's timer: it waits on, returns to its queue after regrouping, or fails with the reason. */
void head_queue_overdue(struct head *h, struct job *job);

/* ---- stream.c: messages about jobs; return 0, or the fault for which the link is refused ---- */
/* The prompt is on its way: FX_PROGRESS, for those who asked for it. */
int head_progress(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* The prompt is computed: FX_STARTED, once per branch. */
int head_prefilled(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* More tokens of an answer, or of a prompt: FX_TOKENS. */
int head_tokens(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* Moves a smoothed number towards an observation; 0: none yet. */
void head_learn(float *known, float seen);
/* Appends a zeroed effect for that branch. */
struct fx *head_branch_fx(struct head *h, const struct job *job, enum fx_kind kind);
/* Sets the effect's actor: its id, model, node and address. */
void head_fx_actor(struct fx *fx, const struct actor *a);
/* Checks a time from a worker, in ms; nonsense becomes 0. */
float head_time_ms(float said);

/* ---- suspect.c: jobs that may have crashed a worker ---- */
/* If the job is quarantined, it leaves its actor. */
void head_quarantined_leave(struct head *h, struct job *job);
/* A job delivered more: clears it if it is a suspect and has delivered enough. */
void head_suspect_says(struct head *h, struct job *job);
/* Clears a suspect: it ended well, or delivered enough. */
void head_job_clear(struct job *job);

/* ---- moving.c: the record of a KV migration ---- */
enum { MIGRATION_WINDOW = 4 }; /* parts in transit at once: bounds the head's memory per job */

enum migration_state { MIGRATION_SAVING = 0, MIGRATION_MOVING };

struct migration {
    struct list link; /* head.migrations */
    enum migration_state state;
    struct job *job;
    struct worker *from, *to;       /* borrowed; to: MOVING */
    uint32_t from_attempt;
    uint32_t aim;                   /* SAVING: id of the chosen actor */
    bool rebalances;                /* moves for balance; its actor could have kept it */
    uint64_t bytes, sum;            /* MOVING */
    uint64_t pulled, came, acked;   /* in bytes; pulled may exceed `bytes` by less than a part */
    uint64_t began_us;              /* MOVING */
    double compute_s;               /* seconds to recompute instead */
    struct timer timer;             /* set: the migration stalls when it rings */
};

/* Makes the record, SAVING; the caller asks the job's actor to save. */
struct migration *head_migration_new(struct head *h, struct job *job);
/* Frees the record without telling the workers. */
void head_migration_free(struct head *h, struct migration *mig);
/* The job ends, or leaves its attempt: drops its migration and tells both workers. Harmless without a migration. */
void head_migration_drop(struct head *h, struct job *job);
/* Tells a worker, unless it is lost, to forget that attempt's KV cache. */
void head_kv_drop(struct head *h, const struct worker *w, uint64_t job, uint32_t attempt);

/* ---- account.c: routing decisions, reported to the program as they happen; the brain keeps none ---- */
struct candidate;
/* Notes the router's comparison for the job that is sent next: `chosen` among these candidates. */
void head_account_weighed(struct head *h, const struct candidate *c, struct actor *const *who, size_t n, size_t chosen);
/* FX_CHOSEN: the job is sent to that actor now. */
void head_account_chosen(struct head *h, const struct job *job, const struct actor *a);
/* FX_LEFT: the job leaves its actor. */
void head_account_left(struct head *h, const struct job *job, const char *reason, const char *text);

#endif
