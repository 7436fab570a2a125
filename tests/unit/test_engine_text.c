/* Bytes of tokens in, whole characters out, stop strings never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/text.h"

enum { OUT_MAX = 4096 };

static char out[OUT_MAX];
static size_t out_n;

static void take(struct text *t)
{
    struct str s = text_take(t);
    assert_true(out_n + s.n < OUT_MAX);
    if (s.n > 0)
        memcpy(out + out_n, s.p, s.n);
    out_n += s.n;
    out[out_n] = '\0';
}

static void begin(struct text *t, const struct str *stops, uint32_t n)
{
    text_init(t, stops, n);
    out_n = 0;
    out[0] = '\0';
}

static void whole_characters_only(void **state)
{
    (void)state;
    struct text t;
    begin(&t, NULL, 0);
    text_add(&t, str_of("caf\xc3"));
    take(&t);
    assert_string_equal(out, "caf");
    text_add(&t, str_of("\xa9 \xf0\x9f"));
    take(&t);
    assert_string_equal(out, "café ");
    text_add(&t, str_of("\x99"));
    take(&t);
    assert_string_equal(out, "café ");
    text_add(&t, str_of("\x82!"));
    take(&t);
    assert_string_equal(out, "café 🙂!");
    text_fini(&t);
}

static void broken_bytes_become_replacement_characters(void **state)
{
    (void)state;
    static const struct { const char *bytes, *text; } cases[] = {
        {"a\xff" "b", "a\xef\xbf\xbd" "b"},                    /* never a byte of UTF-8 */
        {"\x80", "\xef\xbf\xbd"},                             /* other half alone */
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},             /* overlong '/' */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* beyond U+10FFFF */
        {"\xf0\x9f" "A", "\xef\xbf\xbd" "A"},                  /* cut short */
        {"\xe2\x82", "\xef\xbf\xbd"},                         /* cut short by the end */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text t;
        begin(&t, NULL, 0);
        for (const char *p = cases[i].bytes; *p != '\0'; p++)
            text_add(&t, str_n(p, 1));
        text_end(&t);
        take(&t);
        assert_string_equal(out, cases[i].text);
        text_fini(&t);
    }
}

static void a_stop_string_over_three_tokens(void **state)
{
    (void)state;
    struct text t;
    struct str stops[] = {str_of("\n\nUser:"), str_of("")};
    begin(&t, stops, 2);
    assert_false(text_add(&t, str_of("Hello\n")));
    take(&t);
    assert_string_equal(out, "Hello"); /* the line break may begin the stop string */
    assert_false(text_add(&t, str_of("\nUs")));
    take(&t);
    assert_string_equal(out, "Hello");
    assert_true(text_add(&t, str_of("er: and more")));
    take(&t);
    text_end(&t);
    take(&t);
    assert_string_equal(out, "Hello");
    text_fini(&t);
}

static void what_was_held_back_for_nothing_comes_out(void **state)
{
    (void)state;
    struct text t;
    struct str stops[] = {str_of("abcd")};
    begin(&t, stops, 1);
    text_add(&t, str_of("xabc"));
    take(&t);
    assert_string_equal(out, "x");
    text_add(&t, str_of("ab"));
    take(&t);
    assert_string_equal(out, "xabc");
    assert_false(text_waits(&t));
    text_end(&t);
    assert_true(text_waits(&t));
    take(&t);
    assert_string_equal(out, "xabcab");
    text_fini(&t);
}

static void the_stop_that_ends_first_counts(void **state)
{
    (void)state;
    struct text t;
    struct str stops[] = {str_of("bc"), str_of("abcd"), str_of("abc")};
    begin(&t, stops, 3);
    assert_true(text_add(&t, str_of("xxabcd")));
    take(&t);
    assert_string_equal(out, "xx"); /* "bc" and "abc" end together; the longer begins first */
    text_fini(&t);
}

/* Random text over few letters, random stop strings, random token borders: the text before the first stop string to
 * end, whatever the borders, and never a byte that had to be taken back. */
static void borders_do_not_matter(void **state)
{
    (void)state;
    struct rng rng = {.seed = 11};
    for (int round = 0; round < 3000; round++) {
        char text[64], stop_bytes[3][8];
        struct str stops[3];
        size_t text_n = 1 + rng_below(&rng, sizeof text - 1), end = text_n, met = 0;
        for (size_t i = 0; i < text_n; i++)
            text[i] = (char)('a' + rng_below(&rng, 2));
        for (int i = 0; i < 3; i++) {
            stops[i] = str_n(stop_bytes[i], 2 + rng_below(&rng, 6));
            for (size_t k = 0; k < stops[i].n; k++)
                stop_bytes[i][k] = (char)('a' + rng_below(&rng, 2));
        }
        for (size_t at = 1; at <= text_n && met == 0; at++)
            for (int i = 0; i < 3; i++)
                if (stops[i].n <= at && stops[i].n > met && memcmp(text + at - stops[i].n, stops[i].p, stops[i].n) == 0) {
                    met = stops[i].n;
                    end = at - met;
                }
        struct text t;
        begin(&t, stops, 3);
        bool stopped = false;
        for (size_t at = 0; at < text_n && !stopped;) {
            size_t n = 1 + rng_below(&rng, 5);
            n = n < text_n - at ? n : text_n - at;
            stopped = text_add(&t, str_n(text + at, n));
            take(&t);
            at += n;
        }
        text_end(&t);
        take(&t);
        assert_int_equal(stopped, met > 0);
        assert_int_equal(out_n, end);
        assert_memory_equal(out, text, end);
        text_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_characters_only),
        cmocka_unit_test(broken_bytes_become_replacement_characters),
        cmocka_unit_test(a_stop_string_over_three_tokens),
        cmocka_unit_test(what_was_held_back_for_nothing_comes_out),
        cmocka_unit_test(the_stop_that_ends_first_counts),
        cmocka_unit_test(borders_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
