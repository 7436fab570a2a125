/* Record each request's route and outcome: running requests, and the last ones that ended. Serves
 * `manta explain`, the list of requests and the log's line per request. Private to the room. */
#ifndef MANTA_HEAD_ACCOUNT_H
#define MANTA_HEAD_ACCOUNT_H

#include "head/call.h"

enum {
    ACCOUNTS_MAX = 256,        /* records kept; ended ones are dropped first, oldest first */
    ACCOUNT_STEPS_MAX = 8,     /* steps kept per record: the first ones and the last ones */
    ACCOUNT_NODE_BYTES = 64,
    ACCOUNT_BYTES = 12 << 10,  /* upper bound of one record */
};

struct account_candidate {
    struct fx_candidate c;     /* without its node, which is below */
    char node[ACCOUNT_NODE_BYTES];
};

/* A branch was given to an actor, or left one. */
struct account_step {
    uint64_t at_us;            /* since the request arrived */
    bool left;
    uint32_t branch, actor, tokens, attempt, queued;
    float wait_ms;
    const char *why;           /* static */
    char node[ACCOUNT_NODE_BYTES], text[160];
    struct account_candidate *candidates; /* owned */
    uint32_t n;
};

struct account {
    struct list link;          /* in program.accounts after the end */
    char id[API_NAME_BYTES];
    char *client_id, *model, *tenant; /* owned; NULL: none */
    uint64_t owner;
    enum api_shape shape;
    bool stream, ended;
    int64_t created;           /* unix seconds */
    int status;                /* HTTP status; 499: the client disconnected */
    double total_s, first_s, queue_s; /* first_s < 0: no token came */
    uint32_t prompt_tokens, cached_tokens, tokens, actor;
    char node[ACCOUNT_NODE_BYTES]; /* node of the last actor */
    const char *finish;        /* static; NULL: unknown so far */
    char error[200];
    struct account_step steps[ACCOUNT_STEPS_MAX];
    uint32_t steps_n, steps_left_out;
};

/* Records that the brain gave a branch to an actor or took it away; a streaming client is told when
 * its answer moves. */
void account_step(struct head_program *p, struct call *c, const struct fx *fx);
/* Ends the record, once, and logs it. `why` NULL: the call succeeded. */
void account_end(struct head_program *p, struct call *c, int status, const char *why);
/* Frees the record of a call. NULL is allowed. */
void account_free(struct head_program *p, struct account *a);
/* Frees all ended records, at the head's end. */
void accounts_end(struct head_program *p);
/* Writes an array of the requests that ended, newest first. */
void put_ended(struct head_program *p, const struct owner *who, struct jout *j);
/* Explains one request's routing, into p->json. False: the request is unknown or forgotten. */
bool write_explained(struct head_program *p, struct str name, const struct owner *who);
/* requests.c: answers GET /manta/requests/{id} and /manta/requests/{id}/explain, into p->json.
 * Returns ERR_NOT_FOUND with f set for an unknown request. */
int request_told(struct head_program *p, struct str rest, const struct owner *who, struct fault *f);

#endif
