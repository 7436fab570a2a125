/* The records of the head's brain; only its sub-rooms include this. The doors of those rooms say
 * what they do with them.
 *
 * Ownership: head -> links, workers -> actors -> attempts; head -> calls -> jobs. Pools (one per
 * model, one for "any model") borrow actors and queued jobs. An *attempt* of a job runs on
 * an actor: it holds a slot, and may outlive its job (cancelled: the slot stays taken until the
 * worker says `done` or its link dies). */
#ifndef MANTA_BRAIN_STEP_STATE_H
#define MANTA_BRAIN_STEP_STATE_H

#include "base/crowd.h"
#include "base/idtab.h"
#include "base/rng.h"
#include "brain/head.h"
#include "brain/kit/names.h"
#include "brain/kit/timers.h"
#include "brain/step/scaling.h"
#include "brain/step/waiting.h"

struct prefix;

enum { NOT_LISTED = UINT32_MAX };
enum { ALIAS_DIGITS = 8, ALIAS_DIGITS_MIN = 4 }; /* digits of a digest behind '@': as we write it; fewest that others may */

enum timer_kind { TIMER_HELLO, TIMER_WORKER, TIMER_REST, TIMER_JOB, TIMER_STATUS, TIMER_SEEK, TIMER_MIGRATION, TIMER_HANDOFF, TIMER_SCALE };

/*            hello, welcomed        nonsense, silence, bye
 *    NEW ─────────────▶ WORKER ───────────────▶ CLOSING ──▶ (LINK_CLOSED: forgotten)
 *      │ ───────────▶ LAUNCHER ──────────────────▲
 *      └── refused, no hello in time ────────────┘             */
enum link_state { LINK_NEW = 0, LINK_WORKER, LINK_LAUNCHER, LINK_CLOSING };

struct link {
    struct id_node node; /* head.links */
    enum link_state state;
    struct timer timer;                   /* NEW: deadline for hello */
    struct crowd_seat seat;               /* in head.newcomers while NEW */
    char *peer;                           /* owned; address of the dialler */
    char *name;                           /* owned; node name from hello, NULL before it */
    struct worker *worker;                /* WORKER: borrowed */
    struct list launches;                 /* head.launchers, while LAUNCHER */
    uint32_t scale_running, scale_target; /* LAUNCHER: from its last scale_state … */
    bool scale_said;                      /* … once one came */
    bool scale_unseen;                    /* … it does not know how many run: scale_running is 0 */
    uint64_t launcher_epoch, heard_us;    /* LAUNCHER: its process; time of its last message */
};

struct worker {
    struct grave grave;
    struct id_node node;      /* head.workers */
    struct name_node by_name; /* head.worker_names; the name is unique, with a suffix where needed */
    struct name_node by_life; /* head.worker_lives: node name and epoch from hello */
    struct link *link;        /* borrowed; the worker ends with its link */
    char *name, *life, *address, *version, *engine, *cpu_features; /* owned */
    enum worker_state state;
    char reason[160]; /* of the state; empty while ok */
    bool silent;      /* SLOW for silence: gets no jobs (slow in computing: routing decides) */
    bool left_cleanly;   /* LEAVE_LEFT: no job can have killed it */
    uint8_t availability; /* enum wire_availabilities: the worker's last word, or this head's request */
    char availability_reason[128]; /* empty while it serves */
    uint32_t pid;
    float cpus, cpu_load;
    uint32_t rtt_us;                 /* of the link, measured by the worker; 0: not known */
    uint64_t memory_bytes, rss_bytes;
    struct head_beside kept, carried;
    float temperature_c; /* of its machine; 0: no sensor */
    uint64_t joined_us, beat_us;                  /* beat_us: last heartbeat, at first joined_us */
    uint64_t heard_us;                            /* last message of any kind */
    struct timer timer;                           /* next check for silence */
    struct actor *actors[HEAD_WORKER_ACTORS_MAX]; /* by key; NULL: none */
    struct list moving;                           /* head.movers: its jobs are to leave */
    struct migration *kv_out, *kv_in;              /* borrowed; KV migration of a job that leaves, and of one that arrives */
    double kv_bps;                                /* bytes/s of KV migrations, smoothed; 0: none yet */
    uint32_t keys_known, actors_n;                /* keys_known: bit per key ever registered on this link */
    uint64_t answered; /* the last seek that it has answered in full */
    uint32_t replies_due;     /* open questions from when it joined; until 0 its actors are not open */
    bool expected_back;       /* handoff.c: one of replies_due stands for the other workers' return */
    uint8_t ordered;   /* scaling.h: NOT_ORDERED, … */
};

