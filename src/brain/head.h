/* The head's brain: links, workers, actors, calls, jobs, queues. An event in, effects out; no I/O,
 * clock or threads.
 *
 * A *call* is a client's request; a *job* is one run of it on an actor (a call with fan-out or n >
 * 1 has several jobs, its *branches*). The caller gives time and seed, and tables are walked by id:
 * equal events give equal effects.
 *
 * The happy path of a call: PROMPT -> job queued -> actor with a free slot picked (router.h) ->
 * FX_SEND run -> `prefilled`, `tokens`, `done` from the worker -> FX_STARTED, FX_TOKENS,
 * FX_BRANCH_DONE -> FX_CALL_END. It can fail by: an unknown model (FX_CALL_FAILED ERR_NOT_FOUND,
 * which lists the known names; without any worker, or shortly after the head's start, the call
 * waits instead), a full queue (ERR_BUSY), the deadline (ERR_TIMEOUT, or ERR_UNAVAILABLE when no
 * actor was there at all), a worker that dies, hangs or leaves (another actor continues the job
 * after the delivered tokens; the client sees a pause, in which the job may queue. FX_BRANCH_DONE
 * reports an error when attempts_max or moves_max is reached, or no actor with the model's file
 * came within the deadline).
 *
 * A stream whose head is gone continues here when its client brings the stream's name (RESUME): see
 * seek.c. */
#ifndef MANTA_BRAIN_HEAD_H
#define MANTA_BRAIN_HEAD_H

#include "base/request.h"
#include "brain/effects.h"
#include "brain/scale_policy.h"
#include "wire/wire.h"

struct head;

/* Protocol limits, which no setting changes: a dialler that exceeds one loses its link. */
enum {
    HEAD_WORKER_ACTORS_MAX = 16, /* actors of one worker; their keys are smaller */
    HEAD_NAME_BYTES_MAX = 128,   /* node and model names, addresses */
    HEAD_LINE_BYTES_MAX = 512,   /* versions, engine, features, notes, reasons */
    HEAD_DIGEST_BYTES_MAX = 128,
    HEAD_SLOTS_MAX = 1024,            /* of one actor */
    HEAD_PREFIX_TOKENS_MAX = 100000000, /* tokens of kept prompts that one actor has room for: a higher claim counts as this */
    HEAD_PREFILL_TPS_MAX = 1000000,   /* tokens/s: a higher claim counts as this … */
    HEAD_DECODE_TPS_MAX = 100000,     /* … of one stream */
    HEAD_CONTEXT_MAX = 1 << 24,       /* tokens of one slot */
    HEAD_MODELS_MAX = 1024,           /* names remembered after their last actor has gone */
    HEAD_REQUEST_BYTES_MAX = 6 << 20, /* one prompt with all its parts: must fit a frame */
    HEAD_SCALE_MAX = 256,             /* workers that a launcher can be asked for */
    HEAD_POISON_CRASHES = 2,          /* workers that crash while computing a request, the last while computing
                                         nothing else: it is rejected */
    HEAD_CLEAR_TOKENS = 8,           /* tokens past the place of a crash: the request is cleared */
    HEAD_EJECT_AFTER = 3,             /* failures in a row: from then on an actor is probed with one job at a time */
    HEAD_REST_FIRST_MS = 250,         /* an actor rests this long after a failure, twice as long after the next … */
    HEAD_REST_MAX_MS = 8000,          /* … up to this */
    HEAD_CALL_BYTES = 1024,           /* a call's records besides its request, which count as queue memory too … */
    HEAD_JOB_BYTES = 2048,            /* … and the records of each of its jobs, with the program's share of a branch */
    HEAD_RESUME_TOKENS_MAX = 1 << 18, /* tokens kept of one answer so that another actor can continue it: must fit a `run` */
    HEAD_TENANT_SHARE = 4,            /* a tenant's waiting jobs and bytes may be this many times the room left for others */
    HEAD_TENANT_NAME_BYTES_MAX = 64,
    HEAD_TENANT_LABELS = 64,          /* the first this many tenants have their own lines in metrics and status */
};

