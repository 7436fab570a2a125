/* Which pages may use a head, and by which names it is called: tables of headers and verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "head/web.h"

static struct web_config config(void)
{
    return (struct web_config){.own_host = "box.home.example", .listen_host = "127.0.0.1"};
}

static struct web made(const struct web_config *cfg)
{
    struct web w;
    struct fault f = {0};
    if (web_init(&w, cfg, &f) != 0)
        fail_msg("%s", f.text);
    return w;
}

static bool host_ok(const struct web *w, const char *authority, const char *host)
{
    struct fault f = {0};
    struct web_request r = {.authority = str_of(authority), .host = str_of(host)};
    int err = web_check_host(w, &r, &f);
    assert_true(err == 0 || err == ERR_FORBIDDEN);
    assert_int_equal(f.err, err);
    return err == 0;
}

static void names_of_a_head(void **state)
{
    (void)state;
    static const char *const names[] = {"beta.example"};
    struct web_config cfg = config();
    cfg.hosts = names;
    cfg.hosts_n = 1;
    struct web w = made(&cfg);
    static const char *const ours[] = {
        "", "127.0.0.1", "127.0.0.1:8470", "127.0.0.1:", "127.0.0.1.", "192.0.2.7:1", "0.0.0.0:8470", "[::1]", "[::1]:8470",
        "[::ffff:127.0.0.1]:8470", "[2001:db8::7]", "::1", "localhost", "LOCALHOST:8470", "localhost.", "localhost.:8470",
        "manta.localhost", "a.b.localhost:80", "box.home.example:8470", "Box", "BOX.home.example.", "beta.example",
        "Beta.Example.:9",
    };
    static const char *const strange[] = {
        "evil.example", "evil.example:8470", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1.nip.io", "evillocalhost",
        "notbox", "box.evil.example", "a@127.0.0.1", "127.0.0.1@evil.example", "localhost:8470@evil.example", "a:b@c", "[::1]evil",
        "[::1].evil.example", "[evil.example]", "[::1", "[127.0.0.1]", "127.0.0.1:80:80", "127.0.0.1:x", "localhost:8470.evil.example",
        "1.2.3", "1.2.3.4.5", "256.1.1.1", "localhost..", "..", ".", ".localhost.evil.example", " localhost", "beta.example.evil.example",
        "xn--loclhost-x1a", "local\xc4\xa5ost", "127.0.0.1\\evil.example", "127.0.0.1/", "localhost,evil.example", "127.0.0.1:123456",
    };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (!host_ok(&w, "", ours[i]) || !host_ok(&w, ours[i], "127.0.0.1:8470"))
            fail_msg("'%s' was refused", ours[i]);
    }
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        if (host_ok(&w, "", strange[i]) || host_ok(&w, strange[i], "127.0.0.1") || host_ok(&w, "127.0.0.1", strange[i]))
            fail_msg("'%s' was taken", strange[i]);
    }
    web_fini(&w);
}

/* A rebound page has no key: whoever asks a head with keys by whatever name is asked for one anyway. */
static void any_name_where_a_key_is_asked_for(void **state)
{
    (void)state;
    static const char *const any[] = {"*"};
    struct web_config keyed = config(), open = config();
    keyed.keyed = true;
    open.hosts = any;
    open.hosts_n = 1;
    struct web a = made(&keyed), b = made(&open);
    assert_true(host_ok(&a, "", "head") && host_ok(&a, "", "manta-head.llm.svc.cluster.local:8470"));
    assert_true(host_ok(&b, "", "evil.example"));
    web_fini(&a);
    web_fini(&b);
}

struct page {
    const char *method, *host, *origin, *site, *mode, *dest;
};

static bool page_ok(const struct web *w, const struct page *p)
{
    struct fault f = {0};
    struct web_request r = {.method = str_of(p->method), .host = str_of(p->host), .origin = str_of(p->origin), .site = str_of(p->site),
                            .mode = str_of(p->mode), .dest = str_of(p->dest)};
    int err = web_check_page(w, &r, &f);
    assert_true(err == 0 || err == ERR_FORBIDDEN);
    return err == 0;
}