/* An actor's membership in a pool. */
struct membership {
    struct pool *pool;          /* NULL: none; only in pools of compatible actors (compatible.c), while the actor is
                                   not ready */
    uint32_t ready_at, open_at; /* index in pool.ready and pool.open, or NOT_LISTED */
};

/* Requests name a model or none; an answer that lost its actor needs a compatible one: see compatible.c. */
enum { POOL_MODEL = 0, POOL_ANY = 1, POOL_SAME_FILE = 2, POOL_SAME_BITS = 3, POOL_KINDS = 4 };

struct actor {
    struct grave grave;
    struct id_node node; /* head.actors */
    struct worker *worker;
    uint32_t key;        /* the worker's number for the actor */
    uint8_t state, kind; /* enum wire_actor_state, enum request_kind */
    struct membership member_of[POOL_KINDS];
    char *model, *digest, *note; /* owned; model: the worker's name for it, a pool may have another */
    char *family, *quantization; /* owned; of its file */
    uint64_t parameters;
    char *kv, *setup;    /* owned; kv: layout of its KV cache, empty: cannot be migrated; setup: how it computes
                            exactly, empty: not at all */
    uint32_t slots, context;
    bool exact, has_template;
    bool loads;             /* counted in head.actors_loading */
    bool serves;            /* ready, and its worker takes new jobs; counted in head.actors_serving */
    bool hung;              /* busy without a token for too long */
    bool missed;            /* left while it was ready; counted in its pools' away_n */
    bool slow;              /* makes far fewer tokens/s than another actor of its model at the same time */
    uint32_t token_age_ms;  /* since its last step while busy, from its last heartbeat */
    uint32_t busy_beats, slow_beats; /* heartbeats in a row that said busy; of these, in a row that were slow */
    uint32_t failures;      /* in a row: it rests after each, longer each time */
    char *trouble;          /* owned; its last failure, or NULL */
    struct job *quarantined;      /* borrowed, bound to it: may be poison, so the actor runs it alone; or NULL */
    struct timer rest;      /* set: it gets no jobs until it rings */
    struct list attempts;   /* attempt.in_actor: with a job, oldest first */
    struct list orphans;    /* attempt.in_actor: of jobs that were cancelled or went elsewhere */
    uint32_t in_flight;     /* both lists; <= slots */
    struct queue bound;     /* jobs that wait for this actor only */
    struct list dirty;      /* head.dirty_actors */
    uint32_t other_heads;   /* streams of other heads there, derived from its heartbeats */
    uint64_t waiting_bytes; /* prompt text of attempts not prefilled yet */
    uint64_t fresh_bytes;   /* of those, probably not in its cache */
    uint64_t cache_fills;   /* slots whose cache another prompt overwrote, estimated */
    uint64_t progress_us;   /* last sign of work: a send while idle, prefilled, tokens, done */
    uint64_t last_pick;     /* head.picks when it got its last job */
    float progress, prefill_tps, decode_tps;
    uint64_t weights_bytes, repack_bytes, kv_bytes, compute_bytes;
    uint64_t prefix_bytes_max, prefix_bytes; /* memory for prompts that lost their slots; used */
    uint64_t prefix_tokens; /* room of that memory */
    uint32_t prefixes;      /* prompts kept there */
    uint64_t restored, restored_tokens; /* prompts that began with a kept one; their tokens from it */
    uint64_t jobs_done, jobs_failed, tokens;
};

/* The actors of one model name (empty name: of any model of a kind), or the compatible ones, and
 * the jobs that wait for them. */
struct pool {
    struct grave grave;
    struct list order;            /* head.pools, or head.compatible_pools */
    struct name_node by_name;     /* head.pool_names[embeds] or head.compatible_names; not for the two pools of any model */
    char *name;                   /* owned */
    char *note;                   /* owned; why one of its actors failed last */
    char *digest;                 /* owned; of its actors' model file; empty: not known yet */
    size_t plain_n;               /* alias: this many bytes of the name are the workers' name for it; else 0 */
    bool embeds;                  /* kind REQUEST_EMBED; else chat and text */
    bool ranks;                   /* with embeds: a reranker: its actors score how well a text answers a question */
    bool was_ready;               /* one of its actors ever was */
    uint32_t away_n;              /* ready actors that left without failing: they may return */
    bool registered;              /* a worker ever had it; false: only waiting requests name it */
    int kind;                     /* POOL_*: index into actor.member_of */
    uint32_t jobs_n;              /* compatible actors: started jobs that would wait here */
    struct actor **ready, **open; /* owned; open: ready, well, and with a free slot */
    uint32_t ready_n, ready_cap, open_n, open_cap;
    uint32_t actors_n, loading_n, failed_n; /* actors in any state, and in these */
    float pace[2];         /* highest measured tokens/s of an actor: in the present time span, in the one before */
    uint64_t pace_us;      /* start of the present span */
    float prompt_tokens;   /* of a prompt, learned from prefilled; 0: unknown */
    float bytes_per_token; /* of prompts, learned from prefilled; 0: unknown */
    float answer_tokens;   /* of an answer, learned from done; 0: unknown */
    uint64_t rebalance_us, rebalancing; /* POOL_SAME_FILE: no rebalancing before then; the job that moved last: rebalance.c */
    struct model_load load;
    struct queue queue;
    struct list regroup;                    /* job.queued: jobs that lost their actor a moment ago */
    struct list dirty;                      /* head.dirty_pools: jobs came; dispatched at the end of the step */
};