/* How to choose among the actors with a free slot; router.c has the reasons. In the order of --balance. */
enum balance {
    BALANCE_PREDICTED = 0, /* least predicted time */
    BALANCE_LEAST_BUSY,    /* smallest part of its slots in use */
    BALANCE_ROUND_ROBIN,   /* longest since its last job */
    BALANCE_RANDOM,
    BALANCE_PREFIX,        /* longest cached beginning of the prompt, then the least busy */
    BALANCE_COUNT,
};
/* "predicted", "least-busy", …: the values of --balance. */
const char *balance_name(enum balance balance);

/* Every limit has a name and a default. `manta status --limits` shows them, with what happens beyond each (base/limits.h). */
/* clang-format off */
#define HEAD_CONFIG(C) \
    C(enum balance, balance, BALANCE_PREDICTED) \
    C(uint32_t, beat_ms, 1000) /* workers' heartbeat */ \
    C(uint32_t, lost_after_ms, 3000) /* silence after which a worker is lost: three heartbeats, since the last one came before the cut */ \
    C(uint32_t, hello_ms, 5000) /* a link that has not said hello by then is closed */ \
    C(uint32_t, token_stall_ms, 30000) /* an actor busy without a token for this long is hung, whatever its speed */ \
    C(uint32_t, token_floor_ms, 5000) /* … and an actor of known speed is not hung before this */ \
    C(uint32_t, queue_jobs_max, 4096) \
    C(uint64_t, queue_bytes_max, 64u << 20) /* bytes of queued and running requests, with their jobs' records */ \
    C(uint32_t, queue_deadline_ms, 120000) /* default time in which a job must leave the queue */ \
    C(uint32_t, priority_step_ms, 10000) /* waiting time that one step of priority is worth */ \
    C(uint32_t, tenants_max, 1024) /* names remembered; when all are in use, newcomers share the common tenant */ \
    C(uint32_t, settle_ms, 10000) /* how long after the head's start a worker with an unknown model may still join */ \
    C(uint32_t, attempts_max, 8) /* attempts in a row that bring no token end a job; workers that left, fell silent or were full of other heads' jobs do not count */ \
    C(uint32_t, moves_max, 32) /* attempts in all, without those that found no room */ \
    C(uint64_t, resume_bytes_max, 64u << 20) /* delivered token ids, of all running jobs */ \
    C(uint32_t, regroup_ms, 25) /* a job that lost its actor waits this long: workers often die in bunches */ \
    C(uint32_t, kv_moves_max, 8) /* jobs that migrate with their KV cache at once, 1 MiB of the head's memory each */ \
    C(uint32_t, kv_stall_ms, 3000) /* a migration without progress for this long is given up: the target recomputes */ \
    C(bool, rebalance, true) /* a job may leave a slow or crowded actor for an idle one: rebalance.c */ \
    C(uint32_t, rebalance_every_ms, 1000) /* pause after a pool had no idle actor, or gave a job away */ \
    C(uint32_t, rebalance_again_ms, 30000) /* pause before the same job moves again */ \
    C(uint32_t, links_max, 4096) /* links that have said hello */ \
    C(uint32_t, newcomers_max, 1024) /* links that have not: the oldest of the address with the most gives way */ \
    C(uint32_t, actors_max, 4096) \
    C(uint32_t, fanout_max, 64) /* branches of one call */ \
    C(uint32_t, seeks_max, 1024) /* streams that workers are asked for at once */ \
    C(uint32_t, seek_ms, 10000) /* how long a worker that has the stream may take to join */ \
    C(uint32_t, anew_ms, 2000) /* seek timeout when the client has received nothing and re-sent its request */ \
    C(uint32_t, handoff_ms, 2000) /* how long to wait for the workers of a replaced head */ \
    C(uint32_t, gather_ms, 100) /* after the first worker reports the stream, how long to wait for reports from others */ \
    C(uint32_t, status_every_ms, 30000) /* periodic [ACTOR STATUS] lines, also written on change */ \
    C(struct scale_limits, scale, ((struct scale_limits){.mode = SCALE_FIXED, .min = 0, .max = 8})) /* workers of the launcher, and who decides */
