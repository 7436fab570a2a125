/* The sentence of an error: one line, whole characters, never cut where it says what would be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/utf8.h"

static struct fault f;

static void assert_whole_characters(const char *text)
{
    for (size_t n = strlen(text), len; n > 0; text += len, n -= len)
        assert_true((len = utf8_len(text, n)) > 0);
}

/* Given what a template's interpreter says over several lines, then the sentence is one line, without runs of spaces. */
static void lines_become_one(void **state)
{
    (void)state;
    fault_set(&f, ERR_INVALID, "it refuses: %s", "\n------------\nWhile executing\r\n\t  a call:  no \n");
    assert_string_equal(f.text, "it refuses: ------------ While executing a call: no");
}

/* Given bytes that would move a terminal's cursor, turn text around or are no character at all, then none is left. */
static void what_cannot_be_printed_is_a_space(void **state)
{
    (void)state;
    static const char *const odd[] = {"\x1b[2J", "\x07", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\xa8", "\xff", "\xe2\x80"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char want[32];
        snprintf(want, sizeof want, "a %sb", i == 0 ? "[2J" : "");
        fault_set(&f, ERR_INVALID, "a%sb", odd[i]);
        assert_string_equal(f.text, want);
    }
    fault_set(&f, ERR_INVALID, "caf\xc3\xa9 \xe2\x80\x99 \xf0\x9f\xa6\x8a");
    assert_string_equal(f.text, "caf\xc3\xa9 \xe2\x80\x99 \xf0\x9f\xa6\x8a");
}

static char *repeated(const char *piece, size_t times)
{
    size_t n = strlen(piece);
    char *text = calloc(times * n + 1, 1);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * n, piece, n);
    return text;
}

/* Given a quotation of any length, then what stands before and behind it is whole, and of the quotation both ends. */
static void a_long_quotation_loses_its_middle(void **state)
{
    (void)state;
    static const char *const pieces[] = {"x", "\xc3\xa9", "\xe6\xb0\xb4", "\xf0\x9f\xa6\x8a", "it's "};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        for (size_t times = 80; times < 3000; times += 7) {
            char *long_name = repeated(pieces[i], times);
            fault_set(&f, ERR_MEMORY, "the file '/models/%s.gguf' is too big for 'worker'; what would fit: --memory 600m", long_name);
            assert_int_equal(strncmp(f.text, "the file '/models/", 18), 0);
            assert_non_null(strstr(f.text, ".gguf' is too big for 'worker'; what would fit: --memory 600m"));
            assert_whole_characters(f.text);
            free(long_name);
        }
    }
}

/* Given a sentence that quotes nothing, or nothing long enough, then its own middle goes. */
static void a_long_sentence_keeps_both_ends(void **state)
{
    (void)state;
    char *words = repeated("one two ", 500);
    fault_set(&f, ERR_INVALID, "the template refuses: %s; shorten the prompt", words);
    assert_int_equal(strncmp(f.text, "the template refuses: one two", 29), 0);
    assert_string_equal(f.text + strlen(f.text) - 20, "; shorten the prompt");
    assert_non_null(strstr(f.text, "\xe2\x80\xa6"));
    fault_set(&f, ERR_INVALID, "'a' and %s 'b' at the end", words);
    assert_string_equal(f.text + strlen(f.text) - 14, "'b' at the end");
    free(words);
}

/* Given every length around the limit, then nothing is cut that has room, and what is cut is no longer than the room. */
static void what_has_room_is_whole(void **state)
{
    (void)state;
    char text[1200];
    for (size_t n = 1; n < sizeof text; n++) {
        memset(text, 'a', n);
        text[n] = '\0';
        fault_set(&f, ERR_INVALID, "%s", text);
        if (n < sizeof f.text)
            assert_string_equal(f.text, text);
        else
            assert_int_equal(strlen(f.text), sizeof f.text - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_one),
        cmocka_unit_test(what_cannot_be_printed_is_a_space),
        cmocka_unit_test(a_long_quotation_loses_its_middle),
        cmocka_unit_test(a_long_sentence_keeps_both_ends),
        cmocka_unit_test(what_has_room_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
