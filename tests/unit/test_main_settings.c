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

#include "main/options.h"
#include "settings/settings.h"

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

/* Given variables that do not fit: they are an error for a command that has the setting, unless a flag gives it; other commands do not
 * look at them. */
static void a_variable_concerns_who_has_the_setting(void **state)
{
    (void)state;
    static const struct { const char *name, *value, *flag; unsigned has, has_not; } cases[] = {
        {"MANTA_PORT", "many", "--port=1", USE_HEAD, USE_CLIENT}, {"MANTA_SLOTS", "0", "--slots=1", USE_WORKER, USE_HEAD},
        {"MANTA_BALANCE", "fair", "--balance=random", USE_HEAD, USE_WORKER}, {"MANTA_MEMORY", "lots", "--memory=1g", USE_WORKER, USE_CLIENT},
        {"MANTA_EXACT", "perhaps", "--exact", USE_WORKER, USE_CLIENT}, {"MANTA_OUTPUT", "xml", "-o=", USE_CLIENT, USE_HEAD},
        {"MANTA_MODEL", "a,a", "--model=b", USE_WORKER, USE_HEAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        struct fault f = {0};
        setenv(cases[i].name, cases[i].value, 1);
        assert_int_equal(load(&s, &f, cases[i].has, 0, NULL), ERR_USAGE);
        assert_memory_equal(f.text, cases[i].name, strlen(cases[i].name));
        settings_fini(&s);
        assert_int_equal(load(&s, &f, cases[i].has_not, 0, NULL), 0);
        assert_string_equal(buf_cstr(&s.warnings), "");
        settings_fini(&s);
        const char *args[] = {cases[i].flag, "json"};
        bool two = strcmp(cases[i].flag, "-o=") == 0;
        args[0] = two ? "-o" : args[0];
        if (load(&s, &f, cases[i].has, two ? 2 : 1, args) != 0)
            fail_msg("%s", f.text);
        settings_fini(&s);
        unsetenv(cases[i].name);
    }
}

/* What Kubernetes and Docker put beside a service called manta, manta-head or manta-api: no error, at most a word. */
static void service_links_are_no_settings(void **state)
{
    (void)state;
    static const char *const links[][2] = {
        {"MANTA_SERVICE_HOST", "10.96.0.12"}, {"MANTA_SERVICE_PORT", "8470"}, {"MANTA_SERVICE_PORT_HTTP", "8470"},
        {"MANTA_PORT_8470_TCP", "tcp://10.96.0.12:8470"}, {"MANTA_PORT_8470_TCP_PROTO", "tcp"}, {"MANTA_PORT_8470_TCP_PORT", "8470"},
        {"MANTA_PORT_8470_TCP_ADDR", "10.96.0.12"}, {"MANTA_HEAD_SERVICE_HOST", "10.96.0.13"}, {"MANTA_HEAD_PORT", "tcp://10.96.0.13:8470"},
        {"MANTA_HOSTS_PORT", "udp://10.96.0.13:53"}, {"MANTA_NAME", "/web/manta"}, {"MANTA_ENV_MODE", "x"},
    };
    struct settings s;
    struct fault f = {0};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        setenv(links[i][0], links[i][1], 1);
    assert_int_equal(load(&s, &f, USE_HEAD | USE_WORKER | USE_UP, 0, NULL), 0);
    assert_string_equal(buf_cstr(&s.warnings), "");
    settings_fini(&s);
    setenv("MANTA_PORT", "tcp://10.96.0.12:8470", 1);
    assert_int_equal(load(&s, &f, USE_HEAD, 0, NULL), 0);
    assert_int_equal(setting_number(&s, SET_PORT), 8470);
    assert_non_null(strstr(buf_cstr(&s.warnings), "MANTA_PORT is a service link"));
    settings_fini(&s);
    unsetenv("MANTA_PORT");
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        unsetenv(links[i][0]);
}

static void a_misspelled_variable_is_told(void **state)
{
    (void)state;
    static const struct { const char *name, *says; unsigned uses; } cases[] = {
        {"MANTA_PROT", "unknown variable MANTA_PROT: did you mean MANTA_PORT?", USE_HEAD},
        {"MANTA_APIKEY", "did you mean MANTA_API_KEY?", USE_CLIENT},
        {"MANTA_JOIN_TOKN", "did you mean MANTA_JOIN_TOKEN?", USE_WORKER},
        {"MANTA_TRCE", "did you mean MANTA_TRACE?", USE_HEAD},
        {"MANTA_MODEL_DIR", "did you mean MANTA_MODELS_DIR?", USE_WORKER},
        {"MANTA_PROT", "", USE_WORKER}, /* it has no port */
        {"MANTA_WORKERS", "", USE_HEAD}, /* another command's */
        {"MANTA_MODELS_DIR", "", USE_WORKER}, {"MANTA_SOMETHING_ELSE", "", USE_HEAD}, {"MANTA_", "", USE_HEAD}, {"XMANTA_PROT", "", USE_HEAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        struct fault f = {0};
        setenv(cases[i].name, "7", 1);
        assert_int_equal(load(&s, &f, cases[i].uses, 0, NULL), 0);
        const char *warnings = buf_cstr(&s.warnings);
        if (cases[i].says[0] == '\0' ? warnings[0] != '\0' : strstr(warnings, cases[i].says) == NULL)
            fail_msg("%s: '%s'", cases[i].name, warnings);
        settings_fini(&s);
        assert_int_equal(load(&s, &f, cases[i].uses | USE_HEAD, 1, (const char *[]){"--die-with-parent=1"}), 0);
        assert_string_equal(buf_cstr(&s.warnings), ""); /* its parent has said it */
        settings_fini(&s);
        unsetenv(cases[i].name);
    }
}

static void a_port_is_enough_for_a_client(void **state)
{
    (void)state;
    static const char *const ways[][2] = {{"--port", "9250"}, {"-p", "9250"}, {"--port=9250", NULL}, {"--head", "9250"}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct settings s;
        struct fault f = {0};
        assert_int_equal(load(&s, &f, USE_CLIENT, ways[i][1] != NULL ? 2 : 1, (const char *[]){ways[i][0], ways[i][1]}), 0);
        assert_string_equal(setting_text(&s, SET_HEAD), "9250");
        settings_fini(&s);
    }
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
        {"head:\n  port: 1\n  port: 2\n", ":3:9: given already in line 2: 'head.port'"},
        {"worker:\n  model: [a, [b]]\n", ":2:14: no list belongs under 'model'"},
        {"worker:\n  model: [a, {b: 1}]\n", "no map belongs under 'model'"},
        {"head: {port: {x: 1}}\n", ":1:14: no map belongs under 'port'"},
        {"just words\n", ":1:1: expected a map of settings, got 'just words'"},
        {"head:\n  port: 1\n bad\n", "did not find expected"},
        {"head:\n  port: 1\n bad: 2\n", ":3:2: did not find expected key: is this line indented as its neighbours are?"},
        {"head:\n  host: a\n    port: 1\n", "a colon too many, or a line that is indented further than the one above"},
        {"head: []\n", ":1:7: no list belongs under 'head'"},
        {"head: 7\n", "unknown key 'head'"},
        {"hedd: ~\n", "unknown key 'hedd'"},
        {"head:\n  prot: ~\n", "unknown key 'head.prot': did you mean 'head.port'"},
        {"head:\n  port: ~\n  port: 2\n", ":3:9: given already in line 2: 'head.port'"},
        {"head:\n  port: ''\n", "head.port: '' is not a whole number"},
        {"worker:\n  model: [a, ~]\n", "an item of the list is empty"},
        {"head:\n\tport: 1\n", ":2:1: found character that cannot start any token (a tab: YAML wants spaces)"},
        {"head:\n  host: \xff\xfe\n", "byte 15: invalid leading UTF-8 octet: a settings file is text in UTF-8"},
        {"- port\n", "no list belongs under"},
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

/* What is left empty, or null, is as if it were not there; files as other systems' editors write them. */
static void a_file_may_leave_things_empty(void **state)
{
    (void)state;
    static const char *const files[] = {
        "", "# nothing\n", "---\n", "~\n", "head:\nworker:\n  slots: 2\n", "head:\n#  port: 1\nworker:\n  slots: 2\n", "head: null\nup: ~\njoin_token:\n",
        "worker:\n  context:\n  kv: ~\n  model: []\n  slots: 2\n  memory: null\n", "worker: {}\n", "head:\n  api_key: NULL\nworker: {slots: 2}\n",
        "\xef\xbb\xbfworker:\r\n  slots: 2\r\n", "worker:\n  slots: 2\n...\n---\nhead:\n  port: ~\n", "worker:\n  slots: \"2\"\n  node: \"\"\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct settings s;
        struct fault f = {0};
        const char *path = file_with(files[i]);
        if (load(&s, &f, USE_HEAD | USE_WORKER | USE_UP, 2, (const char *[]){"--config", path}) != 0)
            fail_msg("file %zu: %s", i, f.text);
        assert_int_equal(setting_number(&s, SET_PORT), 8470);
        assert_int_equal(setting_number(&s, SET_CONTEXT), 0);
        assert_string_equal(setting_text(&s, SET_MODEL), "smollm2");
        assert_string_equal(setting_text(&s, SET_API_KEY), "");
        assert_int_equal(setting_number(&s, SET_SLOTS), strstr(files[i], "slots") != NULL ? 2 : 4);
        settings_fini(&s);
        unlink(path);
    }
}

/* Whatever --config names: a sentence, at once. */
static void what_is_no_file_of_settings_is_told(void **state)
{
    (void)state;
    static const struct bad_file cases[] = {
        {"/", "cannot read the settings file '/': Is a directory"}, {"/dev/zero", "'/dev/zero' is larger than 1048576 bytes"},
        {"/nowhere/x.yaml", "'/nowhere/x.yaml': No such file"}, {"/proc/self/mem", "cannot read the settings file '/proc/self/mem': "},
        {"/proc/self/exe", "/proc/self/exe"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        struct fault f = {0};
        assert_int_not_equal(load(&s, &f, USE_HEAD, 2, (const char *[]){"--config", cases[i].text}), 0);
        if (strstr(f.text, cases[i].says) == NULL)
            fail_msg("'%s' lacks '%s'", f.text, cases[i].says);
        settings_fini(&s);
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

static void models_are(const struct settings *s, const char *want)
{
    uint32_t n;
    const char *const *items = setting_items(s, SET_MODEL, &n);
    char got[200] = "";
    for (uint32_t i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i > 0 ? " " : "", items[i]);
    assert_string_equal(got, want);
}

/* Given several models as flags, in the file, or in the environment, each source replaces the weaker one's whole list. */
static void several_models_are_a_list(void **state)
{
    (void)state;
    struct settings s;
    struct fault f = {0};
    const char *path = file_with("worker:\n  model:\n    - a\n    - b,c.gguf\n  slots: 2\n");
    const char *args[] = {"--config", path, "--model", "x", "--model=y"};
    assert_int_equal(load(&s, &f, USE_WORKER, 0, NULL), 0);
    models_are(&s, "smollm2");
    settings_fini(&s);
    assert_int_equal(load(&s, &f, USE_WORKER, 2, args), 0);
    models_are(&s, "a b,c.gguf");
    assert_int_equal(setting_number(&s, SET_SLOTS), 2);
    settings_fini(&s);
    setenv("MANTA_MODEL", "p,q", 1);
    assert_int_equal(load(&s, &f, USE_WORKER, 2, args), 0);
    models_are(&s, "p q");
    settings_fini(&s);
    assert_int_equal(load(&s, &f, USE_WORKER, 5, args), 0);
    models_are(&s, "x y");
    char *flag = setting_as_flag(&s, SET_MODEL, 1);
    assert_string_equal(flag, "--model=y");
    assert_null(setting_as_flag(&s, SET_MODEL, 2));
    free(flag);
    settings_fini(&s);
    setenv("MANTA_MODEL", "echo:tokens=1,seed=2\necho:name=b,script=Yes, no", 1);
    assert_int_equal(load(&s, &f, USE_WORKER, 0, NULL), 0);
    models_are(&s, "echo:tokens=1,seed=2 echo:name=b,script=Yes, no");
    settings_fini(&s);
    unsetenv("MANTA_MODEL");
    unlink(path);
}

static void a_list_has_no_empty_or_double_item_and_an_end(void **state)
{
    (void)state;
    struct settings s;
    struct fault f = {0};
    assert_int_equal(load(&s, &f, USE_WORKER, 2, (const char *[]){"--model=a", "--model=a"}), ERR_USAGE);
    assert_string_equal(f.text, "--model: 'a' is given twice");
    settings_fini(&s);
    assert_int_equal(load(&s, &f, USE_WORKER, 1, (const char *[]){"--model="}), ERR_USAGE);
    settings_fini(&s);
    char flags[SETTING_ITEMS_MAX + 1][16];
    const char *args[SETTING_ITEMS_MAX + 1];
    for (int i = 0; i <= SETTING_ITEMS_MAX; i++) {
        snprintf(flags[i], sizeof flags[i], "--model=m%d", i);
        args[i] = flags[i];
    }
    assert_int_equal(load(&s, &f, USE_WORKER, SETTING_ITEMS_MAX, args), 0);
    settings_fini(&s);
    assert_int_equal(load(&s, &f, USE_WORKER, SETTING_ITEMS_MAX + 1, args), ERR_USAGE);
    assert_non_null(strstr(f.text, "'m16' is one too many, at most 16"));
    settings_fini(&s);
}

static void sizes_that_contradict_each_other_are_refused_with_their_lines(void **state)
{
    (void)state;
    static const struct bad_file cases[] = {
        {"worker:\n  memory: 2g\n  slots: 64\n  context: 65536\n", ":2: worker.memory: 2g cannot hold 64 streams ("},
        {"worker:\n  memory: 2g\n  slots: 64\n  context: 65536\n", ":4: worker.context): their KV cache alone takes more than 4096 MiB"},
        {"worker:\n  memory: 4g\n  limit_memory: 3g\n", ":2: worker.memory: 4g is more than 3g ("},
        {"worker:\n  memory: 4g\n  limit_memory: 3g\n", ":3: worker.limit_memory): the system would end the worker"},
        {"worker:\n  exact: on\n  kv: f16\n", ":3: worker.kv: f16 does not go with "},
        {"head:\n  beat_ms: 2000\n", "--lost-after-ms (default): 3000 is less than twice 2000 ("},
        {"head:\n  beat_ms: 2000\n", ":2: head.beat_ms): a worker would be lost"},
        {"head:\n  token_stall_ms: 400\n", ":2: head.token_stall_ms: 400 is less than 1000 (--beat-ms"},
        {"head:\n  limit_memory: 64m\n", "--queue-bytes (default): 64m is not less than 64m ("},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        struct fault f = {0};
        const char *path = file_with(cases[i].text);
        assert_int_equal(load(&s, &f, USE_HEAD | USE_WORKER, 2, (const char *[]){"--config", path}), ERR_USAGE);
        if (strstr(f.text, cases[i].says) == NULL)
            fail_msg("'%s' lacks '%s'", f.text, cases[i].says);
        settings_fini(&s);
        unlink(path);
    }
}

/* Given sizes that agree, or a contradiction between settings of another command, nobody complains. */
static void sizes_that_agree_are_not_refused(void **state)
{
    (void)state;
    struct settings s;
    struct fault f = {0};
    const char *args[] = {"--memory=3g", "--worker-limit-memory=3g", "--exact", "--kv=q8_0", "--slots=64", "--context=32768"};
    assert_int_equal(load(&s, &f, USE_WORKER, 6, args), 0);
    settings_fini(&s);
    const char *path = file_with("head:\n  beat_ms: 3000\n");
    assert_int_equal(load(&s, &f, USE_WORKER, 2, (const char *[]){"--config", path}), 0);
    settings_fini(&s);
    unlink(path);
}

/* Given no settings at all, then the table's defaults are those that the brain has by itself, and that its tests use. */
static void defaults_of_the_table_are_those_of_the_brain(void **state)
{
    (void)state;
    struct settings s;
    struct fault f = {0};
    assert_int_equal(load(&s, &f, USE_HEAD, 0, NULL), 0);
    struct head_config told = options_head(&s).brain, own = head_config_default();
#define SAME(field) assert_true(told.field == own.field)
    SAME(balance), SAME(queue_jobs_max), SAME(queue_bytes_max), SAME(queue_deadline_ms), SAME(token_stall_ms), SAME(beat_ms), SAME(lost_after_ms);
    SAME(rebalance), SAME(status_every_ms), SAME(scale.mode), SAME(scale.min), SAME(scale.max), SAME(scale.idle_s);
#undef SAME
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
        cmocka_unit_test(a_variable_concerns_who_has_the_setting),
        cmocka_unit_test(service_links_are_no_settings),
        cmocka_unit_test(a_misspelled_variable_is_told),
        cmocka_unit_test(a_port_is_enough_for_a_client),
        cmocka_unit_test(a_file_may_leave_things_empty),
        cmocka_unit_test(what_is_no_file_of_settings_is_told),
        cmocka_unit_test(several_models_are_a_list),
        cmocka_unit_test(sizes_that_contradict_each_other_are_refused_with_their_lines),
        cmocka_unit_test(sizes_that_agree_are_not_refused),
        cmocka_unit_test(defaults_of_the_table_are_those_of_the_brain),
        cmocka_unit_test(a_list_has_no_empty_or_double_item_and_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
