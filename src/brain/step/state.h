/* The records of the head's brain; only its sub-rooms include this. What is done with them is in the doors of those.
 *
 * Who owns whom: head -> links, workers -> actors -> flights; head -> calls -> jobs. Pools (one per model, one for "any
 * model") borrow actors and queued jobs. A *flight* is one attempt of a job on an actor: it holds the slot, and may
 * outlive its job (cancelled: the slot stays taken until the worker says `done` or its link dies). */
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
enum { ALIAS_DIGITS = 8, ALIAS_DIGITS_MIN = 4 }; /* of a digest behind '@': as we write it; as others must at least */

enum timer_kind { TIMER_HELLO, TIMER_WORKER, TIMER_REST, TIMER_JOB, TIMER_STATUS, TIMER_SEEK, TIMER_MIGRATION, TIMER_TAKE, TIMER_SCALE };

/*            hello, welcomed        nonsense, silence, bye
 *    NEW ─────────────▶ WORKER ───────────────▶ CLOSING ──▶ (LINK_CLOSED: forgotten)
 *      │ ───────────▶ LAUNCHER ──────────────────▲
 *      └── refused, no hello in time ────────────┘             */
enum link_state { LINK_NEW = 0, LINK_WORKER, LINK_LAUNCHER, LINK_CLOSING };

struct link {
    struct id_node node; /* head.links */
    enum link_state state;
    struct timer timer;                   /* NEW: hello must have come */
    struct crowd_seat seat;               /* in head.newcomers while NEW */
    char *peer;                           /* owned; address of the dialler */
    char *name;                           /* owned; node name it said, once it did; else NULL */
    struct worker *worker;                /* WORKER: borrowed */
    struct list launches;                 /* head.launchers, while LAUNCHER */
    uint32_t scale_running, scale_target; /* LAUNCHER: as it said last … */
    bool scale_said;                      /* … once it did */
    bool scale_unseen;                    /* … that it does not know how many run: scale_running is 0 then */
    uint64_t launcher_epoch, heard_us;    /* LAUNCHER: of its process; when it said something last */
};

struct worker {
    struct grave grave;
    struct id_node node;      /* head.workers */
    struct name_node by_name; /* head.worker_names; name is unique, with a suffix where needed */
    struct name_node by_life; /* head.worker_lives: node name and epoch as they were said */
    struct link *link;        /* borrowed; the worker's end is the link's end */
    char *name, *life, *address, *version, *engine, *cpu_features; /* owned */
    enum worker_state state;
    char reason[160]; /* of the state; empty while ok */
    bool silent;      /* SLOW because nothing is heard of it: it gets no jobs. Slow in computing: it gets them, as routing sees fit */
    bool left_cleanly;   /* LEAVE_LEFT: no job can have killed it */
    uint8_t duty;     /* enum wire_duties, as it said last, or was asked for by this head */
    char duty_reason[128]; /* empty while it serves */
    uint32_t pid;
    float cpus, cpu_load;
    uint32_t rtt_us;                 /* of the link, as the worker measures it; 0: not known */
    uint64_t memory_bytes, rss_bytes;
    struct head_beside kept, carried;
    float temperature_c; /* of its machine; 0: not told */
    uint64_t joined_us, beat_us;                  /* beat_us: last heartbeat, or joined_us */
    uint64_t heard_us;                            /* last message of any kind */
    struct timer timer;                           /* to look whether it has fallen silent */
    struct actor *actors[HEAD_WORKER_ACTORS_MAX]; /* by key; NULL: none now */
    struct list moving;                           /* head.movers: its jobs shall go elsewhere */
    struct migration *kv_out, *kv_in;              /* borrowed; the job that leaves it, or comes, with what is computed of it */
    double kv_bps;                                /* bytes/s at which such moved, smoothed; 0: none yet */
    uint32_t keys_known, actors_n;                /* keys_known: bit per key that was ever registered on this link */
    uint64_t answered; /* the last seek it has answered whole */
    uint32_t replies_due;     /* answers to what was looked for when it joined; until then its actors are not open */
    bool expected_back;       /* handoff.c: one of these is that the others are back */
    uint8_t ordered;   /* scaling.h: NOT_ORDERED, … */
};