static void pages_of_strangers(void **state)
{
    (void)state;
    static const char *const listed[] = {"https://Chat.Example/", "http://192.0.2.9:80", "app://obsidian.md"};
    struct web_config cfg = config();
    cfg.origins = listed;
    cfg.origins_n = 3;
    struct web w = made(&cfg);
    static const struct page ours[] = {
        {"POST", "127.0.0.1:8470", "", "", "", ""},                              /* a program */
        {"POST", "127.0.0.1:8470", "", "same-origin", "cors", "empty"},
        {"GET", "127.0.0.1:8470", "", "none", "navigate", "document"},           /* typed into the address bar */
        {"GET", "127.0.0.1:8470", "", "cross-site", "navigate", "document"},     /* a link was followed */
        {"POST", "127.0.0.1:8470", "http://localhost:3000", "cross-site", "cors", "empty"}, /* a local web interface */
        {"POST", "127.0.0.1:8470", "http://127.0.0.1:8080", "same-site", "cors", "empty"},
        {"POST", "127.0.0.1:8470", "http://127.9.9.9", "", "", ""},
        {"POST", "127.0.0.1:8470", "https://[::1]:3000", "", "", ""},
        {"POST", "127.0.0.1:8470", "http://chat.localhost:5173", "", "", ""},
        {"POST", "192.0.2.1:8470", "http://192.0.2.1:8470", "same-origin", "cors", "empty"},
        {"POST", "box:8470", "http://BOX:8470", "", "", ""},
        {"POST", "box", "http://box:80", "", "", ""},
        {"POST", "llm.corp.example", "https://llm.corp.example", "", "", ""},    /* behind a proxy that ends TLS */
        {"POST", "[2001:db8::1]:8470", "http://[2001:db8::1]:8470", "", "", ""},
        {"POST", "127.0.0.1:8470", "https://chat.example", "cross-site", "cors", "empty"},
        {"POST", "127.0.0.1:8470", "http://192.0.2.9", "cross-site", "cors", "empty"},
        {"POST", "127.0.0.1:8470", "app://obsidian.md", "cross-site", "cors", "empty"},
    };
    static const struct page foreign[] = {
        {"POST", "127.0.0.1:8470", "https://news.example", "cross-site", "no-cors", "empty"},
        {"POST", "127.0.0.1:8470", "https://news.example", "", "", ""},          /* a browser without Sec-Fetch */
        {"POST", "127.0.0.1:8470", "https://news.example", "same-origin", "", ""}, /* Origin has the last word */
        {"GET", "127.0.0.1:8470", "https://news.example", "cross-site", "navigate", "document"},
        {"POST", "127.0.0.1:8470", "", "cross-site", "no-cors", "empty"},
        {"POST", "127.0.0.1:8470", "", "same-site", "no-cors", "empty"},
        {"POST", "127.0.0.1:8470", "", "cross-site", "navigate", "document"},    /* a form */
        {"GET", "127.0.0.1:8470", "", "cross-site", "no-cors", "script"},
        {"GET", "127.0.0.1:8470", "", "cross-site", "navigate", "iframe"},
        {"GET", "127.0.0.1:8470", "", "CROSS-SITE", "no-cors", "image"},
        {"POST", "127.0.0.1:8470", "null", "cross-site", "cors", "empty"},
        {"POST", "127.0.0.1:8470", "http://localhost.news.example", "", "", ""},
        {"POST", "127.0.0.1:8470", "http://127.0.0.1.news.example:8470", "", "", ""},
        {"POST", "127.0.0.1:8470", "http://127.0.0.1:8470@news.example", "", "", ""},
        {"POST", "127.0.0.1:8470", "http://news.example/127.0.0.1:8470", "", "", ""},
        {"POST", "127.0.0.1:8470", "http://192.0.2.1:8470", "", "", ""},
        {"POST", "192.0.2.1:8470", "http://192.0.2.1:8471", "", "", ""},
        {"POST", "192.0.2.1:8470", "https://192.0.2.1", "", "", ""},
        {"POST", "127.0.0.1:8470", "http://chat.example", "", "", ""},           /* listed with https only */
        {"POST", "127.0.0.1:8470", "https://chat.example:8443", "", "", ""},
        {"POST", "127.0.0.1:8470", "https://sub.chat.example", "", "", ""},
        {"POST", "127.0.0.1:8470", "https://chat.example https://news.example", "", "", ""},
        {"POST", "127.0.0.1:8470", "chrome-extension://aaaa", "", "", ""},
        {"POST", "127.0.0.1:8470", "file://", "", "", ""},
        {"POST", "127.0.0.1:8470", "localhost", "", "", ""},
        {"POST", "127.0.0.1:8470", "://localhost", "", "", ""},
    };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (!page_ok(&w, &ours[i]))
            fail_msg("row %zu, '%s' '%s', was refused", i, ours[i].origin, ours[i].site);
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (page_ok(&w, &foreign[i]))
            fail_msg("row %zu, '%s' '%s', was taken", i, foreign[i].origin, foreign[i].site);
    }
    web_fini(&w);
}

