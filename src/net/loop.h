/* What the files of this room share: the inside of a loop, and how its objects are ended. */
#ifndef MANTA_NET_LOOP_H
#define MANTA_NET_LOOP_H

#include <uv.h>

#include "base/list.h"
#include "net/net.h"

/* First member of whatever owns a uv handle; the handle's data points to it. */
struct net_object {
    void (*end)(struct net_object *o); /* closes it at once; for net_loop_free(), harmless when it is closing already */
};

struct net_loop {
    uv_loop_t uv;
    uv_idle_t flush;  /* runs just before the loop sleeps; active while `dirty` holds a connection */
    uv_idle_cb on_flush; /* what it runs */
    uv_timer_t sweep; /* active while `timed` holds a connection */
    struct list dirty; /* net_conn.dirty: written to since the last flush */
    struct list hungry; /* net_conn.hungry: something to read, and turned away; who waits longest is first */
    struct list again;  /* … they were let in, and others of their batch took too long */
    struct list sated;  /* … they have read in this turn: the last to be hungry in the next one */
    struct list gone;  /* net_conn.dirty: closed, and its owner does not know it yet */
    struct list timed; /* net_conn.timed: connecting or closing, with a deadline */
    struct list signals; /* net_signal.link */
    size_t pending;      /* memory of the unsent bytes of all connections */
    size_t pending_max;  /* net_loop_pending_max() */
    uv_prepare_t turn_end; /* runs last before the loop sleeps */
    struct net_turns turns;
    uint64_t turn_cpu_us;  /* the thread's processor time when this turn began … */
    uint64_t turn_wall_us; /* … and the clock when it was first asked whether it is spent; 0: not yet */
    bool turn_spent;       /* net_turn_spent() */
    uint32_t fed;          /* connections of which net_conn.fed is set */
    uint32_t turn;         /* its number; each connection reads once a turn */
    char *read_bytes;  /* owned; NET_READ_BYTES that every connection reads into */
};

/* turn.c */
/* Counts the turns of a new loop. */
void turns_init(struct net_loop *l);
/* The loop runs from now on. */
void turns_begin(struct net_loop *l);

/* What was written is flushed, and owners are told, before the loop sleeps next. */
void loop_flush_soon(struct net_loop *l);

/* The loop a uv handle belongs to. */
static inline struct net_loop *loop_of(const uv_handle_t *h)
{
    return h->loop->data;
}

#endif
