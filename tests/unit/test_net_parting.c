/* A program that ends while its peer still reads: its last words arrive. The peer is a thread with a blocking socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

enum { WORDS_BYTES = 8 << 20 }; /* more than socket buffers hold */

static struct {
    struct net_loop *loop;
    struct net_listener *listener;
    unsigned closes;
    void (*on_accept)(struct net_conn *c);
} W;

static void closed(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c, (void)err, (void)why, (void)user_data;
    W.closes++;
}

static void accepted(struct net_conn *c, void *user_data)
{
    (void)user_data;
    static const struct net_conn_calls calls = {.on_close = closed};
    net_conn_set(c, &calls, NULL);
    W.on_accept(c);
    net_loop_stop(W.loop);
}

static int setup(void **state)
{
    (void)state;
    struct fault f = {0};
    W.closes = 0;
    W.loop = net_loop_new();
    assert_int_equal(net_listen(W.loop, "127.0.0.1", 0, accepted, NULL, &W.listener, &f), 0);
    return 0;
}

static void say_words(struct net_conn *c)
{
    static char words[256 << 10];
    for (size_t said = 0; said < WORDS_BYTES; said += sizeof words)
        assert_int_equal(net_write(c, str_n(words, sizeof words)), 0);
}

static void say_words_and_close(struct net_conn *c)
{
    say_words(c);
    net_conn_close(c);
}

static int connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(net_listener_port(W.listener)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

struct reader {
    int fd;
    bool talks; /* sends a byte between two reads, as a head answers heartbeats */
    size_t got;
    int err;    /* of the last recv(); 0: the end came in order */
};

static void *read_all(void *user_data)
{
    struct reader *r = user_data;
    char bytes[4096];
    for (ssize_t n = 1; n > 0; r->got += n > 0 ? (size_t)n : 0) {
        if (r->talks)
            (void)send(r->fd, "x", 1, MSG_NOSIGNAL);
        n = recv(r->fd, bytes, sizeof bytes, 0);
        r->err = n < 0 ? errno : 0;
    }
    return NULL;
}

/* The peer reads nothing before the loop has stopped. Ends when all that will come has come. */
static void part_from(struct reader *r)
{
    pthread_t thread;
    r->fd = connected();
    net_loop_run(W.loop);
    assert_int_equal(pthread_create(&thread, NULL, read_all, r), 0);
    net_loop_free(W.loop);
    pthread_join(thread, NULL);
    close(r->fd);
}

/* Given a program that writes more than the kernel takes, closes, and stops its loop in the same turn; then a peer that reads
 * late gets every byte and an orderly end, and the owner hears of the close once. */
static void test_last_words_arrive(void **state)
{
    (void)state;
    W.on_accept = say_words_and_close;
    struct reader r = {0};
    part_from(&r);
    assert_int_equal(r.got, WORDS_BYTES);
    assert_int_equal(r.err, 0);
    assert_int_equal(W.closes, 1);
}

/* Given a peer that is itself talking; then closing does not reset the connection before the last byte has arrived. */
static void test_a_talking_peer_gets_them_too(void **state)
{
    (void)state;
    W.on_accept = say_words_and_close;
    struct reader r = {.talks = true};
    part_from(&r);
    assert_int_equal(r.got, WORDS_BYTES);
}

/* Given a peer that reads nothing; then the program ends nevertheless, and tells the owner. */
static void test_a_deaf_peer_keeps_nobody(void **state)
{
    (void)state;
    W.on_accept = say_words_and_close;
    int fd = connected();
    net_loop_run(W.loop);
    net_loop_free(W.loop);
    assert_int_equal(W.closes, 1);
    close(fd);
}

/* Given that the part was made early, because something long comes before the end; then the words are sent once. */
static void test_words_are_said_once(void **state)
{
    (void)state;
    W.on_accept = say_words_and_close;
    pthread_t thread;
    struct reader r = {.fd = connected()};
    net_loop_run(W.loop);
    assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
    net_loop_part(W.loop);
    net_loop_part(W.loop);
    net_loop_free(W.loop);
    pthread_join(thread, NULL);
    close(r.fd);
    assert_int_equal(r.got, WORDS_BYTES);
    assert_int_equal(W.closes, 1);
}

#define STORY(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_last_words_arrive),
        STORY(test_a_talking_peer_gets_them_too),
        STORY(test_a_deaf_peer_keeps_nobody),
        STORY(test_words_are_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
