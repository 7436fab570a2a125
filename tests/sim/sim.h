/* A whole cluster in virtual time: real heads and thousands of real agents, everything around them simulated.
 *
 * Nothing here reads a clock or a random device: one seed, one story, byte for byte. */
#ifndef MANTA_SIM_H
#define MANTA_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/rng.h"
#include "brain/agent.h"
#include "brain/head.h"
#include "probe.h"

struct sim;

enum {
    SIM_MS = 1000, /* microseconds */
    SIM_S = 1000000,
    SIM_TRACE_LINES = 50,
    SIM_NODE_BYTES = 24,
    SIM_BRANCHES_MAX = 64,
    SIM_ACTORS_MAX = 3, /* of one worker */
    SIM_HEADS_MAX = 4,
    SIM_TENANTS = 6,    /* who asks: 0 has but small prompts, 1 comes in crowds */
    SIM_ASKED_MODELS = 6, /* names that calls have for what they want */
};
#define SIM_NEVER UINT64_MAX

/* Faults by name, for --faults. Each has random numbers of its own for when it strikes, by its place here: a new one goes
 * to the end, and runs without it stay what they were. */
#define SIM_FAULTS(F) \
    F(kill, "a worker's process dies: its links close") \
    F(rack, "many workers' processes die within milliseconds") \
    F(power, "a worker's machine dies: nothing is heard of it any more") \
    F(freeze, "a worker stands still for a while, then continues") \
    F(partition, "a worker's network is cut for a while") \
    F(slow, "a worker's network gets slow for a while") \
    F(clock, "a worker's clock leaps or falls, a head's leaps") \
    F(garbage, "broken frames and nonsense reach a head or a worker") \
    F(hang, "an engine stands still while its worker continues") \
    F(engine, "engines fail, actors are unloaded") \
    F(head, "a head dies and comes back knowing nothing") \
    F(stall, "a head is not run for seconds") \
    F(join, "workers join and leave, also under a name that is taken") \
    F(launcher, "a launcher is asked for more and fewer workers") \
    F(drain, "a worker is asked to end what it has and leave, by its head or a signal") \
    F(cordon, "a worker is asked to take no new jobs, for a while") \
    F(split, "a head and some of the workers are cut from each other for a while") \
    F(oneway, "between a worker and a head only one direction works for a while") \
    F(delay, "a connection gets stuck for seconds: one that is dialled later overtakes it") \
    F(burst, "a crowd asks a head at once") \
    F(hop, "a client's connection breaks, and it comes again, here or there") \
    F(poison, "somebody asks what crashes each worker that computes it") \
    F(replace, "a head takes the place of another one, with the clients that wait there; or dies before it has all") \
    F(both, "a head and a worker die in one moment; half of the clients then bring their requests again")
#define SIM_FAULT_ENUM(name, text) FAULT_##name,
enum sim_fault { SIM_FAULTS(SIM_FAULT_ENUM) FAULT_COUNT };
#undef SIM_FAULT_ENUM

struct sim_options {
    uint64_t seed;
    uint32_t workers, heads;
    double minutes;
    uint32_t faults;   /* bit per enum sim_fault */
    bool trace;        /* print every line */
    bool scale;        /* the load decides over workers of a launcher; few calls, and times without any */
    uint64_t *probes;  /* PROBE_COUNT counters; borrowed */
};

/* Models there are; the last one never loads. */
enum sim_model { MODEL_smollm2, MODEL_gpt2, MODEL_nomic, MODEL_broken, MODEL_COUNT };

/* What the seed makes of a run, so that twenty seeds are twenty different days. */
struct mood {
    uint32_t calls_per_s;
    uint32_t cancel_percent;
    uint32_t fault_every_ms;
    uint32_t deadline_ms;
    bool token; /* the heads ask for a join token */
};