static void an_origin_without_end_is_foreign(void **state)
{
    (void)state;
    struct web_config cfg = config();
    struct web w = made(&cfg);
    char origin[4000] = "http://";
    memset(origin + 7, 'a', 3900);
    memcpy(origin + 3900, ".localhost", 11);
    assert_false(page_ok(&w, &(struct page){"POST", "127.0.0.1", origin, "", "", ""}));
    web_fini(&w);
}

static void words_for_origins(void **state)
{
    (void)state;
    static const char *const all[] = {"*"}, *const none[] = {"none", "null"};
    const struct page foreign = {"POST", "127.0.0.1", "https://news.example", "", "", ""}, nobody = {"POST", "127.0.0.1", "null", "", "", ""},
                      here = {"POST", "127.0.0.1:1", "http://localhost:3000", "", "", ""},
                      silent = {"POST", "127.0.0.1", "", "cross-site", "", ""};
    struct web_config cfg = config();
    cfg.origins = all;
    cfg.origins_n = 1;
    struct web w = made(&cfg);
    assert_true(page_ok(&w, &foreign) && page_ok(&w, &nobody) && page_ok(&w, &here) && page_ok(&w, &silent));
    web_fini(&w);
    cfg.origins = none;
    cfg.origins_n = 2;
    w = made(&cfg);
    assert_true(page_ok(&w, &nobody));
    assert_false(page_ok(&w, &foreign) || page_ok(&w, &here) || page_ok(&w, &silent));
    web_fini(&w);
}

static void what_is_no_origin_or_name(void **state)
{
    (void)state;
    static const char *const origins[] = {"chat.example", "https://", "https://a/b", "https://a?b", "http://*.example", "1http://a", "https://a:b",
                                          "https://a@b", ""};
    static const char *const hosts[] = {"", "http://a", "a:80", "a b", "a/b", "*.example", "a@b"};
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        struct web w;
        struct fault f = {0};
        struct web_config cfg = config();
        cfg.origins = &origins[i];
        cfg.origins_n = 1;
        assert_int_equal(web_init(&w, &cfg, &f), ERR_USAGE);
        assert_non_null(strstr(f.text, "--allow-origin"));
        web_fini(&w);
    }
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct web w;
        struct fault f = {0};
        struct web_config cfg = config();
        cfg.hosts = &hosts[i];
        cfg.hosts_n = 1;
        assert_int_equal(web_init(&w, &cfg, &f), ERR_USAGE);
        assert_non_null(strstr(f.text, "--allow-host"));
        web_fini(&w);
    }
}

static void what_a_page_may_read(void **state)
{
    (void)state;
    static const char *const all[] = {"*"};
    struct web_config cfg = config();
    struct web w = made(&cfg);
    struct buf out = buf_max(4096);
    struct web_request r = {.origin = str_of("http://localhost:3000")};
    web_lines(&w, &r, &out);
    assert_string_equal(buf_cstr(&out), "vary: Origin\r\naccess-control-allow-origin: http://localhost:3000\r\n"
                                        "access-control-expose-headers: x-request-id, x-manta-request-id, retry-after\r\n");
    buf_reset(&out);
    r.origin = (struct str){0};
    web_lines(&w, &r, &out);
    assert_string_equal(buf_cstr(&out), "vary: Origin\r\n");
    web_fini(&w);
    cfg.origins = all;
    cfg.origins_n = 1;
    w = made(&cfg);
    buf_reset(&out);
    r.origin = str_of("https://news.example");
    web_lines(&w, &r, &out);
    assert_non_null(strstr(buf_cstr(&out), "access-control-allow-origin: *\r\n"));
    web_fini(&w);
    buf_fini(&out);
}

static void preflights(void **state)
{
    (void)state;
    struct buf out = buf_max(4096);
    web_preflight_lines(str_of("content-type,x-stainless-os"), true, &out);
    assert_non_null(strstr(buf_cstr(&out), "authorization, content-type"));
    assert_non_null(strstr(buf_cstr(&out), ", content-type,x-stainless-os\r\n"));
    assert_non_null(strstr(buf_cstr(&out), "access-control-allow-private-network: true\r\n"));
    buf_reset(&out);
    web_preflight_lines(str_of("a\tb\x01"), false, &out); /* no such header: not repeated */
    assert_null(strstr(buf_cstr(&out), "\x01"));
    assert_null(strstr(buf_cstr(&out), "private-network"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_a_head),
        cmocka_unit_test(any_name_where_a_key_is_asked_for),
        cmocka_unit_test(pages_of_strangers),
        cmocka_unit_test(an_origin_without_end_is_foreign),
        cmocka_unit_test(words_for_origins),
        cmocka_unit_test(what_is_no_origin_or_name),
        cmocka_unit_test(what_a_page_may_read),
        cmocka_unit_test(preflights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