/* clang-format on */

struct head_config {
    uint64_t seed;
    struct str join_token; /* borrowed for the head's life; empty: diallers need none */
    struct str version; /* manta's version; a dialler with another one causes a warning; borrowed */
    bool scale_given; /* `scale` was set; false: a launcher that another head instructed teaches this head */
#define C(type, name, value) type name;
    HEAD_CONFIG(C)
#undef C
};
/* The defaults of HEAD_CONFIG. */
struct head_config head_config_default(void);

enum head_event_kind {
    HEAD_TICK = 1,    /* head_deadline() has come; harmless at any time */
    HEAD_LINK_OPEN,   /* a worker or launcher dialled, and the upgrade is done */
    HEAD_LINK_MSG,    /* a decoded message came */
    HEAD_LINK_CLOSED, /* the link is gone; `text` says why. Sent once per link, also after FX_CLOSE_LINK */
    HEAD_PROMPT,      /* a client wants an answer */
    HEAD_CALL_GONE,   /* the client of `call` left or cancelled; no effects for it follow */
    HEAD_RESUME,      /* a client resumes a stream that is not here: the head asks its workers. FX_RESUMED and the
                         call's effects follow, or FX_CALL_FAILED with ERR_NOT_FOUND when no worker has any of it */
    HEAD_HANDOFF,        /* a call of a replaced head continues here, as a call like any other */
    HEAD_SCALE,       /* a client asks for `count` workers, or for `scale`; FX_CALL_END / FX_CALL_FAILED for `call` answers */
    HEAD_AVAILABILITY,        /* a client asks worker `text` to serve, cordon or drain; answered likewise: ERR_NOT_FOUND
                         lists the names, ERR_IN_USE: it drains already */
};

/* A client's request about the number of workers. */
#define HEAD_SCALE_AS_IS UINT32_MAX /* the present value */
struct head_scale_ask {
    enum scale_mode mode;
    uint32_t workers;  /* FIXED */
    uint32_t min, max; /* AUTO */
};

struct head_event {
    enum head_event_kind kind;
    uint64_t now_us;               /* monotonic; never falls */
    uint64_t link;                 /* LINK_*: rising numbers that the program gives */
    struct str peer;               /* LINK_OPEN: address of the dialler, "127.0.0.1:4312" */
    uint64_t origin;               /* LINK_OPEN: equal for all diallers from one address */
    struct str text;               /* LINK_CLOSED: why; AVAILABILITY: the worker's name */
    const struct wire_msg *msg;    /* LINK_MSG; borrowed for the call */
    uint64_t call;                 /* PROMPT, RESUME, CALL_GONE, SCALE, AVAILABILITY: rising numbers that the program gives */
    const struct request *request; /* PROMPT; borrowed, cloned when kept */
    uint32_t count;                /* PROMPT: branches, see spread (one for each of request.inputs, whatever the
                                      count); SCALE: workers */
    bool spread;                   /* PROMPT: branches go to different actors (fan-out); count 0: all actors of the
                                      model, at most fanout_max; count 1: no fan-out. false: `count` answers, on any
                                      actors (OpenAI's n) */
    uint64_t stream;               /* PROMPT, RESUME: the stream's name, random; 0 (PROMPT): not resumable */
    uint64_t claim;                /* PROMPT: proves that the stream is this client's; workers keep it. RESUME: a
                                      worker with another claim has a different client's stream, or none */
    struct str tenant;             /* RESUME: as in `request` */
    struct str client;             /* PROMPT: the client's request, noted for another head; cloned */
    struct wire_i32s said;         /* RESUME: per branch the number of tokens that the client has; empty: none */
    bool anew;                     /* RESUME: if no worker has it, the program begins the stream anew */
    const struct wire_moved_call *moved;    /* HANDOFF: the former head's record of the call; request, stream and client
                                               as above … */
    const struct wire_moved_job *const *moved_jobs; /* … and of its jobs */
    uint32_t moved_jobs_n;
    uint32_t workers;              /* HANDOFF: workers of the former head, which are about to join */
    uint32_t deadline_ms;          /* PROMPT, RESUME: time in which a job must leave the queue; 0: the default */
    uint8_t availability;          /* AVAILABILITY: enum wire_availabilities */
    uint32_t grace_ms;             /* AVAILABILITY, drain: after this the jobs that still run continue elsewhere */
    bool move;                     /* AVAILABILITY, drain: jobs continue elsewhere at once */
    const struct head_scale_ask *scale; /* SCALE; borrowed; NULL: `count` workers, whatever the load */
};

