/* The worker's brain: dials heads, registers actors, turns `run` into engine jobs and engine events
 * into messages.
 *
 * Pure like head.h. A *ticket* is the agent's own number for an engine job; (head, job, attempt) is
 * the head's name for it. The happy path: AGENT_START -> AG_DIAL -> AGENT_LINKED -> hello ->
 * welcome -> `actor` per model -> actor_ack -> run -> AG_RUN -> AGENT_PREFILLED, AGENT_TOKENS,
 * AGENT_DONE -> prefilled/tokens/done. It can fail by: the dial fails, the link breaks, the head
 * falls silent or sends nonsense (redial with back-off and jitter; that head's jobs continue adrift
 * until a head adopts them, journal.c), `refuse` with final (AG_EXIT with the head's words), an
 * impossible `run` (`done` with an error: no such actor, actor not ready, too many jobs, a number
 * that runs already, a worker that is cordoned or drains). */
#ifndef MANTA_BRAIN_AGENT_H
#define MANTA_BRAIN_AGENT_H

#include "base/err.h"
#include "base/log.h"
#include "brain/dialler.h"
#include "wire/wire.h"

enum {
    AGENT_HEADS_MAX = 8,
    AGENT_ACTORS_MAX = 16,
    AGENT_JOBS_MAX = 4096,
    AGENT_CARRIES_MAX = 2, /* per direction: jobs that leave or arrive at once with their KV cache (at most
                              WIRE_KV_BYTES_MAX each) */
};

struct agent;

struct agent_config {
    uint64_t seed;
    uint32_t heads_n;            /* heads to dial; 1 … AGENT_HEADS_MAX */
    struct wire_hello hello;     /* our hello; borrowed for the agent's life */
    struct dialler_times times;  /* DIALLER_TIMES */
    uint32_t adrift_ms;          /* 60000: how long a job keeps running, and its journal is kept, after its head is lost */
    uint32_t told_ms;            /* 600000: how long a journal delivered in full is kept, as other branches of its
                                    stream may still run */
    uint64_t journal_bytes_max;     /* 32 MiB of requests and answers kept for heads that take streams over */
    uint64_t moving_bytes_max;   /* 256 MiB of KV caches that leave and arrive: saved, received, or not yet read by
                                    the engine */
};
/* One head, and the defaults beside the fields. */
struct agent_config agent_config_default(void);

enum agent_event_kind {
    AGENT_START = 1,
    AGENT_TICK,
    AGENT_LINKED,     /* the link to `head` is up (upgraded) */
    AGENT_LINK_LOST,  /* the dial failed or the link broke: `text` says why */
    AGENT_LINK_MSG,   /* `msg` from `head` */
    AGENT_ACTOR,      /* `actor`: the whole state of one of our actors; the first one creates it */
    AGENT_PROGRESS,   /* engine: `ticket`, `progress`, if the request asks for it; before PREFILLED */
    AGENT_PREFILLED,  /* engine: `ticket`, `prefilled` (the agent fills in job and attempt) */
    AGENT_TOKENS,     /* engine: `ticket`, `tokens` */
    AGENT_DONE,       /* engine: `ticket`, `done`; exactly once per AG_RUN, also after AG_CANCEL */
    AGENT_SAVED,      /* engine, answer to AG_SAVE: `ticket`, `carry`; if empty, `text` says why. Before the ticket's DONE */
    AGENT_BEAT,       /* answer to AG_MEASURE: `beat` with rss, cpu and loads */
    AGENT_DRAIN,      /* a signal: take no new jobs, leave when the running ones have ended, after grace_ms at the
                         latest; `text` says why. The second signal: at once */
    AGENT_STOP,       /* leave at once: bye to all heads, then AG_EXIT */
};

struct agent_event {
    enum agent_event_kind kind;
    uint64_t now_us;
    uint32_t head;                 /* index of the head */
    uint32_t grace_ms;             /* DRAIN */
    struct str text;
    const struct wire_msg *msg;    /* LINK_MSG */
    uint64_t ticket;
    const struct wire_actor *actor;
    const struct wire_progress *progress;
    const struct wire_prefilled *prefilled;
    const struct wire_tokens *tokens;
    const struct wire_done *done;
    const struct wire_beat *beat;
    struct buf *carry;             /* SAVED; the agent takes its bytes, or leaves them */
};

enum ag_kind {
    AG_DIAL = 1, /* head */
    AG_HANG_UP,  /* head; AGENT_LINK_LOST follows unless the link was lost already */
    AG_SEND,     /* head, msg */
    AG_SEND_FRAMES, /* head, text: whole frames, sent as they are */
    AG_MEASURE,  /* measure, and feed AGENT_BEAT for `head` */
    AG_RUN,      /* key, ticket, msg.run: put into that actor's mailbox; with kv_bytes the engine holds it until AG_GIVE */
    AG_CANCEL,   /* key, ticket */
    AG_SAVE,     /* key, ticket: stop the job and return its KV cache in AGENT_SAVED */
    AG_GIVE,     /* key, ticket, carry: the job's KV cache, perhaps empty */
    AG_LOG,      /* level, tag, event, text */
    AG_EXIT,     /* fault: the reason; err 0 when asked to stop */
};

struct ag {
    enum ag_kind kind;
    uint32_t head;
    uint32_t key;          /* the agent's number of the actor */
    uint64_t ticket;
    uint64_t bytes_max;    /* SAVE: the largest KV cache to save */
    enum log_level level;
    const char *tag;       /* static */
    const struct event_field *event; /* LOG: borrowed like text */
    struct str text;       /* LOG, SEND_FRAMES: borrowed until the next agent_step() */
    struct buf carry;      /* GIVE: owned by the program that carries it out */
    union {
        struct wire_msg msg; /* SEND, RUN: borrows from the agent until the next agent_step(), and from the event */
        struct fault fault;  /* all others; set in EXIT when the head refused us */
    };
};

struct ag_effects {
    struct ag *ag; /* owned */
    size_t n, cap;
};
/* Empties the list and keeps its memory. */
void ag_effects_reset(struct ag_effects *e);
/* Frees the list's memory. */
void ag_effects_fini(struct ag_effects *e);

/* Makes a worker's brain without links; AGENT_START begins dialling. */
struct agent *agent_new(const struct agent_config *cfg, uint64_t now_us);
/* NULL is allowed. */
void agent_free(struct agent *a);
/* Handles one event and appends the effects to fx; they borrow from the agent until the next step,
 * and from the event. */
void agent_step(struct agent *a, const struct agent_event *ev, struct ag_effects *fx);
/* Returns when AGENT_TICK is due, in the program's time; UINT64_MAX: never. */
uint64_t agent_deadline(const struct agent *a);
/* Returns the number of heads that have welcomed us. */
uint32_t agent_joined(const struct agent *a);
/* Checks the invariants at the top of agent.c; for the simulator. */
void agent_check(const struct agent *a);

#endif