struct call {
    struct grave grave;
    struct id_node node;     /* head.calls */
    struct request *request; /* owned clone */
    struct wire_run run;     /* made once from the request; borrows request and arena */
    struct wire_arena arena; /* owned */
    struct tenant *tenant;   /* held */
    uint64_t bytes;          /* counted in head.queue_bytes and tenant.bytes */
    uint64_t prompt_bytes;   /* of one job: for routing, all inputs count as equally long */
    struct pool *pool;
    uint64_t created_us, seq;
    uint32_t deadline_ms;
    struct list jobs;  /* job.in_call, by branch */
    uint32_t branches; /* made */
    uint32_t open;     /* not ended */
    uint32_t running;  /* on an actor */
    uint64_t moved_us; /* last time a branch was computed, delivered tokens, or ended */
    uint32_t wanted;   /* spread: actors asked for, 0: all */
    bool spread;
    bool spread_pending; /* spread, but no actor was ready yet: one job stands for all */
    bool failed;         /* counted in head.calls_failed */
    bool reported;       /* FX_STARTED or FX_BRANCH_DONE was sent: head_call_fail() is no longer allowed */
    uint64_t session;    /* hash of request.affinity; 0: none */
    uint64_t stream, claim; /* its name at workers, 0: none; another head needs the same claim to resume it */
    struct name_node by_stream; /* head.stream_names, by the bytes of `stream`; unused when that is 0 */
    char *client;        /* owned; the client's request, noted for another head */
    size_t client_n;
    uint64_t suspect, crashed_worker; /* ids: the job that was computed when a worker crashed; that worker; 0: none */
    uint32_t suspect_from;            /* the suspect's delivered tokens at that time */
    uint32_t crashes;                 /* workers that crashed so since it was last cleared */
    bool crashed_memory;              /* … the last one, killed for its memory */
    bool crashed_alone;               /* … the last one, while it computed nothing else */
    uint64_t *blocks;    /* owned; see prefix.h */
    uint32_t blocks_n;
};

/*             send            prefilled            tokens
 *    QUEUED ───────▶ SENT ──────────────▶ STARTED ────────▶ STREAMING
 *       ▲             │ failover            │ failover          │ failover
 *       └─────────────┴─────────────────────┴───────────────────┘
 *     from each of them: ENDED (done, error, deadline, cancelled)     */
enum job_state { JOB_QUEUED = 0, JOB_SENT, JOB_STARTED, JOB_STREAMING, JOB_ENDED };

struct job {
    struct grave grave;
    struct id_node node; /* head.jobs */
    enum job_state state;
    struct call *call;
    struct list in_call;
    uint32_t branch;
    uint32_t attempts_n;   /* so far, also on other heads; the last one has this number */
    uint32_t barren_attempts;      /* attempts since the last token that count by leave_rules[] (failover.c) */
    uint32_t moves;        /* attempts on this head that count by leave_rules[] */
    bool found_full;      /* QUEUED: its last attempt found no room: its deadline runs on */
    uint64_t seq;          /* place in the queue: arrival of its call */
    struct list queued;    /* QUEUED: in queue.jobs of its pool or actor, or in pool.regroup */
    struct queue *queue;   /* QUEUED: that queue; NULL: regrouping */
    struct lane *lane;     /* QUEUED: in that queue; NULL: in queue.back */
    struct rank turn;      /* in lane.jobs or queue.back */
    uint64_t cost;         /* QUEUED: charged to the lane */
    uint64_t put_us;       /* QUEUED: since */
    uint32_t place;        /* QUEUED: last computed place; see queue.places_at */
    struct pool *pool;     /* QUEUED: there; see head_job_pool() */
    bool regroups;         /* QUEUED: in pool.regroup; its timer moves it to the queue */
    struct actor *bound;   /* may run on this actor only; NULL: on any of the pool */
    uint32_t avoid;        /* id of the actor that lost it last; UINT32_MAX: none */
    uint64_t due_us;       /* QUEUED: deadline for leaving the queue */
    struct timer timer;    /* QUEUED: at due_us, or earlier to check again that its model is known */
    struct attempt *attempt; /* SENT, STARTED, STREAMING */
    struct migration *migration; /* owned; while it migrates with its KV cache */
    uint32_t saved_attempt;    /* the last attempt whose migration was tried */
    uint32_t prompt_tokens;    /* once an actor has reported it */
    float wait_ms;         /* from the call's arrival to the last send */
    bool started;          /* FX_STARTED was sent */
    bool sought;           /* QUEUED: came from a replaced head, and a worker may have it: see handoff.c */
    bool adopts;           /* QUEUED, bound: that actor has it already and gets `adopt` */
    struct pool *same_file;      /* once started: actors of its model file; only they may continue it */
    struct pool *same_bits;    /* once started on an exact actor: those that compute the same bits */
    char *why;             /* owned; why it lost its last actor, or NULL */
    uint32_t scored;       /* reported tokens of the prompt, where asked for */
    uint32_t said;         /* tokens delivered */
    int32_t *ids;          /* owned: their ids, after which another actor resumes; NULL when forgot */
    uint32_t ids_cap;
    uint64_t rebalanced_us; /* last move by rebalance.c; 0: never */
    bool forgot;           /* too many ids to keep: it cannot continue elsewhere */
    uint64_t token_us;     /* time of the last token */
    double logprob_sum;    /* of tokens delivered, where asked for */
    float logprob_last;    /* of the last token */
};

