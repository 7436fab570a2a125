/* Addresses as people type them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/http.h"

static void good_ones(void **state)
{
    (void)state;
    static const struct { const char *text, *host; uint16_t port; } good[] = {
        {"head", "head", 8470}, {"head:80", "head", 80}, {"http://head", "head", 8470}, {"http://head/", "head", 8470},
        {"HTTP://Head:65535/", "Head", 65535}, {"127.0.0.1:8471", "127.0.0.1", 8471}, {" head:1 ", "head", 1},
        {"[::1]:8471", "::1", 8471}, {"[::1]", "::1", 8470}, {"::1", "::1", 8470}, {"fe80::1:2", "fe80::1:2", 8470},
        {"http://[fe80::1]:80/", "fe80::1", 80}, {"my_head.local:9", "my_head.local", 9},
        {"http://head:80/v1", "head", 80}, {"head/v1/", "head", 8470},
        {"9250", "127.0.0.1", 9250}, {"http://9250/", "127.0.0.1", 9250}, {"[fe80::1%eth0]:80", "fe80::1%eth0", 80},
        {"http://[fe80::1%25eth0]:80", "fe80::1%eth0", 80}, {"fe80::1%25", "fe80::1%25", 8470},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char host[64];
        uint16_t port = 0;
        struct fault f = {0};
        int err = http_parse_address(good[i].text, 8470, host, sizeof host, &port, &f);
        if (err != 0)
            fail_msg("'%s': %s", good[i].text, f.text);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
}

static void bad_ones_say_what_would_be_right(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } bad[] = {
        {"", "use host, host:port or http://host:port"}, {"http://", "is not an address"}, {":80", "is not an address"},
        {"head:", "is not a port: use a number from 1 to 65535"}, {"head:0", "'0' in 'head:0' is not a port"},
        {"head:65536", "is not a port"}, {"head:8x", "is not a port"}, {"head:-1", "is not a port"},
        {"head:000080", "is not a port"}, {"https://head", "TLS is not supported: use http://"},
        {"http://head/api", "has a path, '/api': the address of a head has none, use http://head"},
        {"user@head", "is not an address"}, {"he ad", "is not an address"},
        {"[::1", "is not an address"}, {"[::1]x", "is not an address"}, {"[]:80", "is not an address"},
        {"ftp://head", "is not an address"}, {"0", "is not a port"}, {"65536", "is not a port"}, {"head?x", "is not an address"},
        {"a-name-of-more-than-thirty-one-bytes", "longer than 31 bytes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char host[32] = "untouched";
        uint16_t port = 7;
        struct fault f = {0};
        assert_true(http_parse_address(bad[i].text, 8470, host, sizeof host, &port, &f) < 0);
        if (strstr(f.text, bad[i].says) == NULL)
            fail_msg("'%s' says: %s", bad[i].text, f.text);
        assert_string_equal(host, "untouched");
        assert_int_equal(port, 7);
    }
}

static void lists_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    struct http_address at[2];
    uint32_t n = 7;
    struct fault f = {0};
    assert_int_equal(http_parse_addresses("a, [::1]:9", 8470, at, 2, &n, &f), 0);
    assert_true(n == 2 && at[0].port == 8470 && at[1].port == 9);
    assert_string_equal(at[0].host, "a");
    assert_string_equal(at[1].host, "::1");
    static const char *const bad[] = {"", ",", "a,", ",a", "a,,b", "a,b:0"};
    n = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(http_parse_addresses(bad[i], 8470, at, 2, &n, &f), ERR_INVALID);
    assert_int_equal(http_parse_addresses("a,b,c", 8470, at, 2, &n, &f), ERR_INVALID);
    assert_string_equal(f.text, "'a,b,c' names more than 2 addresses");
    assert_int_equal(n, 7);
}

/* Given the ports where browsers expect other protocols, and their neighbours; then just the former are refused. */
static void browsers_refuse_ports_of_other_protocols(void **state)
{
    (void)state;
    static const uint16_t bad[] = {1, 22, 25, 143, 995, 1719, 2049, 5060, 6000, 6665, 6666, 6669, 6697, 10080};
    static const uint16_t good[] = {0, 80, 443, 6001, 6670, 8000, 8080, 8470, 10081, 65535};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_true(http_browsers_refuse(bad[i]));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_false(http_browsers_refuse(good[i]));
    unsigned n = 0;
    for (uint32_t port = 0; port <= UINT16_MAX; port++)
        n += http_browsers_refuse((uint16_t)port);
    assert_int_equal(n, 82);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(bad_ones_say_what_would_be_right),
        cmocka_unit_test(lists_are_read_whole_or_not_at_all),
        cmocka_unit_test(browsers_refuse_ports_of_other_protocols),
    };
    return cmocka_run_group_tests_name("http_address", tests, NULL, NULL);
}
