/* Unsent bytes of all connections of a loop have one limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/net.h"

enum { PAIRS = 3 };

static struct net_loop *loop;
static struct net_conn *served[PAIRS];
static struct buf got[PAIRS];
static unsigned accepted, closed;
static char bytes[1 << 20];

static void on_data(struct net_conn *c, struct str text, void *user_data)
{
    (void)c;
    buf_add_str(user_data, text);
}

static void on_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c;
    (void)err;
    (void)why;
    (void)user_data;
    if (++closed == 2 * PAIRS)
        net_loop_stop(loop);
}

static int write_mib(struct net_conn *c)
{
    return net_write(c, str_n(bytes, sizeof bytes));
}

/* Nothing is sent before this returns, so nobody has read anything. */
static void write_to_all(void)
{
    net_loop_pending_max(loop, 6 << 20);
    assert_int_equal(write_mib(served[0]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(write_mib(served[1]), 0);
    assert_true(net_loop_pending(loop) >= 4 << 20 && net_loop_pending(loop) <= 6 << 20);
    assert_int_equal(write_mib(served[2]), 0);
    assert_int_equal(write_mib(served[2]), 0); /* for this the second one is cut */
    assert_int_equal(net_write(served[1], str_of("gone")), ERR_NET);
    while (write_mib(served[0]) == 0)
        assert_true(net_loop_pending(loop) <= 6 << 20);
    assert_int_equal(net_write(served[0], str_of("gone")), ERR_NET);
    assert_int_equal(net_write(served[2], str_of(".")), 0);
    net_conn_close(served[2]);
}

static void on_accept(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_close = on_close};
    (void)user_data;
    net_conn_set(c, &calls, NULL);
    served[accepted++] = c;
    if (accepted == PAIRS)
        write_to_all();
}

/* Given three connections, when more is written to them than the loop's limit allows, then the one that has the most unsent is
 * cut, be it the one that is written to or not, and the third has all of its bytes. */
static void the_greediest_is_cut(void **state)
{
    static const struct net_conn_calls calls = {.on_data = on_data, .on_close = on_close};
    struct net_listener *listener;
    (void)state;
    loop = net_loop_new();
    assert_int_equal(net_listen(loop, "127.0.0.1", 0, on_accept, NULL, &listener, NULL), 0);
    for (int i = 0; i < PAIRS; i++) {
        got[i] = buf_max(16 << 20);
        net_dial(loop, "127.0.0.1", net_listener_port(listener), &calls, &got[i]);
    }
    net_loop_run(loop);
    size_t whole = 2 * sizeof bytes + 1, most = 0, sum = 0;
    for (int i = 0; i < PAIRS; i++) {
        most = got[i].n > most ? got[i].n : most;
        sum += got[i].n;
        buf_fini(&got[i]);
    }
    assert_int_equal(most, whole);
    assert_int_equal(sum, whole);
    assert_int_equal(net_loop_pending(loop), 0);
    net_loop_free(loop);
}

enum { WRITTEN = 8 << 20, PEER_BYTES = 64 << 10, SETTLED_MS = 300 };

static void stop(struct net_timer *t, void *user_data)
{
    (void)t;
    (void)user_data;
    net_loop_stop(loop);
}

static void write_8_mib(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_close = on_close};
    (void)user_data;
    net_conn_set(c, &calls, NULL);
    served[0] = c;
    for (int i = 0; i < WRITTEN / (int)sizeof bytes; i++)
        assert_int_equal(write_mib(c), 0);
    net_timer_set(net_timer_new(loop, stop, NULL), net_now_us(loop) + SETTLED_MS * 1000);
}

static int dial_and_never_read(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = PEER_BYTES / 2; /* the kernel doubles it */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Given a peer that reads nothing, when 8 MiB are written to it, then the kernel takes its share of them and no more: the rest
 * is counted here. (A last piece of 64 KiB may go beyond the share.) */
static void the_kernel_takes_its_share(void **state)
{
    struct net_listener *listener;
    (void)state;
    loop = net_loop_new();
    assert_int_equal(net_listen(loop, "127.0.0.1", 0, write_8_mib, NULL, &listener, NULL), 0);
    int fd = dial_and_never_read(net_listener_port(listener));
    net_loop_run(loop);
    size_t taken = WRITTEN - net_conn_pending(served[0]);
    assert_true(taken > 0 && taken <= NET_KERNEL_BYTES_MAX + PEER_BYTES + (64 << 10));
    net_loop_free(loop);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_greediest_is_cut),
        cmocka_unit_test(the_kernel_takes_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
