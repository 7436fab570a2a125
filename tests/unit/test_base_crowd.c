/* A crowd: who gives a place up, under every seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crowd.h"

enum { SEEDS = 4000, MANY = 8, OTHERS = 4 };

struct visitors {
    struct crowd_seat first, many[MANY], others[OTHERS];
};

/* Adds one visitor, then eight of one origin, then four with an origin each. */
static void all_come(struct crowd *c, struct visitors *v)
{
    *v = (struct visitors){0};
    crowd_add(c, &v->first, 0);
    for (int i = 0; i < MANY; i++)
        crowd_add(c, &v->many[i], 7);
    for (int i = 0; i < OTHERS; i++)
        crowd_add(c, &v->others[i], 20 + (uint64_t)i);
}

/* Given one origin that has the most places, when places are needed, then its oldest visitors give theirs up one by one, under whatever
 * seed; an older visitor of another origin goes before them only where the seed puts both into one group. */
static void the_origin_with_the_most_gives_way(void **state)
{
    (void)state;
    int shared = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct crowd c;
        struct visitors v;
        crowd_init(&c, seed);
        all_come(&c, &v);
        if (v.first.group == v.many[0].group) {
            assert_ptr_equal(crowd_victim(&c), &v.first);
            crowd_remove(&c, &v.first);
            shared++;
        }
        for (int i = 0; i < MANY / 2; i++) {
            assert_ptr_equal(crowd_victim(&c), &v.many[i]);
            crowd_remove(&c, &v.many[i]);
        }
        crowd_fini(&c);
    }
    assert_in_range(shared, 1, SEEDS / CROWD_GROUPS * 5);
}

/* Given an empty crowd, when a place is needed, then it has no victim; a visitor that left is none, and may leave again. */
static void nobody_gives_way_in_an_empty_crowd(void **state)
{
    (void)state;
    struct crowd c;
    struct crowd_seat s = {0};
    crowd_init(&c, 1);
    assert_null(crowd_victim(&c));
    crowd_add(&c, &s, 7);
    assert_ptr_equal(crowd_victim(&c), &s);
    crowd_remove(&c, &s);
    crowd_remove(&c, &s);
    assert_null(crowd_victim(&c));
    assert_int_equal(c.n, 0);
    crowd_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_origin_with_the_most_gives_way),
        cmocka_unit_test(nobody_gives_way_in_an_empty_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