/* ---- world.c: virtual time ---- */
typedef void sim_fn(struct sim *s, uint64_t a, uint64_t b, uint64_t c);
struct sim_event {
    uint64_t at_us, no; /* ties go by `no`: first come, first served */
    sim_fn *fn;
    uint64_t a, b, c;
};
/* Things by a number from 1; numbers are not used twice. */
struct table {
    void **p;
    size_t n, cap;
};
uint64_t table_add(struct table *t, void *item);
void *table_get(const struct table *t, uint64_t id); /* NULL: no such number */

void sim_at(struct sim *s, uint64_t at_us, sim_fn *fn, uint64_t a, uint64_t b, uint64_t c);
void sim_in(struct sim *s, uint64_t in_us, sim_fn *fn, uint64_t a, uint64_t b, uint64_t c);
uint64_t sim_between(struct sim *s, uint64_t least, uint64_t most);
bool sim_chance(struct sim *s, uint32_t percent);

/* ---- trace.c ---- */
struct trace_line {
    uint64_t at_us;
    const char *verb, *noun; /* static */
    uint64_t a, b, c;
};
struct trace {
    struct trace_line ring[SIM_TRACE_LINES];
    uint64_t lines;
    uint64_t hash; /* of every line so far */
};
void sim_trace(struct sim *s, const char *verb, const char *noun, uint64_t a, uint64_t b, uint64_t c);
/* Prints what is broken, the seed, the time and the last lines, and ends the program with 1. */
_Noreturn void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_dump(struct sim *s);
/* A log line of a brain, for --trace. */
void sim_say(const char *tag, struct str line);
#define SIM_MUST(s, expr, ...) ((expr) ? (void)0 : sim_fail(s, __VA_ARGS__))
#define PROBE(s, name) ((void)(s)->opt.probes[PROBE_##name]++)

/* ---- link.c: what TCP does ---- */
enum link_dir { TO_HEAD, TO_DIALLER };
enum { PACKET_SMALL = 160 }; /* bytes: a heartbeat of three actors */
enum packet_kind { PACKET_DATA, PACKET_OPEN, PACKET_FIN, PACKET_NOISE };
struct packet {
    struct packet *next;
    enum packet_kind kind;
    size_t n;
    char bytes[];
};
struct pipe {
    struct packet *first, **end;
    uint64_t due_us; /* of the last packet: later ones do not overtake it */
};
struct coordinator;
struct link {
    uint64_t id;
    struct coordinator *far; /* the head that was dialled */
    struct list in_head;     /* coordinator.links, while far_up */
    uint64_t far_id;    /* the head's number for it: they rise in the order of arrival; 0 before */
    uint64_t worker;    /* who dialled; 0: a stranger */
    uint64_t stranger;  /* who dialled; 0: a worker */
    bool near_up;       /* the dialler has not hung up, died, or been told that it is gone */
    bool far_up;        /* the head was told of it and not of its end */
    bool welcomed;      /* the dialler has registered over it */
    uint64_t welcomed_us;
    bool closing;       /* the head's program is closing it */
    bool given_up;      /* the head's brain wants it closed: it may not speak of it again */
    uint64_t latency_us, stuck_until_us;
    uint64_t late_until_us; /* packets were put off until then: also when what held them up was over sooner, they lag until then */
    struct pipe pipe[2];
};
uint64_t link_dial(struct sim *s, struct coordinator *to, uint64_t worker, uint64_t stranger);
void link_send(struct sim *s, struct link *l, enum link_dir dir, const struct wire_msg *msg);
void link_send_bytes(struct sim *s, struct link *l, enum link_dir dir, const char *bytes, size_t n);
/* The dialler hangs up: it is told LINK_LOST soon. */
void link_hang_up(struct sim *s, struct link *l);
/* The dialler's process is gone; `fin`: its machine lives and says so. */
void link_orphan(struct sim *s, struct link *l, bool fin);
/* The head closes it: both sides are told. */
void link_close(struct sim *s, struct link *l);
/* Something on the way ends it for both. */
void link_break(struct sim *s, struct link *l);
/* To the dialler: bytes that are no message. */
void link_send_noise(struct sim *s, struct link *l);
/* The head's process is gone. */
void link_reset(struct sim *s, struct link *l);
void link_free(struct sim *s, struct link *l);
void packets_free(struct sim *s); /* those that wait to be used again */