/* Makes a head without links. Copies the configuration and borrows its texts for the head's life. */
struct head *head_new(const struct head_config *cfg, uint64_t now_us);
/* NULL is allowed. */
void head_free(struct head *h);
/* Handles one event and appends the effects to fx. They borrow from the head until the next
 * head_step(), and from the event's message: carry them out before either goes. */
void head_step(struct head *h, const struct head_event *ev, struct effects *fx);
/* Returns when HEAD_TICK is due, on the clock of now_us; UINT64_MAX: never. */
uint64_t head_deadline(const struct head *h);

/* ---- views for status, actors and metrics; borrowed until the next head_step() ---- */

enum worker_state { WORKER_OK = 0, WORKER_SLOW, WORKER_HUNG, WORKER_CORDONED, WORKER_DRAINING, WORKER_LOST, WORKER_STATES };

/* RESTING: failed a job and gets none for a moment. EJECTED: failed several in a row and rests.
 * PROBED: was ejected, and gets one job at a time until one ends well. */
enum actor_health { ACTOR_WELL = 0, ACTOR_RESTING, ACTOR_EJECTED, ACTOR_PROBED, ACTOR_HEALTHS };

/* A part of a worker's memory besides its models. */
struct head_beside {
    uint64_t bytes, bytes_max;
};
/* clang-format off
 *    The shown fields, a row each: type, name, value in the brain, key in /manta/status, form there (head/status.c; NONE:
 *    not shown). A new number is a row here, and a row in head/metrics.c if it is a metric, too. */
#define HEAD_WORKER_FIELDS(F) /* of `w` at now_us */ \
    F(uint64_t, id, w->node.id, "id", UINT) \
    F(struct str, node, str_of(w->name), "node", STR) \
    F(struct str, address, str_of(w->address), "address", ADMIN_STR) \
    F(enum worker_state, state, w->state, "state", WORKER_STATE) \
    F(struct str, reason, str_of(w->reason), "reason", STR) /* of the state; empty while ok */ \
    F(uint8_t, availability, w->availability, "availability", AVAILABILITY) /* enum wire_availabilities: also while another state hides it */ \
    F(struct str, version, str_of(w->version), "version", STR) \
    F(struct str, engine, str_of(w->engine), "engine", STR) \
    F(struct str, cpu_features, str_of(w->cpu_features), "cpu_features", STR) \
    F(uint32_t, pid, w->pid, "pid", ADMIN_UINT) \
    F(float, cpus, w->cpus, "cpus", FIXED1) \
    F(float, cpu_load, w->cpu_load, "cpu_load", FIXED2) \
    F(uint64_t, memory_bytes, w->memory_bytes, "memory_bytes", UINT) \
    F(uint64_t, rss_bytes, w->rss_bytes, "rss_bytes", UINT) \
    F(uint64_t, kept_bytes, w->kept.bytes, "kept_bytes", UINT) /* journals for heads that take streams over */ \
    F(uint64_t, kept_bytes_max, w->kept.bytes_max, "kept_bytes_max", UINT) \
    F(uint64_t, moving_bytes, w->carried.bytes, "moving_bytes", UINT) /* KV caches that leave and arrive */ \
    F(uint64_t, moving_bytes_max, w->carried.bytes_max, "moving_bytes_max", UINT) \
    F(float, temperature_c, w->temperature_c, "temperature_c", ABOVE_0) /* 0: the machine has no sensor */ \
    F(uint32_t, actors, ready_actors(w), "actors", UINT) \
    F(uint64_t, joined_age_us, now_us > w->joined_us ? now_us - w->joined_us : 0, "joined_age_ms", US_AS_MS) /* since it joined */ \
    F(uint64_t, beat_age_us, now_us > w->beat_us ? now_us - w->beat_us : 0, "beat_age_ms", US_AS_MS) /* since the last heartbeat */ \
    F(uint32_t, rtt_us, w->rtt_us, "rtt_us", UINT) /* 0: not known */

