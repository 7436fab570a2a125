/* The records of the agent, and what its files share; only they include it. */
#ifndef MANTA_BRAIN_AGENT_STATE_H
#define MANTA_BRAIN_AGENT_STATE_H

#include "base/idtab.h"
#include "base/rng.h"
#include "brain/agent.h"

#define AGENT_NEVER UINT64_MAX

enum {
    AGENT_BEAT_MS_MIN = 20, /* what a head may ask for in `welcome`; anything else is brought into this range */
    AGENT_BEAT_MS_MAX = 60000,
    AGENT_LOST_BEATS_MIN = 2, /* a head is given at least this many beats before it counts as silent */
    AGENT_JOB_BUCKETS = 256,
    AGENT_REASON_BYTES = 128,
    AGENT_JOURNAL_BUCKETS = 1024,
    AGENT_MOVE_LEAD_MS = 3000, /* before the grace time of a drain is over, or half of it: jobs go elsewhere from then on */
    AGENT_CARRY_MS = 10000, /* what is computed of a job that left is kept so long after the last pull */
};

/* The link to one head.
 *
 *            start             linked            welcome
 *     IDLE ────────▶ DIALLING ────────▶ HELLO ────────────▶ WELCOMED
 *                     ▲     │ lost        │ lost                │ lost
 *                back-off   ▼             ▼                     ▼
 *                     └── WAITING ◀───────┴─────────────────────┘
 *                              ▲ lost
 *     too slow, silent, refused: CLOSING (we hung up and wait to be told that the link is gone)
 *
 * Leaving goes to IDLE from anywhere, for good. */
enum uplink_state {
    UPLINK_IDLE = 0,
    UPLINK_DIALLING,
    UPLINK_HELLO, /* up, our hello is sent */
    UPLINK_WELCOMED,
    UPLINK_CLOSING,
    UPLINK_WAITING,
};

struct uplink {
    enum uplink_state state;
    uint64_t due_us;        /* DIALLING, HELLO: give up; WELCOMED: next beat; WAITING: dial again */
    uint64_t heard_us;      /* WELCOMED: the last message from the head */
    uint64_t welcomed_us;   /* when it was welcomed last */
    uint32_t tries;         /* dials since the last link that held */
    uint32_t rtt_us;        /* of the last beat that came back; 0: none yet */
    uint32_t beat_ms;       /* from welcome, brought into range */
    uint32_t lost_after_ms; /* same */
    uint64_t worker;        /* the id this head gave us */
    uint64_t epoch;         /* which life of that head welcomed us last */
    bool ready;             /* every actor is acknowledged and ready: said once */
};

/* One of our actors, as the program described it last. */
struct agent_actor {
    bool used;
    struct wire_actor is;        /* its text lives in `text` */
    char *text;                  /* owned: model, digest, kv, setup and note behind each other */
    bool acked[AGENT_HEADS_MAX]; /* that head gave it an id on the present link */
    uint32_t id[AGENT_HEADS_MAX];
};

struct journal;

/* One run of an engine. */
struct agent_job {
    struct id_node node;    /* in agent.jobs, by ticket */
    struct agent_job *next; /* in the same bucket of agent.by_name */
    uint32_t head;
    uint64_t job;     /* the head's number */
    uint32_t attempt; /* the head's number */
    uint32_t key;     /* actor */
    bool cancelled;   /* AG_CANCEL was given: only its DONE is still of interest */
    uint64_t epoch;   /* the life of the head it runs for */
    struct journal *journal; /* borrowed; for a head that takes its stream over; NULL: none */
    bool adrift;      /* its head is gone; it continues into its journal until another head adopts it */
    bool orphan;      /* nobody is told of it, it was cancelled */
    bool saving;       /* AG_SAVE was given, counted in agent.saving_n */
    uint64_t kv_bytes; /* so much that is computed of it is to come: the engine holds it; 0: it runs */
    uint64_t kv_sum;   /* checksum of that */
    uint64_t moving_bytes; /* counted in agent.moving_bytes: what saving it may take, what comes, what the engine was given and has not read */
    struct buf kv;     /* owned; what came of it so far */
};

