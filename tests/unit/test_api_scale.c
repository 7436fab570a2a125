/* POST /manta/scale: what is taken, and what the error names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api/api.h"

static struct api_scale taken(const char *body)
{
    struct api_scale s = {0};
    struct api_error e = {0};
    assert_int_equal(api_parse_scale(str_of(body), &s, &e), 0);
    return s;
}

static void what_is_taken(void **state)
{
    (void)state;
    struct api_scale s = taken("{\"workers\":5}");
    assert_true(!s.by_load && s.workers == 5);
    s = taken(" { \"max\" : 8 , \"min\":0,\"policy\":\"auto\", \"unknown\":[1] } ");
    assert_true(s.by_load && s.min == 0 && s.max == 8 && s.workers == API_SCALE_AS_IS);
    s = taken("{\"policy\":\"auto\"}");
    assert_true(s.by_load && s.min == API_SCALE_AS_IS && s.max == API_SCALE_AS_IS);
    s = taken("{\"policy\":\"fixed\"}");
    assert_true(!s.by_load && s.workers == API_SCALE_AS_IS);
    s = taken("{\"policy\":\"fixed\",\"workers\":0}");
    assert_true(!s.by_load && s.workers == 0);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct { const char *body, *param, *text; } cases[] = {
        {"", "", ""},
        {"[]", "", ""},
        {"{}", "workers", "expected {\"workers\":N}"},
        {"{\"workers\":-1}", "workers", "got -1"},
        {"{\"workers\":257}", "workers", "got 257"},
        {"{\"workers\":1.5}", "workers", "a number of workers, 0 to 256"},
        {"{\"workers\":\"5\"}", "workers", "got a string"},
        {"{\"policy\":\"often\"}", "policy", "got 'often'"},
        {"{\"policy\":1}", "policy", "\"fixed\" or \"auto\""},
        {"{\"policy\":\"auto\",\"workers\":3}", "workers", "decides on the number"},
        {"{\"policy\":\"auto\",\"min\":4,\"max\":3}", "min", "4 is more than \"max\", 3"},
        {"{\"policy\":\"auto\",\"max\":1e3}", "max", "a number of workers"},
        {"{\"workers\":3,\"max\":3}", "max", "limits go with"},
        {"{\"min\":3}", "min", "limits go with"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_scale s = {.workers = 77};
        struct api_error e = {0};
        assert_int_equal(api_parse_scale(str_of(cases[i].body), &s, &e), ERR_INVALID);
        assert_int_equal(s.workers, 77);
        assert_string_equal(e.param, cases[i].param);
        assert_non_null(strstr(e.fault.text, cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_taken), cmocka_unit_test(what_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
