/* The agent's records and the functions that its files share; only they include it. */
#ifndef MANTA_BRAIN_AGENT_STATE_H
#define MANTA_BRAIN_AGENT_STATE_H

#include "base/idtab.h"
#include "base/rng.h"
#include "brain/agent.h"

#define AGENT_NEVER UINT64_MAX

enum {
    AGENT_JOB_BUCKETS = 256,
    AGENT_REASON_BYTES = 128,
    AGENT_JOURNAL_BUCKETS = 1024,
    AGENT_MOVE_LEAD_MS = 3000, /* jobs are to leave this long before a drain's grace time ends, or at its half */
    AGENT_CARRY_MS = 10000, /* how long a saved KV cache is kept after the last pull */
};

/* The link to one head. */
struct uplink {
    struct dialler dialler;
    uint32_t rtt_us;        /* of the last acknowledged beat; 0: none yet */
    uint64_t worker;        /* our id at this head */
    bool ready;             /* every actor is acknowledged and ready: logged once */
};

/* One of our actors, as the program last described it. */
struct agent_actor {
    bool used;
    struct wire_actor is;        /* its texts are in `text` */
    char *text;                  /* owned: the texts of `is`, in sequence */
    bool acked[AGENT_HEADS_MAX]; /* that head acknowledged it on the present link */
    uint32_t id[AGENT_HEADS_MAX];
};

struct journal;

/* One job of an engine. */
struct agent_job {
    struct id_node node;    /* in agent.jobs, by ticket */
    struct agent_job *next; /* in the same bucket of agent.by_name */
    uint32_t head;
    uint64_t job;     /* the head's number */
    uint32_t attempt; /* the head's number */
    uint32_t key;     /* actor */
    bool cancelled;   /* AG_CANCEL was given: only its DONE still matters */
    uint64_t epoch;   /* of the head's process that sent it */
    struct journal *journal; /* borrowed; NULL: none */
    bool adrift;      /* its head is gone; it continues into its journal until another head adopts it */
    bool orphan;      /* cancelled, and reported to no head */
    bool saving;       /* AG_SAVE was given, counted in agent.saving_n */
    uint64_t kv_bytes; /* bytes of KV cache to come, for which the engine holds the job; 0: it runs */
    uint64_t kv_sum;   /* their checksum */
    uint64_t moving_bytes; /* counted in agent.moving_bytes: room for saving it, its arriving cache, or a given cache
                              not read yet */
    struct buf kv;     /* owned; the part that has arrived */
};

/* The journal of one answer: its request and its output; see journal.c. */
struct journal {
    struct journal *next;      /* in the same bucket of agent.journals_by_stream */
    struct list all;        /* agent.journals, oldest first */
    struct list expiring;   /* agent.expiring or agent.told: no head reads it at present */
    uint64_t stream;
    uint32_t branch, key;   /* key: the actor */
    uint32_t seeker, told;  /* the head that sought it last, AGENT_HEADS_MAX: none; the actor named to it, UINT32_MAX: none */
    struct agent_job *job;  /* borrowed; its running job; NULL: ended or cancelled */
    bool alone;             /* perhaps the only copy: its head was lost before receiving all of it or handing it on */
    uint32_t lost_head;     /* alone: that head */
    uint64_t lost_epoch;    /* alone: that head's process */
    bool done;              /* `done` is in the log */
    uint64_t due_us;        /* expiring: when it is forgotten */
    uint64_t bytes;         /* counted in agent.journal_bytes */
    struct buf run;         /* the job's `run`, one frame, without `resume` */
    struct buf log;         /* frames of prefilled, tokens, done */
    struct buf ids;         /* int32_t: the tokens of the answer so far */
};

/* The saved KV cache of a job that left, until its head has fetched it; see kv.c. */
struct agent_carry {
    struct list link; /* agent.carries */
    uint32_t head;
    uint64_t job;
    uint32_t attempt;
    uint64_t stream;  /* of its journal; 0: none */
    uint32_t branch;
    struct buf bytes; /* owned */
    uint64_t due_us;  /* when it is forgotten */
};

/* Text of an effect: lives until the next step. */
struct agent_text {
    struct agent_text *next;
    char text[];
};