/* An actor's place in a pool. */
struct membership {
    struct pool *pool;          /* NULL: none; only compatible actors' (compatible.c) while the actor is not ready */
    uint32_t ready_at, open_at; /* index in pool.ready and pool.open, or NOT_LISTED */
};

/* Requests name a model or none; answers that lost their actor need a compatible one: see compatible.c. */
enum { POOL_MODEL = 0, POOL_ANY = 1, POOL_SAME_FILE = 2, POOL_SAME_BITS = 3, POOL_KINDS = 4 };

struct actor {
    struct grave grave;
    struct id_node node; /* head.actors */
    struct worker *worker;
    uint32_t key;        /* the worker's number for it */
    uint8_t state, kind; /* enum wire_actor_state, enum request_kind */
    struct membership member_of[POOL_KINDS];
    char *model, *digest, *note; /* owned; model: as the worker says it, pools may have another name for it */
    char *kv, *setup;    /* owned: what its streams' cells are like, empty: they cannot be moved; how it computes exactly, empty: it does not */
    uint32_t slots, context;
    bool exact, has_template;
    bool loads;             /* counted in head.actors_loading */
    bool serves;            /* ready, and its worker takes new jobs: counted in head.actors_serving */
    bool hung;              /* busy without a token for too long */
    bool missed;            /* it fell silent while it was ready: counted in its pools' away_n */
    bool slow;              /* makes far fewer tokens than another of its model does at the same time */
    uint32_t token_age_ms;  /* since its last step while busy, as it said last */
    uint32_t busy_beats, slow_beats; /* in a row: heartbeats that said that it was busy; of these, ones that called it slow */
    uint32_t failures;      /* in a row: it rests after each, longer each time */
    char *trouble;          /* owned; how the last of them went, or NULL */
    struct job *quarantined;      /* borrowed, bound to it: it may be poison and runs here alone, so nothing else is sent; or NULL */
    struct timer rest;      /* set: it gets no jobs until then */
    struct list flights;    /* flight.in_actor: live ones, oldest first */
    struct list orphans;    /* flight.in_actor: of jobs that were cancelled or went elsewhere */
    uint32_t in_flight;     /* both lists; <= slots */
    struct queue bound;     /* jobs that want this actor and no other */
    struct list dirty;      /* head.dirty_actors */
    uint32_t other_heads;   /* streams that other heads run there, from its loads */
    uint64_t waiting_bytes; /* prompt text of flights not prefilled yet */
    uint64_t fresh_bytes;   /* of those, what its cache should not hold */
    uint64_t cache_fills;   /* slots whose cache was overwritten by another prompt, as far as one can guess */
    uint64_t progress_us;   /* last sign that it works: a send while idle, prefilled, tokens, done */
    uint64_t last_pick;     /* head.picks when it got its last job */
    float progress, prefill_tps, decode_tps;
    uint64_t weights_bytes, repack_bytes, kv_bytes, compute_bytes;
    uint64_t prefix_bytes_max, prefix_bytes; /* memory for prompts that lost their slots, and what they take */
    uint64_t prefix_tokens; /* that memory has room for */
    uint32_t prefixes;      /* kept there */
    uint64_t restored, restored_tokens; /* prompts that one of those began, and how much of them */
    uint64_t jobs_done, jobs_failed, tokens;
};

/* The actors that answer to one model name (or, name empty, to any of their kind; or that are compatible), and the jobs that
 * wait for them. */
struct pool {
    struct grave grave;
    struct list order;            /* head.pools, or head.compatible_pools */
    struct name_node by_name;     /* head.pool_names[embeds] or head.compatible_names; not for the two pools of any model */
    char *name;                   /* owned */
    char *note;                   /* owned; why an actor of it failed last */
    char *digest;                 /* owned; of the file whose actors these are; empty: not told yet */
    size_t plain_n;               /* told apart: so many bytes of the name are what workers say; else 0 */
    bool embeds;                  /* kind REQUEST_EMBED; else chat and text */
    bool was_ready;               /* an actor of it ever was */
    uint32_t away_n;              /* ready actors that left, and did not fail: they may come back */
    bool registered;              /* a worker ever had it; false: only requests that wait speak of it */
    int kind;                     /* POOL_*: which membership of its actors this is */
    uint32_t jobs_n;              /* compatible actors: running jobs that would come here */
    struct actor **ready, **open; /* owned; open: ready, well, and with a free slot */
    uint32_t ready_n, ready_cap, open_n, open_cap;
    uint32_t actors_n, loading_n, failed_n; /* of actors in any state, and in these */
    float pace[2];         /* tokens/s, the most that one of its actors was measured at: in this span of time, in the one before */
    uint64_t pace_us;      /* when this span began */
    float prompt_tokens;   /* of a prompt, learned; 0: unknown */
    float bytes_per_token; /* of prompts, learned from what actors say; 0: unknown */
    float answer_tokens;   /* of an answer, learned; 0: unknown */
    uint64_t rebalance_us, rebalancing; /* same file: not before then; the job that went last: rebalance.c */
    struct model_load load;
    struct queue queue;
    struct list regroup;                    /* job.queued: they lost their actor a moment ago */
    struct list dirty;                      /* head.dirty_pools: jobs came; may run at the end of the step */
};

