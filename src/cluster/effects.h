/* What the head's brain wants done: a list the program carries out in order. */
#ifndef MANTA_CLUSTER_EFFECTS_H
#define MANTA_CLUSTER_EFFECTS_H

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
    FX_TOKENS,      /* more of a branch's answer: text, ids, logprobs */
    FX_BRANCH_DONE, /* a branch ended: finish, usage, fault when finish is FINISH_ERROR */
    FX_RESUMED,     /* a stream was found: `text` is what its first head noted of the client's request, `branches` how many
                       answers it has; STARTED, TOKENS from where the client is, … follow */
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

struct fx {
    enum fx_kind kind;
    uint64_t link;       /* SEND, CLOSE_LINK */
    struct wire_msg msg; /* SEND; what it points to is valid until the next head_step() */
    uint64_t call;
    uint32_t branch;                 /* 0 … count-1 */
    uint32_t branches;               /* STARTED, RESUMED, CALL_END: how many the call has */
    uint32_t actor;                  /* STARTED, BRANCH_DONE: id of the actor; UINT32_MAX: none was reached */
    struct str model, node, address; /* STARTED, BRANCH_DONE: of that actor */
    bool exact;                      /* STARTED: that actor computes the same bits under any load */
    uint32_t first;                  /* TOKENS: index of the first id */
    struct str text;                 /* TOKENS: UTF-8; LOG: the line; CLOSE_LINK: why; RESUMED */
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
    struct fault fault;              /* CALL_FAILED; BRANCH_DONE with FINISH_ERROR */
    uint32_t retry_after_s;          /* CALL_FAILED; 0: no hint */
    enum log_level level;            /* LOG */
    const char *tag;                 /* LOG; static */
    const struct event_field *event; /* LOG */
    const char *peer_kind;           /* LOG; static: a peer without a token can cause it at will (log_peer); NULL: it cannot */
};

struct effects {
    struct fx *fx; /* owned */
    size_t n, cap;
};

void effects_reset(struct effects *e);
void effects_fini(struct effects *e);
/* A zeroed effect of that kind at the end of the list; valid until the next add. */
struct fx *effects_add(struct effects *e, enum fx_kind kind);

#endif