/* ---- coordinator.c: the program around struct head ---- */
enum { SIM_REBALANCED = 256 }; /* more than can be within rebalance_again_ms */
struct rebalanced {
    uint64_t job, at_us;
};
struct coordinator {
    uint32_t no;       /* 0 ... heads - 1; workers call it by that */
    struct head *head; /* NULL while it is down */
    struct head_config cfg;
    uint64_t life, steps, tick_at_us;
    uint64_t clock_us; /* its clock is virtual time plus this */
    uint64_t stalled_until_us, leapt_us, began_us; /* leapt_us: when its clock did last, in virtual time */
    uint32_t models;       /* bit per enum sim_model that was registered in this life */
    uint32_t models_ready; /* same, and was ready */
    struct list links;   /* link.in_head, in the order of arrival */
    struct list askings; /* asking.in_head: open ones, in the order of arrival */
    uint64_t askings_n, seeks_n; /* all of them; those that look for a stream */
    uint64_t sent[SIM_ASKED_MODELS][SIM_TENANTS]; /* jobs sent for the first time */
    struct rebalanced last[SIM_REBALANCED]; /* a ring */
    uint32_t rebalanced_n;
    uint64_t *call_of_job; /* owned: calls by the head's numbers of their jobs, in the present life */
    size_t jobs_cap;
    struct effects fx;
};
void coordinator_start(struct sim *s, struct coordinator *c);
/* Its process is gone: links break, calls are lost. */
void coordinator_dies(struct sim *s, struct coordinator *c);
/* Another process runs in its place, which knows nothing yet; links break. What clients wait for there is the caller's to move. */
void coordinator_gives_place(struct sim *s, struct coordinator *c);
void coordinator_fini(struct coordinator *c);
void coordinator_feed(struct sim *s, struct coordinator *c, struct head_event ev);
uint64_t coordinator_now(const struct sim *s, const struct coordinator *c);
/* A worker tells of an actor. */
void coordinator_hears(struct coordinator *c, const struct wire_actor *is);
/* Somebody registered that model in the present life of the head; `ready`: and it was ready. */
bool coordinator_knows(const struct coordinator *c, struct str model, bool ready);
/* It has run for long enough that every worker had time to come back: what is not there will not come. */
bool coordinator_settled(const struct sim *s, const struct coordinator *c);
/* Not run at present; *until_us says until when. */
bool coordinator_asleep(const struct sim *s, const struct coordinator *c, uint64_t *until_us);
/* One that runs, drawn; NULL: none does. */
struct coordinator *coordinator_any(struct sim *s);

/* ---- engine.c: the engine threads of a worker ---- */
struct engine_job {
    struct engine_job *next;
    uint64_t ticket, call, seed, job;
    uint32_t attempt;
    uint32_t prompt_tokens, n, at; /* answer: all tokens, tokens said */
    uint32_t max_tokens;
    uint32_t text_at;              /* tokens whose text was said */
    uint64_t turn;                 /* events of another turn are stale */
    uint64_t link;                 /* that it came over, or that of the head that adopted it */
    uint32_t branch;
    bool running, prefilled, cancelled, logprobs, embed;
    bool full; /* there was no place left: it is refused */
    bool held, moved;              /* waits for what another engine computed of it; has it */
};
struct engine_sim {
    uint32_t key;
    enum wire_actor_state state;
    uint8_t kind;
    const char *model, *digest;
    uint32_t slots, busy, waiting;
    float prefill_tps, decode_tps;
    uint32_t chunk;          /* tokens said at once */
    uint64_t stuck_until_us, last_token_us;
    struct engine_job *jobs; /* owned, oldest first */
};
struct worker;
void engine_load(struct sim *s, struct worker *w, uint32_t key);
/* `link`: that it came over. */
void engine_run(struct sim *s, struct worker *w, uint64_t link, uint32_t key, uint64_t ticket, const struct wire_run *run);
void engine_cancel(struct sim *s, struct worker *w, uint32_t key, uint64_t ticket);
/* A head continues a stream over that link: its job there is for that head now. */
void engine_adopted(struct worker *w, uint64_t link, uint64_t call, uint32_t branch);
/* Ends it, with what is computed of it, a moment later. */
void engine_save(struct sim *s, struct worker *w, uint64_t ticket);
void engine_give(struct sim *s, struct worker *w, uint64_t ticket, struct buf *carry);
/* Ends all its jobs with an error; `unload`: and goes away. */
void engine_break(struct sim *s, struct worker *w, uint32_t key, bool unload);
void engine_free(struct engine_sim *e);

