/* Where a setting comes from, and what a person is told when one is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "main/settings.h"

static int load(struct settings *s, struct fault *f, unsigned uses, int argc, const char **argv)
{
    return settings_load(s, argc, (char **)(uintptr_t)argv, uses, f);
}

static const char *file_with(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/manta-settings-%d.yaml", (int)getpid());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

/* Given a port in the file, another in the environment and a third as a flag, the flag counts, then the environment. */
static void a_flag_beats_the_environment_which_beats_the_file(void **state)
{
    (void)state;
    struct settings s;
    struct fault f = {0};
    const char *path = file_with("head:\n  port: 1111\n  queue_jobs: 7\n");
    setenv("MANTA_PORT", "2222", 1);
    assert_int_equal(load(&s, &f, USE_HEAD, 4, (const char *[]){"--config", path, "--port", "3333"}), 0);
    assert_int_equal(setting_number(&s, SET_PORT), 3333);
    assert_int_equal(setting_number(&s, SET_QUEUE_JOBS), 7);
    assert_string_equal(setting_text(&s, SET_HOST), "127.0.0.1");
    settings_fini(&s);
    assert_int_equal(load(&s, &f, USE_HEAD, 2, (const char *[]){"--config", path}), 0);
    assert_int_equal(setting_number(&s, SET_PORT), 2222);
    settings_fini(&s);
    unsetenv("MANTA_PORT");
    assert_int_equal(load(&s, &f, USE_HEAD, 2, (const char *[]){"--config", path}), 0);
    assert_int_equal(setting_number(&s, SET_PORT), 1111);
    settings_fini(&s);
    unlink(path);
}

struct bad_flag {
    const char *args[3];
    int n;
    const char *text;
};

static void wrong_flags_name_the_right_ones(void **state)
{
    (void)state;
    static const struct bad_flag cases[] = {
        {{"--prot", "1"}, 2, "unknown flag '--prot': did you mean '--port'?"},
        {{"--workers", "3"}, 2, "unknown flag '--workers': see --help for the flags there are"}, /* not one of `head` */
        {{"--port", "70000"}, 2, "--port: '70000' is not a whole number from 0 to 65535"},
        {{"--port", "-1"}, 2, "--port: '-1' is not a whole number from 0 to 65535"},
        {{"--port"}, 1, "--port needs a value"},
        {{"--balance=fair"}, 1, "--balance: 'fair' is not one of predicted|least-busy|round-robin|random|prefix"},
        {{"--queue-bytes", "12q"}, 2, "--queue-bytes: '12q' is not a size: write it like 500m or 2g"},
        {{"-x"}, 1, "unknown flag '-x': see --help for the flags there are"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        struct fault f = {0};
        const char *args[3] = {cases[i].args[0], cases[i].args[1], cases[i].args[2]};
        assert_int_equal(load(&s, &f, USE_HEAD, cases[i].n, args), ERR_USAGE);
        assert_string_equal(f.text, cases[i].text);
        settings_fini(&s);
    }
}

static void sizes_and_switches_are_read_as_people_write_them(void **state)
{
    (void)state;
    struct settings s;
    struct fault f = {0};
    const char *args[] = {"--memory", "2g", "--exact", "--repack=off", "hello"};
    assert_int_equal(load(&s, &f, USE_WORKER, 5, args), 0);
    assert_true(setting_number(&s, SET_MEMORY) == 2ull << 30);
    assert_true(setting_on(&s, SET_EXACT));
    assert_false(setting_on(&s, SET_REPACK));
    assert_int_equal(s.args_n, 1);
    assert_string_equal(s.args[0], "hello");
    settings_fini(&s);
}

struct bad_file {
    const char *text, *says;
};

static void a_wrong_file_is_told_with_its_line_and_the_nearest_key(void **state)
{
    (void)state;
    static const struct bad_file cases[] = {
        {"head:\n  prot: 1\n", ":2:9: unknown key 'head.prot': did you mean 'head.port'"},
        {"head:\n  port: many\n", ":2: head.port: 'many' is not a whole number from 0 to 65535"},
        {"head:\n  port: [1, 2]\n", ":2:9: no list belongs under 'port'"},
        {"head: {port: {x: 1}}\n", ":1:14: no map belongs under 'port'"},
        {"just words\n", ":1:1: expected a map of settings, got 'just words'"},
        {"head:\n  port: 1\n bad\n", "did not find expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        struct fault f = {0};
        const char *path = file_with(cases[i].text);
        assert_int_not_equal(load(&s, &f, USE_HEAD, 2, (const char *[]){"--config", path}), 0);
        if (strstr(f.text, cases[i].says) == NULL)
            fail_msg("'%s' lacks '%s'", f.text, cases[i].says);
        settings_fini(&s);
        unlink(path);
    }
}

static void the_laptop_file_is_understood(void **state)
{
    (void)state;
    struct settings s;
    struct fault f = {0};
    const char *args[] = {"--config", MANTA_SOURCE_DIR "/config/laptop.yaml"};
    if (load(&s, &f, USE_HEAD | USE_WORKER | USE_UP, 2, args) != 0)
        fail_msg("%s", f.text);
    assert_int_equal(setting_number(&s, SET_WORKERS), 3);
    assert_true(setting_number(&s, SET_MEMORY) == 2ull << 30);
    settings_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flag_beats_the_environment_which_beats_the_file),
        cmocka_unit_test(wrong_flags_name_the_right_ones),
        cmocka_unit_test(sizes_and_switches_are_read_as_people_write_them),
        cmocka_unit_test(a_wrong_file_is_told_with_its_line_and_the_nearest_key),
        cmocka_unit_test(the_laptop_file_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
