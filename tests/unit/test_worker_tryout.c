/* A model is tried in a process of its own: whatever the engine does to that process, the parent lives and has the reason.
 *
 * The child is this very program, called as the worker's program would be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "worker/tryout.h"

static int try_script(const char *script, bool whole, uint32_t stall_s, engine_progress_fn *progress, void *user_data, struct fault *f)
{
    struct tryout t = {.engine = "echo", .load = {.path = script, .slots = 2, .context = 256, .threads = 1},
                       .memory_bytes = 256 << 20, .whole = whole, .stall_s = stall_s};
    *f = (struct fault){0};
    return tryout_run(&t, progress, user_data, f);
}

static void test_a_good_one_passes(void **state)
{
    (void)state;
    struct fault f;
    assert_int_equal(try_script("echo:tokens=3", true, 60, NULL, NULL, &f), 0);
    assert_int_equal(try_script("echo:embed=8", true, 60, NULL, NULL, &f), 0);
    assert_int_equal(try_script("echo:crash_load=1", false, 60, NULL, NULL, &f), 0); /* its header is only read */
    assert_int_equal(f.err, 0);
}

/* Given a model that the engine refuses, its own words arrive whole. */
static void test_a_refusal_keeps_its_words(void **state)
{
    (void)state;
    struct fault f;
    assert_int_equal(try_script("echo:fail_load=1", true, 60, NULL, NULL, &f), ERR_MODEL);
    assert_string_equal(f.text, "the echo engine was told to fail loading (fail_load)");
    assert_int_equal(try_script("echo:tokns=1", false, 60, NULL, NULL, &f), ERR_MODEL);
    assert_non_null(strstr(f.text, "did you mean 'tokens'?"));
}

/* Given a model that ends the engine's process, the reason names the signal, and the assertion without where it stands. */
static void test_a_crash_is_told(void **state)
{
    (void)state;
    struct fault f;
    assert_int_equal(try_script("echo:crash_load=1", true, 60, NULL, NULL, &f), ERR_MODEL);
    assert_non_null(strstr(f.text, "it made the engine crash (signal 6"));
    assert_int_equal(try_script("echo:crash_load=2", true, 60, NULL, NULL, &f), ERR_MODEL);
    assert_non_null(strstr(f.text, "it made the engine crash (signal 6: GGML_ASSERT(n_head > 0) failed)"));
    assert_null(strstr(f.text, "/source/"));
    assert_int_equal(try_script("echo:crash_at=1", true, 60, NULL, NULL, &f), ERR_MODEL); /* it loads, and cannot compute */
}

/* Given a load that stands still for an hour, it is given up after the time without progress. */
static void test_a_hang_is_told(void **state)
{
    (void)state;
    struct fault f;
    assert_int_equal(try_script("echo:hang_load=3600000", true, 1, NULL, NULL, &f), ERR_TIMEOUT);
    assert_non_null(strstr(f.text, "it made no progress for 1 s (--load-stall-s)"));
}

/* Does the system hold a process to RLIMIT_DATA? A sanitizer maps terabytes; qemu-user keeps the limit to itself. */
static bool memory_can_be_limited(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    enum { LIMIT = 1 << 26, MORE = 1 << 27 };
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_DATA, &(struct rlimit){.rlim_cur = LIMIT, .rlim_max = before.rlim_max}), 0);
    void *p = mmap(NULL, MORE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
    if (p != MAP_FAILED)
        munmap(p, MORE);
    return p == MAP_FAILED;
#endif
}

static void test_a_glutton_is_told(void **state)
{
    (void)state;
    if (!memory_can_be_limited())
        skip();
    struct fault f;
    assert_int_equal(try_script("echo:eat_load=8g", true, 60, NULL, NULL, &f), ERR_MEMORY);
    assert_non_null(strstr(f.text, "it took more memory than the 256 MiB it may have"));
}

static bool stop_at_half(float progress, void *user_data)
{
    float *most = user_data;
    *most = progress > *most ? progress : *most;
    return progress < 0.5f;
}

/* Given somebody who waits for it no longer, the child is ended and its progress was told. */
static void test_it_can_be_stopped(void **state)
{
    (void)state;
    struct fault f;
    float most = 0;
    assert_int_equal(try_script("echo:hang_load=3600000", true, 3600, stop_at_half, &most, &f), ERR_CANCELLED);
    assert_true(most >= 0.5f);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], TRYOUT_COMMAND) == 0)
        return tryout_main(argc - 2, argv + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_one_passes),
        cmocka_unit_test(test_a_refusal_keeps_its_words),
        cmocka_unit_test(test_a_crash_is_told),
        cmocka_unit_test(test_a_hang_is_told),
        cmocka_unit_test(test_a_glutton_is_told),
        cmocka_unit_test(test_it_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