struct agent {
    struct agent_config cfg;
    struct rng rng;      /* jitter */
    uint64_t now_us;     /* our time: never falls */
    uint64_t shift_us;   /* our time minus the program's: grows when the program's clock falls */
    bool left;           /* AG_EXIT was given */
    uint8_t availability; /* enum wire_availabilities */
    char availability_reason[AGENT_REASON_BYTES]; /* short; empty while it serves */
    uint64_t drain_us;   /* DRAINING: end of the grace time; else AGENT_NEVER */
    uint64_t move_us;    /* DRAINING: from then on running jobs are to continue elsewhere */
    bool moves;          /* heads were told so */
    bool signalled;      /* a signal asked it to drain: the next one ends it at once */
    struct list journals, expiring, told; /* journal.all; journal.expiring, by due_us (told: delivered in full) */
    struct agent_text *texts;   /* owned: of the effects of this step */
    struct ag_effects *fx;      /* borrowed: where this step's effects go */
    uint64_t journal_bytes, moving_bytes; /* moving: of carries and jobs */
    uint64_t tickets;    /* given so far */
    struct idtab jobs;   /* agent_job.node */
    struct wire_arena arena; /* owned: for frames decoded from a journal */
    struct list carries; /* agent_carry.link */
    struct list spent;   /* agent_carry.link: released, but effects of this step may point to their bytes */
    uint32_t carries_n, saving_n, coming_n; /* saving, coming: jobs with `saving`, with kv_bytes */
    struct uplink uplinks[AGENT_HEADS_MAX];
    struct agent_actor actors[AGENT_ACTORS_MAX]; /* last, so that a heartbeat touches few cache lines: every step
                                                    reads the fields above */
    struct agent_job *by_name[AGENT_JOB_BUCKETS]; /* by (head, job, attempt); without orphans and jobs adrift */
    struct journal *journals_by_stream[AGENT_JOURNAL_BUCKETS];
};