/* A job that a worker's engines were given: what it keeps of a stream is of the last one. */
struct given {
    uint64_t call, ticket;
    uint32_t branch;
};

/* ---- worker.c: the program around struct agent ---- */
/* From a worker to a head and back. */
struct way {
    uint64_t link;            /* the present one, or 0 */
    uint64_t cut_until_us[2]; /* by enum link_dir */
    bool next_is_late;        /* the next one takes seconds for every packet */
};
struct worker {
    uint64_t id;
    char node[SIM_NODE_BYTES];
    struct agent *agent; /* NULL: dead */
    size_t living_at;    /* its place in sim.living, while it lives */
    bool exited, was_joined, power_lost;
    bool launched;       /* by the launcher, or its engine */
    uint8_t availability;        /* enum wire_availabilities, as it said last */
    bool drains_jobs;    /* it was asked to drain while it had jobs */
    struct way ways[SIM_HEADS_MAX];
    int64_t clock_us;    /* its clock is virtual time plus this */
    uint64_t leapt_us;   /* when that clock leapt forward last */
    uint64_t tick_at_us;
    uint64_t frozen_until_us, slow_until_us;
    uint64_t broken_us;    /* when an engine of it broke or was unloaded last */
    uint64_t cut_until_us; /* all its ways */
    uint32_t actors_n;
    struct engine_sim actors[SIM_ACTORS_MAX];
    struct given *given; /* owned: all of its life */
    size_t given_n, given_cap;
};
/* A new process of that node name; NULL: a fresh name. */
struct worker *worker_start(struct sim *s, const char *node);
void worker_feed(struct sim *s, struct worker *w, struct agent_event ev);
bool worker_asleep(const struct sim *s, const struct worker *w, uint64_t *until_us);
/* When what it and that head say to each other in that direction arrives again. */
uint64_t worker_cut_until(const struct worker *w, const struct coordinator *c, enum link_dir dir);
/* Something kept it and that head from hearing of each other in time, at some moment after since_us. */
bool worker_was_late(const struct sim *s, const struct worker *w, const struct coordinator *c, uint64_t since_us);
/* Effects of the step that was fed last: whether there were any. */
bool worker_was_silent(const struct sim *s);
enum worker_end { WORKER_KILLED, WORKER_POWER_LOST, WORKER_EXITED };
void worker_end(struct sim *s, struct worker *w, enum worker_end how);
/* Jobs its engines work on. */
uint32_t worker_jobs(const struct worker *w);
/* Its process crashes; it is started anew. */
void worker_crash(struct sim *s, struct worker *w);
/* A living one, drawn; NULL: there is none. */
struct worker *worker_any(struct sim *s);
void worker_free(struct worker *w);

