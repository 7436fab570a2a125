/* Mailboxes: four threads post, the loop counts. Also run under ThreadSanitizer (preset tsan). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/net.h"

enum { THREADS = 4, LETTERS = 5000 };

struct letter {
    struct net_mail_item item; /* first */
    unsigned thread;
    unsigned number;           /* counts up per thread */
};

struct story {
    struct net_loop *loop;
    struct net_mail *mail;
    unsigned next[THREADS]; /* number expected from each */
    unsigned got;
    unsigned stop_at;
};

static void on_mail(struct net_mail *m, struct net_mail_item *items, void *user_data)
{
    struct story *s = user_data;
    assert_ptr_equal(m, s->mail);
    while (items != NULL) {
        struct letter *letter = (struct letter *)items;
        items = items->next;
        assert_int_equal(letter->number, s->next[letter->thread]);
        s->next[letter->thread]++;
        free(letter);
        if (++s->got == s->stop_at)
            net_loop_stop(s->loop);
    }
}

static void post(struct net_mail *m, unsigned thread, unsigned number)
{
    struct letter *letter = xalloc(sizeof *letter);
    letter->thread = thread;
    letter->number = number;
    net_mail_post(m, &letter->item);
}

struct writer {
    pthread_t thread;
    struct net_mail *mail;
    unsigned index;
};

static void *write_letters(void *arg)
{
    const struct writer *w = arg;
    for (unsigned i = 0; i < LETTERS; i++)
        post(w->mail, w->index, i);
    return NULL;
}

/* Given four threads posting as fast as they can, every letter arrives once, and each thread's in its order. */
static void test_four_threads(void **state)
{
    (void)state;
    struct story s = {.loop = net_loop_new(), .stop_at = THREADS * LETTERS};
    s.mail = net_mail_new(s.loop, on_mail, &s);
    struct writer writers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.mail = s.mail, .index = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_letters, &writers[i]), 0);
    }
    net_loop_run(s.loop);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    assert_int_equal(s.got, THREADS * LETTERS);
    assert_null(net_mail_free(s.mail));
    net_loop_free(s.loop);
}

/* Given letters that nobody came to fetch, freeing the box hands them back, oldest first. */
static void test_free_returns_what_is_left(void **state)
{
    (void)state;
    struct story s = {.loop = net_loop_new()};
    s.mail = net_mail_new(s.loop, on_mail, &s);
    for (unsigned i = 0; i < 3; i++)
        post(s.mail, 0, i);
    struct net_mail_item *left = net_mail_free(s.mail);
    for (unsigned i = 0; i < 3; i++) {
        struct letter *letter = (struct letter *)left;
        assert_non_null(letter);
        assert_int_equal(letter->number, i);
        left = left->next;
        free(letter);
    }
    assert_null(left);
    net_loop_free(s.loop);
    assert_int_equal(s.got, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_threads),
        cmocka_unit_test(test_free_returns_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
