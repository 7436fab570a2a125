/* A crowd of those who share places, by where they come from: when a place is needed, whoever has the most gives one of theirs.
 *
 * Origins (addresses) fall into a fixed number of groups, by chance: so the crowd takes the same memory whoever comes, and two
 * origins share a group now and then. Which do is drawn anew for each crowd, so nobody can aim. */
#ifndef MANTA_BASE_CROWD_H
#define MANTA_BASE_CROWD_H

#include <stdint.h>

#include "base/hoard.h"

enum { CROWD_GROUPS = 1024 };

struct crowd_group;
struct crowd_seat {            /* zeroed before its first use */
    struct list link;          /* in its group, oldest first */
    struct crowd_group *group; /* borrowed; NULL: in no crowd */
};

struct crowd {
    struct hoard sizes;         /* of groups, by how many seats they have */
    struct crowd_group *groups; /* owned */
    uint64_t seed;
    uint32_t n;                 /* seats */
};

/* An empty crowd; the seed keeps peers from choosing origins that collide. */
void crowd_init(struct crowd *c, uint64_t seed);
/* Frees its table; the seats are the owners'. */
void crowd_fini(struct crowd *c);
/* `s` is in no crowd. */
void crowd_add(struct crowd *c, struct crowd_seat *s, uint64_t origin);
/* Harmless when it is in none. */
void crowd_remove(struct crowd *c, struct crowd_seat *s);
/* The oldest of the group that has the most, or NULL: nobody is there. */
struct crowd_seat *crowd_victim(const struct crowd *c);

#endif
