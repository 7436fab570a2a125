/* Server-sent events: what comes out of which bytes, wherever they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "http/http.h"

static void note(struct str event, struct str data, struct str id, void *user_data)
{
    buf_printf(user_data, "[%.*s|%.*s|%.*s]", STR_ARG(event), STR_ARG(data), STR_ARG(id));
}

/* Feeds text in two pieces, cut at `at`. */
static int feed(struct str text, size_t at, struct buf *out)
{
    struct sse s;
    sse_init(&s);
    buf_reset(out);
    int err = sse_feed(&s, str_n(text.p, at), note, out);
    if (err == 0)
        err = sse_feed(&s, str_n(text.p + at, text.n - at), note, out);
    sse_fini(&s);
    return err;
}

struct sample { const char *text, *events; };

static const struct sample samples[] = {
    {"data: hello\n\n", "[|hello|]"},
    {"data:hello\n\n", "[|hello|]"},
    {"data:  two blanks\n\n", "[| two blanks|]"},
    {"data: a\ndata: b\ndata:\n\n", "[|a\nb\n|]"},
    {"data\n\n", "[||]"},
    {"data:\n\n", "[||]"},
    {"event: ping\ndata: 1\n\ndata: 2\n\n", "[ping|1|][|2|]"},
    {"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", "[|a|7][|b|7][|c|]"},
    {"data: crlf\r\n\r\ndata: cr\r\rdata: lf\n\n", "[|crlf|][|cr|][|lf|]"},
    {"data: a\r\ndata: b\rdata: c\n\r\n", "[|a\nb\nc|]"},
    {": keep-alive\n\ndata: x\n\n", "[:|keep-alive|][|x|]"},
    {":\n:tight\n\n", "[:||][:|tight|]"},
    {"\xef\xbb\xbf" "data: bom\n\n", "[|bom|]"},
    {"data: a\n\n\xef\xbb\xbf" "data: late bom\n\n", "[|a|]"},
    {"\n\n\ndata: x\n\n\n\n", "[|x|]"},
    {"event: alone\n\ndata: x\n\n", "[|x|]"},
    {"event: a\nevent: b\ndata: x\n\n", "[b|x|]"},
    {"retry: 100\nunknown: y\nDATA: no\ndata: x\n\n", "[|x|]"},
    {"data: {\"a\":\"b:c\"}\n\ndata: [DONE]\n\n", "[|{\"a\":\"b:c\"}|][|[DONE]|]"},
    {"data: whole\n\ndata: half", "[|whole|]"},
    {"data: half\n", ""},
    {"", ""},
};

static void each_gives_its_events_wherever_it_is_cut(void **state)
{
    (void)state;
    struct buf out = buf_max(4096);
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct str text = str_of(samples[i].text);
        for (size_t at = 0; at <= text.n; at++) {
            assert_int_equal(feed(text, at, &out), 0);
            assert_string_equal(buf_cstr(&out), samples[i].events);
        }
    }
    buf_fini(&out);
}

static void byte_by_byte(void **state)
{
    (void)state;
    struct buf out = buf_max(4096);
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct sse s;
        sse_init(&s);
        buf_reset(&out);
        for (const char *p = samples[i].text; *p != '\0'; p++)
            assert_int_equal(sse_feed(&s, str_n(p, 1), note, &out), 0);
        assert_string_equal(buf_cstr(&out), samples[i].events);
        sse_fini(&s);
    }
    buf_fini(&out);
}

static void an_id_with_a_nul_is_ignored(void **state)
{
    (void)state;
    struct buf out = buf_max(64);
    assert_int_equal(feed(str_n("id: a\0b\ndata: x\n\n", 17), 0, &out), 0);
    assert_string_equal(buf_cstr(&out), "[|x|]");
    buf_fini(&out);
}

static void count(struct str event, struct str data, struct str id, void *user_data)
{
    (void)event, (void)id;
    *(size_t *)user_data = data.n;
}

/* An event of `lines` data lines of n bytes each; returns sse_feed's result, *out_n is the size of the data given. */
static int big_event(size_t n, int lines, size_t piece, size_t *out_n)
{
    struct sse s;
    struct buf text = buf_max(8 << 20);
    *out_n = 0;
    for (int i = 0; i < lines; i++) {
        buf_puts(&text, "data:");
        buf_reserve(&text, n);
        memset(text.p + text.n, 'x', n);
        text.n += n;
        buf_putc(&text, '\n');
    }
    buf_putc(&text, '\n');
    sse_init(&s);
    int err = 0;
    for (size_t at = 0; at < text.n && err == 0; at += piece)
        err = sse_feed(&s, str_n(text.p + at, text.n - at < piece ? text.n - at : piece), count, out_n);
    sse_fini(&s);
    buf_fini(&text);
    return err;
}

static void lines_and_events_have_a_limit(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t piece = 1000; piece <= 8 << 20; piece *= 100) {
        assert_int_equal(big_event(SSE_EVENT_BYTES_MAX - 5, 1, piece, &n), 0);
        assert_int_equal(n, SSE_EVENT_BYTES_MAX - 5);
        assert_int_equal(big_event(SSE_EVENT_BYTES_MAX - 4, 1, piece, &n), ERR_TOO_LARGE);
        assert_int_equal(big_event(SSE_EVENT_BYTES_MAX / 2 - 1, 2, piece, &n), 0);
        assert_int_equal(n, SSE_EVENT_BYTES_MAX - 1);
        assert_int_equal(big_event(SSE_EVENT_BYTES_MAX / 2, 2, piece, &n), ERR_TOO_LARGE);
        assert_int_equal(n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gives_its_events_wherever_it_is_cut),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(an_id_with_a_nul_is_ignored),
        cmocka_unit_test(lines_and_events_have_a_limit),
    };
    return cmocka_run_group_tests_name("http_sse", tests, NULL, NULL);
}
