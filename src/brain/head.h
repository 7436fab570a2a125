/* The head's brain: links, workers, actors, calls, jobs, queue. Event in, effects out; no I/O, no clock, no threads.
 *
 * A *call* is one request of a client; a *job* is one run of it on an actor (a call with fan-out or n > 1 has several,
 * its *branches*). Time and the seed are given, tables iterate by id: the same events give the same effects.
 *
 * The happy path of a call: PROMPT -> job queued -> actor with a free slot picked (router.h) -> FX_SEND run ->
 * `prefilled`, `tokens`, `done` from the worker -> FX_STARTED, FX_TOKENS, FX_BRANCH_DONE -> FX_CALL_END.
 * It can fail by: no such model (FX_CALL_FAILED ERR_NOT_FOUND, with the names there are; not while no worker is there
 * or the head has only just begun: then it waits), queue full (ERR_BUSY), deadline (ERR_TIMEOUT, or ERR_UNAVAILABLE
 * when no actor was there at all), the worker dying, hanging or leaving (the job goes to another actor, which continues
 * after the tokens that were delivered, so the client sees a pause; it waits for one if need be. FX_BRANCH_DONE with an
 * error when attempts_max or moves_max are reached, or no actor with the model's file came within the deadline).
 *
 * A stream whose head is gone continues here when its client comes with its name (RESUME): see seek.c. */
#ifndef MANTA_BRAIN_HEAD_H
#define MANTA_BRAIN_HEAD_H

#include "base/request.h"
#include "brain/effects.h"
#include "brain/scale_policy.h"
#include "wire/wire.h"

struct head;

/* Limits that are part of the protocol and not of a configuration: what a dialler says beyond them ends its link. */
enum {
    HEAD_WORKER_ACTORS_MAX = 16, /* actors of one worker; keys are below it */
    HEAD_NAME_BYTES_MAX = 128,   /* node and model names, addresses */
    HEAD_LINE_BYTES_MAX = 512,   /* versions, engine, features, notes, reasons */
    HEAD_DIGEST_BYTES_MAX = 128,
    HEAD_SLOTS_MAX = 1024,            /* of one actor */
    HEAD_PREFIX_TOKENS_MAX = 100000000, /* of prompts that lost their slots, kept by one actor: who claims more is taken to mean this */
    HEAD_PREFILL_TPS_MAX = 1000000,   /* tokens/s: who claims more is taken to mean this … */
    HEAD_DECODE_TPS_MAX = 100000,     /* … of one stream */
    HEAD_CONTEXT_MAX = 1 << 24,       /* tokens of one slot */
    HEAD_MODELS_MAX = 1024,           /* names remembered after their last actor has gone */
    HEAD_REQUEST_BYTES_MAX = 6 << 20, /* one prompt with everything: must fit a frame */
    HEAD_SCALE_MAX = 256,             /* local workers one may ask a launcher for */
    HEAD_POISON_CRASHES = 2,          /* workers that crash in computing a request, the last one in computing nothing else: no more */
    HEAD_CLEAR_TOKENS = 8,           /* beyond the place of a crash: it was not this request's doing */
    HEAD_EJECT_AFTER = 3,             /* failures in a row: from then on an actor is probed with one job at a time */
    HEAD_REST_FIRST_MS = 250,         /* an actor rests after a failure; twice as long after the next … */
    HEAD_REST_MAX_MS = 8000,          /* … up to this */
    HEAD_CALL_BYTES = 1024,           /* records of a call besides its request: these count as memory of the queue, too … */
    HEAD_JOB_BYTES = 2048,            /* … and those of each of its jobs, with what the program keeps of a branch */
    HEAD_RESUME_TOKENS_MAX = 1 << 18, /* tokens of one answer that are kept for continuing elsewhere: must fit a `run` */
    HEAD_TENANT_SHARE = 4,            /* a tenant may have so many times as much waiting as there is room left for others */
    HEAD_TENANT_NAME_BYTES_MAX = 64,
    HEAD_TENANT_LABELS = 64,          /* tenants with lines of their own in metrics and status, the first that came */
};