struct call {
    struct grave grave;
    struct id_node node;     /* head.calls */
    struct request *request; /* owned clone */
    struct wire_run run;     /* made from it once; borrows request and arena */
    struct wire_arena arena; /* owned */
    struct tenant *tenant;   /* held */
    uint64_t bytes;          /* counted in head.queue_bytes and tenant.bytes */
    uint64_t prompt_bytes;   /* of one job: inputs are taken to be of one length, for routing */
    struct pool *pool;
    uint64_t created_us, seq;
    uint32_t deadline_ms;
    struct list jobs;  /* job.in_call, by branch */
    uint32_t branches; /* made */
    uint32_t open;     /* not ended */
    uint32_t running;  /* with an actor */
    uint64_t moved_us; /* a branch was last computed, said something, or ended */
    uint32_t wanted;   /* spread: actors asked for, 0: all */
    bool spread;
    bool spread_pending; /* spread, and no actor was ready yet: one job stands for all */
    bool failed;         /* counted in head.calls_failed */
    bool reported;       /* FX_STARTED or FX_BRANCH_DONE was given: it can no longer just fail */
    uint64_t session;    /* hash of request.affinity; 0: none */
    uint64_t stream, claim; /* its name for other heads, 0: none; who continues it must have the same claim */
    struct name_node by_stream; /* head.stream_names, by the bytes of `stream`; not where that is 0 */
    char *client;        /* owned; what another head needs to know of the client's request */
    size_t client_n;
    uint64_t suspect, crashed_worker; /* ids: its job that was computed when a worker crashed; that worker; 0: none */
    uint32_t suspect_from;            /* tokens the suspect had said then */
    uint32_t crashes;                 /* workers that crashed so, since it was cleared last */
    bool crashed_memory;              /* … was killed for its memory */
    bool crashed_alone;               /* the last of them computed nothing else */
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
    uint32_t attempt;      /* 0 before the first send */
    uint32_t barren_attempts;      /* attempts since the last one that brought a token, without those on left_cleanly workers */
    uint32_t moves;        /* attempts of this head, without those that found no room */
    bool found_full;      /* QUEUED: its last attempt found no room: its time to leave the queue continues */
    uint64_t seq;          /* place in the queue: arrival of its call */
    struct list queued;    /* QUEUED: in queue.jobs of its pool or actor, or in pool.regroup */
    struct queue *queue;   /* QUEUED: that queue; NULL: it regroups */
    struct lane *lane;     /* QUEUED: in that queue, NULL: in queue.back */
    struct rank turn;      /* in lane.jobs or queue.back */
    uint64_t cost;         /* QUEUED: of the lane's turn */
    uint64_t put_us;       /* QUEUED: since then */
    uint32_t place;        /* QUEUED: as worked out last; see queue.places_at */
    struct pool *pool;     /* QUEUED: where; see head_job_pool() */
    bool regroups;         /* QUEUED: in pool.regroup; its timer takes it to the queue */
    struct actor *bound;   /* this one or none; NULL: any of the pool */
    uint32_t avoid;        /* id of the actor that failed it last; UINT32_MAX: none */
    uint64_t due_us;       /* QUEUED: must have left the queue */
    struct timer timer;    /* QUEUED: at due_us, or earlier to look whether its model is known by now */
    struct flight *flight; /* SENT, STARTED, STREAMING */
    struct migration *migration; /* owned; while it moves with what is computed of it */
    uint32_t saved_attempt;    /* the last one for which that was tried */
    uint32_t prompt_tokens;    /* once an actor has told */
    float wait_ms;         /* from the call's arrival to the last send */
    bool started;          /* FX_STARTED was given */
    bool sought;           /* QUEUED: came from another process, and a worker may have it: see handoff.c */
    bool adopts;           /* QUEUED, bound: that actor has it already, and is told to continue it here */
    struct pool *same_file;      /* once started: actors of the same model file; only they may continue */
    struct pool *same_bits;    /* once started on an exact actor: those that continue the same bits */
    char *why;             /* owned; why it lost its last actor, or NULL */
    uint32_t scored;       /* tokens of the prompt told of, where they are asked for */
    uint32_t said;         /* tokens delivered */
    int32_t *ids;          /* owned: their ids, which another actor resumes after; NULL when forgot */
    uint32_t ids_cap;
    uint64_t rebalanced_us; /* it was sent to an idle actor last; 0: never */
    bool forgot;           /* there were too many of them to keep: it cannot continue elsewhere */
    uint64_t token_us;     /* when the last of them came */
    double logprob_sum;    /* of tokens delivered, where asked for */
    float logprob_last;    /* of the last one */
};