struct attempt {
    struct list in_actor; /* actor.attempts, or actor.orphans when job is NULL */
    struct actor *actor;
    struct job *job; /* NULL: cancelled or gone elsewhere */
    uint64_t job_id;
    uint32_t number;       /* of the attempt, from 1 */
    bool adopts;           /* the actor got `adopt` instead of `run` */
    uint64_t prompt_bytes; /* counted in actor.waiting_bytes; 0 once prefilled */
    uint64_t fresh_bytes;  /* counted in actor.fresh_bytes */
    uint64_t sent_us;
    uint32_t from;         /* tokens delivered before this attempt */
    double logprob_from;   /* their log-probabilities, summed */
    double gap_us;         /* time between its tokens, smoothed; 0: not known yet */
};

struct head {
    struct head_config cfg;
    uint64_t now_us, began_us;
    uint64_t ticked_us; /* last HEAD_TICK */
    struct rng rng;
    struct effects *fx; /* borrowed: the present step's */
    struct grave *graves;
    struct timers timers;
    struct idtab links, workers, actors, calls, jobs, tenants;
    struct list launchers; /* link.launches, the oldest first */
    struct scale scale;
    struct crowd newcomers; /* link.seat */
    struct names worker_names, worker_lives, pool_names[2], compatible_names, tenant_names, lane_names, stream_names;
    struct list tenants_idle; /* tenant.idle: the longest idle first */
    struct tenant *common;    /* of requests that name no tenant */
    uint32_t tenants_labelled;
    struct list pools; /* pool.order: oldest first, without head.any */
    struct list compatible_pools; /* pool.order */
    uint32_t pools_n;
    struct pool *any[2]; /* [embeds] */
    struct prefix *prefix, *sessions;
    struct idtab seeks;                          /* seek.node */
    uint64_t next_seek, epoch;                   /* epoch: identifies this process to workers */
    uint64_t next_worker, next_job, next_seq, next_queue, next_tenant, picks, steps;
    uint32_t next_actor;
    struct list dirty_pools, dirty_actors;
    struct fx_choice *choice;      /* of this step: the router's view of the job that is sent next; NULL: none */
    struct list movers, migrations; /* worker.moving; migration.link: see run.h */
    uint32_t migrations_n;
    struct timer handoff;          /* handoff.c: set while the former head's workers are awaited */
    uint32_t take_workers;         /* how many */
    /* queue */
    uint32_t queued, requeued; /* waiting jobs; of those, sent before (not counted against queue_jobs_max) */
    uint64_t queue_bytes;
    uint64_t resume_bytes; /* bytes of all job.ids */
    struct pace pace;      /* over all queues */
    /* status */
    struct timer status;
    bool status_due;
    uint32_t status_actors;                 /* as last written */
    uint64_t cpus_milli, status_cpus_milli; /* integers, so that joining and leaving cancel out exactly */
    uint64_t memory_bytes, status_memory;
    uint32_t actors_ready, actors_serving, actors_loading, running;
    uint64_t calls_total, calls_failed, jobs_begun, jobs_ended, jobs_rerouted, jobs_resumed, jobs_moved, moved_bytes, jobs_rebalanced;
    uint64_t prompt_tokens, cached_tokens, answer_tokens;
};

#endif
