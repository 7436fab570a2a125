/* The seeded schedule of faults: what happens to whom, when, and for how long. Pure. */
#ifndef MANTA_LAB_SCHEDULE_H
#define MANTA_LAB_SCHEDULE_H

#include <stdint.h>

#include "base/err.h"

enum schedule_kind {
    SCHEDULE_KILL,   /* a worker gets SIGKILL, and is started again */
    SCHEDULE_FREEZE, /* a worker gets SIGSTOP, and SIGCONT later */
    SCHEDULE_LEAVE,  /* a worker gets SIGTERM, and is started again when it has ended */
    SCHEDULE_CUT,    /* the cable of a worker's host is pulled, and put back later */
    SCHEDULE_HEAD,   /* a head gets SIGKILL, and is started again at its port */
    SCHEDULE_KINDS,
};
const char *schedule_kind_name(enum schedule_kind kind);
/* "kill,head" -> the bits 1 << kind. ERR_USAGE with f: a word that is none of them, or no word. */
int schedule_parse_kinds(const char *text, unsigned *out_kinds, struct fault *f);

struct schedule {
    uint64_t seed;
    unsigned kinds;             /* bits 1 << schedule_kind; kills come twice as often as each other kind */
    uint32_t workers, heads;    /* who may be struck */
    uint32_t faults, streams;   /* so many faults, spread over so many streams */
};

struct schedule_fault {
    enum schedule_kind kind;
    uint32_t victim;            /* index of a worker; SCHEDULE_HEAD: of a head */
    uint32_t ended;             /* it is due when so many streams have ended, … */
    uint32_t patience_ms;       /* … or after so long: streams may be waiting for somebody who would never be struck */
    uint32_t pause_ms;          /* from then on until it strikes, so that it meets streams anywhere */
    uint32_t lasts_ms;          /* freeze, cut: until it continues; head: until it is started again */
};
/* The n-th fault, n < s->faults: always the same for one seed. */
struct schedule_fault schedule_fault(const struct schedule *s, uint32_t n);

#endif
