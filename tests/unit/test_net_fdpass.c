/* Between two processes: frames, connections, a listener; and those who are hung up on. The other process is a real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/net.h"

enum { PATIENCE_MS = 20000, BIG = 12 << 20 };

/* This process: a server with one connection and the client at its other end. */
struct world {
    char dir[64], path[96];
    struct net_loop *loop;
    struct net_fdpass_listener *path_listener;
    struct net_listener *listener;
    struct net_conn *server, *client;
    struct buf got;      /* what the client was sent */
    const char *until;   /* the client stops the loop when what it got ends with this */
    struct net_fdpass *fdpass;
    pid_t other;
    unsigned calls;
    bool client_closed;
};
static struct world W;

static int setup(void **state)
{
    (void)state;
    W = (struct world){.got = buf_max(64 << 20)};
    snprintf(W.dir, sizeof W.dir, "/tmp/manta-fdpass-XXXXXX");
    assert_non_null(mkdtemp(W.dir));
    snprintf(W.path, sizeof W.path, "%s/path_listener", W.dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_fdpass_free(W.fdpass);
    net_loop_free(W.loop);
    buf_fini(&W.got);
    unlink(W.path);
    rmdir(W.dir);
    return 0;
}

/* ---- the other process ---- */

static struct net_fdpass *dial_from_other(void)
{
    struct net_fdpass *f = NULL;
    struct fault fault = {0};
    for (uint64_t until = clock_us() + PATIENCE_MS * 1000ull; clock_us() < until; usleep(2000)) {
        if (net_fdpass_dial(W.path, PATIENCE_MS, &f, &fault) == 0)
            return f;
    }
    fprintf(stderr, "%s\n", fault.text);
    _exit(9);
}

/* Begins before there is a loop here, and ends with 0 or by a MUST(). */
static void start_other(void (*life)(struct net_fdpass *f))
{
    fflush(NULL);
    W.other = fork();
    assert_true(W.other >= 0);
    if (W.other != 0)
        return;
    struct net_fdpass *f = dial_from_other();
    life(f);
    net_fdpass_free(f);
    buf_fini(&W.got);
    _exit(0);
}

static void other_has_ended_well(void)
{
    int status = -1;
    assert_int_equal(waitpid(W.other, &status, 0), W.other);
    assert_int_equal(status, 0);
}

static void must_hear(struct net_fdpass *f, const char *text)
{
    struct str said;
    struct fault fault = {0};
    if (net_fdpass_receive(f, &said, &fault) != 0)
        fprintf(stderr, "instead of '%s': %s\n", text, fault.text);
    MUST(fault.err == 0);
    MUST(str_is(said, text));
}

static void must_say(struct net_fdpass *f, const char *text)
{
    MUST(net_fdpass_send(f, str_of(text), NULL) == 0);
}

/* ---- this one ---- */

static void on_call(struct net_fdpass *f, void *user_data)
{
    (void)user_data;
    W.calls++;
    net_fdpass_free(W.fdpass);
    W.fdpass = f;
    net_loop_stop(W.loop);
}

static void land(void)
{
    struct fault fault = {0};
    W.loop = net_loop_new();
    assert_int_equal(net_fdpass_listener_open(W.loop, W.path, false, PATIENCE_MS, on_call, NULL, &W.path_listener, &fault), 0);
}

static void hear(const char *text)
{
    struct str said;
    struct fault fault = {0};
    assert_int_equal(net_fdpass_receive(W.fdpass, &said, &fault), 0);
    assert_true(str_is(said, text));
}

static void client_data(struct net_conn *c, struct str bytes, void *user_data)
{
    (void)c, (void)user_data;
    assert_int_equal(buf_add_str(&W.got, bytes), 0);
    size_t n = W.until != NULL ? strlen(W.until) : 0;
    if (n > 0 && W.got.n >= n && memcmp(W.got.p + W.got.n - n, W.until, n) == 0)
        net_loop_stop(W.loop);
}

static void client_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c, (void)err, (void)why, (void)user_data;
    W.client_closed = true;
    W.client = NULL;
    net_loop_stop(W.loop);
}

