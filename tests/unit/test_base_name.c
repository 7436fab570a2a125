/* Names out of whatever hosts, files and people are called: valid, whole characters, told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/name.h"
#include "base/plain.h"
#include "base/utf8.h"

static const char *fit(const char *from, size_t n, size_t cap)
{
    static char out[512];
    memset(out, 'x', sizeof out);
    name_fit(str_n(from, n), out, cap);
    assert_true(strlen(out) < cap && strlen(out) > 0);
    assert_true(plain_is_line(str_of(out)));
    return out;
}

static void a_name_that_is_one_stays(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "worker-box", "pas\xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac", "100%", "a b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_string_equal(fit(names[i], strlen(names[i]), NAME_CAP), names[i]);
    char longest[NAME_CAP];
    memset(longest, 'a', sizeof longest - 1);
    longest[NAME_CAP - 1] = '\0';
    assert_string_equal(fit(longest, NAME_CAP - 1, NAME_CAP), longest);
    assert_string_equal(fit("", 0, NAME_CAP), "?");
}

static void what_is_no_text_is_written_so_that_it_is(void **state)
{
    (void)state;
    assert_memory_equal(fit("mod\xe8le", 6, NAME_CAP), "mod%E8le~", 9);
    assert_memory_equal(fit("a\nb\x1b", 4, NAME_CAP), "a%0Ab%1B~", 9);
    assert_memory_equal(fit("\xe2\x80\xae" "a", 4, NAME_CAP), "%E2%80%AEa~", 11);
    char latin[NAME_CAP], again[NAME_CAP];
    snprintf(latin, sizeof latin, "%s", fit("caf\xe9", 4, NAME_CAP));
    snprintf(again, sizeof again, "%s", fit("caf%E9", 6, NAME_CAP));
    assert_string_not_equal(latin, again);
}

/* Whatever the lengths of characters before the end, it ends after a whole one. */
static void long_names_are_told_apart(void **state)
{
    (void)state;
    static const char *const letters[] = {"a", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x90\x8e", "\xff"};
    for (size_t k = 0; k < sizeof letters / sizeof letters[0]; k++) {
        for (size_t cap = 32; cap < 80; cap++) {
            struct buf a = buf_max(4096), b = buf_max(4096);
            for (int i = 0; i < 300; i++)
                buf_puts(&a, letters[k]);
            buf_add_str(&b, buf_str(&a));
            buf_puts(&a, "1");
            buf_puts(&b, "2");
            char one[128], two[128];
            snprintf(one, sizeof one, "%s", fit(a.p, a.n, cap));
            snprintf(two, sizeof two, "%s", fit(b.p, b.n, cap));
            assert_string_not_equal(one, two);
            assert_string_equal(one, fit(a.p, a.n, cap)); /* the same at any time */
            assert_int_equal(utf8_whole(one, strlen(one)), strlen(one));
            assert_true(strlen(one) + 4 >= cap - 1); /* as much as there is room for */
            buf_fini(&a);
            buf_fini(&b);
        }
    }
}

static void a_node_has_a_name(void **state)
{
    (void)state;
    char name[NAME_CAP], host[300] = "";
    gethostname(host, sizeof host - 1);
    name_of_node("", name);
    assert_memory_equal(name, "worker-", 7);
    if (plain_is_line(str_of(host)))
        assert_string_equal(name + 7, host);
    name_of_node("oak", name);
    assert_string_equal(name, "oak");
}

static void a_head_of_a_text(void **state)
{
    (void)state;
    assert_int_equal(utf8_head(str_of("\xe6\x97\xa5\xe6\x9c\xac"), 5).n, 3);
    assert_int_equal(utf8_head(str_of("\xe6\x97\xa5\xe6\x9c\xac"), 6).n, 6);
    assert_int_equal(utf8_head(str_of("ab"), 5).n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_one_stays),
        cmocka_unit_test(what_is_no_text_is_written_so_that_it_is),
        cmocka_unit_test(long_names_are_told_apart),
        cmocka_unit_test(a_node_has_a_name),
        cmocka_unit_test(a_head_of_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