/* ---- client.c: who asks what ---- */
enum call_state { CALL_OPEN = 1, CALL_ENDED, CALL_FAILED, CALL_GONE, CALL_LOST };
struct run_seen {
    uint64_t job, seed;
    uint64_t worker; /* it was sent to last */
    uint32_t key;    /* to that actor of it */
    uint32_t attempt;
    uint32_t barren_attempts; /* attempts since the last one that brought a token, the present one counted */
    uint32_t moves;   /* attempts, without those that were refused for want of room */
    uint32_t crossed; /* of these, ones that were refused by a worker that takes no jobs now, or whose actor was gone */
    uint32_t from;    /* tokens that were delivered before the present one */
};
struct branch {
    bool started, done, rerouted;
    bool heard; /* it started once, perhaps at a head that has died */
    struct run_seen *run; /* whose tokens these are; NULL before the first; borrowed from the call */
    uint32_t tokens, text_bytes;
    uint32_t has, has_text; /* what its client has of it from a run before: it is computed again */
    bool has_heard;         /* same: it had started */
    bool behind;            /* that had not come as far again when its client lost its head once more */
    uint64_t holder;   /* the worker that took its present attempt */
    uint32_t attempts, barren_attempts; /* of it, at the heads whose place the present one took, and of those the last ones in vain */
    uint64_t token_us; /* when the last of them came, by the head's clock */
};
/* One request of a client at a head. A call whose client came again has several: the last one counts, the others are ghosts,
 * which their heads take for clients until they are told. */
struct asking {
    uint64_t no; /* the head's number for it */
    struct call *call;
    struct coordinator *head;
    struct list in_head; /* coordinator.askings, until it has ended */
    bool seeks;          /* it asked for a stream and was not answered yet */
    uint64_t moved_to;   /* its number at the head that took the place of this one; 0: it is here, or has ended */
    uint64_t asked_us;
};
struct call {
    uint64_t id;
    enum call_state state;
    struct asking *asking;    /* the one that counts; NULL while its client is away, and in the end; borrowed */
    struct coordinator *head; /* where it was asked last */
    uint64_t asked_us;        /* by that head's clock */
    uint64_t born_us, ended_us;
    uint64_t stream;          /* its name; 0: it cannot be taken up again */
    uint64_t left_us;         /* when its client lost its connection last */
    struct coordinator *left_head; /* and to which head */
    uint32_t returns, hops;   /* how often its client came again; of those, from a head that lived */
    uint32_t tries;           /* to come again, since then */
    uint32_t handed;          /* from a head to the one that took its place, while its client waited */
    uint8_t kind;
    const char *model;
    uint64_t seed;
    uint32_t count, max_tokens, deadline_ms;
    uint32_t tenant, asked;  /* below SIM_TENANTS, SIM_ASKED_MODELS */
    int32_t priority;
    uint32_t ahead;          /* jobs that waited when it came */
    uint64_t sent_before[SIM_TENANTS]; /* of head.sent, for its model, when it came */
    bool spread, logprobs, scale;
    bool held;          /* no worker was there when it came, because none was needed */
    bool availability;          /* a worker is asked to serve, be cordoned, or drain */
    bool keeps_request; /* its client comes again with it: when nobody has the stream, it is computed again */
    bool too_long, early; /* the engine will say so; came before any worker */
    bool let_in;        /* the queue was full when it was handed on: it counts as if it had been sent once */
    bool known;         /* its model was there at a head that handed it on */
    bool engine_failed; /* a run of it was ended by a broken engine */
    bool found_full;    /* a run of it met an engine that had no place left */
    bool resumed;       /* a run of it continued where another actor had stopped */
    bool poison;        /* it crashes the worker that computes its prompt or, of its answer, … */
    uint32_t poison_at; /* … this token; 0: the prompt */
    uint32_t crashes;   /* the head has heard of … */
    uint64_t crashed_worker; /* … last of this one, 0: of none; what it names first is the suspect */
    bool crashed_alone; /* in the last of them … */
    uint32_t suspect, suspect_from; /* … at this branch, after so many tokens */
    uint32_t runs_n, branches_n; /* branches: that it may have */
    struct run_seen *runs;       /* owned, NULL once it has ended; one per job, room for branches_n */
    struct branch *branches;     /* same */
};
void client_start(struct sim *s);
/* One prompt for that head, or another one that is there. */
void client_ask(struct sim *s, uint64_t head);
void client_crowd(struct sim *s, uint32_t head);
/* Its prompt, as often as it takes: with that, the stream begins. */
void client_prompts(struct sim *s, struct call *c, struct coordinator *head);
struct asking *asking_new(struct sim *s, struct call *c, struct coordinator *head, bool seeks);
/* The same for one that does not count, or one that has come from another head: the call does not change. */
struct asking *asking_add(struct sim *s, struct call *c, struct coordinator *head, bool seeks);
void asking_end(struct asking *k);
/* What a client asks, as it was sent. */
struct client_request {
    char prompt[600];
    struct turn turns[2];
    struct request r; /* points into the others */
    struct str note;
};
void client_request(struct sim *s, const struct call *c, struct client_request *out);
/* It found its stream. */
void asking_found(struct asking *k);
/* The head that one meant to ask, or the next one that is there. NULL: connection refused. */
struct coordinator *client_head(struct sim *s, uint64_t head);
void client_scale(struct sim *s, struct coordinator *at, uint32_t workers);
void client_scale_ask(struct sim *s, struct coordinator *at, const struct head_scale_ask *ask);
/* It is over: what was said of it is forgotten. */
void call_end(struct sim *s, struct call *c, enum call_state how);
void client_ask_poison(struct sim *s);
/* Asks a head that a worker does so; false: it has no such worker, or one that drains. */
const char *client_tenant(uint32_t tenant);
bool client_availability(struct sim *s, const struct worker *w, uint8_t availability, uint32_t grace_ms);
void call_free(struct call *c);

