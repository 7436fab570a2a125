/* A head process takes the place of another one that runs: `manta head --replace`.
 *
 * handoff_out.c is the one that gives, handoff_in.c the one that takes, handoff.c what both need. */
#ifndef MANTA_HEAD_HANDOFF_H
#define MANTA_HEAD_HANDOFF_H

#include "head/state.h"

enum {
    REPLACE_PATIENCE_MS = 10000,   /* for all of it: in this time neither head does anything else */
    REPLACE_PART_BYTES = 1 << 20,  /* of what a connection has unread or unsent, in one frame */
    REPLACE_PATH_BYTES = 108,      /* as long as a unix socket's may be */
};

/* Where the head of that address waits for its successor; the folder is made, and is nobody else's. ERR_IO, ERR_FORBIDDEN. */
int handoff_path(const char *host, uint16_t port, char *out, size_t cap, struct fault *f);
/* One message. `frame` is room for it. */
int handoff_say(struct net_fdpass *fdpass, struct buf *frame, const struct wire_msg *msg, struct fault *f);
/* *out is valid until the next one. A `refuse` is an error with its words. */
int handoff_hear(struct net_fdpass *fdpass, struct wire_arena *arena, struct wire_msg *out, struct fault *f);
/* All calls go, without a word to anybody. */
void replace_forget_calls(struct head_program *p);

/* ---- handoff_out.c ---- */
/* From now on somebody may take this head's place. `over`: the head before may still wait there. */
void handoff_out_begin(struct head_program *p, bool over);
/* Closes the socket over which another head would take this one's place; its file goes, too, unless one did. */
void handoff_out_end(struct head_program *p);

/* ---- handoff_in.c ---- */
/* Takes the place of the head that runs at our address: p->server, and the calls. On an error that one continues, and nothing
 * is left here. ERR_UNAVAILABLE: there is none; ERR_VERSION: it is too different. */
int take_place(struct head_program *p, const struct http_server_calls *calls, struct fault *f);

#endif
