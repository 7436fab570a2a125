/* Archives as Ray is sent them: their bytes, their checksums, what is left out, and what is too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/zip.h"

static char folder[] = "/tmp/manta-zip-XXXXXX";

static void put(const char *name, const char *text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(path, mode), 0);
}

static void make(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    make("sub");
    make("__pycache__");
    put("b.py", "print('b')\n", 0644);
    put("a", "123456789", 0755);
    put("sub/c.txt", "", 0600);
    put("__pycache__/d.pyc", "x", 0644);
    put(".hidden", "x", 0644);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static uint32_t at32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static void test_checksum(void **state)
{
    (void)state;
    assert_int_equal(zip_crc(str_of("123456789")), 0xcbf43926); /* the check value of the standard */
    assert_int_equal(zip_crc(str_of("")), 0);
}

/* Names in order, permissions, no caches and no hidden files; and the end record counts them. */
static void test_a_folder(void **state)
{
    (void)state;
    struct zip z = zip_begin();
    struct fault f = {0};
    assert_int_equal(zip_add_folder(&z, folder, "manta", &f), 0);
    assert_int_equal(zip_end(&z, &f), 0);
    const char *end = z.out.p + z.out.n - 22;
    assert_int_equal(at32(end), 0x06054b50);
    assert_int_equal((unsigned char)end[10], 3);
    const char *at = z.out.p + at32(end + 16);
    static const char *const names[] = {"manta/a", "manta/b.py", "manta/sub/c.txt"};
    static const uint32_t modes[] = {0755, 0644, 0600}, sizes[] = {9, 11, 0};
    for (size_t i = 0; i < 3; i++) {
        size_t n = (unsigned char)at[28];
        assert_int_equal(at32(at), 0x02014b50);
        assert_memory_equal(at + 46, names[i], n);
        assert_int_equal(n, strlen(names[i]));
        assert_int_equal(at32(at + 38) >> 16 & 0777, modes[i]);
        assert_int_equal(at32(at + 24), sizes[i]);
        const char *local = z.out.p + at32(at + 42);
        assert_int_equal(at32(local), 0x04034b50);
        assert_int_equal(at32(local + 14), at32(at + 16)); /* one checksum in both */
        assert_int_equal(zip_crc(str_n(local + 30 + n, sizes[i])), at32(at + 16));
        at += 46 + n;
    }
    assert_ptr_equal(at, end);
    zip_fini(&z);
}

/* Python, which is what unpacks it at the other end, agrees, where there is one. */
static void test_python_reads_it(void **state)
{
    (void)state;
    if (system("python3 -c 'import zipfile' 2>/dev/null") != 0)
        skip();
    struct zip z = zip_begin();
    struct fault f = {0};
    char path[] = "/tmp/manta-zip-file-XXXXXX", command[400];
    assert_int_equal(zip_add_folder(&z, folder, "manta", &f), 0);
    assert_int_equal(zip_end(&z, &f), 0);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, z.out.p, z.out.n), (ssize_t)z.out.n);
    close(fd);
    snprintf(command, sizeof command, "python3 -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); "
             "sys.exit(z.testzip() is not None or z.read(\"manta/a\") != b\"123456789\")' %s", path);
    assert_int_equal(system(command), 0);
    unlink(path);
    zip_fini(&z);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct zip z = zip_begin();
    struct fault f = {0};
    char missing[256];
    snprintf(missing, sizeof missing, "%s/missing", folder);
    assert_int_equal(zip_add(&z, missing, "x", &f), ERR_IO);
    assert_int_equal(zip_add_folder(&z, missing, "x", &f), ERR_IO);
    assert_int_equal(zip_add(&z, folder, "x", &f), ERR_IO); /* a folder is no file */
    zip_fini(&z);
}

static void test_too_much(void **state)
{
    (void)state;
    struct zip z = zip_begin();
    struct fault f = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/a", folder);
    for (int i = 0; i < ZIP_FILES_MAX; i++)
        assert_int_equal(zip_add(&z, path, "x", &f), 0);
    assert_int_equal(zip_add(&z, path, "x", &f), ERR_TOO_LARGE);
    zip_fini(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_a_folder),
        cmocka_unit_test(test_python_reads_it),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_too_much),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