/* How an actor is chosen among those with a free slot; router.c has the reasons. In the order of --balance. */
enum balance {
    BALANCE_PREDICTED = 0, /* least predicted time */
    BALANCE_LEAST_BUSY,    /* least of its slots in use */
    BALANCE_ROUND_ROBIN,   /* the one that waited longest for a job */
    BALANCE_RANDOM,
    BALANCE_PREFIX,        /* holds the most of the prompt's beginning, then the least busy */
    BALANCE_COUNT,
};
/* "predicted", "least-busy", …: as --balance takes it. */
const char *balance_name(enum balance balance);

/* Every limit has a name and a default. `manta status --limits` shows them, with what happens beyond each (base/limits.h). */
/* clang-format off */
#define HEAD_CONFIG(C) \
    C(enum balance, balance, BALANCE_PREDICTED) \
    C(uint32_t, beat_ms, 1000) /* workers' heartbeat */ \
    C(uint32_t, lost_after_ms, 3000) /* silence after which a worker is lost: three heartbeats, as the last one heard came before the link was cut */ \
    C(uint32_t, hello_ms, 5000) /* a link that has not said hello by then is closed */ \
    C(uint32_t, token_stall_ms, 30000) /* an actor busy without a token for this long is hung, whatever its speed */ \
    C(uint32_t, token_floor_ms, 5000) /* … and one whose speed is known not before this */ \
    C(uint32_t, queue_jobs_max, 4096) \
    C(uint64_t, queue_bytes_max, 64u << 20) /* requests queued and running, with the records of their jobs */ \
    C(uint32_t, queue_deadline_ms, 120000) /* default deadline of a job for leaving the queue */ \
    C(uint32_t, priority_step_ms, 10000) /* what one step of priority is worth in waiting */ \
    C(uint32_t, tenants_max, 1024) /* names remembered; when all are in use, newcomers share the common tenant */ \
    C(uint32_t, settle_ms, 10000) /* how long after the head's start an unknown model may be on its way */ \
    C(uint32_t, attempts_max, 8) /* attempts in a row that bring no token end a job; workers that left, fell silent or were full of other heads' jobs do not count */ \
    C(uint32_t, moves_max, 32) /* attempts in all, without those that found no room */ \
    C(uint64_t, resume_bytes_max, 64u << 20) /* delivered token ids, of all running jobs */ \
    C(uint32_t, regroup_ms, 25) /* a job that lost its actor waits this long: workers often die in bunches */ \
    C(uint32_t, kv_moves_max, 8) /* jobs that move at once with what is computed of them, 1 MiB of the head's memory each */ \
    C(uint32_t, kv_stall_ms, 3000) /* when nothing of one moved for so long, it is computed */ \
    C(bool, rebalance, true) /* a job may leave a slow or crowded actor for an idle one: rebalance.c */ \
    C(uint32_t, rebalance_every_ms, 1000) /* a pool with nobody idle, or a job that went, is not looked at again before */ \
    C(uint32_t, rebalance_again_ms, 30000) /* the same job does not go again before */ \
    C(uint32_t, links_max, 4096) /* that have said hello */ \
    C(uint32_t, newcomers_max, 1024) /* that have not: the oldest of the address with the most gives way */ \
    C(uint32_t, actors_max, 4096) \
    C(uint32_t, fanout_max, 64) /* branches of one call */ \
    C(uint32_t, seeks_max, 1024) /* streams that are looked for at the workers */ \
    C(uint32_t, seek_ms, 10000) /* how long a worker that has the stream may take to join */ \
    C(uint32_t, anew_ms, 2000) /* seek timeout when the client has received nothing and re-sent its request */ \
    C(uint32_t, take_ms, 2000) /* how long the workers of a replaced head may stay away */ \
    C(uint32_t, gather_ms, 100) /* after the first worker reports the stream, how long to wait for reports from others */ \
    C(uint32_t, status_every_ms, 30000) /* periodic [ACTOR STATUS] lines, also written on change */ \
    C(struct scale_limits, scale, ((struct scale_limits){.mode = SCALE_FIXED, .min = 0, .max = 8})) /* how many workers a launcher is asked for, and by whom */
