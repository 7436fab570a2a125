/* Registered workers, their actors, the actors' pools, and the launcher with its open orders. */
#ifndef MANTA_BRAIN_REGISTRY_REGISTRY_H
#define MANTA_BRAIN_REGISTRY_REGISTRY_H

#include "brain/step/step.h"

/* ---- worker.c ---- */
/* Registers a worker that said hello on `link`, under a unique name. The registry owns it until the link ends. */
struct worker *head_worker_new(struct head *h, struct link *link, const struct wire_hello *hello);
/* The worker with that node name and process; NULL: none. */
struct worker *head_worker_by_life(const struct head *h, const struct wire_hello *hello);
/* Sets the worker's state and its reason; opens or closes its actors accordingly. */
void head_worker_is(struct head *h, struct worker *w, enum worker_state state, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Recomputes for each actor of the worker whether it is ready and open. */
void head_worker_refresh(struct head *h, struct worker *w);
/* Sets the timer that detects the worker's silence. */
void head_worker_watch(struct head *h, struct worker *w);
/* Silence after which a worker is lost, in µs. */
uint64_t head_lost_after_us(const struct head *h);
/* Silence after which it is slow, in µs. */
uint64_t head_slow_after_us(const struct head *h);
/* Frees a worker that is in no table any more. For graves. */
void head_worker_free(struct grave *g);
/* Its processors in thousandths: integers keep sums exact. */
static inline uint64_t head_cpus_milli(const struct worker *w)
{
    return (uint64_t)((double)w->cpus * 1000 + 0.5);
}
/* It takes no new jobs: it is cordoned, or drains. */
static inline bool head_worker_is_off(const struct worker *w)
{
    return w->availability != WIRE_SERVING;
}

/* ---- health.c ---- */
/* Sets the worker's state to the worst condition of its actors and its availability; a silent worker keeps its state. */
void head_worker_judge(struct head *h, struct worker *w);
/* The actor failed a job: it rests, and after HEAD_EJECT_AFTER failures in a row it is ejected. */
void head_actor_fails(struct head *h, struct actor *a, const char *how);
/* The worker was full: back off as after a failure, but do not count one. */
void head_actor_rest(struct head *h, struct actor *a);
/* A job ended well there: clears its failures. */
void head_actor_succeeds(struct head *h, struct actor *a);

/* ---- actor.c ---- */
/* Recomputes whether the actor is ready and open; call after each change of their conditions. */
void head_actor_refresh(struct head *h, struct actor *a);
/* May get a job now. */
bool head_actor_is_open(const struct actor *a);
/* Its quarantined job waits, and the actor runs nothing else: the job can be sent now. */
bool head_actor_takes_quarantined(const struct actor *a);
/* Well, resting after a failure, ejected after several, or probed with one job at a time. */
enum actor_health head_actor_health(const struct actor *a);
/* Sets the actor's state (enum wire_actor_state) and the counters of its pools; the note of a failed
 * actor becomes theirs. */
void head_actor_is(struct actor *a, uint8_t state);
/* Moves the actor to another pool of its model, with its counters. */
void head_actor_move_pool(struct head *h, struct actor *a, struct pool *to);
/* Frees an actor that is in no table any more, with its attempts. For graves. */
void head_actor_free(struct grave *g);

/* ---- pool.c ---- */
/* Makes a pool; its name MUST be new, and empty for any model. When there are too many, the oldest unused one goes. */
struct pool *head_pool_new(struct head *h, struct str name, bool embeds);
/* The pool of that name, or of name@digits; empty: of any model. NULL: none. */
struct pool *head_pool_find(const struct head *h, struct str name, bool embeds);
/* Returns the pool for a request: of the model it names, else of any model that can answer it; if there are both embedding models and
 * rerankers, of the oldest ready one of the right kind. NULL: none. */
struct pool *head_pool_for(const struct head *h, const struct request *r);
/* The pool of exactly that name; NULL: none. */
struct pool *head_pool_find_exact(const struct head *h, struct str name, bool embeds);
/* For a name "model@digits": returns the model, and the digits in *out_digits; for others both are empty. */
struct str head_pool_model_of(struct str name, struct str *out_digits);
/* The digest begins with these digits. */
bool head_pool_begins_with(const char *digest, struct str first);
/* Sets the model file of the pool's actors; the text is copied. */
void head_pool_digest(struct pool *p, struct str digest);
/* Removes the pool from its tables and frees it after this step. It MUST be empty. */
void head_pool_drop(struct head *h, struct pool *p);
/* Drops the pool if nothing uses or remembers it any more. */
void head_pool_tidy(struct head *h, struct pool *p);
/* Frees a pool that is in no table any more. For graves. */
void head_pool_free(struct grave *g);
/* The pool of compatible actors of that name and kind (POOL_SAME_FILE, POOL_SAME_BITS); made if there is none. */
struct pool *head_compatible_pool(struct head *h, struct str name, bool embeds, int kind);
/* Sets whether the actor is on its pool's ready and open lists; harmless without such a pool. */
void head_pool_set(struct actor *a, int kind, bool ready, bool open);
/* The highest tokens/s recently measured on one of its actors; 0: none. */
float head_pool_pace(const struct head *h, struct pool *p);
/* Records a measured speed of one of its actors. */
void head_pool_paced(const struct head *h, struct pool *p, float decode_tps);
/* An actor that was away has returned, or another in its place. */
void head_pool_came(struct pool *p);
/* Only models of the other kind have this name (or, if empty, exist): there is nothing to wait for. */
bool head_pool_is_other_kind(const struct head *h, struct str name, bool embeds);
/* No worker ever registered this model, and none is still expected. p may be NULL. */
bool head_pool_is_unknown(const struct head *h, const struct pool *p);
/* Every expected actor of the pool has failed to load, none is ready, loading or away, and none is expected. */
bool head_pool_has_failed(const struct head *h, const struct pool *p);
/* At least one of its ready actors takes new jobs. */
bool head_pool_serves(const struct pool *p);
/* If the pool has failed: its waiting jobs check after this step whether there is anything left to wait for. */
void head_queue_hurry(struct head *h, struct pool *p);
/* Does so for all pools. */
void head_queues_hurry(struct head *h);
/* What a model is for, as bits. */
enum pool_work { WORK_TEXT = 1, WORK_VECTORS = 2, WORK_RANKS = 4 };
enum pool_work head_request_work(const struct request *r);
enum pool_work head_pool_work(const struct pool *p);
/* "generates text", for error texts; static. */
const char *head_work_text(enum pool_work work);
/* "'gpt2', 'smollm2'": known models for these works (bits), for error texts. Lives as long as this step's effects. */
struct str head_pool_names(struct head *h, unsigned works);

/* ---- alias.c: two files under one name ---- */
/* The pool of an actor that registers; made if there is none. */
struct pool *head_alias_pool(struct head *h, const struct worker *w, const struct wire_actor *m);
/* An actor of p has left or failed: if no other can answer, another file's actors take over the name. */
void head_alias_inherit(struct head *h, struct pool *p);

/* ---- compatible.c ---- */
/* Adds a ready actor to the pools of compatible actors; harmless if it is a member. */
void head_compatible_add(struct head *h, struct actor *a);
/* Removes an actor that is no longer ready. */
void head_compatible_remove(struct head *h, struct actor *a);
/* The client receives a job's answer: from now on only actors compatible with `a` may continue it. */
void head_compatible_join(struct head *h, struct job *job, const struct actor *a);
/* Does so by the names of the pools, for a job of a former head; same_bits may be empty. */
void head_compatible_rejoin(struct head *h, struct job *job, struct str same_file, struct str same_bits);
/* The job ends: it leaves the pools of compatible actors. */
void head_compatible_leave(struct head *h, struct job *job);
/* Logs when an exact answer continues on an actor whose bits may differ. */
void head_compatible_sent(struct head *h, const struct job *job, const struct actor *a);
/* The pool of actors that may continue its answers: of the same bits if it is exact, else of its file;
 * NULL while not ready. */
static inline struct pool *head_compatible_of(const struct actor *a)
{
    return a->member_of[a->exact ? POOL_SAME_BITS : POOL_SAME_FILE].pool;
}

/* ---- orders.c: launchers, and ordered workers ---- */
/* The launcher that joined last; NULL: none. */
const struct link *head_launcher(const struct head *h);
/* The launcher reports fewer running workers than its target: another one is on its way. */
bool head_launcher_brings(const struct head *h);
/* The desired number changed: orders more, or takes the latest orders back. */
void head_orders_change(struct head *h, uint32_t from, uint32_t to);
/* Drops orders too old to be fulfilled. */
void head_orders_expire(struct head *h);
/* A worker has joined: marks whether an order was open. */
void head_scale_joined(struct head *h, struct worker *w);
/* An actor became ready: may fulfil an order, whose duration is learned. */
void head_scale_ready(struct head *h, struct actor *a);
/* Returns the estimated seconds from ordering a worker until it is ready. */
double head_scale_start_s(const struct head *h);
/* Returns the number of ordered workers that are not ready yet. */
uint32_t head_scale_starting(const struct head *h);
/* Returns the seconds until the first of them is ready, as learned from earlier ones; 0: not known. */
double head_scale_eta_s(const struct head *h);

#endif
