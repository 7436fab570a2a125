/* Record each request's route and outcome: running requests, and the last ones that ended. Serves
 * `manta explain`, the list of requests and the log's line per request. Private to the room. */
#ifndef MANTA_HEAD_ACCOUNT_H
#define MANTA_HEAD_ACCOUNT_H

#include "head/call.h"

enum {
    ACCOUNTS_MAX = 256,        /* records kept; ended ones are dropped first, oldest first */
    ACCOUNT_STEPS_MAX = 8,     /* steps kept per record: the first ones and the last ones */
    ACCOUNT_NODE_BYTES = 64,
    ACCOUNT_WORD_BYTES = 24,   /* "next in queue", "tool_calls" */
    ACCOUNT_NO_ACTOR = UINT32_MAX, /* an actor of another head, whose numbers mean nothing here */
    ACCOUNT_BYTES = 12 << 10,  /* upper bound of one record */
};

struct account_candidate {
    struct fx_candidate c;     /* without its node, which is below */
    char node[ACCOUNT_NODE_BYTES];
};

/* A head sends these to the one that replaces it: numbers never change their meaning. */
enum account_step_kind {
    STEP_CHOSEN = 0,           /* a branch was given to an actor */
    STEP_LEFT = 1,             /* it left that actor */
    STEP_NEW_HEAD = 2,         /* this head replaced the one that had the request */
    STEP_CAME_BACK = 3,        /* the client resumed its stream here, with `tokens` of it */
    STEP_AGAIN = 4,            /* likewise, but no worker has the stream: it is computed from its request */
};

struct account_step {
    uint64_t at_us;            /* since the request arrived */
    enum account_step_kind kind;
    uint32_t branch, actor, tokens, attempt, queued;
    float wait_ms;
    char why[ACCOUNT_WORD_BYTES], node[ACCOUNT_NODE_BYTES], text[160];
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
    uint32_t prompt_tokens, cached_tokens, tokens;
    char node[ACCOUNT_NODE_BYTES]; /* node of the last actor */
    char finish[ACCOUNT_WORD_BYTES]; /* empty: unknown so far */
    char error[200];
    struct account_step steps[ACCOUNT_STEPS_MAX];
    uint32_t steps_n, steps_left_out;
};

/* Makes an empty record of a running request; the oldest ended one makes room. NULL: all records are of running requests. */
struct account *account_new(struct head_program *p);
/* Adds a step; a full record drops one from the middle. */
struct account_step *account_add_step(struct account *a);
/* Copies a text, cut to whole characters in cap - 1 bytes. */
void account_copy(char *out, size_t cap, struct str s);
/* Records that the brain gave a branch to an actor or took it away; a streaming client is told when
 * its answer moves. */
void account_step(struct head_program *p, struct call *c, const struct fx *fx);
/* Records the time of the first token, where it has come: another head would not know it. */
void account_heard(struct account *a, const struct call *c);
/* Ends the record, once, and logs it. `why` NULL: the call succeeded. */
void account_end(struct head_program *p, struct call *c, int status, const char *why);
/* Frees the record of a call. NULL is allowed. */
void account_free(struct head_program *p, struct account *a);
/* Frees all ended records, at the head's end. */
void accounts_end(struct head_program *p);
/* Writes an array of the requests that ended, newest first. */
void put_ended(struct head_program *p, const struct owner *who, struct jout *j);
/* handoff_account.c: sends a record to the head that replaces this one. */
int account_tell(const struct account *a, struct net_fdpass *fdpass, struct buf *frame, struct fault *f);
/* handoff_account.c: keeps a record from the head that this one replaces: an ended one in p->accounts, a running one in *out, for the
 * caller. `out` NULL: a running one is an error. Leaves *out NULL when all records are of running requests. Returns ERR_PROTOCOL. */
int account_take(struct head_program *p, const struct wire_moved_account *m, struct account **out, struct fault *f);
/* Explains one request's routing, into p->json. False: the request is unknown or forgotten. */
bool write_explained(struct head_program *p, struct str name, const struct owner *who);
/* requests.c: answers GET /manta/requests/{id} and /manta/requests/{id}/explain, into p->json.
 * Returns ERR_NOT_FOUND with f set for an unknown request. */
int request_told(struct head_program *p, struct str rest, const struct owner *who, struct fault *f);

#endif
