/* Keep responses by name after their end (`store`), for clients that fetch them or continue from
 * them.
 *
 * They live in this head only, within STORED_BYTES_MAX, and are lost when it ends. If there is no
 * room, the oldest response of the tenant that stores the most is dropped. */
#ifndef MANTA_HEAD_STORED_H
#define MANTA_HEAD_STORED_H

#include "head/call.h"

enum {
    STORED_BYTES_MAX = 64 << 20,
    STORED_MAX = 512,
};

struct stored {
    struct list all;         /* in program->stored, oldest first */
    uint64_t name, owner;
    const struct call *call; /* borrowed; still running. NULL: ended */
    struct request *said;    /* owned; the conversation before the answer */
    uint32_t instructed;     /* its first turns that are instructions, which the next response does not inherit */
    bool summary;            /* as in api_call */
    char *text;              /* owned; the answer without reasoning and tool calls; NULL while running */
    struct buf extra;        /* its reasoning and tool calls, as in struct turn */
    struct buf answer;       /* as JSON */
    size_t bytes;
};
/* Finds a tenant's response. NULL: not here. */
struct stored *stored_find(struct head_program *p, uint64_t name, uint64_t owner);
/* Drops a response: deleted, or to make room. */
void stored_forget(struct head_program *p, struct stored *s);
/* Resolves the call's references, puts the conversation that it continues before its input, and
 * begins to store the response if asked to. Returns ERR_INVALID, with f and call.param set, for a
 * missing response. */
int stored_begin(struct head_program *p, struct call *c, struct fault *f);
/* The call has ended with its whole answer. */
void stored_end(struct head_program *p, struct call *c);
/* The call ends in another way: drops its unfinished response. */
void stored_drop(struct head_program *p, struct call *c);
/* Drops all responses, at the head's end. */
void stored_free_all(struct head_program *p);

/* stored_routes.c: GET, POST …/cancel, GET …/input_items and DELETE below /v1/responses/. */
void on_stored_get(struct head_program *p, struct http_request *r);
/* POST of a stored response: cancel. */
void on_stored_post(struct head_program *p, struct http_request *r);
/* DELETE of a stored response. */
void on_stored_delete(struct head_program *p, struct http_request *r);

#endif
