/* Keys as text: one as ever, several, with names; and what is wrong with them, without showing one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "head/keys.h"

static const char *name_of(const struct keys *k, const char *key)
{
    static char text[80];
    const struct api_key *found = keys_find(k, str_of(key));
    snprintf(text, sizeof text, "%.*s", found != NULL ? (int)found->name.n : 4, found != NULL ? found->name.p : "none");
    return text;
}

static void keys_have_names_or_not(void **state)
{
    (void)state;
    struct keys k;
    struct fault f = {0};
    assert_int_equal(keys_parse(&k, "", &f), 0);
    assert_true(k.n == 0 && keys_find(&k, str_of("")) == NULL);
    keys_fini(&k);
    assert_int_equal(keys_parse(&k, "open sesame:8", &f), 0);
    assert_int_equal(k.n, 1);
    assert_string_equal(name_of(&k, "open sesame:8"), "");
    assert_string_equal(name_of(&k, "open sesame:"), "none");
    assert_string_equal(name_of(&k, ""), "none");
    keys_fini(&k);
    assert_int_equal(keys_parse(&k, "anna: a b,plain,ben@home: x: y,ben@home: z", &f), 0);
    assert_int_equal(k.n, 4);
    assert_string_equal(name_of(&k, "a b"), "anna");
    assert_string_equal(name_of(&k, "plain"), "");
    assert_string_equal(name_of(&k, "x: y"), "ben@home");
    assert_string_equal(name_of(&k, "z"), "ben@home");
    keys_fini(&k);
    assert_true(str_is(keys_first("anna: a b,plain"), "a b") && str_is(keys_first("plain"), "plain") && keys_first("").n == 0);
}

static void wrong_ones_are_named_by_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"one,", "--api-key: key 2 should be 1 to 511 printable characters, without blanks around it"},
        {",one", "--api-key: key 1 should be 1 to 511 printable characters, without blanks around it"},
        {"one, two", "--api-key: key 2 should be 1 to 511 printable characters, without blanks around it"},
        {"anna:  one", "--api-key: key 1 of anna should be 1 to 511 printable characters, without blanks around it"},
        {"one,two,one", "--api-key: keys 1 and 3 are the same"},
        {"a b: one", "--api-key: the name of key 1 should be at most 64 letters, digits and -_.@"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct keys k;
        struct fault f = {0};
        assert_int_equal(keys_parse(&k, wrong[i].text, &f), ERR_USAGE);
        assert_string_equal(f.text, wrong[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_names_or_not),
        cmocka_unit_test(wrong_ones_are_named_by_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
