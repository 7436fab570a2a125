/* Bring an engine to the desired number of workers: decide which operation to ask of it now, if
 * any.
 *
 * Pure, like the brain: time is given, no engine is called. The owner (pilot.c) passes on each
 * answer of the engine with its ticket, calls reconcile_next() after each event and at
 * reconcile_deadline(), and carries out the action it returns.
 *
 *                       want, changed, period, an operation has ended
 *     list is fresh  <-----------------------------------------------  list is old
 *         |    ^                                                            ^  |
 *         |    +----------------- listed -------------- LIST in flight <----|--+
 *         +--- START or STOP of what the list lacks or has too many ---> in flight: done, a fault, or no answer
 *
 * Invariants, checked by test_launch_reconcile with an engine that answers late, twice, wrongly or
 * never:
 *  R1. At most one operation is in flight. An answer with another ticket changes nothing.
 *  R2. START is asked only after a list that began after the end of the last operation and after
 *      the last change in what is known of those workers; only for indices that this list lacks or
 *      has as FAILED. A worker that disappears must be lacking in two lists, the second one begun
 *      at least a pause later: an engine that comes back may have forgotten nothing but show
 *      nothing yet.
 *  R3. An index whose START was accepted, or ended unknown (no answer, or several were refused and
 *      some may have begun), is not started again for settle_ms, unless a list showed it in
 *      between: engines show workers late.
 *  R4. After a fault of the engine there is a pause, which doubles up to pause_max_ms; a new order
 *      ends it. If the engine names a time (fault.wait_s, its Retry-After), nothing is asked before
 *      it, new order or not; at most RECONCILE_WAIT_S_MAX.
 *  R5. A worker that fails or disappears repeatedly is restarted at growing intervals, each worker
 *      with its own. */
#ifndef MANTA_LAUNCH_RECONCILE_H
#define MANTA_LAUNCH_RECONCILE_H

#include "launch/launcher.h"

enum { RECONCILE_WAIT_S_MAX = 300 };

struct reconcile_times {
    uint32_t pause_first_ms;  /* 1000: after a fault, and before a failed worker is started again; doubles ... */
    uint32_t pause_max_ms;    /* 60000: ... up to this */
    uint32_t stable_ms;       /* 60000: a worker that ran this long begins with the first pause again */
    uint32_t patience_ms;     /* 130000: for one operation; more than LAUNCHER_PATIENCE_MS */
    uint32_t settle_ms;       /* 30000: R3 */
    uint32_t collect_ms;      /* 200: changes reported by the engine are collected for this long */
    uint32_t busy_ms;         /* 2000: interval of lists while workers are missing or surplus ... */
    uint32_t period_ms;       /* 15000: ... and while all is as desired */
};

enum reconcile_what { RECONCILE_NOTHING, RECONCILE_LIST, RECONCILE_START, RECONCILE_STOP };
struct reconcile_action {
    enum reconcile_what what;
    uint64_t ticket;             /* the answer must carry it; never 0 */
    struct launcher_range range; /* START, STOP */
};

/* The state known of one worker. */
struct reconcile_worker {
    bool listed;                 /* in the last list, with `state` */
    enum launcher_state state;
    uint32_t lacking;            /* consecutive lists without it, since it was known */
    uint64_t asked_us;           /* when START was asked, while no list has shown it since; 0: no such START */
    uint64_t told_us;            /* when STOP was asked; 0: not since it was started */
    uint64_t ran_us;             /* first seen RUNNING in the current run */
    uint64_t not_before_us;      /* earliest time of the next START */
    uint32_t pause_ms;           /* the last pause */
};

struct reconcile {
    struct reconcile_times times;
    uint32_t desired;
    bool holds;                  /* set by the owner: `desired` may still change, so only lists are asked */
    struct reconcile_worker workers[LAUNCHER_WORKERS_MAX];
    struct reconcile_action flight; /* RECONCILE_NOTHING: none */
    uint64_t flight_end_us;      /* its deadline */
    uint64_t flight_began_us;
    uint64_t tickets;            /* used so far */
    bool fresh;                  /* the last list began after everything known */
    bool acted;                  /* START or STOP has ended since the last list */
    uint64_t listed_us;          /* when the last list began; 0: none so far */
    uint64_t list_end_us;        /* … and when it was answered */
    uint64_t change_us;          /* when a reported change makes a list due; UINT64_MAX: none reported */
    uint64_t list_not_before_us, act_not_before_us; /* R4 */
    uint32_t list_pause_ms, act_pause_ms;
    uint64_t quiet_until_us;     /* R4: the time that the engine named */
    struct fault list_fault, act_fault;  /* the last fault, until the same operation succeeds */
    char worker_note[400];       /* about workers that fail or wait */
    uint32_t running, pending;   /* of the wanted workers, in the last list */
    uint32_t surplus;            /* listed beyond the desired number, ending ones included */
    uint64_t news_us;            /* time of the last event */
    uint64_t now_us;             /* of the last reconcile_next() */
    uint64_t ignored;            /* answers with a wrong ticket, workers with impossible indices */
};

/* The default times, as in the remarks above. */
struct reconcile_times reconcile_times_default(void);
/* Begins with `desired` workers and no knowledge of the engine. */
void reconcile_init(struct reconcile *r, const struct reconcile_times *t, uint32_t desired);
/* Sets the desired number, at most LAUNCHER_WORKERS_MAX. Returns the number after bounding it. */
uint32_t reconcile_want(struct reconcile *r, uint64_t now_us, uint32_t desired);
/* The engine reports a change: a list becomes due. */
void reconcile_changed(struct reconcile *r, uint64_t now_us);
/* The operation with that ticket has ended, with f. Late and double answers are ignored. */
void reconcile_done(struct reconcile *r, uint64_t now_us, uint64_t ticket, const struct fault *f);
/* The answer to the list with that ticket. Late and double answers are ignored. */
void reconcile_listed(struct reconcile *r, uint64_t now_us, uint64_t ticket, const struct launcher_worker *workers, size_t n);
/* The operation to ask of the engine now; the caller must carry it out, once. */
struct reconcile_action reconcile_next(struct reconcile *r, uint64_t now_us);
/* When to call reconcile_next() although nothing has happened; never UINT64_MAX. */
uint64_t reconcile_deadline(const struct reconcile *r);
/* True if the last list shows exactly the desired workers, all running, and nothing was done since. */
bool reconcile_is_settled(const struct reconcile *r);
/* The current problem for people, in the engine's words; "": none. */
const char *reconcile_note(const struct reconcile *r);

#endif
