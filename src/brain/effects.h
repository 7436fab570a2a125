/* What the head's brain wants done: a list the program carries out in order. */
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
    FX_CLOSE_LINK,  /* after what was sent; LINK_CLOSED follows */
    FX_STARTED,     /* a branch's prompt is computed and its first token is near: `actor`, `usage` prompt part.
                       At most once per branch and before its tokens; after a failover BRANCH_DONE names another actor */
    FX_TOKENS,      /* more of a branch's answer: text, ids, logprobs; or, before STARTED, of its prompt */
    FX_BRANCH_DONE, /* a branch ended: finish, usage, fault when finish is FINISH_ERROR */
    FX_RESUMED,     /* a stream was found: `text` is what its first head noted of the client's request, `branches` how many
                       answers it has; STARTED, TOKENS from where the client is, … follow */
    FX_CHOSEN,      /* a branch goes to an actor: `choice` tells why that one; `first` tokens of its answer are there already */
    FX_LEFT,        /* it leaves that actor after `first` tokens: `tag` is the reason in a word, `text` in a sentence; CHOSEN or the end follows */
    FX_CALL_END,    /* every branch ended (`branches`: how many there were); the call is forgotten */
    FX_CALL_FAILED, /* the call never ran: fault, retry_after_s; the call is forgotten */
    FX_LOG,         /* a line: level, tag, event, text */
};

struct fx_usage {
    uint32_t prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens;
    float wait_ms; /* in the head's queue */
    float prefill_ms, decode_ms;
    double logprob_sum;
};

enum { FX_CANDIDATES_MAX = 8 }; /* that are told of a choice */

/* An actor that might have got a branch, and what was predicted of it (router.h). */
struct fx_candidate {
    uint32_t actor;
    struct str node;
    uint32_t busy, slots;
    double first_s, cost_s;        /* to its first token; what is compared */
    uint32_t prompt_tokens;        /* about; of this branch */
    uint32_t cached_tokens;        /* of those, in its cache */
    uint32_t ahead_tokens;         /* of prompts before it */
    bool session, avoided;         /* the session was there before; the branch failed there */
};

/* Why an actor got a branch. */
struct fx_choice {
    const char *why;               /* static: "best", "next in queue", "fan-out", "has it", "moved" */
    uint32_t attempt;              /* of the branch, from 1 */
    uint32_t queued;               /* jobs that waited for the same model then */
    uint32_t open;                 /* actors with a free slot */
    const struct fx_candidate *candidates; /* the chosen one first, then the best others; none: there was nothing to choose */
    uint32_t n;
};

struct fx {
    enum fx_kind kind;
    uint64_t link;       /* SEND, CLOSE_LINK */
    uint64_t call;
    uint32_t branch;                 /* 0 … count-1 */
    uint32_t branches;               /* STARTED, RESUMED, CALL_END: how many the call has */
    uint32_t actor;                  /* STARTED, CHOSEN, LEFT, BRANCH_DONE: id of the actor; UINT32_MAX: none was reached */
    struct str model, node, address; /* STARTED, CHOSEN, LEFT, BRANCH_DONE: of that actor */
    bool exact;                      /* STARTED: that actor computes the same bits under any load */
    bool of_prompt;                  /* TOKENS: they are the prompt's */
    uint32_t first;                  /* TOKENS: index of the first id; CHOSEN, LEFT */
    struct str text;                 /* TOKENS: UTF-8; STARTED: the prompt, when asked for; LOG: the line; CLOSE_LINK: why; RESUMED */
    struct wire_i32s ids;            /* TOKENS; STARTED: the prompt's, when asked for */
    struct wire_f32s logprobs;       /* TOKENS; empty unless asked for */
    struct wire_i32s top_ids;        /* TOKENS: per id the same number of most likely tokens; empty unless asked for */
    struct wire_f32s top_logprobs;   /* TOKENS: one per top id */
    const struct wire_part *parts;   /* TOKENS: that the text is made of, one behind the other */
    uint32_t parts_n;                /* 0: it is nothing but text */
    struct wire_strs pieces;         /* TOKENS: bytes of each id, followed by those of its top ids; or empty */
    struct wire_f32s embedding;      /* BRANCH_DONE of REQUEST_EMBED */
    uint8_t finish;                  /* BRANCH_DONE: enum finish */
    struct str stop;                 /* BRANCH_DONE: the stop string that ended it; empty: none did */
    struct fx_usage usage;           /* STARTED, BRANCH_DONE */
    uint32_t retry_after_s;          /* CALL_FAILED; 0: no hint */
    const struct fx_choice *choice;  /* CHOSEN */
    enum log_level level;            /* LOG */
    const char *tag;                 /* LOG, LEFT; static */
    const struct event_field *event; /* LOG */
    const char *peer_kind;           /* LOG; static: a peer without a token can cause it at will (log_peer); NULL: it cannot */
    union {
        struct wire_msg msg;         /* SEND; what it points to is valid until the next head_step() */
        struct fault fault;          /* all others; set in CALL_FAILED, and BRANCH_DONE with FINISH_ERROR */
    };
};

struct effects {
    struct fx *fx; /* owned */
    size_t n, cap;
};

/* Empties the list and keeps its memory. */
void effects_reset(struct effects *e);
/* Frees it. */
void effects_fini(struct effects *e);
/* A zeroed effect of that kind at the end of the list; valid until the next add. */
struct fx *effects_add(struct effects *e, enum fx_kind kind);

#endif
