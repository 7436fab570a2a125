/* Brings what an engine has to the number of workers that is desired: which operation is to be asked of it now, if any.
 *
 * Pure, like the brain: time is given, no engine is called. The owner (pilot.c) tells it each answer of the engine with the ticket it came with,
 * calls reconcile_next() after each event and at reconcile_deadline(), and does what that returns.
 *
 *                       want, changed, period, an operation has ended
 *     list is fresh  <-----------------------------------------------  list is old
 *         |    ^                                                            ^  |
 *         |    +----------------- listed -------------- LIST in flight <----|--+
 *         +--- START or STOP of what the list lacks or has too many ---> in flight: done, a fault, or no answer
 *
 * Invariants, checked by test_launch_reconcile with an engine that answers late, twice, wrongly or never:
 *  R1. One operation is in flight. An answer with another ticket than its own changes nothing.
 *  R2. START is asked only after a list that began after the last operation ended and after the last change of what was known of those
 *      workers; only for indices that this list lacks or has as FAILED. A worker that disappears must be lacking in two lists, the second one
 *      begun at least a pause later: an engine that comes back may have forgotten nothing but shows nothing yet.
 *  R3. An index whose START was accepted, or has an unknown end (no answer, or several were refused and some may have begun), is not started again
 *      for settle_ms, unless a list showed it in between: engines show things late.
 *  R4. After a fault of the engine's there is a pause, which doubles up to pause_max_ms; a new order is a new chance.
 *      An engine that names a time (fault.wait_s, its Retry-After) is asked nothing before it, a new order or not; at most RECONCILE_WAIT_S_MAX.
 *  R5. A worker that fails, or disappears, again and again is started at growing intervals, each worker by its own. */
#ifndef MANTA_LAUNCH_RECONCILE_H
#define MANTA_LAUNCH_RECONCILE_H

#include "launch/launcher.h"

enum { RECONCILE_WAIT_S_MAX = 300 };

struct reconcile_times {
    uint32_t pause_first_ms;  /* 1000: after a fault, and before a failed worker is started again; doubles ... */
    uint32_t pause_max_ms;    /* 60000: ... up to this */
    uint32_t stable_ms;       /* 60000: a worker that ran for so long begins again with the first pause */
    uint32_t patience_ms;     /* 130000: for one operation; more than LAUNCHER_PATIENCE_MS */
    uint32_t settle_ms;       /* 30000: R3 */
    uint32_t collect_ms;      /* 200: changes told by the engine are collected for so long */
    uint32_t busy_ms;         /* 2000: a list at least so often while not all is as it should be ... */
    uint32_t period_ms;       /* 15000: ... and while it is */
};

enum reconcile_what { RECONCILE_NOTHING, RECONCILE_LIST, RECONCILE_START, RECONCILE_STOP };
struct reconcile_action {
    enum reconcile_what what;
    uint64_t ticket;             /* the answer must bring it; never 0 */
    struct launcher_range range; /* START, STOP */
};

/* What is known of one worker. */
struct reconcile_worker {
    bool listed;                 /* in the last list, as `state` */
    enum launcher_state state;
    uint32_t lacking;            /* lists in a row without it, since it was known */
    uint64_t asked_us;           /* START was asked, and no list has shown it since; 0: not so */
    uint64_t told_us;            /* STOP was asked; 0: not since it was started */
    uint64_t ran_us;             /* first seen RUNNING, in a row */
    uint64_t not_before_us;      /* START not before */
    uint32_t pause_ms;           /* the last one */
};

struct reconcile {
    struct reconcile_times times;
    uint32_t desired;
    bool holds;                  /* the owner's: `desired` may not be the last word yet: lists only */
    struct reconcile_worker workers[LAUNCHER_WORKERS_MAX];
    struct reconcile_action flight; /* what NOTHING: none */
    uint64_t flight_end_us;      /* its deadline */
    uint64_t flight_began_us;
    uint64_t tickets;            /* so far */
    bool fresh;                  /* the last list began after all we know of */
    bool acted;                  /* START or STOP has ended since the last list */
    uint64_t listed_us;          /* when it began; 0: none so far */
    uint64_t list_end_us;        /* … and when it was answered */
    uint64_t change_us;          /* a list is due then; UINT64_MAX: for no such reason */
    uint64_t list_not_before_us, act_not_before_us; /* R4 */
    uint32_t list_pause_ms, act_pause_ms;
    uint64_t quiet_until_us;     /* R4: the engine asked for it */
    struct fault list_fault, act_fault;  /* the last one, until the same goes well */
    char worker_note[400];       /* of workers that fail or wait */
    uint32_t running, pending, ending, failed; /* in the last list; of those wanted, and all that are ending */
    uint32_t surplus;            /* listed beyond what is wanted, ending ones among them */
    uint64_t news_us;            /* something happened last */
    uint64_t now_us;             /* of the last reconcile_next() */
    uint64_t ignored;            /* answers with a wrong ticket, workers with impossible indices */
};

/* The numbers beside the fields. */
struct reconcile_times reconcile_times_default(void);
/* Nothing is known of the engine; so many workers are desired. */
void reconcile_init(struct reconcile *r, const struct reconcile_times *t, uint32_t desired);
/* From now on so many; at most LAUNCHER_WORKERS_MAX. Returns the number it was bounded to. */
uint32_t reconcile_want(struct reconcile *r, uint64_t now_us, uint32_t desired);
/* The engine says that something changed: a list is due. */
void reconcile_changed(struct reconcile *r, uint64_t now_us);
/* The operation of that ticket has ended, with f. Late and double answers are ignored. */
void reconcile_done(struct reconcile *r, uint64_t now_us, uint64_t ticket, const struct fault *f);
/* The list of that ticket; the same. */
void reconcile_listed(struct reconcile *r, uint64_t now_us, uint64_t ticket, const struct launcher_worker *workers, size_t n);
/* What to ask the engine now; the caller does it, once. */
struct reconcile_action reconcile_next(struct reconcile *r, uint64_t now_us);
/* When to ask again although nothing has happened; never UINT64_MAX. */
uint64_t reconcile_deadline(const struct reconcile *r);
/* The last list shows what is desired, all of it running, and nothing was done since. */
bool reconcile_is_settled(const struct reconcile *r);
/* What is in the way, for people: the engine's words; "": nothing. */
const char *reconcile_note(const struct reconcile *r);

#endif
