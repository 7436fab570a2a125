/* The worker's brain: dials heads, registers actors, turns `run` into engine jobs and engine events into messages.
 *
 * Pure like head.h. A *ticket* is the agent's own number for an engine job; (head, job, attempt) is the head's. The
 * happy path: AGENT_START -> AG_DIAL -> AGENT_LINKED -> hello -> welcome -> `actor` per model -> actor_ack -> run ->
 * AG_RUN -> AGENT_PREFILLED, AGENT_TOKENS, AGENT_DONE -> prefilled/tokens/done. It can fail by: the dial fails, the
 * link breaks, the head falls silent or talks nonsense (redial with back-off and jitter; what runs for that head continues
 * adrift until a head adopts it, journal.c), `refuse` with final (AG_EXIT with the head's words), a `run` that cannot
 * be (no such actor, not ready, too many jobs, a number that is running already, a worker that is cordoned or drains:
 * `done` with an error). */
#ifndef MANTA_BRAIN_AGENT_H
#define MANTA_BRAIN_AGENT_H

#include "base/err.h"
#include "base/log.h"
#include "base/request.h"
#include "wire/wire.h"

enum {
    AGENT_HEADS_MAX = 8,
    AGENT_ACTORS_MAX = 16,
    AGENT_JOBS_MAX = 4096,
    AGENT_CARRIES_MAX = 2, /* jobs that leave at once with what is computed of them (at most WIRE_KV_BYTES_MAX each), and that come */
};

struct agent;

struct agent_config {
    uint64_t seed;
    uint32_t heads_n;            /* heads to dial; 1 … AGENT_HEADS_MAX */
    struct wire_hello hello;     /* what to say; borrowed for the agent's life */
    uint32_t redial_first_ms;    /* 100 */
    uint32_t redial_max_ms;      /* 5000 */
    uint32_t dial_ms;            /* 5000: a dial with no welcome by then has failed */
    uint32_t adrift_ms;          /* 60000: how long a job keeps running, and its journal is kept, after its head is lost */
    uint32_t told_ms;            /* 600000: how long a journal that was told to its end is kept: other branches of its stream may run as long */
    uint64_t journal_bytes_max;     /* 32 MiB of requests and answers kept for heads that take streams over */
    uint64_t moving_bytes_max;   /* 256 MiB of what is computed of answers that leave and come: saved, received, not read yet */
};
/* One head, and the numbers beside the fields. */
struct agent_config agent_config_default(void);

enum agent_event_kind {
    AGENT_START = 1,
    AGENT_TICK,
    AGENT_LINKED,     /* the link to `head` is up (upgraded) */
    AGENT_LINK_LOST,  /* dial failed or link broke: text says why */
    AGENT_LINK_MSG,   /* msg from `head` */
    AGENT_ACTOR,      /* `actor`: the state of one of our actors, whole; first time: creates it */
    AGENT_PREFILLED,  /* engine: `ticket`, `prefilled` (job, attempt are filled in by the agent) */
    AGENT_TOKENS,     /* engine: `ticket`, `tokens` */
    AGENT_DONE,       /* engine: `ticket`, `done`; exactly once per AG_RUN, also after AG_CANCEL */
    AGENT_SAVED,      /* engine, answer to AG_SAVE: `ticket`, `carry`; nothing in it: `text` says why. Before the ticket's DONE */
    AGENT_BEAT,       /* answer to AG_MEASURE: `beat` with rss, cpu and loads */
    AGENT_DRAIN,      /* a signal: take no new jobs, leave when what runs has ended, at the latest after grace_ms; `text`
                         says why. The second time: at once */
    AGENT_STOP,       /* leave at once: bye to all heads, then AG_EXIT */
};

struct agent_event {
    enum agent_event_kind kind;
    uint64_t now_us;
    uint32_t head;                 /* index into the heads */
    uint32_t grace_ms;             /* DRAIN */
    struct str text;
    const struct wire_msg *msg;    /* LINK_MSG */
    uint64_t ticket;
    const struct wire_actor *actor;
    const struct wire_prefilled *prefilled;
    const struct wire_tokens *tokens;
    const struct wire_done *done;
    const struct wire_beat *beat;
    struct buf *carry;             /* SAVED; its bytes are taken over, or left */
};

enum ag_kind {
    AG_DIAL = 1, /* head */
    AG_HANG_UP,  /* head; AGENT_LINK_LOST follows unless it was lost already */
    AG_SEND,     /* head, msg */
    AG_SEND_FRAMES, /* head, text: whole frames, as they are */
    AG_MEASURE,  /* feed AGENT_BEAT for `head` */
    AG_RUN,      /* key, ticket, msg.run: give to that actor's mailbox; with kv_bytes it is held there until AG_GIVE */
    AG_CANCEL,   /* key, ticket */
    AG_SAVE,     /* key, ticket: end it, with what is computed of it in AGENT_SAVED */
    AG_GIVE,     /* key, ticket, carry: what is computed of it, perhaps nothing */
    AG_LOG,      /* level, tag, event, text */
    AG_EXIT,     /* fault: the reason; err 0 when asked to stop */
};

struct ag {
    enum ag_kind kind;
    uint32_t head;
    uint32_t key;          /* actor, our number */
    uint64_t ticket;
    uint64_t bytes_max;    /* SAVE: more is not to be saved */
    enum log_level level;
    const char *tag;       /* static */
    const struct event_field *event; /* LOG: borrowed, as text */
    struct str text;       /* LOG, SEND_FRAMES: borrowed until the next agent_step() */
    struct buf carry;      /* GIVE: owned by whoever carries it out */
    union {
        struct wire_msg msg; /* SEND, RUN: what it points to is the agent's until the next agent_step(), or the event's own */
        struct fault fault;  /* all others; set in EXIT where the head refused us */
    };
};

struct ag_effects {
    struct ag *ag; /* owned */
    size_t n, cap;
};
/* Empties the list and keeps its memory. */
void ag_effects_reset(struct ag_effects *e);
/* Frees it. */
void ag_effects_fini(struct ag_effects *e);

/* A worker's brain that has dialled nobody yet; AGENT_START begins. */
struct agent *agent_new(const struct agent_config *cfg, uint64_t now_us);
/* NULL is fine. */
void agent_free(struct agent *a);
/* One event in; what is to be done is appended to fx, and what that points to is valid until the next step, or is the event's own. */
void agent_step(struct agent *a, const struct agent_event *ev, struct ag_effects *fx);
/* When AGENT_TICK is due, in the program's time; UINT64_MAX: never. */
uint64_t agent_deadline(const struct agent *a);
/* Heads that have welcomed us. */
uint32_t agent_joined(const struct agent *a);
/* Invariants at the top of agent.c; for the simulator. */
void agent_check(const struct agent *a);

#endif
