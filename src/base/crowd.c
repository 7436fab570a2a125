#include "base/crowd.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/rng.h"

struct crowd_group {
    struct hoarder size;
    struct list seats;
};

void crowd_init(struct crowd *c, uint64_t seed)
{
    hoard_init(&c->sizes);
    c->groups = xalloc_array(CROWD_GROUPS, sizeof *c->groups);
    c->seed = seed;
    c->n = 0;
    for (size_t i = 0; i < CROWD_GROUPS; i++) {
        c->groups[i] = (struct crowd_group){0};
        list_init(&c->groups[i].seats);
    }
}

void crowd_fini(struct crowd *c)
{
    free(c->groups);
    c->groups = NULL;
}

void crowd_add(struct crowd *c, struct crowd_seat *s, uint64_t origin)
{
    s->group = &c->groups[rng_at(c->seed, origin) % CROWD_GROUPS];
    list_push(&s->group->seats, &s->link);
    hoard_set(&c->sizes, &s->group->size, s->group->size.holds + 1);
    c->n++;
}

void crowd_remove(struct crowd *c, struct crowd_seat *s)
{
    if (s->group == NULL)
        return;
    list_remove(&s->link);
    hoard_set(&c->sizes, &s->group->size, s->group->size.holds - 1);
    s->group = NULL;
    c->n--;
}

struct crowd_seat *crowd_victim(const struct crowd *c)
{
    struct hoarder *most = hoard_most(&c->sizes);
    if (most == NULL)
        return NULL;
    struct crowd_group *group = list_item(most, struct crowd_group, size);
    return list_item(group->seats.next, struct crowd_seat, link);
}
