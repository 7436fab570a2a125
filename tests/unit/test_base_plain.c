/* Text of strangers: what gets through to a terminal, to a line, and to JSON on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/plain.h"
#include "base/utf8.h"

#define FFFD "\xef\xbf\xbd"

static void is(const char *from, size_t n, enum plain_how how, const char *to)
{
    struct buf out = buf_max(1 << 20);
    plain_add(&out, str_n(from, n), how);
    assert_string_equal(buf_cstr(&out), to);
    assert_int_equal(out.n, strlen(to));
    buf_fini(&out);
}

#define TEXT(from, to) is(from, sizeof from - 1, PLAIN_TEXT, to)
#define LINE(from, to) is(from, sizeof from - 1, PLAIN_LINE, to)

static void what_terminals_obey_does_not_get_through(void **state)
{
    (void)state;
    TEXT("", "");
    TEXT("na\xc3\xafve \xe6\x97\xa5 \xf0\x9f\x90\x8e", "na\xc3\xafve \xe6\x97\xa5 \xf0\x9f\x90\x8e");
    TEXT("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb"); /* one emoji of three characters */
    TEXT("a\nb\tc\r\nd\re", "a\nb\tc\nde");
    TEXT("\x1b]0;title\x07", FFFD "]0;title" FFFD);
    TEXT("\x1b[2J\x08\x7f\x0e\x0b\x0c", FFFD "[2J" FFFD FFFD FFFD FFFD FFFD);
    TEXT("a\0b", "a" FFFD "b");
    TEXT("\xc2\x9b" "31m\xc2\x90q\xc2\x80\xc2\x9f\xc2\xa0", FFFD "31m" FFFD "q" FFFD FFFD "\xc2\xa0"); /* C1 as characters … */
    TEXT("\x9b" "31m\x9d" "0;x\x9c", FFFD "31m" FFFD "0;x" FFFD);                                          /* … and as bytes */
    TEXT("\xe2\x80\xae" "b\xe2\x80\xaa\xe2\x80\xac\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c.", FFFD "b" FFFD FFFD FFFD FFFD FFFD FFFD FFFD ".");
    TEXT("\xc0\x9b\xe0\x82\x9b\xed\xa0\x80\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD); /* overlong ESC, a surrogate */
    TEXT("end\xe6\x97", "end" FFFD FFFD);
}

static void a_line_stays_one(void **state)
{
    (void)state;
    LINE("a\nb\r\nc\td\xe2\x80\xa8" "e\xe2\x80\xa9" "f\xc2\x85g", "a b  c d e f" FFFD "g");
    char text[] = "12:00 a\nb\x1b[2J\xc2\x9b\xe2\x80\xae\xff \xc3\xa9";
    size_t n = plain_in_place(text, strlen(text));
    text[n] = '\0';
    assert_string_equal(text, "12:00 a b [2J??? \xc3\xa9");
}

/* However a text is cut into whole characters, what comes out is the same: an escape sequence has no other half. */
static void pieces_are_as_the_whole(void **state)
{
    (void)state;
    static const char text[] = "a\x1b[3\xc2\x9b" "1m\xe2\x80\xae" "b\x1b]52;c;eA==\x07\r\n\xf0\x9f\x90\x8e";
    struct buf whole = buf_max(4096), pieces = buf_max(4096);
    plain_add(&whole, str_of(text), PLAIN_TEXT);
    for (size_t i = 0, n; i < sizeof text - 1; i += n) {
        n = utf8_len(text + i, sizeof text - 1 - i);
        plain_add(&pieces, str_n(text + i, n), PLAIN_TEXT);
    }
    assert_string_equal(buf_cstr(&whole), buf_cstr(&pieces));
    assert_null(strchr(buf_cstr(&whole), '\x1b'));
    buf_fini(&whole);
    buf_fini(&pieces);
}

static void json_means_the_same(void **state)
{
    (void)state;
    struct buf out = buf_max(4096);
    plain_add_json(&out, str_of("{\"a\xc2\x9b\":\"\x7f\xe2\x80\xae\xc3\xa9\\u001b\",\r\n\t\"b\":1}"));
    assert_string_equal(buf_cstr(&out), "{\"a\\u009b\":\"\\u007f\\u202e\xc3\xa9\\u001b\",\n\t\"b\":1}");
    buf_fini(&out);
}

static void a_cut_text_has_whole_characters(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x8ez";
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t n = 0; n < sizeof text; n++)
        assert_int_equal(utf8_whole(text, n), whole[n]);
    assert_int_equal(utf8_whole("\x80\x80\x80\x80\x80", 5), 5); /* never was a text: as it is */
}

static void colours_where_they_are_known(void **state)
{
    (void)state;
    static const char *const terms[] = {"dumb", "", "xterm"};
    for (size_t i = 0; i < 3; i++) {
        setenv("TERM", terms[i], 1);
        assert_false(plain_takes_escapes(-1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_terminals_obey_does_not_get_through),
        cmocka_unit_test(a_line_stays_one),
        cmocka_unit_test(pieces_are_as_the_whole),
        cmocka_unit_test(json_means_the_same),
        cmocka_unit_test(a_cut_text_has_whole_characters),
        cmocka_unit_test(colours_where_they_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
