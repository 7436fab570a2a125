/* Answers that are kept by name after their end, for clients that ask for them again or continue from them (`store`).
 *
 * They live in this head alone, within STORED_BYTES_MAX: when it ends they are gone. When there is no more room, the oldest of the tenant
 * that has the most of them gives way. */
#ifndef MANTA_HEAD_STORED_H
#define MANTA_HEAD_STORED_H

#include "head/call.h"

enum {
    STORED_BYTES_MAX = 64 << 20,
    STORED_MAX = 512,
};

struct stored {
    struct list all;         /* in program->stored, the oldest first */
    uint64_t name, owner;
    const struct call *call; /* borrowed; it runs. NULL: it has ended */
    struct request *said;    /* owned; the conversation up to the answer */
    uint32_t instructed;     /* of its turns, those that are not gone on from */
    char *text;              /* owned; the answer without reasoning and calls; NULL while it runs */
    struct buf extra;        /* its calls, as struct turn has them */
    struct buf answer;       /* as JSON */
    size_t bytes;
};
/* That of the tenant; NULL: it is not here. */
struct stored *stored_find(struct head_program *p, uint64_t name, uint64_t owner);
/* It is deleted, or makes room. */
void stored_forget(struct head_program *p, struct stored *s);
/* Puts what its references are to into the call, and the conversation that it continues before what it says; and, when it is to be kept,
 * begins to keep it. ERR_INVALID with f, and call.param: one of these is not here. */
int stored_begin(struct head_program *p, struct call *c, struct fault *f);
/* The call has ended, with its whole answer there. */
void stored_end(struct head_program *p, struct call *c);
/* The call ends in another way: what was begun for it is dropped. */
void stored_drop(struct head_program *p, struct call *c);
/* The head's end. */
void stored_free_all(struct head_program *p);

/* stored_routes.c: GET, POST …/cancel, GET …/input_items and DELETE below /v1/responses/. */
void on_stored_get(struct head_program *p, struct http_request *r);
/* POST of a stored response: cancel. */
void on_stored_post(struct head_program *p, struct http_request *r);
/* DELETE of a stored response. */
void on_stored_delete(struct head_program *p, struct http_request *r);

#endif
