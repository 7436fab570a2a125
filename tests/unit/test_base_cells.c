/* How text lies on a terminal: widths, and lines broken between words, however the text comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cells.h"
#include "base/utf8.h"

static void widths_of_scripts(void **state)
{
    (void)state;
    assert_int_equal(cells_of(str_of("")), 0);
    assert_int_equal(cells_of(str_of("naïve")), 5);
    assert_int_equal(cells_of(str_of("東京")), 4);
    assert_int_equal(cells_of(str_of("שלום")), 4);
    assert_int_equal(cells_of(str_of("e\u0301")), 1);
    assert_int_equal(cells_fit(str_of("東京都"), 5), strlen("東京"));
    assert_int_equal(cells_fit(str_of("ab"), 5), 2);
}

/* The text in pieces of n bytes, but whole characters. */
static void wraps(const char *text, unsigned columns, unsigned indent, size_t n, const char *expected)
{
    struct wrap w;
    struct buf out = buf_max(4096);
    wrap_init(&w, columns, indent);
    for (size_t at = 0, piece; text[at] != '\0'; at += piece) {
        piece = strlen(text + at) < n ? strlen(text + at) : n;
        piece = utf8_whole(text + at, piece) > 0 ? utf8_whole(text + at, piece) : utf8_len(text + at, strlen(text + at));
        wrap_add(&w, str_n(text + at, piece), &out);
    }
    wrap_end(&w, &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_fini(&out);
}

static void lines_break_between_words(void **state)
{
    (void)state;
    for (size_t n = 1; n < 20; n++) {
        wraps("the quick brown fox jumps over it", 20, 0, n, "the quick brown fox\njumps over it");
        wraps("one two\n    code  with blanks\nx", 40, 0, n, "one two\n    code  with blanks\nx");
        wraps("a donaudampfschifffahrtsgesellschaft b", 20, 0, n, "a\ndonaudampfschifffahr\ntsgesellschaft b");
        wraps("東京は日本の首都であり、世界最大の都市", 20, 0, n, "東京は日本の首都であ\nり、世界最大の都市");
        wraps("first words, then more words", 20, 4, n, "first words, then\n    more words");
    }
}

/* Given a terminal that becomes narrower in the middle of an answer; then the lines after it are. */
static void a_terminal_changes_its_width(void **state)
{
    (void)state;
    struct wrap w;
    struct buf out = buf_max(4096);
    wrap_init(&w, 40, 0);
    wrap_add(&w, str_of("one two three four five six "), &out);
    w.columns = 20;
    wrap_add(&w, str_of("seven eight nine ten eleven"), &out);
    wrap_end(&w, &out);
    assert_string_equal(buf_cstr(&out), "one two three four five six\nseven eight nine ten\neleven");
    buf_fini(&out);
}

int main(void)
{
    cells_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_of_scripts),
        cmocka_unit_test(lines_break_between_words),
        cmocka_unit_test(a_terminal_changes_its_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