#define HEAD_ACTOR_FIELDS(F) /* of `a` */ \
    F(uint32_t, id, (uint32_t)a->node.id, "id", UINT) /* 0, 1, 2, ... */ \
    F(struct str, model, str_of(a->member_of[POOL_MODEL].pool->name), "model", STR) \
    F(struct str, node, str_of(a->worker->name), "node", STR) \
    F(struct str, address, str_of(a->worker->address), "address", ADMIN_STR) \
    F(uint64_t, worker, a->worker->node.id, "worker", UINT) \
    F(enum worker_state, worker_state, a->worker->state, "worker_state", WORKER_STATE) \
    F(struct str, worker_reason, str_of(a->worker->reason), "worker_reason", STR) \
    F(uint8_t, state, a->state, "state", ACTOR_STATE) /* enum wire_actor_state */ \
    F(float, progress, a->progress, "progress", FIXED2) \
    F(struct str, note, str_of(a->note), "note", STR) \
    F(uint8_t, kind, a->kind, "kind", KIND) /* enum request_kind */ \
    F(bool, exact, a->exact, "exact", BOOL) \
    F(struct str, setup, str_of(a->setup), "setup", STR) /* how it computes exactly; empty: not at all */ \
    F(bool, has_template, a->has_template, "chat_template", BOOL) \
    F(bool, ranks, a->member_of[POOL_MODEL].pool->ranks, "ranks", BOOL) /* a reranker */ \
    F(struct str, family, str_of(a->family), "family", STR) /* this and the next two: from its file; empty or 0: not known */ \
    F(struct str, quantization, str_of(a->quantization), "quantization", STR) \
    F(uint64_t, parameters, a->parameters, "parameters", UINT) \
    F(enum actor_health, health, head_actor_health(a), "health", HEALTH) \
    F(uint32_t, failures, a->failures, "failures_in_a_row", UINT) \
    F(struct str, trouble, str_of(a->failures > 0 ? a->trouble : ""), "trouble", ADMIN_STR) /* its last failure: may quote a prompt */ \
    F(uint32_t, slots, a->slots, "slots", UINT) \
    F(uint32_t, in_flight, a->in_flight, "in_flight", UINT) \
    F(uint32_t, token_age_ms, a->token_age_ms, "token_age_ms", UINT) /* since its last step, while busy */ \
    F(uint32_t, context, a->context, "context", UINT) \
    F(float, prefill_tps, a->prefill_tps, "prefill_tps", FIXED1) \
    F(float, decode_tps, a->decode_tps, "decode_tps", FIXED1) \
    F(uint64_t, weights_bytes, a->weights_bytes, "weights_bytes", UINT) /* this and the next three as measured at load time */ \
    F(uint64_t, repack_bytes, a->repack_bytes, "repack_bytes", UINT) \
    F(uint64_t, kv_bytes, a->kv_bytes, "kv_bytes", UINT) \
    F(uint64_t, compute_bytes, a->compute_bytes, "compute_bytes", UINT) \
    F(uint64_t, prefix_bytes_max, a->prefix_bytes_max, "prefix_bytes_max", UINT) /* for prompts that lost their slots */ \
    F(uint64_t, prefix_bytes, a->prefix_bytes, "prefix_bytes", UINT) \
    F(uint32_t, prefixes, a->prefixes, "prefixes", UINT) /* prompts kept there */ \
    F(uint64_t, restored, a->restored, "prefixes_restored", UINT) /* prompts that began with a kept one */ \
    F(uint64_t, restored_tokens, a->restored_tokens, "tokens_restored", UINT) \
    F(uint64_t, jobs_done, a->jobs_done, "jobs_done", UINT) \
    F(uint64_t, jobs_failed, a->jobs_failed, "jobs_failed", UINT) \
    F(uint64_t, tokens, a->tokens, "tokens", UINT) \
    F(struct str, digest, str_of(a->digest), "digest", STR)

