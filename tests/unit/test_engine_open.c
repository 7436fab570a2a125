/* Finding engine modules: what is there is opened, what is not is explained. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <math.h>

#include "engine/engine.h"

static void echo_needs_no_module(void **state)
{
    (void)state;
    const struct engine_ops *ops = NULL;
    assert_int_equal(engine_open("echo", &ops, NULL), 0);
    assert_ptr_equal(ops, engine_echo());
    assert_int_equal(ops->abi, ENGINE_ABI);
}

/* Given no such module, then the fault names the file that was looked for and both places. */
static void a_missing_module_is_explained(void **state)
{
    (void)state;
    const struct engine_ops *ops = NULL;
    struct fault f = {0};
    setenv("MANTA_ENGINE_DIR", "/nowhere/engines", 1);
    assert_int_equal(engine_open("abacus", &ops, &f), ERR_NOT_FOUND);
    assert_null(ops);
    assert_non_null(strstr(f.text, "manta-engine-abacus.so"));
    assert_non_null(strstr(f.text, "/nowhere/engines"));
    unsetenv("MANTA_ENGINE_DIR");
    assert_int_equal(engine_open("abacus", &ops, &f), ERR_NOT_FOUND);
    assert_non_null(strstr(f.text, "not set"));
}

/* Given a file of that name in MANTA_ENGINE_DIR that is no library, then it was found, and the loader's reason is told. */
static void a_broken_module_is_explained(void **state)
{
    (void)state;
    char dir[] = "/tmp/manta-test-XXXXXX", path[64];
    const struct engine_ops *ops = NULL;
    struct fault f = {0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/manta-engine-abacus.so", dir);
    FILE *file = fopen(path, "w");
    fputs("beads\n", file);
    fclose(file);
    setenv("MANTA_ENGINE_DIR", dir, 1);
    assert_int_equal(engine_open("abacus", &ops, &f), ERR_FAILED);
    assert_non_null(strstr(f.text, path));
    assert_null(ops);
    unsetenv("MANTA_ENGINE_DIR");
    unlink(path);
    rmdir(dir);
}

/* Given a real library that is no engine (the one cos() is in), then its lack of a door is told. */
static void another_library_is_refused(void **state)
{
    (void)state;
    const struct engine_ops *ops = NULL;
    struct fault f = {0};
    Dl_info found;
    double (*function)(double) = cos;
    void *address;
    memcpy(&address, &function, sizeof address);
    assert_int_not_equal(dladdr(address, &found), 0);
    assert_int_equal(engine_open(found.dli_fname, &ops, &f), ERR_VERSION);
    assert_non_null(strstr(f.text, "manta_engine"));
    assert_null(ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_needs_no_module),
        cmocka_unit_test(a_missing_module_is_explained),
        cmocka_unit_test(a_broken_module_is_explained),
        cmocka_unit_test(another_library_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
