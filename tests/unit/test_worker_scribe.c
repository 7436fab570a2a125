/* The scribe's lanes: short prompts beside a long one that does not come to its end, cancelled ones, the end. Nothing here waits
 * for time to pass: gates are opened, and what must come is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "engine/echo.h"
#include "worker/scribe.h"

enum { TICKETS_MAX = 64, WAIT_S = 60 };

/* An echo engine whose tokenizer stands still at the word "stuck" until the gate is open or it is stopped. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    uint32_t stands;          /* calls that stand at the gate */
    uint32_t at_once, most;   /* long prompts under way now, and the most that ever were */
    uint32_t told[TICKETS_MAX]; /* how often each was done */
    struct fault faults[TICKETS_MAX];
    uint64_t order[TICKETS_MAX];
    uint32_t order_n;
    struct engine_ops ops;
    struct engine *engine;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int tokenize(struct engine *e, struct str text, unsigned how, const struct engine_bounds *bounds, struct engine_tokens *out, struct fault *f)
{
    bool stuck = text.n > 5 && memmem(text.p, text.n, "stuck", 5) != NULL, stopped = false;
    pthread_mutex_lock(&gate.lock);
    gate.stands += stuck;
    gate.at_once++;
    gate.most = gate.at_once > gate.most ? gate.at_once : gate.most;
    pthread_cond_broadcast(&gate.changed);
    while (stuck && !gate.open && !stopped) {
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 1000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&gate.changed, &gate.lock, &soon);
        stopped = bounds->stopped(bounds->user_data);
    }
    gate.stands -= stuck;
    gate.at_once--;
    pthread_mutex_unlock(&gate.lock);
    if (bounds->memory_bytes > 0 && text.n > 4 && memcmp(text.p, "much", 4) == 0) /* the long lane here has no bound */
        return fault_set(f, ERR_TOO_LARGE, "more than %llu bytes", (unsigned long long)bounds->memory_bytes);
    return stopped ? fault_set(f, ERR_CANCELLED, "stopped") : engine_echo()->tokenize(e, text, how, bounds, out, f);
}