/* clang-format on */

struct head_config {
    uint64_t seed;
    struct str join_token; /* borrowed for the head's life; empty: nobody is asked for one */
    struct str version; /* manta's version, compared with diallers' for a warning; borrowed */
    bool scale_given; /* scale; false: a launcher that was told otherwise by another head teaches this one */
#define C(type, name, value) type name;
    HEAD_CONFIG(C)
#undef C
};
/* The defaults of HEAD_CONFIG. */
struct head_config head_config_default(void);

enum head_event_kind {
    HEAD_TICK = 1,    /* head_deadline() has come; harmless at any time */
    HEAD_LINK_OPEN,   /* somebody dialled and the upgrade is done */
    HEAD_LINK_MSG,    /* a decoded message came */
    HEAD_LINK_CLOSED, /* the link is gone: `text` says why. Sent once per link, also after FX_CLOSE_LINK */
    HEAD_PROMPT,      /* a client wants an answer */
    HEAD_CALL_GONE,   /* the client of `call` has gone or cancelled; no effects for it follow */
    HEAD_RESUME,      /* a client wants to continue a stream that is not here: workers are asked. FX_RESUMED and then the
                         call's effects follow, or FX_CALL_FAILED with ERR_NOT_FOUND when no worker has anything of it */
    HEAD_TAKE,        /* a call that another process had continues here, as a call like any other */
    HEAD_SCALE,       /* somebody wants `count` workers, or `scale`; answered by FX_CALL_END / FX_CALL_FAILED for `call` */
    HEAD_DUTY,        /* somebody wants the worker of the name `text` to serve, be cordoned, or drain; answered likewise:
                         ERR_NOT_FOUND with the names there are, ERR_IN_USE when it drains already */
};

/* What somebody wants of the number of workers. */
#define HEAD_SCALE_AS_IS UINT32_MAX /* what it is now */
struct head_scale_ask {
    enum scale_mode mode;
    uint32_t workers;  /* FIXED */
    uint32_t min, max; /* AUTO */
};

struct head_event {
    enum head_event_kind kind;
    uint64_t now_us;               /* monotonic; never falls */
    uint64_t link;                 /* LINK_*: rising numbers given by the program */
    struct str peer;               /* LINK_OPEN: address of the dialler, "127.0.0.1:4312" */
    uint64_t origin;               /* LINK_OPEN: equal for diallers from one address */
    struct str text;               /* LINK_CLOSED; DUTY: the worker's name */
    const struct wire_msg *msg;    /* LINK_MSG; borrowed for the call */
    uint64_t call;                 /* PROMPT, RESUME, CALL_GONE, SCALE, DUTY: rising numbers given by the program */
    const struct request *request; /* PROMPT; borrowed, cloned when kept */
    uint32_t count;                /* PROMPT: branches, see spread (with request.inputs: one for each, in their order,
                                      whatever is said here); SCALE: workers wanted */
    bool spread;                   /* PROMPT: branches go to different actors (fan-out); count 0 = all of the model,
                                      at most fanout_max; count 1 is as without.
                                   false: `count` answers, wherever there is room (OpenAI's n) */
    uint64_t stream;               /* PROMPT, RESUME: name of the answer's stream, random; 0 (PROMPT): cannot be resumed */
    uint64_t claim;                /* PROMPT: proof that it is this client's, kept by workers. RESUME: those with another one tell of
                                      somebody else's stream, or of none */
    struct str tenant;             /* RESUME: as in a request */
    struct str client;             /* PROMPT: what another head needs to know of the client's request; cloned */
    struct wire_i32s said;         /* RESUME: per branch the tokens that the client has; empty: none of any */
    bool anew;                     /* RESUME: nothing is lost when nobody has it: the program will begin it anew */
    const struct wire_moved_call *moved;    /* TAKE: what was known of it there; request, stream and client are as above … */
    const struct wire_moved_job *const *moved_jobs; /* … and its jobs, */
    uint32_t moved_jobs_n;
    uint32_t workers;              /* TAKE: of that process, which are about to join here */
    uint32_t deadline_ms;          /* PROMPT, RESUME: time to leave the queue; 0: the default */
    uint8_t duty;                  /* DUTY: enum wire_duties */
    uint32_t grace_ms;             /* DUTY of a drain: what still runs then continues elsewhere */
    bool move;                     /* DUTY of a drain: it continues elsewhere at once */
    const struct head_scale_ask *scale; /* SCALE; borrowed; NULL: `count` workers, whatever the load */
};

