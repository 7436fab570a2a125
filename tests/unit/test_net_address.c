/* Addresses as text: what is one, what only programs of this machine reach, and what a name stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/net.h"

static void loopback_and_others(void **state)
{
    (void)state;
    static const char *const loopback[] = {"127.0.0.1", "127.255.255.254", "127.1.2.3", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f01:203"};
    static const char *const open[] = {"0.0.0.0", "::", "192.0.2.1", "128.0.0.1", "126.255.255.255", "::ffff:192.0.2.1", "::ffff:0.0.0.0", "::127.0.0.1",
                                       "fe80::1", "2001:db8::1", "64:ff9b::127.0.0.1"};
    static const char *const no_address[] = {"", "localhost", "127.evil.example", "127.1", "127.0.0.1.", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1,0.0.0.0",
                                             "::1]", "[::1]", "127.0.0.01x", "0x7f000001", "2130706433"};
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
        assert_true(net_is_address(str_of(loopback[i])) && net_is_loopback(str_of(loopback[i])));
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        assert_true(net_is_address(str_of(open[i])) && !net_is_loopback(str_of(open[i])));
    for (size_t i = 0; i < sizeof no_address / sizeof no_address[0]; i++)
        assert_false(net_is_address(str_of(no_address[i])) || net_is_loopback(str_of(no_address[i])));
    assert_false(net_is_loopback(str_n("127.0.0.1\0.evil", 15)));
    assert_false(net_is_address((struct str){0}));
}

/* The forms that the resolver knows beside names: what is looked at is what it makes of them. */
static void what_a_host_stands_for(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}, {"0.0.0.0", "0.0.0.0"}, {"0", "0.0.0.0"},
                                          {"127.1", "127.0.0.1"}, {"2130706433", "127.0.0.1"}, {"0x7f.1", "127.0.0.1"}, {"::", "::"}};
    struct net_loop *loop = net_loop_new();
    char address[NET_ADDRESS_BYTES];
    struct fault f = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(net_resolve(loop, rows[i][0], address, &f), 0);
        assert_string_equal(address, rows[i][1]);
    }
    assert_int_equal(net_resolve(loop, "127.0.0.1,0.0.0.0", address, &f), ERR_NET);
    assert_int_equal(net_resolve(loop, "", address, &f), ERR_NET);
    net_loop_free(loop);
}

static void nobody_calls(struct net_conn *c, void *user_data)
{
    (void)user_data;
    net_conn_abort(c);
}

static void where_a_listener_is(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0", "127.0.0.9"};
    struct net_loop *loop = net_loop_new();
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct net_listener *s;
        struct fault f = {0};
        char address[NET_ADDRESS_BYTES];
        assert_int_equal(net_listen(loop, hosts[i], 0, nobody_calls, NULL, &s, &f), 0);
        net_listener_host(s, address);
        assert_string_equal(address, hosts[i]);
        net_listener_close(s);
    }
    net_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_and_others),
        cmocka_unit_test(what_a_host_stands_for),
        cmocka_unit_test(where_a_listener_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
