/* What was measured of a file once is known the next time, to whom it was measured for and nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "models/models.h"

static char root[] = "/tmp/manta-setup-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    setenv("XDG_CACHE_HOME", mkdtemp(root), 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const char *const left[] = {"/manta/exact/d1", "/manta/exact", "/manta", ""};
    char path[128];
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        snprintf(path, sizeof path, "%s%s", root, left[i]);
        remove(path);
    }
    return 0;
}

/* Given a note for one engine with two threads, then another engine, other threads and another file have none; a later one takes its place. */
static void a_note_is_for_one_engine_file_and_number_of_threads(void **state)
{
    (void)state;
    char setup[64] = "untouched";
    assert_false(models_setup("d1", "llama 1", 2, setup, sizeof setup));
    models_setup_note("d1", "llama 1", 2, "cache=q8_0 weights=file");
    assert_false(models_setup("d1", "llama 2", 2, setup, sizeof setup));
    assert_false(models_setup("d1", "llama 1", 4, setup, sizeof setup));
    assert_false(models_setup("d2", "llama 1", 2, setup, sizeof setup));
    assert_string_equal(setup, "untouched");
    assert_true(models_setup("d1", "llama 1", 2, setup, sizeof setup));
    assert_string_equal(setup, "cache=q8_0 weights=file");
    models_setup_note("d1", "llama 2", 4, "cache=q8_0 weights=repacked");
    assert_false(models_setup("d1", "llama 1", 2, setup, sizeof setup));
    assert_true(models_setup("d1", "llama 2", 4, setup, sizeof setup));
    assert_string_equal(setup, "cache=q8_0 weights=repacked");
}

/* Given a note that is damaged, or longer than there is room for, then it is none. */
static void a_damaged_note_is_none(void **state)
{
    (void)state;
    char path[128], setup[8];
    models_setup_note("d1", "llama 1", 2, "cache=q8_0 weights=file");
    assert_false(models_setup("d1", "llama 1", 2, setup, sizeof setup));
    snprintf(path, sizeof path, "%s/manta/exact/d1", root);
    FILE *f = fopen(path, "w");
    fputs("cache", f);
    fclose(f);
    assert_false(models_setup("d1", "llama 1", 2, setup, sizeof setup));
    assert_false(models_setup("", "llama 1", 2, setup, sizeof setup));
    assert_false(models_setup("../d1", "llama 1", 2, setup, sizeof setup));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_for_one_engine_file_and_number_of_threads),
        cmocka_unit_test(a_damaged_note_is_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