/* The journal of one answer: its request and its output, for a head that takes its stream over; see journal.c. */
struct journal {
    struct journal *next;      /* in the same bucket of agent.journals_by_stream */
    struct list all;        /* agent.journal, oldest first */
    struct list expiring;   /* agent.expiring or agent.told: nobody reads it at present */
    uint64_t stream;
    uint32_t branch, key;   /* key: the actor */
    uint32_t seeker, told;  /* the head that asked for it last, AGENT_HEADS_MAX: none did; the actor that it was told, UINT32_MAX: none */
    struct agent_job *job;  /* borrowed: while it runs and was not cancelled; else NULL */
    bool alone;             /* its head was lost before it had all of this, or anybody else: perhaps nobody has it but we */
    uint32_t lost_head;     /* alone: that head */
    uint64_t lost_epoch;    /* alone: that life of it */
    bool done;              /* `done` is in the log */
    uint64_t due_us;        /* expiring: forgotten then */
    uint64_t bytes;         /* counted in agent.journal_bytes */
    struct buf run;         /* the `run` it came with, one frame, without `resume` */
    struct buf log;         /* frames of prefilled, tokens, done */
    struct buf ids;         /* int32_t: the tokens of the answer so far */
};

/* What is computed of a job that went elsewhere, until its head has had it; see kv.c. */
struct agent_carry {
    struct list link; /* agent.carries */
    uint32_t head;
    uint64_t job;
    uint32_t attempt;
    uint64_t stream;  /* whose journals are told; 0: none */
    uint32_t branch;
    struct buf bytes; /* owned */
    uint64_t due_us;  /* forgotten then */
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
    uint64_t shift_us;   /* our time is the program's plus this: grows when the program's clock falls */
    bool left;           /* AG_EXIT was given */
    uint8_t duty;        /* enum wire_duties */
    char duty_reason[AGENT_REASON_BYTES]; /* in a few words; empty while it serves */
    uint64_t drain_us;   /* DRAINS: what still runs then is left to others; else AGENT_NEVER */
    uint64_t move_us;    /* DRAINS: what still runs then shall continue elsewhere */
    bool moves;          /* heads were told so */
    bool signalled;      /* a signal asked it to drain: the next one is not waited for */
    struct list journals, expiring, told; /* journal.all; journal.expiring, by due_us: told those that were told to their end */
    struct agent_text *texts;   /* owned: of the effects of this step */
    struct ag_effects *fx;      /* borrowed: where this step's effects go */
    uint64_t journal_bytes, moving_bytes; /* moving: of carries and jobs */
    uint64_t tickets;    /* given so far */
    struct idtab jobs;   /* agent_job.node */
    struct wire_arena arena; /* owned: of a frame out of a journal */
    struct list carries; /* agent_carry.link */
    struct list spent;   /* agent_carry.link: of no use any more, but effects of this step may point to their bytes */
    uint32_t carries_n, saving_n, coming_n; /* saving, coming: jobs with `saving`, with kv_bytes */
    struct uplink uplinks[AGENT_HEADS_MAX];
    struct agent_actor actors[AGENT_ACTORS_MAX]; /* what every step looks at is before these: a worker's heartbeat touches few cache lines */
    struct agent_job *by_name[AGENT_JOB_BUCKETS]; /* (head, job, attempt) of those that are no orphans */
    struct journal *journals_by_stream[AGENT_JOURNAL_BUCKETS];
};

