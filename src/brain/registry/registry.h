/* Who is there: workers, their actors, the pools these are in, and the launcher with what is on its way. */
#ifndef MANTA_BRAIN_REGISTRY_REGISTRY_H
#define MANTA_BRAIN_REGISTRY_REGISTRY_H

#include "brain/step/step.h"

/* ---- worker.c ---- */
/* A worker that said hello on `link`, under a name that no other one has. It is the registry's until the link ends. */
struct worker *head_worker_new(struct head *h, struct link *link, const struct wire_hello *hello);
/* The worker with that node name and process; NULL: it is not here. */
struct worker *head_worker_by_life(const struct head *h, const struct wire_hello *hello);
/* Sets its state, with the reason as text; its actors open or close by it. */
void head_worker_is(struct head *h, struct worker *w, enum worker_state state, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What decides whether its actors are open has changed: each is worked out anew. */
void head_worker_refresh(struct head *h, struct worker *w);
/* Sets the timer by which its silence is noticed. */
void head_worker_watch(struct head *h, struct worker *w);
/* Silence after which a worker is lost, in µs. */
uint64_t head_lost_after_us(const struct head *h);
/* Silence after which it is slow. */
uint64_t head_slow_after_us(const struct head *h);
/* Frees a worker that is in no table any more. For graves. */
void head_worker_free(struct grave *g);
/* Its processors in thousandths: whole numbers, so that sums stay exact. */
static inline uint64_t head_cpus_milli(const struct worker *w)
{
    return (uint64_t)((double)w->cpus * 1000 + 0.5);
}
/* It takes no new jobs: it is cordoned, or drains. */
static inline bool head_worker_is_off(const struct worker *w)
{
    return w->duty != WIRE_DUTY_SERVES;
}

/* ---- health.c ---- */
/* Sets a worker's state to the worst of what is known of its actors and its duty; silence is worse, and stays. */
void head_worker_judge(struct head *h, struct worker *w);
/* An actor failed a job: it rests before it gets another one, and after HEAD_EJECT_AFTER of them in a row it is ejected. */
void head_actor_fails(struct head *h, struct actor *a, const char *how);
/* The worker was full: back off as after a failure, but do not count one. */
void head_actor_rest(struct head *h, struct actor *a);
/* A job ended well there: its failures are forgotten. */
void head_actor_succeeds(struct head *h, struct actor *a);
/* Its rest is over: the timer's turn. */
void head_actor_rested(struct head *h, struct actor *a);

/* ---- actor.c ---- */
/* Works out anew whether it is ready and open; call after each change of what that depends on. */
void head_actor_refresh(struct head *h, struct actor *a);
/* Could take a job if no quarantined job occupied it. */
bool head_actor_is_able(const struct actor *a);
/* May get a job now. */
bool head_actor_is_open(const struct actor *a);
/* Its quarantined job can be sent now: it waits, and the actor runs nothing else. */
bool head_actor_takes_quarantined(const struct actor *a);
/* Well, resting after a failure, ejected after several, or probed with one job at a time. */
enum actor_health head_actor_health(const struct actor *a);
/* Sets its state (enum wire_actor_state), and counts it so in its pools; a failure's note becomes the pools'. */
void head_actor_is(struct actor *a, uint8_t state);
/* Moves it to another pool of its model, with all that its old one counted of it. */
void head_actor_move_pool(struct head *h, struct actor *a, struct pool *to);
/* Frees an actor that is in no table any more, with what still flies there. For graves. */
void head_actor_free(struct grave *g);

/* ---- pool.c ---- */
/* A pool of that name, which MUST be new; the empty name is the pool of any model. The oldest unused name makes room. */
struct pool *head_pool_new(struct head *h, struct str name, bool embeds);
/* The pool that requests mean by that name, also name@digits; NULL: none. Empty: the pool of any model. */
struct pool *head_pool_find(const struct head *h, struct str name, bool embeds);
/* The pool of exactly that name; NULL: none. */
struct pool *head_pool_find_exact(const struct head *h, struct str name, bool embeds);
/* Of `name`, "model@digits": the model, and *out_digits. Both are empty where it is no such name. */
struct str head_pool_model_of(struct str name, struct str *out_digits);
/* The digest begins with these digits. */
bool head_pool_begins_with(const char *digest, struct str first);
/* The file whose actors it has is this one from now on; the text is copied. */
void head_pool_digest(struct pool *p, struct str digest);
/* Takes it off its tables; it is freed behind this step. Nothing MUST be in it. */
void head_pool_drop(struct head *h, struct pool *p);
/* Forgets it when nobody speaks of it any more. */
void head_pool_tidy(struct head *h, struct pool *p);
/* Frees a pool that is in no table any more. For graves. */
void head_pool_free(struct grave *g);
/* The pool of compatible actors of that name and kind (POOL_SAME_FILE, POOL_SAME_BITS); made when there is none. */
struct pool *head_compatible_pool(struct head *h, struct str name, bool embeds, int kind);
/* Lists the actor in its pool of that kind as ready and open, or no longer; harmless where it has no such pool. */
void head_pool_set(struct actor *a, int kind, bool ready, bool open);
/* The most tokens/s that one of its actors was measured at just now; 0: none was. */
float head_pool_pace(const struct head *h, struct pool *p);
/* One of its actors was measured at that speed. */
void head_pool_paced(const struct head *h, struct pool *p, float decode_tps);
/* One of its actors that was away is back, or another one in its place. */
void head_pool_came(struct pool *p);
/* The name (or, empty, whatever there is) stands for models of the other kind only: nothing to wait for. */
bool head_pool_is_other_kind(const struct head *h, struct str name, bool embeds);
/* Nobody ever registered this model, and it is time to say so. p may be NULL. */
bool head_pool_is_unknown(const struct head *h, const struct pool *p);
/* Every actor that should answer to it has failed to load, none ever did load, and it is time to say so. */
bool head_pool_has_failed(const struct head *h, const struct pool *p);
/* One of its ready actors, at least, takes new jobs. */
bool head_pool_serves(const struct pool *p);
/* One of the pool's actors has failed: those that wait look behind this step whether there is still something to wait for. */
void head_queue_hurry(struct head *h, struct pool *p);
/* The same, of all pools. */
void head_queues_hurry(struct head *h);
/* "'gpt2', 'smollm2'": models that workers have, or had, for error texts. Lives as long as this step's effects. */
struct str head_pool_names(struct head *h, bool embeds);

/* ---- alias.c: two files under one name ---- */
/* Where an actor that registers belongs; made when there is none yet. */
struct pool *head_alias_pool(struct head *h, const struct worker *w, const struct wire_actor *m);
/* An actor of p has left or failed: when none is left that might answer, another file's actors take over. */
void head_alias_inherit(struct head *h, struct pool *p);

/* ---- compatible.c ---- */
/* A ready actor becomes a member of the pools of compatible actors; harmless where it is one. */
void head_compatible_add(struct head *h, struct actor *a);
/* An actor that is no longer ready leaves them. */
void head_compatible_remove(struct head *h, struct actor *a);
/* The client receives a job's answer: from now on only actors compatible with `a` may continue it. */
void head_compatible_join(struct head *h, struct job *job, const struct actor *a);
/* The same by the names of the pools, for a job that another process had; same_bits may be empty. */
void head_compatible_rejoin(struct head *h, struct job *job, struct str same_file, struct str same_bits);
/* The job ends: it counts in no pool of compatible actors any more. */
void head_compatible_leave(struct head *h, struct job *job);
/* Says so when an exact answer continues where its bits may differ. */
void head_compatible_sent(struct head *h, const struct job *job, const struct actor *a);
/* The pool of those that may continue its answers: with the same bits where it is exact, else of its file; NULL while it is not ready. */
static inline struct pool *head_compatible_of(const struct actor *a)
{
    return a->member_of[a->exact ? POOL_SAME_BITS : POOL_SAME_FILE].pool;
}

/* ---- orders.c: launchers, and workers that were asked for ---- */
/* The launcher that joined last; NULL: none is here. */
const struct link *head_launcher(const struct head *h);
/* Another worker is on its way, as the launcher says. */
bool head_launcher_brings(const struct head *h);
/* The desired number changed: more are ordered, or the latest orders are taken back. */
void head_orders_change(struct head *h, uint32_t from, uint32_t to);
/* Forgets orders so old that nothing comes of them. */
void head_orders_expire(struct head *h);
/* A worker has joined: was it ordered? */
void head_scale_joined(struct head *h, struct worker *w);
/* An actor became ready: an order may be fulfilled, and its time teaches what the next one takes. */
void head_scale_ready(struct head *h, struct actor *a);
/* Seconds from asking for a worker until it is ready, as far as is known. */
double head_scale_start_s(const struct head *h);
/* Workers that were asked for and are on their way. */
uint32_t head_scale_starting(const struct head *h);
/* Seconds until the first of them is ready, by those before it; 0: not known. */
double head_scale_eta_s(const struct head *h);

#endif
