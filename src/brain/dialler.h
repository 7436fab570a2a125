/* The life of one link to a head, from the side that dials: dial, hello, welcome, heartbeats, and dial
 * again when it breaks.
 *
 * Workers (agent/uplink.c) and launchers (launch/head_link.c) live by it; only their messages differ. Pure:
 * it is given the time, in microseconds of a clock that does not go backwards, and its owner dials, sends
 * and closes.
 *
 *            start             linked            welcome
 *     IDLE ────────▶ DIALLING ────────▶ HELLO ────────────▶ WELCOMED
 *                     ▲     │ lost        │ lost                │ lost
 *                back-off   ▼             ▼                     ▼
 *                     └── WAITING ◀───────┴─────────────────────┘
 *                              ▲ lost
 *     too slow, silent, refused: CLOSING (the owner hung up, and will report the loss)
 *
 * Leaving goes to IDLE from every state, for good. */
#ifndef MANTA_BRAIN_DIALLER_H
#define MANTA_BRAIN_DIALLER_H

#include "base/rng.h"
#include "wire/wire.h"

enum dialler_state {
    DIALLER_IDLE = 0,
    DIALLER_DIALLING,
    DIALLER_HELLO, /* up, our hello is sent */
    DIALLER_WELCOMED,
    DIALLER_CLOSING,
    DIALLER_WAITING,
};

enum {
    DIALLER_BEAT_MS_MIN = 20, /* range of a head's `welcome`; other values are brought into it */
    DIALLER_BEAT_MS_MAX = 60000,
    DIALLER_LOST_BEATS_MIN = 2, /* beats of silence that a head has at least */
};

struct dialler_times {
    uint32_t redial_first_ms, redial_max_ms; /* the pause before the next dial doubles from the first to the maximum */
    uint32_t dial_ms;                        /* a dial without a welcome by then has failed */
};
static const struct dialler_times DIALLER_TIMES = {.redial_first_ms = 100, .redial_max_ms = 5000, .dial_ms = 5000};

struct dialler {
    enum dialler_state state;
    uint64_t due_us;        /* DIALLING, HELLO: give up; WELCOMED: next beat; WAITING: dial again */
    uint64_t heard_us;      /* WELCOMED: time of the head's last message */
    uint64_t welcomed_us;   /* time of the last welcome */
    uint32_t tries;         /* dials since the last link that lasted */
    uint32_t beat_ms;       /* from welcome, brought into range */
    uint32_t lost_after_ms; /* likewise */
    uint64_t epoch;         /* identifies the head's process that welcomed us last */
};

/* The owner is about to dial. From IDLE or WAITING. */
void dialler_start(struct dialler *d, const struct dialler_times *t, uint64_t now_us);
/* The link is up. True: say hello. False: we hung up while the dial was succeeding. */
bool dialler_linked(struct dialler *d);
/* The head has welcomed us. From HELLO. */
void dialler_welcomed(struct dialler *d, const struct wire_welcome *w, uint64_t now_us);
/* The owner hangs up; dialler_lost() follows. From DIALLING, HELLO or WELCOMED. */
void dialler_hung_up(struct dialler *d, const struct dialler_times *t, uint64_t now_us);
/* The dial failed, or the link ended: waits for the next dial. Returns the pause in ms, drawn from rng;
 * 0: nothing was up, or it waits already. */
uint32_t dialler_lost(struct dialler *d, const struct dialler_times *t, uint64_t now_us, struct rng *rng);
/* No further dial: to IDLE. Returns whether there is a link or a dial to end. */
bool dialler_leave(struct dialler *d);

enum dialler_act {
    DIALLER_NOTHING = 0,
    DIALLER_DIAL,    /* dialler_start(), and dial */
    DIALLER_BEAT,    /* send a heartbeat */
    DIALLER_HANG_UP, /* dialler_hung_up(), and close the link; *why says why */
};
/* Handles the deadline, if it is due. *why is set for HANG_UP only, to static text. */
enum dialler_act dialler_tick(struct dialler *d, uint64_t now_us, const char **why);
/* Returns when dialler_tick() is due; UINT64_MAX: never. */
uint64_t dialler_deadline(const struct dialler *d);
/* True for tries 1, 2, 4, 8, …: a head that stays away for an hour is not worth a line every five seconds. */
bool dialler_is_worth_a_line(const struct dialler *d);

#endif