/* A head that nobody has dialled. The configuration is copied; the texts it points to are borrowed for the head's life. */
struct head *head_new(const struct head_config *cfg, uint64_t now_us);
/* NULL is fine. */
void head_free(struct head *h);
/* Appends to fx what is to be done now. What the effects point to is the head's until the next head_step(), or the
 * event's own message: carry them out before either goes. */
void head_step(struct head *h, const struct head_event *ev, struct effects *fx);
/* When HEAD_TICK is due, in now_us; UINT64_MAX: never. */
uint64_t head_deadline(const struct head *h);

/* ---- what people are shown (status, actors, metrics); borrowed until the next head_step() ---- */

enum worker_state { WORKER_OK = 0, WORKER_SLOW, WORKER_HUNG, WORKER_CORDONED, WORKER_DRAINING, WORKER_LOST, WORKER_STATES };

/* RESTING: it failed a job, and gets none for a moment. EJECTED: it failed several in a row and rests. PROBED: it did, and gets one
 * job at a time until one ends well. */
enum actor_health { ACTOR_WELL = 0, ACTOR_RESTING, ACTOR_EJECTED, ACTOR_PROBED, ACTOR_HEALTHS };

/* A part of a worker's memory beside its models. */
struct head_beside {
    uint64_t bytes, bytes_max;
};
/* clang-format off
   What is shown, a row each: type, name, where the brain has it, its name in /manta/status, and how it is written there (head/status.c; NONE:
   not). A new number is a row here, and one in head/metrics.c if it is to be a metric. */
#define HEAD_WORKER_FIELDS(F) /* of `w` at now_us */ \
    F(uint64_t, id, w->node.id, "id", UINT) \
    F(struct str, node, str_of(w->name), "node", STR) \
    F(struct str, address, str_of(w->address), "address", ADMIN_STR) \
    F(enum worker_state, state, w->state, "state", WORKER_STATE) \
    F(struct str, reason, str_of(w->reason), "reason", STR) /* of the state; empty while ok */ \
    F(uint8_t, duty, w->duty, "duty", DUTY) /* enum wire_duties: also while something else is wrong with it */ \
    F(struct str, version, str_of(w->version), "version", STR) \
    F(struct str, engine, str_of(w->engine), "engine", STR) \
    F(struct str, cpu_features, str_of(w->cpu_features), "cpu_features", STR) \
    F(uint32_t, pid, w->pid, "pid", ADMIN_UINT) \
    F(float, cpus, w->cpus, "cpus", FIXED1) \
    F(float, cpu_load, w->cpu_load, "cpu_load", FIXED2) \
    F(uint64_t, memory_bytes, w->memory_bytes, "memory_bytes", UINT) \
    F(uint64_t, rss_bytes, w->rss_bytes, "rss_bytes", UINT) \
    F(uint64_t, kept_bytes, w->kept.bytes, "kept_bytes", UINT) /* streams for heads that take them over */ \
    F(uint64_t, kept_bytes_max, w->kept.bytes_max, "kept_bytes_max", UINT) \
    F(uint64_t, moving_bytes, w->carried.bytes, "moving_bytes", UINT) /* KV caches of answers that leave and come */ \
    F(uint64_t, moving_bytes_max, w->carried.bytes_max, "moving_bytes_max", UINT) \
    F(float, temperature_c, w->temperature_c, "temperature_c", ABOVE_0) /* 0: its machine does not tell */ \
    F(uint32_t, actors, ready_actors(w), "actors", UINT) \
    F(uint64_t, joined_us, w->joined_us, "", NONE) \
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
    F(struct str, setup, str_of(a->setup), "setup", STR) /* how it computes exactly; empty: it does not */ \
    F(bool, has_template, a->has_template, "chat_template", BOOL) \
    F(enum actor_health, health, head_actor_health(a), "health", HEALTH) \
    F(uint32_t, failures, a->failures, "failures_in_a_row", UINT) \
    F(struct str, trouble, str_of(a->failures > 0 ? a->trouble : ""), "trouble", ADMIN_STR) /* how the last failed: may quote a prompt */ \
    F(uint32_t, slots, a->slots, "slots", UINT) \
    F(uint32_t, in_flight, a->in_flight, "in_flight", UINT) \
    F(uint32_t, token_age_ms, a->token_age_ms, "token_age_ms", UINT) /* since its last step, while busy */ \
    F(uint32_t, context, a->context, "context", UINT) \
    F(float, prefill_tps, a->prefill_tps, "prefill_tps", FIXED1) \
    F(float, decode_tps, a->decode_tps, "decode_tps", FIXED1) \
    F(uint64_t, weights_bytes, a->weights_bytes, "weights_bytes", UINT) /* this and the next three as measured when it was loaded */ \
    F(uint64_t, repack_bytes, a->repack_bytes, "repack_bytes", UINT) \
    F(uint64_t, kv_bytes, a->kv_bytes, "kv_bytes", UINT) \
    F(uint64_t, compute_bytes, a->compute_bytes, "compute_bytes", UINT) \
    F(uint64_t, prefix_bytes_max, a->prefix_bytes_max, "prefix_bytes_max", UINT) /* for prompts that lost their slots */ \
    F(uint64_t, prefix_bytes, a->prefix_bytes, "prefix_bytes", UINT) \
    F(uint32_t, prefixes, a->prefixes, "prefixes", UINT) /* such prompts */ \
    F(uint64_t, restored, a->restored, "prefixes_restored", UINT) /* prompts that began with one of them */ \
    F(uint64_t, restored_tokens, a->restored_tokens, "tokens_restored", UINT) \
    F(uint64_t, jobs_done, a->jobs_done, "jobs_done", UINT) \
    F(uint64_t, jobs_failed, a->jobs_failed, "jobs_failed", UINT) \
    F(uint64_t, tokens, a->tokens, "tokens", UINT) \
    F(struct str, digest, str_of(a->digest), "digest", STR)