/* ---- effects.c ---- */
/* Appends a zeroed effect to this step's list; valid until the next one is added. */
struct ag *agent_add(struct agent *a, enum ag_kind kind);
/* Appends a log line with its event, copying both. */
void agent_log(struct agent *a, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Appends an AG_SEND and returns its message to fill. */
struct wire_msg *agent_send(struct agent *a, uint32_t head, enum wire_type type);
/* Appends an AG_SEND with that message; its pointers stay the caller's. */
void agent_add_msg(struct agent *a, uint32_t head, const struct wire_msg *msg);
/* Frees the text of the last step's effects. */
void agent_texts_free(struct agent *a);

/* ---- actor.c ---- */
/* The program describes an actor: keeps it, and tells each head that welcomed us. WIRE_ACTOR_GONE forgets it. */
void agent_actor_is(struct agent *a, const struct wire_actor *is);
/* Registers all actors with a head that has just welcomed us. */
void agent_actors_register(struct agent *a, uint32_t head);
/* A head gave an actor its id. */
void agent_actor_acked(struct agent *a, uint32_t head, const struct wire_actor_ack *ack);
/* Forgets the ids that a head gave: its link has ended. */
void agent_actors_forget_acks(struct agent *a, uint32_t head);
/* The actor with that key; NULL: none. */
const struct agent_actor *agent_actor_find(const struct agent *a, uint32_t key);
/* Frees all actors at the agent's end. */
void agent_actors_free(struct agent *a);

/* ---- moving.c: memory of KV caches that move ---- */
/* Sets the job's part of moving_bytes_max to `bytes`; 0: none. */
void agent_job_moves(struct agent *a, struct agent_job *j, uint64_t bytes);
/* Returns the free rest of moving_bytes_max. */
uint64_t agent_moving_left(const struct agent *a);
/* j starts: returns true when the engine must hold it until its KV cache has arrived. */
bool agent_kv_expect(struct agent *a, struct agent_job *j, const struct wire_run *run);
/* Tells the head how much of the KV cache has arrived, or that it is refused. */
void agent_kv_say_ack(struct agent *a, const struct agent_job *j, bool refused);
/* AG_GIVE: hands the engine the arrived KV cache; `all` false: nothing, and the engine computes. */
void agent_kv_give(struct agent *a, struct agent_job *j, bool all);
/* The engine has read or computed j's prompt: releases the memory of its KV cache. */
void agent_kv_prefilled(struct agent *a, struct agent_job *j);
/* j has ended or is about to: discards its KV cache. */
void agent_kv_forget(struct agent *a, struct agent_job *j);

/* ---- jobs.c: the table of jobs ---- */
/* The running job of that name; NULL: none. */
struct agent_job *agent_job_find(struct agent *a, uint32_t head, uint64_t job, uint32_t attempt);
/* Makes the job findable by its head's numbers. */
void agent_job_name(struct agent *a, struct agent_job *j);
/* The job is no longer found by its head's numbers; its ticket stays. */
void agent_job_unname(struct agent *a, struct agent_job *j);
/* The job continues for that head, under that number. */
void agent_job_rename(struct agent *a, struct agent_job *j, uint32_t head, uint64_t job, uint32_t attempt);
/* The job has ended or is cancelled: its journal expires later, as a head may still ask for it. */
void agent_job_unkeep(struct agent *a, struct agent_job *j);
/* A head cancels a job. */
void agent_job_cancel(struct agent *a, uint32_t head, const struct wire_cancel *cancel);
/* Cancels the job and reports it to no head; its journal stays for a while. */
void agent_job_orphan(struct agent *a, struct agent_job *j);
/* The job's head is gone or has lost its client: it continues into its journal, for another head. */
void agent_job_adrift(struct agent *a, struct agent_job *j);
/* The engine stopped the job so that it continues elsewhere: its DONE is still to come, and goes to no head. */
void agent_job_left(struct agent *a, struct agent_job *j);
/* Sends `done` with that error for a job that did not start, or no longer runs for that head. `why` is static. */
void agent_job_refuse(struct agent *a, uint32_t head, uint64_t job, uint32_t attempt, int err, const char *why);
/* The link to `head` is gone: jobs with a journal continue adrift, the others are cancelled. */
void agent_jobs_adrift(struct agent *a, uint32_t head);
/* The same process welcomed us again: cancels its jobs adrift, which it has given to others. */
void agent_jobs_moved(struct agent *a, uint32_t head, uint64_t epoch);
/* We leave: cancels all jobs and reports none. */
void agent_jobs_orphan(struct agent *a);
/* Returns the number of jobs that run for a head, or adrift. */
uint32_t agent_jobs_running(const struct agent *a);
/* MUST: invariants 1 to 4, and 7. */
void agent_jobs_check(const struct agent *a);
/* Frees all jobs at the agent's end. */
void agent_jobs_free(struct agent *a);
/* No head reads the journal from now on: it expires after adrift_ms, or after told_ms when delivered in full. */
void agent_journal_expire_later(struct agent *a, struct journal *k);
/* Marks the journal as perhaps the only copy: its head is lost, and may not have handed it on. */
void agent_journal_alone(struct agent *a, struct journal *k, uint32_t head);

/* ---- journal.c: requests and outputs of jobs, for heads that take streams over ---- */
/* Makes j's journal; NULL when the job has no stream or the journal does not fit. */
struct journal *agent_journal_new(struct agent *a, const struct wire_run *run, struct agent_job *j);
/* The first journal that may be of that stream; others follow by `next`. NULL: none. */
struct journal *agent_journal_first(struct agent *a, uint64_t stream);
/* The journal of that branch; NULL: none. */
struct journal *agent_journal_find(struct agent *a, uint64_t stream, uint32_t branch);
/* Returns the number of the answer's tokens so far. */
static inline uint32_t agent_journal_ids_n(const struct journal *k)
{
    return (uint32_t)(k->ids.n / sizeof(int32_t));
}
/* Appends a message of its job. May drop the journal. */
void agent_journal_say(struct agent *a, struct journal *k, const struct wire_msg *msg);
/* A job that left this worker lost its head: its journal, if still here, may be the only copy. */
void agent_journal_left_alone(struct agent *a, uint64_t stream, uint32_t branch, uint32_t head);
/* That process of a head is back: it has let others continue its jobs, so its journals are not the only copies. */
void agent_journal_rejoined(struct agent *a, uint32_t head, uint64_t epoch);
/* True while a journal may be the only copy of its answer. */
bool agent_journal_matters(const struct agent *a);
/* Forgets expired journals. */
void agent_journal_tick(struct agent *a);
/* Returns when the next one expires; AGENT_NEVER: none. */
uint64_t agent_journal_deadline(const struct agent *a);
/* MUST: invariants 9 and 10. */
void agent_journal_check(const struct agent *a);
/* Frees all journals at the agent's end. */
void agent_journal_free_all(struct agent *a);

/* ---- job.c: from `run` to `done` ---- */
/* A head sends a job: starts it, or refuses it with `done`. */
void agent_job_run(struct agent *a, uint32_t head, const struct wire_run *run);
/* Gives the job to its actor as a new ticket. journal: of an earlier run; NULL: a new one if the job has a stream. */
void agent_job_start(struct agent *a, uint32_t head, const struct wire_run *run, struct journal *journal);
/* PREFILLED, TOKENS or DONE of a ticket: sends it to the job's head and appends it to the journal. */
void agent_job_event(struct agent *a, const struct agent_event *ev);

/* ---- adopt.c: heads ask for other heads' streams ---- */
/* A head seeks a stream: answers `held` for each branch, and then an empty one. */
void agent_journal_seek(struct agent *a, uint32_t head, const struct wire_seek *seek);
/* The link to `head` is gone: forgets its questions. */
void agent_journal_unseek(struct agent *a, uint32_t head);
/* A head adopts a branch: sends what its client lacks, or runs the job again. */
void agent_journal_adopt(struct agent *a, uint32_t head, const struct wire_adopt *m);

/* ---- kv.c: KV caches of jobs that move ---- */
/* A head wants a job to leave: asks the engine to save it. */
void agent_kv_save(struct agent *a, uint32_t head, const struct wire_kv_save *m);
/* The engine has saved a job; takes *carry if the job's head still wants it. */
void agent_kv_saved(struct agent *a, uint64_t ticket, struct buf *carry, struct str why);
/* A head asks for a part of a saved KV cache. */
void agent_kv_pull(struct agent *a, uint32_t head, const struct wire_kv_pull *m);
/* A part of the KV cache of a job that is to run here. */
void agent_kv_part(struct agent *a, uint32_t head, const struct wire_kv_part *m);
/* A head no longer needs a saved KV cache, or sends no more of an arriving one. */
void agent_kv_drop(struct agent *a, uint32_t head, const struct wire_kv_drop *m);
/* The link to `head` is gone: releases its saved KV caches, and lets jobs that wait for one compute. */
void agent_kv_lost(struct agent *a, uint32_t head);
/* Frees memory that effects of the last step may have pointed to. */
void agent_kv_clear(struct agent *a);
/* Forgets saved KV caches that were not pulled in time. */
void agent_kv_tick(struct agent *a);
/* Returns when the next one is due; AGENT_NEVER: none. */
uint64_t agent_kv_deadline(const struct agent *a);
/* MUST: invariants 9 and 11. */
void agent_kv_check(const struct agent *a);
/* Frees all KV caches at the agent's end. */
void agent_kv_free(struct agent *a);

/* ---- availability.c ---- */
/* Tells a head whether we take new jobs. */
void agent_availability_tell(struct agent *a, uint32_t head);
/* A head asks us to take no new jobs, or to take them again. */
void agent_cordon(struct agent *a, uint32_t head, const struct wire_cordon *cordon);
/* Drain: end the running jobs, then leave. `move`: they are to continue elsewhere at once, not only when
 * the grace time is nearly over. */
void agent_drain(struct agent *a, uint32_t grace_ms, bool move, bool by_signal, struct str reason);
/* Tells heads when it is time for jobs to continue elsewhere. */
void agent_availability_tick(struct agent *a);
/* Returns why we leave now (static text): this worker has nothing left to do, or the grace time is
 * over. NULL: we stay. */
const char *agent_drain_tick(struct agent *a);
/* Returns when either is due; AGENT_NEVER: we do not drain. */
uint64_t agent_availability_deadline(const struct agent *a);

/* ---- uplink.c: the link to one head ---- */
/* Dials the head. */
void uplink_start(struct agent *a, uint32_t head);
/* The link is up: says hello. */
void uplink_linked(struct agent *a, uint32_t head);
/* The dial failed, or the link broke. */
void uplink_lost(struct agent *a, uint32_t head, struct str why);
/* Handles a message of the head. */
void uplink_msg(struct agent *a, uint32_t head, const struct wire_msg *msg);
/* The program has measured: sends the heartbeat. */
void uplink_beat(struct agent *a, uint32_t head, const struct wire_beat *beat);
/* Handles deadlines that are due. */
void uplink_tick(struct agent *a, uint32_t head);
/* True between the head's welcome and the end of the link. */
static inline bool uplink_is_welcomed(const struct agent *a, uint32_t head)
{
    return a->uplinks[head].dialler.state == DIALLER_WELCOMED;
}
/* Leaves the head for good; says bye to it if it welcomed us and `bye` is not NULL. */
void uplink_leave(struct agent *a, uint32_t head, const char *bye);

#endif
