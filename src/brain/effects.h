/* The effects of the head's brain: a list of actions that the program carries out in order. */
#ifndef MANTA_BRAIN_EFFECTS_H
#define MANTA_BRAIN_EFFECTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "wire/wire.h"

enum fx_kind {
    FX_SEND = 1,    /* msg over link */
    FX_CLOSE_LINK,  /* after earlier sends; LINK_CLOSED follows */
    FX_PROGRESS,    /* a branch's prompt is on its way: `first` of its tokens are computed or cached, prompt part of
                       `usage`. Before STARTED, if the request asks for it */
    FX_STARTED,     /* a branch's prompt is computed and its first token is near: `actor`, prompt part of `usage`. At
                       most once per branch, before its tokens; after a failover BRANCH_DONE names another actor */
    FX_TOKENS,      /* more of a branch's answer: text, ids, logprobs; before STARTED, of its prompt */
    FX_BRANCH_DONE, /* a branch ended: finish, usage, fault when finish is FINISH_ERROR */
    FX_RESUMED,     /* a stream was found: `text` is its first head's note of the client's request, `branches` its
                       number of answers; STARTED, and TOKENS from the client's place, follow */
    FX_CHOSEN,      /* a branch goes to an actor: `choice` says why that one; `first` tokens of its answer exist already */
    FX_LEFT,        /* it leaves that actor after `first` tokens: `tag` is the reason in a word, `text` in a
                       sentence; CHOSEN or the end follows */
    FX_CALL_END,    /* every branch ended; the call is forgotten */
    FX_CALL_FAILED, /* the call never ran: fault, retry_after_s; the call is forgotten */
    FX_LOG,         /* a line: level, tag, event, text */
};

struct fx_usage {
    uint32_t prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens;
    float wait_ms; /* in the head's queue */
    float prefill_ms;
    double logprob_sum;
};

enum { FX_CANDIDATES_MAX = 8 }; /* reported per choice */

/* An actor that could have taken a branch, and the router's prediction for it (router.h). */
struct fx_candidate {
    uint32_t actor;
    struct str node;
    uint32_t busy, slots;
    double first_s, cost_s;        /* seconds to its first token; the compared cost */
    uint32_t prompt_tokens;        /* estimated, of this branch */
    uint32_t cached_tokens;        /* of those, in the actor's cache */
    uint32_t ahead_tokens;         /* of prompts before this one */
    bool session, avoided;         /* the session was here before; the branch failed here */
};

/* Why an actor got a branch. */
struct fx_choice {
    const char *why;               /* static: "best", "next in queue", "fan-out", "has it", "moved" */
    uint32_t attempt;              /* of the branch, from 1 */
    uint32_t queued;               /* jobs that waited for the same model at that time */
    const struct fx_candidate *candidates; /* the chosen actor first, then the best others; none: there was no choice */
    uint32_t n;
};

struct fx {
    enum fx_kind kind;
    uint64_t link;       /* SEND, CLOSE_LINK */
    uint64_t call;
    uint32_t branch;                 /* 0 … count-1 */
    uint32_t branches;               /* STARTED, RESUMED, CALL_END: how many the call has */
    uint32_t actor;                  /* STARTED, CHOSEN, LEFT, BRANCH_DONE: the actor's id; UINT32_MAX: none was reached */
    struct str model, node, address; /* STARTED, CHOSEN, LEFT, BRANCH_DONE: of that actor */
    bool exact;                      /* STARTED: that actor computes the same bits under any load */
    bool of_prompt;                  /* TOKENS: of the prompt */
    uint32_t first;                  /* TOKENS: index of the first id; PROGRESS, CHOSEN, LEFT: tokens so far */
    struct str text;                 /* TOKENS: UTF-8; STARTED: the prompt, when asked for; LOG: the line;
                                        CLOSE_LINK: why; RESUMED: the note */
    struct wire_i32s ids;            /* TOKENS: the answer's; STARTED: the prompt's, when asked for */
    struct wire_f32s logprobs;       /* TOKENS; empty unless asked for */
    struct wire_i32s top_ids;        /* TOKENS: the most likely tokens, equally many per id; empty unless asked for */
    struct wire_f32s top_logprobs;   /* TOKENS: one per top id */
    const struct wire_part *parts;   /* TOKENS: the parts of the text, in order */
    uint32_t parts_n;                /* 0: plain text */
    struct wire_strs pieces;         /* TOKENS: bytes of each id, then of its top ids; or empty */
    struct wire_f32s embedding;      /* BRANCH_DONE of REQUEST_EMBED */
    uint8_t finish;                  /* BRANCH_DONE: enum finish */
    struct str stop;                 /* BRANCH_DONE: the stop string that ended it; empty: none */
    struct fx_usage usage;           /* PROGRESS, STARTED, BRANCH_DONE */
    uint32_t retry_after_s;          /* CALL_FAILED; 0: no hint */
    const struct fx_choice *choice;  /* CHOSEN */
    enum log_level level;            /* LOG */
    const char *tag;                 /* LOG, LEFT; static */
    const struct event_field *event; /* LOG */
    const char *peer_kind;           /* LOG; static: a peer without a token can cause the line at will (log_peer);
                                        NULL: it cannot */
    union {
        struct wire_msg msg;         /* SEND; its pointers are valid until the next head_step() */
        struct fault fault;          /* all others; set in CALL_FAILED, and in BRANCH_DONE with FINISH_ERROR */
    };
};

struct effects {
    struct fx *fx; /* owned */
    size_t n, cap;
};

/* Empties the list and keeps its memory. */
void effects_reset(struct effects *e);
/* Frees the list's memory. */
void effects_fini(struct effects *e);
/* Appends a zeroed effect of that kind; valid until the next add. */
struct fx *effects_add(struct effects *e, enum fx_kind kind);

#endif