#define HEAD_TOTALS(F) /* of `h` */ \
    F(uint32_t, workers, (uint32_t)h->workers.n, "workers", UINT) \
    F(uint32_t, actors_ready, h->actors_ready, "actors", UINT) \
    F(uint32_t, actors_serving, h->actors_serving, "actors_serving", UINT) /* of those, whose workers take new jobs */ \
    F(uint32_t, actors_loading, h->actors_loading, "actors_loading", UINT) \
    F(uint32_t, tenants, (uint32_t)h->tenants.n, "", NONE) /* remembered */ \
    F(uint32_t, links, (uint32_t)h->links.n, "", NONE) \
    F(uint32_t, calls, (uint32_t)h->calls.n, "", NONE) \
    F(float, cpus, (float)h->cpus_milli / 1000, "", NONE) /* of the workers */ \
    F(uint64_t, memory_bytes, h->memory_bytes, "", NONE) /* of the workers */ \
    F(uint32_t, queued, h->queued, "queued", UINT) \
    F(uint32_t, running, h->running, "running", UINT) \
    F(uint64_t, queue_bytes, h->queue_bytes, "queue_bytes", UINT) /* requests held, with the records of their jobs */ \
    F(uint64_t, resume_bytes, h->resume_bytes, "", NONE) /* delivered token ids held */ \
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

