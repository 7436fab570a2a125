/* What became of each request, and why: while it runs, and of the last ones that ended. For `manta explain`, the list of requests, and the line
 * that the log has of each. Private to the room. */
#ifndef MANTA_HEAD_ACCOUNT_H
#define MANTA_HEAD_ACCOUNT_H

#include "head/call.h"

enum {
    ACCOUNTS_MAX = 256,        /* kept; those that ended give way, the oldest first */
    ACCOUNT_STEPS_MAX = 8,     /* of one: the first ones and the last */
    ACCOUNT_NODE_BYTES = 64,
    ACCOUNT_BYTES = 12 << 10,  /* that one takes at most */
};

struct account_candidate {
    struct fx_candidate c;     /* its node is below */
    char node[ACCOUNT_NODE_BYTES];
};

/* A branch went to an actor, or left it. */
struct account_step {
    uint64_t at_us;            /* since the request came */
    bool left;
    uint32_t branch, actor, tokens, attempt, queued;
    float wait_ms;
    const char *why;           /* static */
    char node[ACCOUNT_NODE_BYTES], text[160];
    struct account_candidate *candidates; /* owned */
    uint32_t n;
};

struct account {
    struct list link;          /* program.accounts, once it has ended */
    char id[API_NAME_BYTES];
    char *client_id, *model, *tenant; /* owned; NULL: none */
    uint64_t owner;
    enum api_shape shape;
    bool stream, ended;
    int64_t created;           /* unix seconds */
    int status;                /* HTTP's; 499: its client went away */
    double total_s, first_s, queue_s; /* first_s: < 0: it never began */
    uint32_t prompt_tokens, cached_tokens, tokens, actor;
    char node[ACCOUNT_NODE_BYTES]; /* that said the last of it */
    const char *finish;        /* static; NULL: not so far */
    char error[200];
    struct account_step steps[ACCOUNT_STEPS_MAX];
    uint32_t steps_n, steps_left_out;
};

/* The brain sent a branch somewhere, or took it from there; a stream's client is told of the latter. */
void account_step(struct head_program *p, struct call *c, const struct fx *fx);
/* It ended so; `why` NULL: well. Writes the line of the log; only the first time counts. */
void account_end(struct head_program *p, struct call *c, int status, const char *why);
/* With the call that is freed; NULL is fine. */
void account_free(struct head_program *p, struct account *a);
/* The head's end: all of them are freed. */
void accounts_end(struct head_program *p);
/* The requests that ended, the last one first: an array. */
void put_ended(struct head_program *p, const struct owner *who, struct jout *j);
/* Into p->json: why it went where it went; false: it is not known (any more). */
bool write_explained(struct head_program *p, struct str name, const struct owner *who);
/* requests.c: into p->json what is behind /manta/requests/: "{id}": what it is doing; "{id}/explain": why it went where it went. ERR_NOT_FOUND with f. */
int request_told(struct head_program *p, struct str rest, const struct owner *who, struct fault *f);

#endif
