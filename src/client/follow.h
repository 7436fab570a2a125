/* Follow one streamed answer to its end, even if the head that streams it dies. */
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
    FOLLOW_RETRY_MS = 100,           /* pause before an unavailable head is asked again */
};

/* Heads that know the same workers: if one is lost, the next is asked. */
struct follow_heads {
    struct http_address at[FOLLOW_HEADS_MAX];
    uint32_t n;
};
/* Parses "127.0.0.1:8470,127.0.0.1:8471". Returns ERR_INVALID with f for an invalid address or too
 * many. */
static inline int follow_heads_parse(const char *text, struct follow_heads *out, struct fault *f)
{
    *out = (struct follow_heads){0};
    return http_parse_addresses(text, 8470, out->at, FOLLOW_HEADS_MAX, &out->n, f);
}

/* The received part of an answer with one choice. */
struct answer {
    struct buf text;             /* owned */
    int status;                  /* HTTP status; 0: no head answered */
    uint32_t told;               /* tokens received with their log-probability */
    uint64_t proof;              /* a hash of their ids, log-probabilities and order */
    uint32_t prompt_tokens, cached_tokens, completion_tokens; /* as in usage */
    char finish[16];             /* "stop"; empty: never received */
    bool used, done;             /* usage received; [DONE] received */
    bool malformed;              /* an event was invalid; `why` says which */
    bool refused;                /* the head reported an error, by status or in the stream; `why` has its message */
    bool broken;                 /* the stream broke and could not be resumed; `why` says how */
    char why[512];               /* fits a whole fault after "HTTP 400: " */
    uint32_t returns;            /* requests after the first one: with Last-Event-ID, or anew if nothing was received */
    uint64_t asked_us, first_us, last_us; /* of pieces with text; first_us 0: none */
    uint64_t gap_us;             /* the longest time between two pieces */
    uint64_t away_us;            /* the longest interruption of an answer that had begun */
};
void answer_fini(struct answer *a);
/* True if status is 200, everything including the end was received, and nothing was wrong. */
bool answer_is_whole(const struct answer *a);

struct follow_config {
    const struct follow_heads *heads; /* borrowed until the end */
    uint32_t head;               /* index of the head to ask first */
    const char *path;            /* "/v1/chat/completions"; must stay valid until the end */
    struct str body;             /* copied; must ask for one choice, streamed, with usage */
    const char *key;             /* API key; NULL or empty: none */
    uint32_t away_ms;            /* how long lost heads are asked again; 0: the first break ends the answer */
    /* Called for each piece with text; since_us: time since the piece before, or since the request
     * for the first one. May be NULL. */
    void (*on_piece)(uint64_t since_us, bool first, void *user_data);
    /* Called once, last, never within follow_start(). The callee owns the answer, and must call
     * answer_fini(). */
    void (*on_end)(struct answer *a, void *user_data);
    void *user_data;
};
struct follow;
/* Sends the request; on_end reports the result, and the follow is freed before. */
struct follow *follow_start(struct net_loop *loop, const struct follow_config *cfg);
/* True if nothing has been received yet, or something after since_us (net_now_us() of the loop). */
bool follow_is_settled(const struct follow *w, uint64_t since_us);
/* Cancels: on_end is called, now or in a later turn, with a broken answer. */
void follow_cancel(struct follow *w);

#endif