#define HEAD_TOTALS(F) /* of `h` */ \
    F(uint32_t, workers, (uint32_t)h->workers.n, "workers", UINT) \
    F(uint32_t, actors_ready, h->actors_ready, "actors", UINT) \
    F(uint32_t, actors_serving, h->actors_serving, "actors_serving", UINT) /* of `actors`, those whose workers take new jobs */ \
    F(uint32_t, actors_loading, h->actors_loading, "actors_loading", UINT) \
    F(uint32_t, tenants, (uint32_t)h->tenants.n, "", NONE) /* remembered */ \
    F(uint32_t, links, (uint32_t)h->links.n, "", NONE) \
    F(uint32_t, calls, (uint32_t)h->calls.n, "", NONE) \
    F(float, cpus, (float)h->cpus_milli / 1000, "", NONE) /* of the workers */ \
    F(uint64_t, memory_bytes, h->memory_bytes, "", NONE) /* of the workers */ \
    F(uint32_t, queued, h->queued, "queued", UINT) \
    F(uint32_t, running, h->running, "running", UINT) \
    F(uint64_t, queue_bytes, h->queue_bytes, "queue_bytes", UINT) /* bytes of requests held, with their jobs' records */ \
    F(uint64_t, resume_bytes, h->resume_bytes, "", NONE) /* bytes of delivered token ids held */ \
    F(uint64_t, calls_total, h->calls_total, "calls_total", UINT) \
    F(uint64_t, calls_failed, h->calls_failed, "calls_failed", UINT) \
    F(uint64_t, jobs_rerouted, h->jobs_rerouted, "jobs_rerouted", UINT) \
    F(uint64_t, jobs_resumed, h->jobs_resumed, "jobs_resumed", UINT) \
    F(uint64_t, jobs_moved, h->jobs_moved, "jobs_moved", UINT) \
    F(uint64_t, moved_bytes, h->moved_bytes, "moved_bytes", UINT) \
    F(uint64_t, jobs_rebalanced, h->jobs_rebalanced, "jobs_rebalanced", UINT) \
    F(uint64_t, prompt_tokens, h->prompt_tokens, "", NONE) \
    F(uint64_t, cached_tokens, h->cached_tokens, "", NONE) \
    F(uint64_t, answer_tokens, h->answer_tokens, "", NONE)
/* clang-format on */

#define F(type, name, value, key, form) type name;
struct head_worker_view { HEAD_WORKER_FIELDS(F) };
struct head_actor_view { HEAD_ACTOR_FIELDS(F) };
struct head_totals { HEAD_TOTALS(F) };
#undef F

