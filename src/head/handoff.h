/* Replace a running head by a new process: `manta head --replace`.
 *
 * handoff_out.c is the old head's side, handoff_in.c the new one's; handoff.c has the common
 * part. */
#ifndef MANTA_HEAD_HANDOFF_H
#define MANTA_HEAD_HANDOFF_H

#include "head/state.h"

enum {
    REPLACE_PATIENCE_MS = 10000,   /* for the whole handoff, during which neither head does anything else */
    REPLACE_PART_BYTES = 1 << 20,  /* unread or unsent bytes of a connection per frame */
    REPLACE_PATH_BYTES = 108,      /* the maximum of a unix socket's path */
};

/* Finds the socket where the head of an address waits for its successor, and makes its folder,
 * which only this user may write to. Returns ERR_IO or ERR_FORBIDDEN. */
int handoff_path(const char *host, uint16_t port, char *out, size_t cap, struct fault *f);
/* Sends one message. `frame` is scratch space. */
int handoff_say(struct net_fdpass *fdpass, struct buf *frame, const struct wire_msg *msg, struct fault *f);
/* Receives one message; *out is valid until the next one. A `refuse` message becomes an error with
 * its text. */
int handoff_hear(struct net_fdpass *fdpass, struct wire_arena *arena, struct wire_msg *out, struct fault *f);
/* Frees all calls without telling the brain or the clients. */
void replace_forget_calls(struct head_program *p);

/* ---- handoff_out.c ---- */
/* Starts to accept a successor. `over`: replaces the socket file that the previous head may have
 * left. */
void handoff_out_begin(struct head_program *p, bool over);
/* Stops accepting a successor, and removes the socket's file unless a successor took over. */
void handoff_out_end(struct head_program *p);

/* ---- handoff_in.c ---- */
/* Takes the place of the head that runs at our address: p->server and the calls. On an error that
 * head continues, and nothing is kept here. Returns ERR_UNAVAILABLE if no head runs there,
 * ERR_VERSION if its format differs. */
int take_place(struct head_program *p, const struct http_server_calls *calls, struct fault *f);

#endif
