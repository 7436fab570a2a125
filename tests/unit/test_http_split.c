/* However the bytes arrive, the answers are the same: whole, byte by byte, in two pieces at every place, in random pieces. */
#include "base/rng.h"
#include "http_story.h"

static const char *const talks[] = {
    GET("/now/1") GET("/now/2") "POST /now/3 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" GET("/now/4"),
    "POST /now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n"
    "\r\n" GET("/now"),
    "GET /now/a%20b?c=d HTTP/1.1\r\nHost:h\r\nX: \t y  \r\nY:\r\n\r\n" "GET http://h/now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    "HEAD /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" GET("/now/never"),
    "POST /now HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" "OPTIONS * HTTP/1.1\r\n\r\n",
    GET("/now") "GET /now HTTP/1.1\r\nHost: h\r\nFolded: a\r\n b\r\n\r\n",
    GET("/now") "POST /now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "POST /now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
    "POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 4194305\r\n\r\n",
    "POST /now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n400000\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET / HTTP/3.7\r\n\r\n",
    GET("/now") "GET /up HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: manta\r\n\r\n",
};

/* How to cut: a first piece, then pieces of `then` bytes (0: all that is left), or of random sizes. */
struct cut {
    size_t first, then;
    struct rng *rng; /* borrowed; NULL: not random */
};

/* What the server said, and what its handler saw. */
static void talk(const char *text, struct cut cut, struct buf *out)
{
    struct story t;
    struct str rest = str_of(text);
    size_t n = cut.first;
    story_begin(&t);
    while (rest.n > 0) {
        if (n == 0 || n > rest.n)
            n = rest.n;
        loopback_send(&t.client, t.server, str_n(rest.p, n));
        rest = str_n(rest.p + n, rest.n - n);
        n = cut.rng != NULL ? 1 + rng_below(cut.rng, 40) : cut.then;
    }
    buf_reset(out);
    buf_puts(out, story_said(&t));
    buf_puts(out, story_log(&t));
    buf_puts(out, t.client.closing ? " closed" : " open");
    story_end(&t);
}

static void the_answers_are_the_same(void **state)
{
    (void)state;
    struct buf whole = buf_max(1 << 20), cut = buf_max(1 << 20);
    struct rng rng = {.seed = 4};
    for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
        size_t n = strlen(talks[i]);
        talk(talks[i], (struct cut){0}, &whole);
        assert_true(whole.n > 20);
        talk(talks[i], (struct cut){.first = 1, .then = 1}, &cut);
        assert_string_equal(buf_cstr(&cut), buf_cstr(&whole));
        for (size_t at = 2; at < n; at++) {
            talk(talks[i], (struct cut){.first = at}, &cut);
            assert_string_equal(buf_cstr(&cut), buf_cstr(&whole));
        }
        for (int round = 0; round < 20; round++) {
            talk(talks[i], (struct cut){.first = 1 + rng_below(&rng, 40), .rng = &rng}, &cut);
            assert_string_equal(buf_cstr(&cut), buf_cstr(&whole));
        }
    }
    buf_fini(&whole);
    buf_fini(&cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_answers_are_the_same)};
    return cmocka_run_group_tests_name("http_split", tests, NULL, NULL);
}