/* ---- return.c: clients that come again ---- */
/* Asks the head of that asking for the stream, after what the client has of it. */
void client_seeks(struct sim *s, const struct asking *k);
/* It has nothing of it, so it may begin anew. */
bool client_may_begin_anew(const struct call *c);
/* The head of that asking has died. */
void client_loses_head(struct sim *s, struct asking *k);
/* Its connection breaks, and its head may not notice. */
void client_hops(struct sim *s, struct call *c);
/* The head says of a stream that it continues, or why not. */
void client_resumed(struct sim *s, struct asking *k, const struct fx *fx);
void client_not_resumed(struct sim *s, struct asking *k, const struct fx *fx);

/* ---- answer.c: what the right answer is ---- */
int32_t answer_token(uint64_t seed, uint32_t i);
void answer_text(uint64_t seed, uint32_t i, char out[4]);
float answer_logprob(uint64_t seed, uint32_t i);
uint32_t answer_tokens(uint64_t seed, uint32_t max_tokens);
uint8_t answer_finish(uint64_t seed, uint32_t max_tokens);
float answer_embedding(uint64_t call, uint32_t i);
enum { ANSWER_EMBEDDING = 4 };
/* The call that a `run` is for: its prompt begins with its number. */
uint64_t answer_call_of(const struct wire_run *run);
/* The name of a call's stream, and back. */
uint64_t answer_stream(uint64_t call);
uint64_t answer_call_of_stream(uint64_t stream);

/* ---- oracle.c, runs.c: whether it came, and what workers are told for it ---- */
/* The head sends a run to a worker. */
void oracle_run(struct sim *s, const struct coordinator *by, uint64_t worker, const struct wire_run *run);
/* That head hears that it was computed when a worker crashed. */
void oracle_crashed(struct sim *s, const struct coordinator *by, const struct wire_crashed *m);
void oracle_adopt(struct sim *s, const struct coordinator *by, uint64_t worker, const struct wire_adopt *adopt);
/* That worker took it: an older attempt may come later than the present one, and another head's after it. */
void oracle_took(struct sim *s, const struct coordinator *by, uint64_t worker, uint64_t call, uint64_t job, uint32_t attempt);
/* That head hears that a worker had no room, or takes no jobs. */
void oracle_refused(struct sim *s, const struct coordinator *by, const struct wire_done *done);
/* An engine works on a call: it may, while the call is open and a little longer; adrift, as long as it is kept. */
void oracle_works(struct sim *s, const struct worker *w, const struct engine_job *j);
/* The head says something to a client. */
void oracle_effect(struct sim *s, const struct coordinator *by, const struct fx *fx);

