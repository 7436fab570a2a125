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
    assert_true(str_is(keys_own("anna: a b,plain"), "a b") && str_is(keys_own("plain"), "plain") && keys_own("").n == 0);
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
        {"a b: one", "--api-key: the name of key 1 should be at most 64 letters, digits and -_.@, with [admin] behind it or nothing"},
        {"anna[root]: one", "--api-key: the name of key 1 should be at most 64 letters, digits and -_.@, with [admin] behind it or nothing"},
        {"anna [admin]: one", "--api-key: the name of key 1 should be at most 64 letters, digits and -_.@, with [admin] behind it or nothing"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct keys k;
        struct fault f = {0};
        assert_int_equal(keys_parse(&k, wrong[i].text, &f), ERR_USAGE);
        assert_string_equal(f.text, wrong[i].says);
    }
}

/* Which of them may change the cluster, as letters. */
static const char *admins(const char *text)
{
    static char out[8];
    struct keys k;
    struct fault f = {0};
    assert_int_equal(keys_parse(&k, text, &f), 0);
    for (uint32_t i = 0; i < k.n; i++)
        out[i] = k.at[i].admin ? 'A' : '-';
    out[k.n] = '\0';
    keys_fini(&k);
    return out;
}

static void a_person_alone_is_an_admin_and_of_several_who_is_marked(void **state)
{
    (void)state;
    assert_string_equal(admins("one"), "A");
    assert_string_equal(admins("anna: one"), "A");
    assert_string_equal(admins("anna: one,anna: two"), "AA");
    assert_string_equal(admins("anna: one,anna[admin]: two"), "-A");
    assert_string_equal(admins("one,two"), "--");
    assert_string_equal(admins("anna: one,ben: two"), "--");
    assert_string_equal(admins("anna: one,ben: two,ops[admin]: three,[admin]: four"), "--AA");
    assert_true(str_is(keys_own("anna: one,ops[admin]: two,ben: three"), "two") && str_is(keys_own("anna: one,ben: two"), "one"));
}

static uint64_t tenant(const char *text, const char *key)
{
    struct keys k;
    struct fault f = {0};
    assert_int_equal(keys_parse(&k, text, &f), 0);
    const struct api_key *found = keys_find(&k, str_of(key));
    assert_non_null(found);
    uint64_t number = seal_number(keys_seal(&k, found));
    keys_fini(&k);
    return number;
}

static void heads_with_the_same_keys_know_the_same_tenants(void **state)
{
    (void)state;
    uint64_t anna = tenant("anna: one,anna: two,ben: three", "one");
    assert_int_equal(tenant("ben: three,anna: two,anna: one", "two"), anna); /* in any order, by either key */
    assert_int_equal(tenant("one", "one"), anna);                            /* the name is not what counts */
    assert_true(tenant("anna: one,anna: two,ben: three", "three") != anna);
    assert_true(tenant("anna: four", "four") != anna);                       /* another head's anna is another one */
    assert_true(tenant("one,two", "one") != tenant("one,two", "two"));
}

static void a_stream_has_another_name_and_proof_for_each_tenant(void **state)
{
    (void)state;
    struct seal a, b, under;
    seal_of_key(str_of("one"), &a);
    seal_of_key(str_of("two"), &b);
    seal_of_name(&a, str_of("anna"), &under);
    struct seal_stream of_a = seal_stream(&a, 77), again = seal_stream(&a, 77), other = seal_stream(&a, 78);
    struct seal_stream of_b = seal_stream(&b, 77), of_anna = seal_stream(&under, 77);
    assert_true(of_a.name == again.name && of_a.claim == again.claim);
    assert_true(of_a.name != other.name && of_a.claim != other.claim);
    assert_true(of_a.name != of_b.name && of_a.claim != of_b.claim);
    assert_true(of_a.name != of_anna.name && of_a.claim != of_anna.claim && seal_number(&a) != seal_number(&under));
    assert_true(of_a.name != 77 && of_a.name != of_a.claim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_names_or_not),
        cmocka_unit_test(wrong_ones_are_named_by_their_place),
        cmocka_unit_test(a_person_alone_is_an_admin_and_of_several_who_is_marked),
        cmocka_unit_test(heads_with_the_same_keys_know_the_same_tenants),
        cmocka_unit_test(a_stream_has_another_name_and_proof_for_each_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