static const struct net_conn_calls client_calls = {.on_data = client_data, .on_close = client_close};

static void server_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c, (void)err, (void)why, (void)user_data;
    W.server = NULL;
}

static void on_accept(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_close = server_close};
    (void)user_data;
    W.server = c;
    net_conn_set(c, &calls, NULL);
    net_loop_stop(W.loop);
}

/* A client is connected to us, and the other process has dialled and said "hello". */
static void meet(void)
{
    struct fault fault = {0};
    land();
    assert_int_equal(net_listen(W.loop, "127.0.0.1", 0, on_accept, NULL, &W.listener, &fault), 0);
    W.client = net_dial(W.loop, "127.0.0.1", net_listener_port(W.listener), &client_calls, NULL);
    while (W.server == NULL || W.fdpass == NULL)
        net_loop_run(W.loop);
    hear("hello");
}

static void run_until(const char *text)
{
    W.until = text;
    net_loop_run(W.loop);
}

/* ---- frames ---- */

static void echo_frames(struct net_fdpass *f)
{
    struct str said;
    must_say(f, "hello");
    for (int i = 0; i < 3; i++) {
        MUST(net_fdpass_receive(f, &said, NULL) == 0);
        MUST(!net_fdpass_carries(f));
        MUST(net_fdpass_send(f, said, NULL) == 0);
    }
}

static void frames_of_any_size_go_both_ways(void **state)
{
    (void)state;
    start_other(echo_frames);
    land();
    net_loop_run(W.loop);
    hear("hello");
    static char big[NET_FDPASS_BYTES_MAX]; /* far more than a socket holds: each side must wait for the other */
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 + i / 1000);
    const struct str sizes[] = {str_n(big, 0), str_n(big, 1), str_n(big, sizeof big)};
    for (int i = 0; i < 3; i++) {
        struct str said;
        assert_int_equal(net_fdpass_send(W.fdpass, sizes[i], NULL), 0);
        assert_int_equal(net_fdpass_receive(W.fdpass, &said, NULL), 0);
        assert_true(str_eq(said, sizes[i]));
    }
    struct fault fault = {0};
    assert_int_equal(net_fdpass_send(W.fdpass, str_n(big, sizeof big + 1), &fault), ERR_TOO_LARGE);
    /* when the other process has ended, that is told */
    other_has_ended_well();
    struct str said;
    assert_int_equal(net_fdpass_receive(W.fdpass, &said, &fault), ERR_NET);
    assert_string_equal(fault.text, "the other process has hung up");
}

/* ---- connections ---- */

/* Of the other process: it answers each read with "<...>", until its peer ends. */
static void echo_data(struct net_conn *c, struct str bytes, void *user_data)
{
    (void)user_data;
    net_write(c, str_of("<"));
    net_write(c, bytes);
    net_write(c, str_of(">"));
}

static void echo_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c, (void)err, (void)why;
    net_loop_stop(user_data);
}

static void serve_conn(struct net_fdpass *f)
{
    static const struct net_conn_calls calls = {.on_data = echo_data, .on_close = echo_close};
    must_say(f, "hello");
    must_hear(f, "a connection");
    MUST(net_fdpass_carries(f));
    int fd = net_fdpass_keep(f);
    MUST(!net_fdpass_carries(f));
    must_say(f, "have it");
    must_hear(f, "it is yours");
    struct net_loop *loop = net_loop_new();
    struct net_conn *c = net_conn_take(loop, fd);
    MUST(strncmp(net_conn_peer(c), "127.0.0.1:", 10) == 0);
    net_conn_set(c, &calls, loop);
    net_write(c, str_of("[new]"));
    net_loop_run(loop);
    net_loop_free(loop);
}