static void on_done(uint64_t ticket, struct prompt *p, void *user_data)
{
    (void)user_data;
    pthread_mutex_lock(&gate.lock);
    gate.told[ticket]++;
    gate.faults[ticket] = p->fault;
    gate.order[gate.order_n++] = ticket;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_for(const char *what, const uint32_t *number, uint32_t value)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    pthread_mutex_lock(&gate.lock);
    while (*number != value)
        if (pthread_cond_timedwait(&gate.changed, &gate.lock, &end) != 0)
            fail_msg("waited in vain for %s", what);
    pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static pthread_mutex_t long_turn = PTHREAD_MUTEX_INITIALIZER;

static struct scribe *begin(void)
{
    struct engine_load load = {.path = "echo", .slots = 1, .context = 65536};
    struct fault f;
    gate.open = false;
    gate.stands = gate.at_once = gate.most = gate.order_n = 0;
    memset(gate.told, 0, sizeof gate.told);
    gate.ops = *engine_echo();
    gate.ops.tokenize = tokenize;
    assert_int_equal(engine_echo()->load(&load, NULL, NULL, &gate.engine, &f), 0);
    return scribe_new(&(struct scribe_config){.ops = &gate.ops, .engine = gate.engine, .long_turn = &long_turn, .on_done = on_done});
}

static void end(struct scribe *s)
{
    scribe_free(s);
    engine_echo()->free(gate.engine);
}

static char long_text[SCRIBE_SHORT_BYTES + 100];

static struct request request_of(const char *text)
{
    return (struct request){.kind = REQUEST_TEXT, .text = str_of(text), .sampling = sampling_default()};
}

static struct request long_request(const char *word)
{
    memset(long_text, 'x', sizeof long_text - 1);
    memcpy(long_text, word, strlen(word));
    return request_of(long_text);
}

/* Given a long prompt that stands still, then short ones are made meanwhile, in their order. */
static void short_prompts_do_not_wait_for_a_long_one(void **state)
{
    (void)state;
    struct scribe *s = begin();
    struct request slow = long_request("stuck"), quick = request_of("hello");
    scribe_take(s, 1, &slow);
    wait_for("the long one to begin", &gate.stands, 1);
    for (uint64_t t = 2; t < 10; t++)
        scribe_take(s, t, &quick);
    wait_for("the last short one", &gate.told[9], 1);
    assert_int_equal(gate.told[1], 0);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(gate.order[i], i + 2);
    open_gate();
    wait_for("the long one", &gate.told[1], 1);
    assert_int_equal(gate.faults[1].err, 0);
    end(s);
}

/* Given a prompt that is forgotten before it begins, then nothing is heard of it; under way, it is stopped, and says so. */
static void a_forgotten_prompt_is_not_made(void **state)
{
    (void)state;
    struct scribe *s = begin();
    struct request stuck = long_request("stuck");
    scribe_take(s, 1, &stuck);
    wait_for("it to begin", &gate.stands, 1);
    scribe_take(s, 2, &stuck);
    scribe_take(s, 3, &stuck);
    assert_true(scribe_forget(s, 2));
    assert_false(scribe_forget(s, 1));
    wait_for("it to be stopped", &gate.told[1], 1);
    open_gate();
    wait_for("the one behind it", &gate.told[3], 1);
    assert_int_equal(gate.told[1], 1);
    assert_int_equal(gate.faults[1].err, ERR_CANCELLED);
    assert_int_equal(gate.told[2], 0);
    assert_false(scribe_forget(s, 3));
    end(s);
}

/* Given a short prompt that stands still, then it moves out of the way: those behind it are made, and it is when it can be. */
static void a_short_prompt_that_takes_long_moves_out_of_the_way(void **state)
{
    (void)state;
    struct scribe *s = begin();
    struct request stuck = request_of("this is stuck"), quick = request_of("hello");
    scribe_take(s, 1, &stuck);
    wait_for("it to begin", &gate.stands, 1);
    for (uint64_t t = 2; t < 5; t++)
        scribe_take(s, t, &quick);
    wait_for("those behind it", &gate.told[4], 1);
    assert_int_equal(gate.told[1], 0);
    open_gate();
    wait_for("the one that moved", &gate.told[1], 1);
    assert_int_equal(gate.faults[1].err, 0);
    end(s);
}

/* Given a short prompt that takes more than short ones may, then it has what long ones may. */
static void a_short_prompt_that_takes_much_has_the_bounds_of_long_ones(void **state)
{
    (void)state;
    struct scribe *s = begin();
    struct request much = request_of("much ado");
    scribe_take(s, 1, &much);
    wait_for("it", &gate.told[1], 1);
    assert_int_equal(gate.faults[1].err, 0);
    end(s);
}

/* Given such a one that is forgotten, whenever that is, then it is told of once, as stopped, or not at all. */
static void a_prompt_that_moves_can_be_forgotten(void **state)
{
    (void)state;
    struct scribe *s = begin();
    struct request stuck = request_of("this is stuck"), quick = request_of("hello");
    for (uint64_t t = 1; t < 40; t += 2) {
        scribe_take(s, t, &stuck);
        scribe_take(s, t + 1, &quick);
        if (t % 3 == 0)
            wait_for("the one behind it", &gate.told[t + 1], 1);
        if (!scribe_forget(s, t))
            wait_for("it to be stopped", &gate.told[t], 1);
        wait_for("the one behind it", &gate.told[t + 1], 1);
        assert_true(gate.told[t] == 0 || gate.faults[t].err == ERR_CANCELLED);
    }
    end(s);
}

/* Given two actors with a long prompt each, then they take turns: each may need all the memory there is for them. */
static void long_prompts_take_turns(void **state)
{
    (void)state;
    struct scribe *s = begin();
    struct request r = long_request("stuck");
    struct scribe *other = scribe_new(&(struct scribe_config){.ops = &gate.ops, .engine = gate.engine, .long_turn = &long_turn, .on_done = on_done});
    for (uint64_t t = 1; t <= 4; t++)
        scribe_take(t % 2 == 0 ? s : other, t, &r);
    wait_for("one to begin", &gate.stands, 1);
    open_gate();
    for (uint64_t t = 1; t <= 4; t++)
        wait_for("all of them", &gate.told[t], 1);
    assert_int_equal(gate.most, 1);
    scribe_free(other);
    end(s);
}

/* Given prompts under way and waiting, when the scribe ends, then it ends, and those that waited are dropped. */
static void the_end_does_not_wait_for_prompts(void **state)
{
    (void)state;
    struct scribe *s = begin();
    struct request slow = long_request("stuck"), stuck = request_of("this is stuck");
    scribe_take(s, 1, &slow);
    scribe_take(s, 2, &stuck);
    scribe_take(s, 3, &slow);
    scribe_take(s, 4, &stuck);
    wait_for("both lanes to stand", &gate.stands, 2);
    end(s);
    assert_int_equal(gate.told[3], 0);
    assert_int_equal(gate.told[4], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_prompts_do_not_wait_for_a_long_one),
        cmocka_unit_test(a_forgotten_prompt_is_not_made),
        cmocka_unit_test(a_short_prompt_that_takes_long_moves_out_of_the_way),
        cmocka_unit_test(a_short_prompt_that_takes_much_has_the_bounds_of_long_ones),
        cmocka_unit_test(a_prompt_that_moves_can_be_forgotten),
        cmocka_unit_test(long_prompts_take_turns),
        cmocka_unit_test(the_end_does_not_wait_for_prompts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
