/* Lines for a reader that does not read: kept in bounds, and what is lost is said. Also the budget of lines that peers cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/spool.h"

enum { RING = 2 * SPOOL_CHUNK_BYTES, LATE_MS = 60000 };

/* A descriptor that takes nothing while the gate is shut. */
struct outlet {
    struct spool spool;
    char ring[RING];
    pthread_mutex_t lock;
    pthread_cond_t turned;
    bool shut, broken, waiting;
    struct buf out; /* owned; what it took */
};

static bool put(const char *lines, size_t n, void *user_data)
{
    struct outlet *o = user_data;
    pthread_mutex_lock(&o->lock);
    o->waiting = o->shut;
    pthread_cond_broadcast(&o->turned);
    while (o->shut)
        pthread_cond_wait(&o->turned, &o->lock);
    o->waiting = false;
    bool takes = !o->broken;
    if (takes)
        buf_add(&o->out, lines, n);
    pthread_mutex_unlock(&o->lock);
    return takes;
}

static void turn(struct outlet *o, bool shut, bool broken)
{
    pthread_mutex_lock(&o->lock);
    o->shut = shut;
    o->broken = broken;
    pthread_cond_broadcast(&o->turned);
    pthread_mutex_unlock(&o->lock);
}

static void wait_until_it_hangs(struct outlet *o)
{
    pthread_mutex_lock(&o->lock);
    while (!o->waiting)
        pthread_cond_wait(&o->turned, &o->lock);
    pthread_mutex_unlock(&o->lock);
}

static int setup(void **state)
{
    static struct outlet o;
    o = (struct outlet){.out = buf_max(16 << 20)};
    pthread_mutex_init(&o.lock, NULL);
    pthread_cond_init(&o.turned, NULL);
    spool_init(&o.spool, o.ring, sizeof o.ring);
    assert_true(spool_start(&o.spool, put, &o));
    *state = &o;
    return 0;
}

static int teardown(void **state)
{
    struct outlet *o = *state;
    turn(o, false, false);
    assert_true(spool_end(&o->spool, LATE_MS));
    buf_fini(&o->out);
    return 0;
}

static void add(struct outlet *o, unsigned number)
{
    char line[64];
    int n = snprintf(line, sizeof line, "line %u\n", number);
    spool_add(&o->spool, line, (size_t)n, false);
}

/* Reads "line 7\nline 8\n…" from *at; returns how many, and the first number. */
static unsigned count(const char **at, unsigned *first)
{
    unsigned n = 0, number;
    int bytes;
    while (sscanf(*at, "line %u\n%n", &number, &bytes) == 1) {
        *first = n == 0 ? number : *first;
        assert_int_equal(number, *first + n);
        n++;
        *at += bytes;
    }
    return n;
}

static void lines_come_out_in_order(void **state)
{
    struct outlet *o = *state;
    for (unsigned i = 0; i < 500; i++)
        add(o, i);
    assert_true(spool_flush(&o->spool, LATE_MS));
    const char *at = buf_cstr(&o->out);
    unsigned first = 0;
    assert_int_equal(count(&at, &first), 500);
    assert_string_equal(at, "");
}

/* Given a reader that stopped; when far more comes than is kept; then adding never waits, and once it reads again it gets the newest
 * lines, behind the number of those it missed: none is unaccounted for. */
static void a_reader_that_stopped_is_told_how_much_it_missed(void **state)
{
    struct outlet *o = *state;
    turn(o, true, false);
    add(o, 0);
    wait_until_it_hangs(o);
    for (unsigned i = 1; i < 100000; i++)
        add(o, i);
    turn(o, false, false);
    assert_true(spool_flush(&o->spool, LATE_MS));
    const char *at = buf_cstr(&o->out);
    unsigned first = 0, before = count(&at, &first);
    assert_int_equal(first, 0);
    unsigned long long dropped = 0;
    assert_int_equal(sscanf(at, "warning: %llu lines dropped", &dropped), 1);
    at = strchr(at, '\n') + 1;
    unsigned after = count(&at, &first);
    assert_string_equal(at, "");
    assert_int_equal(before + dropped, first);
    assert_int_equal(first + after, 100000);
    assert_true(after * 11 > RING / 2 && after * 11 <= RING);
}

/* Given an output that fails, a full disk; when it takes lines again; then the first thing it gets is how many are missing. */
static void an_output_that_failed_is_told_as_well(void **state)
{
    struct outlet *o = *state;
    turn(o, false, true);
    for (unsigned i = 0; i < 7; i++) {
        add(o, i);
        assert_true(spool_flush(&o->spool, LATE_MS));
    }
    turn(o, false, false);
    add(o, 7);
    assert_true(spool_flush(&o->spool, LATE_MS));
    const char *at = buf_cstr(&o->out);
    assert_memory_equal(at, "warning: 7 lines dropped", 24);
    assert_string_equal(strchr(at, '\n') + 1, "line 7\n");
}

static void a_line_of_any_length_is_one_line(void **state)
{
    struct outlet *o = *state;
    size_t n = 3 * RING;
    char *line = malloc(n);
    memset(line, 'x', n);
    line[n - 1] = '\n';
    spool_add(&o->spool, line, n, false);
    free(line);
    add(o, 1);
    assert_true(spool_flush(&o->spool, LATE_MS));
    const char *end = strchr(buf_cstr(&o->out), '\n');
    assert_true(end - o->out.p <= SPOOL_CHUNK_BYTES);
    assert_string_equal(end + 1, "line 1\n");
}

/* Given a process whose output hangs; when it ends; then it waits for a bounded time only. */
static void an_end_is_not_held_up(void **state)
{
    struct outlet *o = *state;
    turn(o, true, false);
    add(o, 0);
    wait_until_it_hangs(o);
    assert_false(spool_flush(&o->spool, 1));
    turn(o, false, false);
    assert_true(spool_flush(&o->spool, LATE_MS));
}

static void a_dump_has_the_last_lines_whatever_was_written(void **state)
{
    struct outlet *o = *state;
    char text[256];
    int ends[2];
    turn(o, true, false);
    for (unsigned i = 0; i < 9000; i++)
        add(o, i);
    assert_int_equal(pipe(ends), 0);
    spool_dump(&o->spool, ends[1], 3);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    assert_string_equal(text, "line 8997\nline 8998\nline 8999\n");
    close(ends[0]);
    close(ends[1]);
}

/* Told time: a flood of one kind gets a burst and a trickle, and what is left out is counted. */
static void a_kind_of_line_has_a_budget(void **state)
{
    (void)state;
    struct log_budget b = {.kind = "refused"};
    uint64_t now = 5000000;
    unsigned printed = 0;
    for (unsigned i = 0; i < 1000; i++)
        printed += log_budget_take(&b, now);
    assert_int_equal(printed, LOG_PEER_LINES);
    assert_int_equal(b.left_out, 1000 - LOG_PEER_LINES);
    assert_true(log_budget_take(&b, now += LOG_PEER_EVERY_MS * 1000ull));
    assert_false(log_budget_take(&b, now));
    for (printed = 0, now += 3600ull * 1000000; log_budget_take(&b, now); printed++)
        ;
    assert_int_equal(printed, LOG_PEER_LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_come_out_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_stopped_is_told_how_much_it_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(an_output_that_failed_is_told_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_of_any_length_is_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(an_end_is_not_held_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dump_has_the_last_lines_whatever_was_written, setup, teardown),
        cmocka_unit_test(a_kind_of_line_has_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