static void a_connection_goes_on_in_another_process(void **state)
{
    (void)state;
    start_other(serve_conn);
    meet();
    net_write(W.server, str_of("[old]"));
    run_until("[old]");
    /* what the client says from now on is read by nobody until the other process does */
    net_conn_pause(W.server);
    net_write(W.client, str_of("over the river"));
    assert_int_equal(net_fdpass_send_conn(W.fdpass, str_of("a connection"), W.server, NULL), 0);
    hear("have it");
    assert_int_equal(net_fdpass_send(W.fdpass, str_of("it is yours"), NULL), 0);
    net_conn_abort(W.server); /* lets go of it: the client sees nothing */
    run_until("[old][new]<over the river>");
    assert_false(W.client_closed);
    net_write(W.client, str_of("and on"));
    run_until("<and on>");
    assert_null(W.server); /* by now: an abort is heard of in the loop's next turn */
    /* the client's end is the end of it, in the other process */
    net_conn_close(W.client);
    net_loop_run(W.loop);
    assert_true(W.client_closed);
    other_has_ended_well();
}

static void refuse_conn(struct net_fdpass *f)
{
    must_say(f, "hello");
    must_hear(f, "a connection"); /* … and ends with it in its hands */
}

static void a_connection_stays_when_the_other_process_dies(void **state)
{
    (void)state;
    start_other(refuse_conn);
    meet();
    assert_int_equal(net_fdpass_send_conn(W.fdpass, str_of("a connection"), W.server, NULL), 0);
    other_has_ended_well();
    struct str said;
    assert_int_equal(net_fdpass_receive(W.fdpass, &said, NULL), ERR_NET);
    net_write(W.server, str_of("still here"));
    run_until("still here");
    assert_false(W.client_closed);
}

/* ---- bytes on their way ---- */

static void finish_conn(struct net_fdpass *f)
{
    static const struct net_conn_calls calls = {.on_close = echo_close};
    struct buf unsent = buf_max(64 << 20);
    struct str said;
    must_say(f, "hello");
    must_hear(f, "a connection");
    int fd = net_fdpass_keep(f);
    while (net_fdpass_receive(f, &said, NULL) == 0 && !str_is(said, "it is yours"))
        buf_add_str(&unsent, said);
    struct net_loop *loop = net_loop_new();
    struct net_conn *c = net_conn_take(loop, fd);
    net_conn_set(c, &calls, loop);
    MUST(net_write(c, buf_str(&unsent)) == 0);
    MUST(net_write(c, str_of("the end")) == 0);
    net_conn_close(c);
    net_loop_run(loop);
    net_loop_free(loop);
    buf_fini(&unsent);
}

static void stop_loop(struct net_timer *t, void *user_data)
{
    (void)t;
    net_loop_stop(user_data);
}

static void what_the_kernel_did_not_take_is_told(void **state)
{
    (void)state;
    start_other(finish_conn);
    meet();
    /* given a client that does not read, so that some bytes are in the kernel, some in flight, some just written */
    net_conn_pause(W.client);
    static char big[BIG];
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i * 31 % 26 + i / 4096 % 3);
    assert_int_equal(net_write(W.server, str_n(big, BIG - 10)), 0);
    struct net_timer *t = net_timer_new(W.loop, stop_loop, W.loop);
    net_timer_set(t, net_now_us(W.loop) + 50000);
    net_loop_run(W.loop);
    assert_int_equal(net_write(W.server, str_n(big + BIG - 10, 10)), 0);
    struct buf unsent = buf_max(64 << 20), small = buf_max(5);
    assert_int_equal(net_conn_unsent(W.server, &unsent), 0);
    assert_int_equal(net_conn_unsent(W.server, &small), ERR_TOO_LARGE);
    assert_int_equal(unsent.n, net_conn_pending(W.server));
    assert_true(unsent.n > 10 && unsent.n < BIG);
    /* when the connection crosses */
    assert_int_equal(net_fdpass_send_conn(W.fdpass, str_of("a connection"), W.server, NULL), 0);
    for (size_t at = 0, n; at < unsent.n; at += n) {
        n = unsent.n - at < NET_FDPASS_BYTES_MAX ? unsent.n - at : NET_FDPASS_BYTES_MAX;
        assert_int_equal(net_fdpass_send(W.fdpass, str_n(unsent.p + at, n), NULL), 0);
    }
    assert_int_equal(net_fdpass_send(W.fdpass, str_of("it is yours"), NULL), 0);
    net_conn_abort(W.server);
    /* then the client gets every byte once */
    net_conn_resume(W.client);
    run_until("the end");
    assert_int_equal(W.got.n, BIG + strlen("the end"));
    assert_memory_equal(W.got.p, big, BIG);
    net_loop_run(W.loop); /* until it is closed */
    assert_true(W.client_closed);
    other_has_ended_well();
    buf_fini(&unsent);
    buf_fini(&small);
}