/* How many workers a launcher is asked for, and why. */
struct head_scale_view {
    bool launcher;               /* `manta scale` has somebody to talk to */
    bool known;                  /* there is a desired number */
    bool sleeps;                 /* no actor serves, and a request makes a worker start */
    struct scale_limits limits;
    uint32_t desired;            /* this head's word */
    uint32_t running, target;    /* the launcher's */
    bool running_known;          /* it has seen its engine */
    uint32_t starting;           /* asked for and not ready yet */
    enum scale_reason reason;    /* of the last change … */
    struct str why, note;        /* … in words; the launcher's last problem */
    uint64_t changed_us;         /* 0: never */
    uint64_t changes[SCALE_REASONS];
    double hold_s, start_s, wait_s; /* fewer when fewer were enough so long; learned start-up time, 0: none; predicted wait */
};
/* What there is to know of the number of workers now. */
void head_scale_view(const struct head *h, struct head_scale_view *out);
/* What the policy sees of a model; all 0 where it does not decide. */
struct head_scale_model {
    struct str name;
    double rate, service_s; /* requests/s it is asked for or will be; seconds of one in a slot, 0: not known */
    double busy, waiting, slots, workers; /* workers it needs */
    bool gains;             /* more workers bring more of it */
};
/* At most so many; returns how many. */
uint32_t head_scale_models(const struct head *h, struct head_scale_model *out, uint32_t most);
/* The first of each kind with an id >= `from`; false when there is none. Walk with from = view.id + 1. */
bool head_worker_at(const struct head *h, uint64_t from, uint64_t now_us, struct head_worker_view *out);
/* The same of actors. */
bool head_actor_at(const struct head *h, uint32_t from, struct head_actor_view *out);
/* Sums over all of it. */
void head_totals(const struct head *h, struct head_totals *out);

/* What a call waits for while its next job is in the queue. */
struct head_wait {
    uint32_t place;  /* in the queue of its model, from 1: how many would be sent until it is, if nobody else came */
    double eta_s;    /* until it is sent, by the pace of its queue so far; 0: not known */
    uint32_t ready;  /* actors of its model that are ready: busy ones */
    float loading;   /* 0 … 1: how far the best of those that load has come; < 0: none loads */
    uint32_t starting; /* workers that were asked for and are not ready */
    double start_s;  /* until the first of them is ready, by those before it; 0: not known */
};
/* False when nothing of it is queued. The first such question after a step sorts the queue, the others take what is there. */
bool head_call_waits(struct head *h, uint64_t call, struct head_wait *out);

/* What has become of a call. */
struct head_call_view {
    struct str model;              /* that it asked for, or that answers; empty: any */
    struct str tenant;
    int32_t priority;
    uint32_t branches, ended;      /* made so far, and of those ended */
    uint32_t running, prefilled;   /* on an actor, and of those with their prompt computed */
    uint32_t tokens;               /* delivered of the branches that have not ended */
    uint32_t actor;                /* of the first one running; UINT32_MAX: none */
    struct str node;               /* same */
    struct head_wait wait;         /* of the first one that waits; place 0: none */
};
/* False: it has ended, or never was. */
bool head_call_view(struct head *h, uint64_t call, struct head_call_view *out);

/* What another process must know of a call to continue it: fills the fields that are the brain's, *out_run with the
 * request but its `inputs`, and those in *out_request. False: there is no such call. */
bool head_call_moves(const struct head *h, uint64_t call, struct wire_moved_call *out, struct wire_run *out_run,
                     const struct request **out_request);
/* The first of its jobs with a branch >= *branch, which is set to the next one; `said`: see the caller, who knows what
 * the client was sent. */
bool head_call_job_moves(const struct head *h, uint64_t call, uint32_t *branch, struct wire_moved_job *out);

/* That of `branch` among those that come with HEAD_TAKE; NULL: none. */
const struct wire_moved_job *head_moved_job(const struct wire_moved_job *const *jobs, uint32_t n, uint32_t branch);

/* Those who share the queue: walked like workers. At most tenants_max. */
struct head_tenant_view {
    uint64_t id;
    struct str name;
    bool labelled;                 /* one of the first HEAD_TENANT_LABELS, never forgotten */
    uint32_t queued, running;      /* jobs */
    uint64_t bytes;                /* of requests held */
    uint64_t calls_total, calls_refused, prompt_tokens, answer_tokens; /* since the head has known it */
};
/* The first tenant with an id >= `from`; false: there is none. */
bool head_tenant_at(const struct head *h, uint64_t from, struct head_tenant_view *out);

/* Checks every invariant listed at the top of head.c; MUST() fails on the first broken one. For the simulator. */
void head_check(const struct head *h, uint64_t now_us);

#endif
