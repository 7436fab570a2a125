/* A state machine's table: a move that it has, and one that it lacks; and who is told of the end of a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/must.h"
#include "base/states.h"

enum { DOOR_SHUT, DOOR_OPEN, DOOR_GONE };

static const struct state door_states[] = {
    [DOOR_SHUT] = {"SHUT", TO(DOOR_OPEN) | TO(DOOR_GONE)},
    [DOOR_OPEN] = {"OPEN", TO(DOOR_SHUT)},
    [DOOR_GONE] = {"GONE", 0},
};

static jmp_buf before_the_end;
static char told[160];

static void note(const struct must_death *why)
{
    strncat(told, why->expr, sizeof told - 1);
    longjmp(before_the_end, 1);
}

/* Given a door that is shut, when it opens and is shut again, then it is in these states. */
static void a_move_of_the_table_is_made(void **state)
{
    (void)state;
    unsigned now = DOOR_SHUT;
    now = state_next(door_states, "door", now, DOOR_OPEN);
    assert_int_equal(now, DOOR_OPEN);
    now = state_next(door_states, "door", now, DOOR_SHUT);
    assert_int_equal(now, DOOR_SHUT);
}

/* Given a door that is open, when it shall be gone, which only a shut one can, then the process ends, and says which move it was. */
static void another_move_is_told_by_its_names(void **state)
{
    (void)state;
    must_tell(note);
    if (setjmp(before_the_end) == 0)
        (void)state_next(door_states, "door", DOOR_OPEN, DOOR_GONE);
    assert_string_equal(told, "door: OPEN -> GONE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_of_the_table_is_made),
        cmocka_unit_test(another_move_is_told_by_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