/* ---- the listener ---- */

static void accept_echo(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = echo_data, .on_close = echo_close};
    net_conn_set(c, &calls, user_data);
}

static void serve_port(struct net_fdpass *f)
{
    must_say(f, "hello");
    must_hear(f, "the port");
    int fd = net_fdpass_keep(f);
    must_say(f, "have it");
    must_hear(f, "it is yours");
    struct net_loop *loop = net_loop_new();
    struct net_listener *listener;
    MUST(net_listener_take(loop, fd, accept_echo, loop, &listener, NULL) == 0);
    MUST(net_listener_port(listener) > 0);
    net_loop_run(loop);
    net_loop_free(loop);
}

static void a_port_is_never_closed_while_it_changes_hands(void **state)
{
    (void)state;
    start_other(serve_port);
    meet();
    uint16_t port = net_listener_port(W.listener);
    assert_int_equal(net_fdpass_send_listener(W.fdpass, str_of("the port"), W.listener, NULL), 0);
    hear("have it");
    net_listener_close(W.listener);
    net_conn_abort(W.server);
    net_loop_run(W.loop); /* the first client's connection was not handed over: it ends */
    assert_true(W.client_closed);
    /* given a caller in the moment when neither of the two accepts */
    W.client = net_dial(W.loop, "127.0.0.1", port, &client_calls, NULL);
    net_write(W.client, str_of("anybody?"));
    struct net_timer *t = net_timer_new(W.loop, stop_loop, W.loop);
    net_timer_set(t, net_now_us(W.loop) + 20000);
    net_loop_run(W.loop);
    assert_int_equal(W.got.n, 0);
    assert_int_equal(net_fdpass_send(W.fdpass, str_of("it is yours"), NULL), 0);
    run_until("<anybody?>");
    net_conn_close(W.client);
    net_loop_run(W.loop);
    other_has_ended_well();
}

static void what_is_no_socket_is_no_port(void **state)
{
    (void)state;
    W.loop = net_loop_new();
    struct fault fault = {0};
    struct net_listener *listener = NULL;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(net_listener_take(W.loop, fd, on_accept, NULL, &listener, &fault), ERR_NET);
    assert_null(listener);
    W.client = net_conn_take(W.loop, open("/dev/null", O_RDONLY | O_CLOEXEC));
    net_conn_set(W.client, &client_calls, NULL);
    net_loop_run(W.loop);
    assert_true(W.client_closed);
}

/* ---- those who are not answered ---- */

static void say_nothing(struct net_fdpass *f)
{
    must_say(f, "hello");
    must_hear(f, "enough");
}

static void patience_ends(void **state)
{
    (void)state;
    start_other(say_nothing);
    land();
    net_loop_run(W.loop);
    hear("hello");
    struct str said;
    struct fault fault = {0};
    uint64_t before = clock_us();
    net_fdpass_wait(W.fdpass, 100);
    assert_int_equal(net_fdpass_receive(W.fdpass, &said, &fault), ERR_TIMEOUT);
    assert_in_range(clock_us() - before, 90000, 3000000);
    net_fdpass_wait(W.fdpass, PATIENCE_MS);
    assert_int_equal(net_fdpass_send(W.fdpass, str_of("enough"), NULL), 0);
    other_has_ended_well();
}

/* Raw bytes to the path_listener; returns the socket. */
static int raw_caller(const void *bytes, size_t n)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", W.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    if (n > 0)
        assert_int_equal(write(fd, bytes, n), n);
    return fd;
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    land();
    const uint32_t long_frame = NET_FDPASS_BYTES_MAX + 1, no_descriptor = 1u << 31 | 5;
    const uint32_t *heads[] = {&long_frame, &no_descriptor};
    for (size_t i = 0; i < 2; i++) {
        int fd = raw_caller(heads[i], sizeof(uint32_t));
        net_loop_run(W.loop);
        struct str said;
        struct fault fault = {0};
        assert_int_equal(net_fdpass_receive(W.fdpass, &said, &fault), ERR_PROTOCOL);
        close(fd);
    }
    assert_int_equal(W.calls, 2);
}

