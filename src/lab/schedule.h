/* Draw the schedule of faults from a seed: which kind strikes which process, when, and for how
 * long. Pure. */
#ifndef MANTA_LAB_SCHEDULE_H
#define MANTA_LAB_SCHEDULE_H

#include <stdint.h>

#include "base/err.h"

enum schedule_kind {
    SCHEDULE_KILL,   /* a worker gets SIGKILL and is started again */
    SCHEDULE_FREEZE, /* a worker gets SIGSTOP, and SIGCONT later */
    SCHEDULE_LEAVE,  /* a worker gets SIGTERM, and is started again after it has ended */
    SCHEDULE_CUT,    /* the cable of a worker's host is pulled, and put back later */
    SCHEDULE_HEAD,   /* a head gets SIGKILL, and is started again at its port */
    SCHEDULE_KINDS,
};
const char *schedule_kind_name(enum schedule_kind kind);
/* Parses "kill,head" into bits 1 << kind. ERR_USAGE with f for an unknown or an empty word. */
int schedule_parse_kinds(const char *text, unsigned *out_kinds, struct fault *f);

struct schedule {
    uint64_t seed;
    unsigned kinds;             /* bits 1 << schedule_kind; kills come twice as often as each other kind */
    uint32_t workers, heads;    /* numbers of possible victims */
    uint32_t faults, streams;   /* this many faults, spread over this many streams */
};

struct schedule_fault {
    enum schedule_kind kind;
    uint32_t victim;            /* index of a worker; for SCHEDULE_HEAD, of a head */
    uint32_t ended;             /* the fault is due when this many streams have ended, … */
    /* … or after this time: all streams may be waiting for a part that is only struck later */
    uint32_t patience_ms;
    uint32_t pause_ms;          /* random delay from then until it strikes, so that it hits streams at any point */
    uint32_t lasts_ms;          /* freeze, cut: until it ends; head: until the head is started again */
};
/* The n-th fault, n < s->faults; the same for the same seed. */
struct schedule_fault schedule_fault(const struct schedule *s, uint32_t n);

#endif
