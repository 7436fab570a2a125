/* A job that leaves a worker with what is computed of it: the record of that, and who tells it what. handover.c has the story. */
#ifndef MANTA_CLUSTER_HANDOVER_H
#define MANTA_CLUSTER_HANDOVER_H

#include "cluster/head_state.h"

enum { HANDOVER_WINDOW = 4 }; /* parts that are on their way at once: what the head holds of one job is at most these */

enum handover_state { HANDOVER_SAVING = 0, HANDOVER_MOVING };
struct handover {
    struct list link; /* head.handovers */
    enum handover_state state;
    struct job *job;
    struct worker *from, *to;       /* borrowed; to: MOVING */
    uint32_t from_attempt;
    uint32_t aim;                   /* SAVING: id of the actor that was chosen */
    bool rebalances;                /* its actor would have kept it */
    uint64_t bytes, sum;            /* MOVING */
    uint64_t pulled, came, acked;   /* of bytes; pulled may be over it by less than a part */
    uint64_t began_us;              /* MOVING */
    double compute_s;               /* what computing it takes instead */
    struct timer timer;             /* nothing moved for so long */
};

/* The pool of those that may go on with its answers in the same bits: its twins', else its file's; NULL while it is not ready. */
static inline struct pool *head_kin_of(const struct actor *a)
{
    return a->seats[a->exact ? SEAT_TWIN : SEAT_DIGEST].pool;
}
/* A worker wants its jobs elsewhere, or no longer. */
void head_moves(struct head *h, struct worker *w, bool moves);
/* Moves what can move now, one at a time from each such worker. */
void head_handover_more(struct head *h);
/* Both have the same bits to go on with. */
bool head_handover_alike(const struct actor *a, const struct actor *b);
/* How long the job would pause on its way to that actor, moved or computed again, whichever is quicker. */
double head_handover_pause_s(const struct head *h, const struct job *job, const struct actor *to);
/* Sends it there, one way or the other. `to` is open, alike, and nothing moves to its worker or from this one. */
void head_handover_start(struct head *h, struct job *job, struct actor *to, bool rebalances);
/* The job ends, or leaves its flight: what moves of it is of no use any more. Harmless where nothing moves. */
void head_handover_drop(struct head *h, struct job *job);
/* The worker is lost; its jobs are taken care of elsewhere. */
void head_handover_lost(struct head *h, struct worker *w);
void head_handover_overdue(struct head *h, struct handover *ho);
void head_kv_saved(struct head *h, struct worker *w, const struct wire_kv_saved *m);
void head_kv_part(struct head *h, struct worker *w, const struct wire_kv_part *m);
void head_kv_ack(struct head *h, struct worker *w, const struct wire_kv_ack *m);

/* rebalance.c: that worker was heard of: one of its jobs may be better off elsewhere. */
void head_rebalance(struct head *h, struct worker *w);
/* rebalance.c: its job is about to say so many tokens more. */
void head_flight_paces(const struct head *h, struct flight *f, uint32_t tokens);

/* stream.c: the flight a worker speaks of, also one that nobody waits for (job NULL). NULL: stale, or nonsense: then the link is
 * closed. */
struct flight *head_flight_of(struct head *h, struct worker *w, uint64_t id, uint32_t attempt);

#endif
