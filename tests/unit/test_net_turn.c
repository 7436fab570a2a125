/* A turn of the loop that has computed enough leaves the rest to the next one, and nobody is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

enum { PEERS = 3, READS = 4, READS_MAX = 1024 }; /* the kernel may give it in smaller pieces */

static struct net_loop *loop;
static int peers[PEERS];
static char bytes[READS * NET_READ_BYTES];
static size_t got[PEERS];
static char order[READS_MAX]; /* whose bytes each read was, 'a' … */
static uint64_t turns_seen[READS_MAX];
static unsigned reads, accepted;
static volatile unsigned spins;
static bool busy; /* each read takes a whole turn */

static bool all_came(void)
{
    for (int i = 0; i < PEERS; i++) {
        if (got[i] < sizeof bytes)
            return false;
    }
    return true;
}

static void on_data(struct net_conn *c, struct str text, void *user_data)
{
    size_t *mine = user_data;
    (void)c;
    assert_true(text.n <= NET_READ_BYTES);
    assert_true(reads < READS_MAX);
    order[reads] = (char)('a' + (mine - got));
    turns_seen[reads++] = net_turns(loop)->n;
    *mine += text.n;
    if (all_came())
        net_loop_stop(loop);
    while (busy && !net_turn_spent(loop))
        spins++; /* computes */
}

static void on_accept(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = on_data};
    (void)user_data;
    net_conn_set(c, &calls, &got[accepted]);
    net_conn_pause(c);
    if (++accepted < PEERS)
        return;
    net_loop_stop(loop);
}

static struct net_conn *served[PEERS];

static void on_accept_keep(struct net_conn *c, void *user_data)
{
    served[accepted] = c;
    on_accept(c, user_data);
}

/* All that the peers send lies in the kernel before the first byte is read. */
static void read_it_all(void)
{
    struct net_listener *listener;
    reads = accepted = 0;
    memset(got, 0, sizeof got);
    memset(order, 0, sizeof order);
    loop = net_loop_new();
    assert_int_equal(net_listen(loop, "127.0.0.1", 0, on_accept_keep, NULL, &listener, NULL), 0);
    for (int i = 0; i < PEERS; i++) {
        int room = 2 * (int)sizeof bytes;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(net_listener_port(listener)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        peers[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(setsockopt(peers[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
        assert_int_equal(connect(peers[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    net_loop_run(loop); /* until all are accepted */
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(send(peers[i], bytes, sizeof bytes, 0), sizeof bytes);
    for (int i = 0; i < PEERS; i++)
        net_conn_resume(served[i]);
    net_loop_run(loop);
    for (int i = 0; i < PEERS; i++)
        close(peers[i]);
}

/* Given three peers with much to say, when reading is quick, then none of them is read twice in a turn. */
static void a_connection_is_read_once_a_turn(void **state)
{
    (void)state;
    busy = false;
    read_it_all();
    for (unsigned i = 0; i < reads; i++) {
        for (unsigned k = i + 1; k < reads; k++)
            assert_false(order[i] == order[k] && turns_seen[i] == turns_seen[k]);
    }
    net_loop_free(loop);
}

/* Given the same, when what comes of each read takes a whole turn, then a turn has one read, and the three take turns as long as all
 * have something to say. */
static void who_was_turned_away_comes_first(void **state)
{
    (void)state;
    busy = true;
    read_it_all();
    for (unsigned i = 1; i < reads; i++)
        assert_true(turns_seen[i] > turns_seen[i - 1]);
    for (unsigned i = 0; i < 2 * PEERS; i += PEERS) {
        assert_true(order[i] != order[i + 1] && order[i + 1] != order[i + 2] && order[i] != order[i + 2]);
    }
    assert_true(net_turns(loop)->n >= reads);
    assert_true(net_turns(loop)->max_us >= NET_TURN_US);
    uint64_t sum = 0;
    for (int i = 0; i <= NET_TURN_BOUNDS; i++)
        sum += net_turns(loop)->counts[i];
    assert_int_equal(sum, net_turns(loop)->n);
    net_loop_free(loop);
}

static uint64_t rung_in[4];
static unsigned rung;

static void on_ring(struct net_timer *t, void *user_data)
{
    (void)user_data;
    rung_in[rung++] = net_turns(loop)->n;
    while (!net_turn_spent(loop))
        spins++;
    if (rung == 4)
        net_loop_stop(loop);
    else
        net_timer_set(t, net_now_us(loop));
}

/* Given a timer that takes a whole turn and sets itself for now each time; then it rings once in a turn. */
static void a_timer_for_now_waits_for_the_next_turn(void **state)
{
    (void)state;
    loop = net_loop_new();
    struct net_timer *t = net_timer_new(loop, on_ring, NULL);
    net_timer_set(t, net_now_us(loop));
    net_loop_run(loop);
    for (unsigned i = 1; i < 4; i++)
        assert_true(rung_in[i] > rung_in[i - 1]);
    net_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_read_once_a_turn),
        cmocka_unit_test(who_was_turned_away_comes_first),
        cmocka_unit_test(a_timer_for_now_waits_for_the_next_turn),
    };
    return cmocka_run_group_tests_name("net_turn", tests, NULL, NULL);
}
