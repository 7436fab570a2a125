/* Whatever is added and taken out, the first is the least. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "brain/kit/ranks.h"

enum { NODES = 300, STEPS = 30000 };

static struct rank nodes[NODES];
static bool in[NODES];

static const struct rank *least(void)
{
    const struct rank *least = NULL;
    for (int i = 0; i < NODES; i++) {
        if (in[i] && (least == NULL || rank_is_before(&nodes[i], least)))
            least = &nodes[i];
    }
    return least;
}

/* Given many equal keys, and nodes taken out from anywhere, at each step the first is the one a search finds. */
static void the_first_is_always_the_least(void **state)
{
    (void)state;
    struct rng rng = {.seed = 7};
    struct ranks r = {0};
    for (uint64_t step = 0; step < STEPS; step++) {
        uint64_t i = rng_below(&rng, NODES);
        bool pop = r.first != NULL && rng_below(&rng, 3) == 0;
        if (pop)
            i = (uint64_t)(r.first - nodes);
        if (in[i])
            ranks_remove(&r, &nodes[i]);
        else
            ranks_add(&r, &nodes[i], rng_below(&rng, 40), step);
        in[i] = !in[i];
        assert_ptr_equal(r.first, least());
    }
}

/* Given rising keys, then falling ones, they come out in order. */
static void all_come_out_in_order(void **state)
{
    (void)state;
    struct ranks r = {0};
    for (uint64_t i = 0; i < NODES; i++)
        ranks_add(&r, &nodes[i], i < NODES / 2 ? i : NODES + NODES / 2 - i, i);
    uint64_t last = 0, n = 0;
    for (; r.first != NULL; n++) {
        assert_true(r.first->key >= last);
        last = r.first->key;
        ranks_remove(&r, r.first);
    }
    assert_int_equal(n, NODES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_always_the_least),
        cmocka_unit_test(all_come_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