/* How many workers the launcher keeps up, and why. */
struct head_scale_view {
    bool launcher;               /* a launcher is here for `manta scale` */
    bool known;                  /* there is a desired number */
    bool sleeps;                 /* no actor serves, and a request makes a worker start */
    struct scale_limits limits;
    uint32_t desired;            /* as this head decides */
    uint32_t running, target;    /* as the launcher says */
    bool running_known;          /* the launcher has seen its engine */
    uint32_t starting;           /* ordered and not ready yet */
    enum scale_reason reason;    /* of the last change … */
    struct str why, note;        /* … in words; the launcher's last problem */
    uint64_t changed_us;         /* 0: never */
    uint64_t changes[SCALE_REASONS];
    double hold_s, start_s, wait_s; /* how long fewer must suffice before a decrease; learned start-up time, 0: none;
                                       predicted wait */
};
/* The present state of scaling. */
void head_scale_view(const struct head *h, struct head_scale_view *out);
/* The policy's view of a model; all 0 where the policy does not decide. */
struct head_scale_model {
    struct str name;
    double rate, service_s; /* present or predicted requests/s; seconds of one in a slot, 0: not known */
    double busy, waiting, slots, workers; /* workers: needed */
    bool gains;             /* more workers bring more of its slots */
};
/* Writes at most `most` models; returns how many. */
uint32_t head_scale_models(const struct head *h, struct head_scale_model *out, uint32_t most);
/* The first worker with an id >= `from`; false: none. To walk, continue with from = view.id + 1. */
bool head_worker_at(const struct head *h, uint64_t from, uint64_t now_us, struct head_worker_view *out);
/* The first actor with an id >= `from`; false: none. */
bool head_actor_at(const struct head *h, uint32_t from, struct head_actor_view *out);
/* Sums over workers, actors, calls and jobs. */
void head_totals(const struct head *h, struct head_totals *out);

/* How long a call's next queued job will wait. */
struct head_wait {
    uint32_t place;  /* position in its model's queue, from 1, if no more jobs arrive */
    double eta_s;    /* seconds until it is sent, by the queue's pace so far; 0: not known */
    uint32_t ready;  /* ready actors of its model: busy */
    float loading;   /* 0 … 1: progress of the actor nearest to ready; < 0: none loads */
    uint32_t starting; /* workers that were ordered and are not ready */
    double start_s;  /* seconds until the first of them is ready, as learned from earlier ones; 0: not known */
};
/* False when no job of the call is queued. The first question after a step sorts the queue; later
 * ones reuse the order. */
bool head_call_waits(struct head *h, uint64_t call, struct head_wait *out);

/* The state of a call. */
struct head_call_view {
    struct str model;              /* as asked for, or of the answering actor; empty: any */
    struct str tenant;
    int32_t priority;
    uint32_t branches, ended;      /* made so far, and of those ended */
    uint32_t running, prefilled;   /* jobs on an actor, and of those with a computed prompt */
    uint32_t tokens;               /* delivered, of the branches that have not ended */
    uint32_t actor;                /* of the first running job; UINT32_MAX: none */
    struct str node;               /* that actor's */
    struct head_wait wait;         /* of the first waiting job; place 0: none */
};
/* False: the call has ended, or never existed. */
bool head_call_view(struct head *h, uint64_t call, struct head_call_view *out);

/* A call's record for the head that takes over: fills the brain's fields of *out, *out_run with the
 * request but its `inputs`, and these in *out_request. False: there is no such call. */
bool head_call_moves(const struct head *h, uint64_t call, struct wire_moved_call *out, struct wire_run *out_run,
                     const struct request **out_request);
/* The call's first job with a branch >= *branch; sets *branch to the next one. `said` is the
 * brain's count: the caller knows what the client was sent. False: there is no such job. */
bool head_call_job_moves(const struct head *h, uint64_t call, uint32_t *branch, struct wire_moved_job *out);

/* The job of `branch` among those of HEAD_HANDOFF; NULL: none. */
const struct wire_moved_job *head_moved_job(const struct wire_moved_job *const *jobs, uint32_t n, uint32_t branch);

/* A tenant that shares the queue. Walk like workers; at most tenants_max. */
struct head_tenant_view {
    uint64_t id;
    struct str name;
    bool labelled;                 /* one of the first HEAD_TENANT_LABELS, never forgotten */
    uint32_t queued, running;      /* jobs */
    uint64_t bytes;                /* of requests held */
    uint64_t calls_total, calls_refused, prompt_tokens, answer_tokens; /* since the head first met it */
};
/* The first tenant with an id >= `from`; false: none. */
bool head_tenant_at(const struct head *h, uint64_t from, struct head_tenant_view *out);

/* Checks every invariant at the top of head.c; MUST() fails on the first broken one. For the simulator. */
void head_check(const struct head *h, uint64_t now_us);

#endif
