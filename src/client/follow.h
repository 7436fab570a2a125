/* Follow one streamed answer to its end, also through the death of the head that streams it. */
#ifndef MANTA_CLIENT_FOLLOW_H
#define MANTA_CLIENT_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"
#include "net/net.h"

enum {
    FOLLOW_HEADS_MAX = 4,
    FOLLOW_TEXT_BYTES_MAX = 4 << 20, /* of one answer */
    FOLLOW_BODY_BYTES_MAX = 1 << 20, /* of one request */
    FOLLOW_RETRY_MS = 100,           /* pause before a head that is away is asked again */
};

/* Heads that know the same workers: when one is gone, the next is asked. */
struct follow_heads {
    struct http_address at[FOLLOW_HEADS_MAX];
    uint32_t n;
};
/* "127.0.0.1:8470,127.0.0.1:8471". ERR_INVALID with f: an address that cannot be used, or too many. */
static inline int follow_heads_parse(const char *text, struct follow_heads *out, struct fault *f)
{
    *out = (struct follow_heads){0};
    return http_parse_addresses(text, 8470, out->at, FOLLOW_HEADS_MAX, &out->n, f);
}

/* All that a client has of an answer with one choice. */
struct answer {
    struct buf text;             /* owned */
    int status;                  /* of HTTP; 0: nobody answered */
    uint32_t told;               /* tokens that came with their log-probability */
    uint64_t proof;              /* one number out of those: their ids, log-probabilities and order */
    uint32_t prompt_tokens, cached_tokens, completion_tokens; /* as usage says */
    char finish[16];             /* "stop"; empty: it never came */
    bool used, done;             /* usage came; [DONE] came */
    bool malformed;              /* some event was not what it should be; `why` says which */
    bool refused;                /* the head said an error, as a status or in the stream; `why` has its words */
    bool broken;                 /* it broke off and could not be gone on with; `why` says how */
    char why[512];               /* room for a whole fault behind "HTTP 400: " */
    uint32_t returns;            /* times it was asked for again with Last-Event-ID, or anew while nothing of it had come */
    uint64_t asked_us, first_us, last_us; /* of pieces with text; first_us 0: there was none */
    uint64_t gap_us;             /* the longest between two of them */
    uint64_t away_us;            /* the longest from a break, once it had begun, until an event came again */
};
void answer_fini(struct answer *a);
/* Status 200, every part of it, its end, and nothing wrong. */
bool answer_is_whole(const struct answer *a);

struct follow_config {
    const struct follow_heads *heads; /* borrowed until the end */
    uint32_t head;               /* which of them is asked first */
    const char *path;            /* "/v1/chat/completions"; lives until the end */
    struct str body;             /* copied; asks for one choice, streamed, with its usage */
    const char *key;             /* API key; NULL or empty: none */
    uint32_t away_ms;            /* how long heads that are gone are asked again; 0: the first break is the end */
    /* Each piece with text; since_us: the time since the piece before it, or since it was asked for when it is the first.
     * NULL: nobody wants to know. */
    void (*on_piece)(uint64_t since_us, bool first, void *user_data);
    /* Once, last, never before follow_start() returned; the answer is the callee's, who must answer_fini() it. */
    void (*on_end)(struct answer *a, void *user_data);
    void *user_data;
};
struct follow;
/* Asks; whatever happens is told by on_end, with which the follow is gone. */
struct follow *follow_start(struct net_loop *loop, const struct follow_config *cfg);
/* Has nothing of it come yet, or something since then (in net_now_us() of its loop)? */
bool follow_is_settled(const struct follow *w, uint64_t since_us);
/* Gives up: on_end comes, now or in a later turn, with a broken answer. */
void follow_cancel(struct follow *w);

#endif
