/* Share a bounded number of places between origins: when a place is needed, the origin that has the
 * most gives one up.
 *
 * Origins (addresses) are hashed into a fixed number of groups, so the crowd's memory does not
 * depend on its visitors. Two origins occasionally share a group; each crowd draws its own seed, so
 * an attacker cannot choose a victim's group. */
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
    struct hoard sizes;         /* of the groups, by their number of seats */
    struct crowd_group *groups; /* owned */
    uint64_t seed;
    uint32_t n;                 /* seats */
};

/* Makes an empty crowd. The seed keeps peers from choosing origins that collide. */
void crowd_init(struct crowd *c, uint64_t seed);
/* Frees the crowd's table. The seats belong to their owners. */
void crowd_fini(struct crowd *c);
/* Adds `s`, which must be in no crowd. */
void crowd_add(struct crowd *c, struct crowd_seat *s, uint64_t origin);
/* Removes a seat. A seat that is in no crowd is allowed. */
void crowd_remove(struct crowd *c, struct crowd_seat *s);
/* Returns the oldest seat of the largest group; NULL when the crowd is empty. */
struct crowd_seat *crowd_victim(const struct crowd *c);

#endif