/* ---- effects.c ---- */
/* A zeroed effect at the end of this step's list; valid until the next add. */
struct ag *agent_add(struct agent *a, enum ag_kind kind);
/* A log line with its event; both are copied. */
void agent_log(struct agent *a, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The message to fill of a new AG_SEND. */
struct wire_msg *agent_send(struct agent *a, uint32_t head, enum wire_type type);
/* The same with a message that is there already; what it points to stays the caller's. */
void agent_add_msg(struct agent *a, uint32_t head, const struct wire_msg *msg);
/* Frees the text of the last step's effects. */
void agent_texts_free(struct agent *a);

/* ---- actor.c ---- */
/* The program describes an actor: kept, and told to each head that knows us. WIRE_ACTOR_GONE forgets it. */
void agent_actor_is(struct agent *a, const struct wire_actor *is);
/* Registers all actors with a head that has just welcomed us. */
void agent_actors_register(struct agent *a, uint32_t head);
/* A head gave an actor its id. */
void agent_actor_acked(struct agent *a, uint32_t head, const struct wire_actor_ack *ack);
/* The ids a head gave end with its link. */
void agent_actors_forget_acks(struct agent *a, uint32_t head);
/* NULL when there is none of that number. */
const struct agent_actor *agent_actor_find(const struct agent *a, uint32_t key);
/* The agent's end. */
void agent_actors_free(struct agent *a);

/* ---- moving.c: memory of what is computed of jobs that move ---- */
/* The job may take so many bytes of moving_bytes_max from now on; 0: none. */
void agent_job_moves(struct agent *a, struct agent_job *j, uint64_t bytes);
/* What is left of moving_bytes_max. */
uint64_t agent_moving_left(const struct agent *a);
/* True when j, which starts, shall be held until what is computed of it has come. */
bool agent_kv_expect(struct agent *a, struct agent_job *j, const struct wire_run *run);
/* Tells the head how much of it has come, or that it is of no use. */
void agent_kv_say_ack(struct agent *a, const struct agent_job *j, bool refused);
/* AG_GIVE: the engine gets what came, or nothing and computes. */
void agent_kv_give(struct agent *a, struct agent_job *j, bool all);
/* The engine has read what came for j, or computed it. */
void agent_kv_prefilled(struct agent *a, struct agent_job *j);
/* j has ended or will: what came for it is of no use. */
void agent_kv_forget(struct agent *a, struct agent_job *j);

/* ---- jobs.c: the table of them ---- */
/* NULL when none runs under that name. */
struct agent_job *agent_job_find(struct agent *a, uint32_t head, uint64_t job, uint32_t attempt);
/* It is found by the head's numbers from now on. */
void agent_job_name(struct agent *a, struct agent_job *j);
/* From now on the head's numbers mean nothing; the ticket stays. */
void agent_job_unname(struct agent *a, struct agent_job *j);
/* It continues for that head, under that number. */
void agent_job_rename(struct agent *a, struct agent_job *j, uint32_t head, uint64_t job, uint32_t attempt);
/* It has ended, or nobody wants it: what was said so far may still be asked for. */
void agent_job_unkeep(struct agent *a, struct agent_job *j);
/* A head does not want it any more. */
void agent_job_cancel(struct agent *a, uint32_t head, const struct wire_cancel *cancel);
/* Cancels it without telling anybody; its journal stays for a while. */
void agent_job_orphan(struct agent *a, struct agent_job *j);
/* Its head does not want it any more, another one may. */
void agent_job_adrift(struct agent *a, struct agent_job *j);
/* The engine ended it so that it can continue elsewhere: only its DONE is still to come, which nobody hears of. */
void agent_job_left(struct agent *a, struct agent_job *j);
/* `done` with that error, for a job of a head that does not run, or no longer for it. `why` is static. */
void agent_job_refuse(struct agent *a, uint32_t head, uint64_t job, uint32_t attempt, int err, const char *why);
/* The link to `head` is gone: jobs with a journal continue adrift, the others are cancelled. */
void agent_jobs_adrift(struct agent *a, uint32_t head);
/* The same process welcomed us again: what runs adrift for it was given to others. */
void agent_jobs_moved(struct agent *a, uint32_t head, uint64_t epoch);
/* We leave: all is cancelled and nobody is told how it ended. */
void agent_jobs_orphan(struct agent *a);
/* Jobs that somebody waits for, or may come back to. */
uint32_t agent_jobs_running(const struct agent *a);
/* MUST: invariants 1 to 4, and 7. */
void agent_jobs_check(const struct agent *a);
/* The agent's end. */
void agent_jobs_free(struct agent *a);
/* No head reads the journal from now on: it is forgotten after adrift_ms, or after told_ms when it was told to its end. */
void agent_journal_expire_later(struct agent *a, struct journal *k);
/* The head it ran for is lost, and has not handed it on as far as we know. */
void agent_journal_alone(struct agent *a, struct journal *k, uint32_t head);

/* ---- journal.c: requests and outputs of jobs, for heads that take streams over ---- */
/* A record for j, which gets it; NULL when it has no stream or does not fit. */
struct journal *agent_journal_new(struct agent *a, const struct wire_run *run, struct agent_job *j);
/* The first record that may be of that stream, the others follow by `next`; NULL: there is none. */
struct journal *agent_journal_first(const struct agent *a, uint64_t stream);
/* The journal of that branch; NULL: none. */
struct journal *agent_journal_find(struct agent *a, uint64_t stream, uint32_t branch);
/* Tokens of its answer so far. */
static inline uint32_t agent_journal_ids_n(const struct journal *k)
{
    return (uint32_t)(k->ids.n / sizeof(int32_t));
}
/* Appends a message about its job. May drop the journal. */
void agent_journal_say(struct agent *a, struct journal *k, const struct wire_msg *msg);
/* A job that left this worker lost its head: perhaps nobody else has it. It may be forgotten by now. */
void agent_journal_left_alone(struct agent *a, uint64_t stream, uint32_t branch, uint32_t head);
/* That life of a head is there again: it has let others continue whatever it had here. */
void agent_journal_rejoined(struct agent *a, uint32_t head, uint64_t epoch);
/* True while a journal may be the only copy of its answer. */
bool agent_journal_matters(const struct agent *a);
/* Forgets what is due. */
void agent_journal_tick(struct agent *a);
/* When that is; AGENT_NEVER: nothing is. */
uint64_t agent_journal_deadline(const struct agent *a);
/* MUST: invariants 9 and 10. */
void agent_journal_check(const struct agent *a);
/* The agent's end. */
void agent_journal_free_all(struct agent *a);

/* ---- job.c: from `run` to `done` ---- */
/* A head sends a job: it starts, or is refused with `done`. */
void agent_job_run(struct agent *a, uint32_t head, const struct wire_run *run);
/* Gives it to its actor as a new ticket. journal: of an earlier run; NULL: a new one if it has a stream. */
void agent_job_start(struct agent *a, uint32_t head, const struct wire_run *run, struct journal *journal);
/* PREFILLED, TOKENS or DONE of a ticket: told to its head and appended to its journal. */
void agent_job_event(struct agent *a, const struct agent_event *ev);

/* ---- adopt.c: heads ask for streams that others had ---- */
/* A head asks for the journals of a stream: answers `held` for each branch, and an empty one after them. */
void agent_journal_seek(struct agent *a, uint32_t head, const struct wire_seek *seek);
/* The link to `head` is gone: what it asked for it does not want any more. */
void agent_journal_unseek(struct agent *a, uint32_t head);
/* A head continues a branch: it is told what its client lacks, or the job runs again. */
void agent_journal_adopt(struct agent *a, uint32_t head, const struct wire_adopt *m);

/* ---- kv.c: what is computed of jobs that move ---- */
/* A head wants a job elsewhere: the engine is asked to save it. */
void agent_kv_save(struct agent *a, uint32_t head, const struct wire_kv_save *m);
/* The engine's answer; *carry is taken over unless it is of no use. */
void agent_kv_saved(struct agent *a, uint64_t ticket, struct buf *carry, struct str why);
/* A head asks for a part of it. */
void agent_kv_pull(struct agent *a, uint32_t head, const struct wire_kv_pull *m);
/* A part of a job that is to run here. */
void agent_kv_part(struct agent *a, uint32_t head, const struct wire_kv_part *m);
/* A head needs it no more, or nothing more of it comes. */
void agent_kv_drop(struct agent *a, uint32_t head, const struct wire_kv_drop *m);
/* The link to `head` is gone: nothing comes any more, nothing is pulled. */
void agent_kv_lost(struct agent *a, uint32_t head);
/* Frees what effects of the last step may have pointed to. */
void agent_kv_clear(struct agent *a);
/* Forgets what nobody pulled in time. */
void agent_kv_tick(struct agent *a);
/* When that is; AGENT_NEVER: nothing is. */
uint64_t agent_kv_deadline(const struct agent *a);
/* MUST: invariants 9 and 11. */
void agent_kv_check(const struct agent *a);
/* The agent's end. */
void agent_kv_free(struct agent *a);

/* ---- duty.c ---- */
/* Says whether we take new jobs. */
void agent_duty_tell(struct agent *a, uint32_t head);
/* A head asks us to take no new jobs, or to take them again. */
void agent_cordon(struct agent *a, uint32_t head, const struct wire_cordon *cordon);
/* We are to end what runs and leave. `move`: what runs shall continue elsewhere at once, not only when the grace time is nearly over. */
void agent_drain(struct agent *a, uint32_t grace_ms, bool move, bool by_signal, struct str reason);
/* Tells heads when it is time for jobs to go elsewhere. */
void agent_duty_tick(struct agent *a);
/* Why we leave now, static text: nothing of this worker is wanted any more, or the grace time is over. NULL: we stay. */
const char *agent_drain_tick(struct agent *a);
/* When either is due; AGENT_NEVER: we do not drain. */
uint64_t agent_duty_deadline(const struct agent *a);

/* ---- uplink.c: the link to one head ---- */
/* Dials. */
void uplink_start(struct agent *a, uint32_t head);
/* The link is up: we say hello. */
void uplink_linked(struct agent *a, uint32_t head);
/* The dial failed, or the link broke. */
void uplink_lost(struct agent *a, uint32_t head, struct str why);
/* The head says something. */
void uplink_msg(struct agent *a, uint32_t head, const struct wire_msg *msg);
/* The program has measured what a heartbeat tells. */
void uplink_beat(struct agent *a, uint32_t head, const struct wire_beat *beat);
/* Carries out what is due. */
void uplink_tick(struct agent *a, uint32_t head);
/* When that is; AGENT_NEVER: nothing is. */
uint64_t uplink_deadline(const struct agent *a, uint32_t head);
/* For good; says bye first where that makes sense. */
void uplink_leave(struct agent *a, uint32_t head, const char *bye);

#endif