struct flight {
    struct list in_actor; /* actor.flights, or actor.orphans when job is NULL */
    struct actor *actor;
    struct job *job; /* NULL: nobody waits for it any more */
    uint64_t job_id;
    uint32_t attempt;
    bool adopts;           /* the actor was told to continue what it has, not given a `run` */
    uint64_t prompt_bytes; /* counted in actor.waiting_bytes; 0 once prefilled */
    uint64_t fresh_bytes;  /* the same in actor.fresh_bytes */
    uint64_t sent_us;
    uint32_t from;         /* tokens that were delivered before */
    double logprob_from;   /* their log-probabilities */
    double gap_us;         /* between its tokens, smoothed; 0: not known yet */
};

struct head {
    struct head_config cfg;
    uint64_t now_us, began_us;
    uint64_t ticked_us; /* last HEAD_TICK */
    struct rng rng;
    struct effects *fx; /* borrowed: of the present step */
    struct grave *graves;
    struct timers timers;
    struct idtab links, workers, actors, calls, jobs, tenants;
    struct list launchers; /* link.launches, the oldest first */
    struct scale scale;
    struct crowd newcomers; /* link.kind */
    struct names worker_names, worker_lives, pool_names[2], compatible_names, tenant_names, lane_names, stream_names;
    struct list tenants_idle; /* tenant.idle: the longest idle first */
    struct tenant *common;    /* of requests that say nothing of a tenant */
    uint32_t tenants_labelled;
    struct list pools; /* pool.order: oldest first, any-pools not among them */
    struct list compatible_pools; /* pool.order */
    uint32_t pools_n;
    struct pool *any[2]; /* [embeds] */
    struct prefix *prefix, *sessions;
    struct idtab seeks;                          /* seek.node */
    uint64_t next_seek, epoch;                   /* epoch: of this process, for workers */
    uint64_t next_worker, next_job, next_seq, next_queue, next_tenant, picks, steps;
    uint32_t next_actor;
    struct list dirty_pools, dirty_actors;
    struct fx_choice *choice;      /* of this step: what pick() weighed for the job that is sent next; NULL: nothing */
    struct list movers, migrations; /* worker.moving; migration.link: see run.h */
    uint32_t migrations_n;
    struct timer take;             /* handoff.c: set while workers of the former head are awaited */
    uint32_t take_workers;         /* how many */
    /* queue */
    uint32_t queued, requeued; /* jobs waiting; of those, ones that were sent before (they pass the limit) */
    uint64_t queue_bytes;
    uint64_t resume_bytes; /* job.ids, together */
    struct pace pace;      /* of all queues together */
    /* status */
    struct timer status;
    bool status_due;
    uint32_t status_actors;                 /* as written last */
    uint64_t cpus_milli, status_cpus_milli; /* whole numbers: what joins and leaves cancels out exactly */
    uint64_t memory_bytes, status_memory;
    uint32_t actors_ready, actors_serving, actors_loading, running;
    uint64_t calls_total, calls_failed, jobs_begun, jobs_ended, jobs_rerouted, jobs_resumed, jobs_moved, moved_bytes, jobs_rebalanced;
    uint64_t prompt_tokens, cached_tokens, answer_tokens;
};

#endif
