/* What is said when a thread crashes: what it computes, or, where it only helps, what anybody does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "os/last_words.h"

static uint64_t said[64];
static uint32_t said_n;
static int died_of;

static void hear(int signum, const uint64_t *what, uint32_t n)
{
    died_of = signum;
    said_n = n;
    for (uint32_t i = 0; i < n && i < 64; i++)
        said[i] = what[i];
}

struct play {
    uint64_t what[3];
    uint32_t n;
    pthread_barrier_t begun, end; /* owned */
};

/* Computes from one barrier to the other. */
static void *computes(void *arg)
{
    struct play *p = arg;
    last_words_computing(p->what, p->n);
    pthread_barrier_wait(&p->begun);
    pthread_barrier_wait(&p->end);
    last_words_computing(NULL, 0);
    return NULL;
}

static void *crashes(void *arg)
{
    const struct play *p = arg;
    if (p != NULL)
        last_words_computing(p->what, p->n);
    last_words_say(6);
    if (p != NULL)
        last_words_computing(NULL, 0);
    return NULL;
}

static void a_thread_crashes(struct play *p)
{
    pthread_t t;
    said_n = 0;
    assert_int_equal(pthread_create(&t, NULL, crashes, p), 0);
    pthread_join(t, NULL);
}

static void who_crashes_is_named_and_helpers_name_all(void **state)
{
    (void)state;
    struct play other = {.what = {7, 8}, .n = 2}, one = {.what = {3}, .n = 1};
    pthread_t t;
    last_words_to(hear);
    pthread_barrier_init(&other.begun, NULL, 2);
    pthread_barrier_init(&other.end, NULL, 2);
    assert_int_equal(pthread_create(&t, NULL, computes, &other), 0);
    pthread_barrier_wait(&other.begun);

    a_thread_crashes(&one); /* not the other thread's doing */
    assert_true(said_n == 1 && said[0] == 3 && died_of == 6);
    a_thread_crashes(NULL); /* it helps: 7 and 8 are what anybody computes */
    assert_true(said_n == 2 && said[0] + said[1] == 15);
    said_n = 0;
    last_words_say(11); /* the first thread computes nothing */
    assert_int_equal(said_n, 0);

    pthread_barrier_wait(&other.end);
    pthread_join(t, NULL);
    a_thread_crashes(NULL); /* nothing is computed any more */
    assert_int_equal(said_n, 0);
    pthread_barrier_destroy(&other.begun);
    pthread_barrier_destroy(&other.end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_crashes_is_named_and_helpers_name_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