static void callers_who_say_nothing_cost_nothing(void **state)
{
    (void)state;
    land();
    int silent[3];
    for (int i = 0; i < 3; i++)
        silent[i] = raw_caller("", 0);
    int fd = raw_caller("word", 4);
    net_loop_run(W.loop);
    assert_int_equal(W.calls, 1); /* by the one who speaks, though he came last */
    for (int i = 0; i < 3; i++)
        close(silent[i]);
    close(fd);
    net_fdpass_listener_close(W.path_listener, true);
    assert_int_equal(access(W.path, F_OK), -1);
}

static void another_user_is_hung_up_on(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody else to be */
    land();
    struct stat st;
    assert_int_equal(stat(W.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    chmod(W.dir, 0755);
    chmod(W.path, 0666); /* as if the file's mode were not in the way */
    int fd = -1;
    pid_t child = fork();
    if (child == 0) {
        char byte;
        if (setuid(65534) != 0)
            _exit(8);
        fd = raw_caller("", 0);
        _exit(read(fd, &byte, 1) <= 0 ? 0 : 7);
    }
    struct net_timer *t = net_timer_new(W.loop, stop_loop, W.loop);
    net_timer_set(t, net_now_us(W.loop) + 300000);
    net_loop_run(W.loop);
    int status = -1;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(W.calls, 0);
}

/* ---- the path ---- */

static void a_path_belongs_to_who_lives_there(void **state)
{
    (void)state;
    struct net_fdpass_listener *second = NULL;
    struct net_fdpass *f = NULL;
    struct fault fault = {0};
    assert_int_equal(net_fdpass_dial(W.path, PATIENCE_MS, &f, &fault), ERR_NOT_FOUND);
    land();
    assert_int_equal(net_fdpass_listener_open(W.loop, W.path, false, PATIENCE_MS, on_call, NULL, &second, &fault), ERR_IN_USE);
    /* one that is about to go */
    assert_int_equal(net_fdpass_listener_open(W.loop, W.path, true, PATIENCE_MS, on_call, NULL, &second, &fault), 0);
    net_fdpass_listener_close(W.path_listener, false);
    assert_int_equal(net_fdpass_dial(W.path, PATIENCE_MS, &f, &fault), 0);
    net_fdpass_free(f);
    /* one that has gone, without taking its file along */
    net_fdpass_listener_close(second, false);
    assert_int_equal(net_fdpass_dial(W.path, PATIENCE_MS, &f, &fault), ERR_NOT_FOUND);
    assert_int_equal(access(W.path, F_OK), 0);
    assert_int_equal(net_fdpass_listener_open(W.loop, W.path, false, PATIENCE_MS, on_call, NULL, &second, &fault), 0);
    /* one that no socket can have */
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(net_fdpass_listener_open(W.loop, longer, false, PATIENCE_MS, on_call, NULL, &second, &fault), ERR_TOO_LARGE);
    char nowhere[sizeof W.dir + 16];
    snprintf(nowhere, sizeof nowhere, "%s/nowhere/at", W.dir);
    assert_int_equal(net_fdpass_listener_open(W.loop, nowhere, false, PATIENCE_MS, on_call, NULL, &second, &fault), ERR_IO);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(frames_of_any_size_go_both_ways),
        STORY(a_connection_goes_on_in_another_process),
        STORY(a_connection_stays_when_the_other_process_dies),
        STORY(what_the_kernel_did_not_take_is_told),
        STORY(a_port_is_never_closed_while_it_changes_hands),
        STORY(what_is_no_socket_is_no_port),
        STORY(patience_ends),
        STORY(nonsense_is_refused),
        STORY(callers_who_say_nothing_cost_nothing),
        STORY(another_user_is_hung_up_on),
        STORY(a_path_belongs_to_who_lives_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
