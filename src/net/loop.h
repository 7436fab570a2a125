/* The inside of a loop, shared by the files of this room, and how its objects are ended. */
#ifndef MANTA_NET_LOOP_H
#define MANTA_NET_LOOP_H

#include <stdlib.h>

#include <uv.h>

#include "base/list.h"
#include "net/net.h"

/* First member of every object that owns a uv handle; the handle's data points to it. */
struct net_object {
    void (*end)(struct net_object *o); /* closes the object at once; for net_loop_free(), harmless when it is closing
                                          already */
};

struct net_loop {
    uv_loop_t uv;
    uv_idle_t flush;  /* runs just before the loop sleeps; active while `dirty` holds a connection */
    uv_idle_cb on_flush; /* the callback of `flush` */
    uv_timer_t sweep; /* active while `timed` holds a connection */
    struct list dirty; /* net_conn.dirty: written to since the last flush */
    struct list hungry; /* net_conn.hungry: readable, but turned away in this turn; the longest waiting is first */
    struct list again;  /* … let in by conns_feed(), and turned away again because others of their batch took too
                           long */
    struct list sated;  /* … have read in this turn already; they join `hungry` last */
    struct list gone;  /* net_conn.dirty: closed, the owner not told yet */
    struct list timed; /* net_conn.timed: connecting or closing, with a deadline */
    struct list signals; /* net_signal.link */
    size_t pending;      /* memory of the unsent bytes of all connections */
    size_t pending_max;  /* net_loop_pending_max() */
    uv_prepare_t turn_end; /* runs last before the loop sleeps */
    struct net_turns turns;
    uint64_t turn_cpu_us;  /* the thread's processor time when this turn began … */
    uint64_t turn_wall_us; /* … and the clock at the first net_turn_spent() of this turn; 0: none yet */
    bool turn_spent;       /* net_turn_spent() */
    uint32_t fed;          /* connections whose net_conn.fed is set */
    uint32_t turn;         /* number of this turn; each connection reads once a turn */
    char *read_bytes;  /* owned; NET_READ_BYTES, the shared read buffer */
};

/* turn.c */
/* Starts counting the turns of a new loop. */
void turns_init(struct net_loop *l);
/* Called when the loop begins to run. */
void turns_begin(struct net_loop *l);

/* Schedules the flush, and the telling of owners, before the loop's next sleep. */
void loop_flush_soon(struct net_loop *l);

/* Returns the loop of a uv handle. */
/* A close callback: frees the record of a handle. */
static inline void loop_free_data(uv_handle_t *h)
{
    free(h->data);
}
static inline struct net_loop *loop_of(const uv_handle_t *h)
{
    return h->loop->data;
}

#endif