/* ---- stranger.c: diallers that are no workers: the launcher and people who talk nonsense ---- */
void stranger_start_launcher(struct sim *s, struct coordinator *of);
void stranger_start_nonsense(struct sim *s);
void stranger_opened(struct sim *s, uint64_t stranger);
void stranger_heard(struct sim *s, uint64_t stranger, const struct wire_msg *msg);
void stranger_lost(struct sim *s, uint64_t stranger);
/* For scaler.c: a launcher dials; says something; its process has died; its connection breaks. */
uint64_t stranger_dial_scaler(struct sim *s, struct coordinator *head);
void stranger_say(struct sim *s, uint64_t stranger, struct wire_msg msg);
void stranger_orphan(struct sim *s, uint64_t stranger);
void stranger_hang_up(struct sim *s, uint64_t stranger);
void stranger_stuck(struct sim *s, uint64_t stranger, uint64_t until_us); /* nothing gets through in either direction */
void stranger_break(struct sim *s, uint64_t stranger);
struct stranger;
void stranger_free(struct stranger *x);

/* ---- scaler.c: a launcher with the real reconciler, and its engine ---- */
struct scaler;
void scaler_start(struct sim *s);
bool scaler_linked(struct sim *s, uint64_t stranger); /* its dial succeeded; false: it has given it up */
void scaler_heard(struct sim *s, uint64_t stranger, const struct wire_msg *msg);
void scaler_lost(struct sim *s, uint64_t stranger);
/* A call comes to that head; whether it may fail for want of a worker. */
void scaler_call_comes(const struct sim *s, struct call *c, const struct coordinator *at);
bool scaler_may_fail(const struct sim *s, const struct call *c);
/* Head, launcher and engine agree; at_the_least: and the number is as small as it may be. */
bool scaler_settled(const struct sim *s, bool at_the_least, char *why, size_t cap);
/* The engine starts nothing any more. */
void scaler_over(struct sim *s);

/* ---- faults.c ---- */
void faults_start(struct sim *s);
/* Bits of the names in "kill,freeze"; "all", "none"; "all,-kill": without that one. False: *bad is the name nobody knows. */
bool faults_parse(const char *names, uint32_t *out, const char **bad);
/* A moment from now, but before the run ends. */
uint64_t faults_soon(struct sim *s, uint64_t least_ms, uint64_t most_ms);

/* ---- replace.c: a head takes the place of another one ---- */
void fault_replace(struct sim *s, struct worker *w);

/* ---- settle.c: what must be true in the end ---- */
/* Nothing is left to do and the head knows exactly who is there; why not, in words, otherwise. */
bool settled(struct sim *s, const char **why_not);

struct sim {
    struct sim_options opt;
    struct mood mood;
    uint64_t now_us, end_us; /* faults and clients stop at end_us */
    struct rng rng;
    struct sim_event *heap; /* owned */
    size_t heap_n, heap_cap;
    uint64_t events;
    struct trace trace;
    struct coordinator heads[SIM_HEADS_MAX];
    uint32_t heads_n;
    struct table workers, links, calls, askings, strangers; /* owned items */
    uint64_t away;         /* open calls whose client has no connection */
    struct table living;   /* workers; borrowed items, in no order */
    struct table arrivals; /* links by far_id; borrowed items */
    struct ag_effects ag;  /* of the worker that is fed */
    uint64_t refused_job, refused_link; /* `done` with an error was said of it there while a message was fed to a worker; 0: of none */
    uint64_t launcher;   /* stranger, or 0 */
    struct scaler *scaler;  /* owned; NULL: not with --scale */
    uint64_t lull_until_us; /* nobody asks until then */
    uint32_t nodes;      /* names given */
    struct packet *packets; /* owned; small ones to be used again */
    struct wire_arena arena;
    struct buf bytes;    /* a frame being encoded */
    bool crowding;       /* those who ask now come in a crowd */
    uint64_t calls_answered, tokens, worker_steps;
    bool ended;          /* faults and clients have stopped */
    bool poisons;        /* whoever asks now asks for poison */
};

struct sim_result {
    uint64_t hash, events, calls, answered, tokens;
};
/* One seed from beginning to end. */
struct sim_result sim_run(const struct sim_options *opt);

#endif
