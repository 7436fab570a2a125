/* References: what a person writes finds the file that is meant, or says what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gguf_maker.h"
#include "models/digest.h"
#include "models/models.h"
#include "models/reference.h"
#include "models/show.h"

#define SMOLLM2_FILE "SmolLM2-135M-Instruct.Q4_1.gguf"

static char root[64]; /* of everything a test writes; its cache/ and models/ are the user's */

static const char *in_root(const char *name)
{
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", root, name);
    return p;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static int remove_tree(const char *path)
{
    return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_root(void **state)
{
    (void)state;
    char place[64], *real;
    snprintf(place, sizeof place, P_tmpdir "/manta-models-%d", (int)getpid());
    if (mkdir(place, 0700) != 0 || (real = realpath(place, NULL)) == NULL)
        return -1;
    snprintf(root, sizeof root, "%s", real);
    free(real);
    setenv("XDG_CACHE_HOME", in_root("cache"), 1);
    setenv("MANTA_MODELS_DIR", in_root("models"), 1);
    setenv("HOME", in_root("home"), 1);
    return mkdir(in_root("models"), 0700);
}

static int remove_root(void **state)
{
    (void)state;
    return remove_tree(root);
}

/* Writes the little model under that name; with other bytes for another `filling`. */
static void write_model(const char *path, char filling)
{
    struct buf b = whole_gguf();
    b.p[b.n - 1] = filling;
    write_file(path, b.p, b.n);
    buf_fini(&b);
}

static void assert_refused(const char *reference, int err, const char *text)
{
    struct model_file m, before;
    struct fault f = {0};
    memset(&m, 0x5a, sizeof m);
    memcpy(&before, &m, sizeof m);
    int got = models_resolve(reference, &m, &f);
    assert_string_equal(f.text, text);
    assert_int_equal(got, err);
    assert_memory_equal(&m, &before, sizeof m);
}

static struct model_file resolve(const char *reference)
{
    struct model_file m = {0};
    struct fault f = {0};
    if (models_resolve(reference, &m, &f))
        fail_msg("%s", f.text);
    return m;
}

/* Given a path, the model is named by the file; a link's own name counts, not that of what it leads to. */
static void test_path(void **state)
{
    (void)state;
    write_model(in_root("Little.Q4_1.gguf"), 0);
    struct model_file m = resolve(in_root("Little.Q4_1.gguf"));
    assert_string_equal(m.name, "Little.Q4_1");
    assert_string_equal(m.path, in_root("Little.Q4_1.gguf"));
    assert_int_equal(m.bytes, 528);
    assert_int_equal(strlen(m.digest), 64);

    assert_int_equal(symlink(in_root("Little.Q4_1.gguf"), in_root("pet.gguf")), 0);
    struct model_file link = resolve(in_root("pet.gguf"));
    assert_string_equal(link.name, "pet");
    assert_string_equal(link.path, m.path);
    assert_string_equal(link.digest, m.digest);

    /* a relative path means the file, also without a slash or .gguf */
    write_model(in_root("plain"), 0);
    assert_int_equal(chdir(root), 0);
    assert_string_equal(resolve("plain").path, in_root("plain"));
    assert_string_equal(resolve("plain").name, "plain");
    assert_int_equal(chdir("/"), 0);
}

static void test_missing(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof text, "model file '%s': No such file or directory", in_root("no.gguf"));
    assert_refused(in_root("no.gguf"), ERR_NOT_FOUND, text);
    assert_refused("smolm2", ERR_NOT_FOUND, "no model 'smolm2': did you mean 'smollm2'?");
    assert_refused("mixtral", ERR_NOT_FOUND,
                   "no model 'mixtral': give the path of a GGUF file, a name that 'manta models catalogue' lists, hf:owner/repo/file.gguf or "
                   "owner/repo:Q4_K_M");
    snprintf(text, sizeof text, "model 'smollm2' is not on this machine yet ('%s'): 'manta models pull smollm2' brings it",
             in_root("models/" SMOLLM2_FILE));
    assert_refused("smollm2", ERR_NOT_FOUND, text);
}

/* Given other bytes under the catalogue's file name, they are not served as smollm2. */
static void test_wrong_catalogue_file(void **state)
{
    (void)state;
    char text[2048];
    write_model(in_root("models/" SMOLLM2_FILE), 0);
    struct model_file by_path = resolve(in_root("models/" SMOLLM2_FILE));
    assert_string_equal(by_path.name, "SmolLM2-135M-Instruct.Q4_1");
    snprintf(text, sizeof text,
             "model file '%s' is not smollm2: its SHA-256 begins %.12s and should begin b179c9523d0e. Remove it and run "
             "'manta models pull', or give its path to use it as it is",
             by_path.path, by_path.digest);
    assert_refused("smollm2", ERR_MODEL, text);

    assert_int_equal(truncate(in_root("models/" SMOLLM2_FILE), 100), 0);
    snprintf(text, sizeof text, "model file '%s' is truncated: its header takes at least 153 bytes, the file has 100",
             in_root("models/" SMOLLM2_FILE));
    assert_refused("smollm2", ERR_MODEL, text);
    unlink(in_root("models/" SMOLLM2_FILE));
}

static void test_bad_file(void **state)
{
    (void)state;
    char text[512];
    write_file(in_root("page.gguf"), "<!DOCTYPE html>", 15);
    snprintf(text, sizeof text,
             "model file '%s' is not a GGUF file: it begins with '<!DO': a web page was saved in the model's place",
             in_root("page.gguf"));
    assert_refused(in_root("page.gguf"), ERR_MODEL, text);
    snprintf(text, sizeof text, "model file '%s' is a folder", root);
    assert_refused(root, ERR_MODEL, text);
}

static void test_long_name(void **state)
{
    (void)state;
    char name[160];
    struct model_file one, other;
    struct fault f = {0};
    memset(name, 'n', 128);
    memcpy(name + 128, ".gguf", sizeof ".gguf");
    write_model(in_root(name), 0);
    assert_int_equal(models_resolve(in_root(name), &one, &f), 0);
    name[127] = 'm';
    write_model(in_root(name), 1);
    assert_int_equal(models_resolve(in_root(name), &other, &f), 0);
    assert_memory_equal(one.name, other.name, 110);
    assert_string_not_equal(one.name, other.name);
}

static void test_folders(void **state)
{
    (void)state;
    char dir[256], expected[300];
    struct fault f = {0};
    assert_int_equal(models_dir(dir, sizeof dir, &f), 0);
    assert_string_equal(dir, in_root("models"));
    unsetenv("MANTA_MODELS_DIR");
    assert_int_equal(models_dir(dir, sizeof dir, &f), 0);
    assert_string_equal(dir, in_root("cache/manta/models"));
    setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, says the XDG specification */
    assert_int_equal(models_dir(dir, sizeof dir, &f), 0);
    snprintf(expected, sizeof expected, "%s/.cache/manta/models", in_root("home"));
    assert_string_equal(dir, expected);
    assert_int_equal(models_dir(dir, 5, &f), ERR_TOO_LARGE);
    unsetenv("HOME");
    assert_int_equal(models_dir(dir, sizeof dir, &f), ERR_NOT_FOUND);
    setenv("HOME", in_root("home"), 1);
    setenv("XDG_CACHE_HOME", in_root("cache"), 1);
    setenv("MANTA_MODELS_DIR", in_root("models"), 1);
}

static void test_catalogue(void **state)
{
    (void)state;
    const struct catalogue_entry *e = models_catalogue();
    assert_string_equal(e->name, "smollm2");
    for (; e->name != NULL; e++) {
        struct reference r;
        assert_true(e->sha256 == NULL || (strlen(e->sha256) == 64 && strspn(e->sha256, "0123456789abcdef") == 64));
        assert_true((e->sha256 == NULL) == (e->bytes == 0));
        assert_true(e->licence != NULL && e->about != NULL);
        assert_int_equal(reference_parse(e->name, &r, NULL), 0);
        assert_ptr_equal(r.entry, e);
        char hub[2 * HUB_NAME_BYTES];
        snprintf(hub, sizeof hub, "%s/%s", r.owner, r.repo);
        assert_string_equal(hub, e->hub);
        for (const struct catalogue_entry *other = models_catalogue(); other < e; other++)
            assert_true(strcmp(other->name, e->name) != 0 && strcmp(other->file, e->file) != 0);
    }
}

/* ---- digests ---- */

static void test_sha256(void **state)
{
    (void)state;
    char digest[DIGEST_BYTES];
    digest_of_bytes("abc", 3, digest); /* FIPS 180-2's own example */
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    write_file(in_root("abc"), "abc", 3);
    assert_int_equal(digest_of_file(in_root("abc"), digest, NULL), 0);
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* The one remembered digest there is; its path in out. */
static void only_note(char *out, size_t cap)
{
    const char *dir_path = in_root("cache/manta/digests");
    DIR *dir = opendir(dir_path);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(out, cap, "%s/%s", dir_path, d->d_name);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 1);
}

static void forget_notes(void)
{
    remove_tree(in_root("cache")); /* may not be there */
}

/* Replaces the first digit of the remembered digest, to see whether it is believed. */
static void mark_note(const char *note, char digit)
{
    FILE *f = fopen(note, "r+");
    assert_non_null(f);
    fputc(digit, f);
    fclose(f);
}

/* Given a second start, the digest comes from the note, not from the file; a changed file is hashed anew. */
static void test_remembered(void **state)
{
    (void)state;
    char note[400], first[DIGEST_BYTES], second[DIGEST_BYTES];
    forget_notes();
    write_file(in_root("m"), "some bytes", 10);
    assert_int_equal(digest_of_file(in_root("m"), first, NULL), 0);
    only_note(note, sizeof note);
    mark_note(note, first[0] == 'e' ? 'd' : 'e');
    assert_int_equal(digest_of_file(in_root("m"), second, NULL), 0);
    assert_int_equal(second[0], first[0] == 'e' ? 'd' : 'e'); /* the note was believed */
    assert_string_equal(second + 1, first + 1);

    write_file(in_root("m.new"), "same bytes", 10); /* same size, renamed over it: another inode */
    assert_int_equal(rename(in_root("m.new"), in_root("m")), 0);
    assert_int_equal(digest_of_file(in_root("m"), second, NULL), 0);
    digest_of_bytes("same bytes", 10, first);
    assert_string_equal(second, first);
    only_note(note, sizeof note);
}

/* Given new bytes with the old size and the old mtime put back, it is still seen: ctime cannot be put back. */
static void test_mtime_put_back(void **state)
{
    (void)state;
    char digest[DIGEST_BYTES], expected[DIGEST_BYTES];
    struct stat st;
    forget_notes();
    write_file(in_root("m"), "some bytes", 10);
    assert_int_equal(digest_of_file(in_root("m"), digest, NULL), 0);
    assert_int_equal(stat(in_root("m"), &st), 0);
    usleep(20000); /* file times move in steps of a few milliseconds */
    write_file(in_root("m"), "same bytes", 10);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, in_root("m"), times, 0), 0);
    assert_int_equal(digest_of_file(in_root("m"), digest, NULL), 0);
    digest_of_bytes("same bytes", 10, expected);
    assert_string_equal(digest, expected);
}

/* Given a note that is garbage, or a place where none can be written, the digest is right all the same. */
static void test_bad_notes(void **state)
{
    (void)state;
    static const char *const garbage[] = {"", "x", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz 10"};
    char note[400], digest[DIGEST_BYTES], expected[DIGEST_BYTES];
    forget_notes();
    write_file(in_root("m"), "some bytes", 10);
    digest_of_bytes("some bytes", 10, expected);
    assert_int_equal(digest_of_file(in_root("m"), digest, NULL), 0);
    only_note(note, sizeof note);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        write_file(note, garbage[i], strlen(garbage[i]));
        assert_int_equal(digest_of_file(in_root("m"), digest, NULL), 0);
        assert_string_equal(digest, expected);
    }
    forget_notes();
    write_file(in_root("cache"), "in the way", 10);
    assert_int_equal(digest_of_file(in_root("m"), digest, NULL), 0);
    assert_string_equal(digest, expected);
    forget_notes();
}

static void test_show(void **state)
{
    (void)state;
    assert_string_equal(show_count(0).text, "0");
    assert_string_equal(show_count(999).text, "999");
    assert_string_equal(show_count(1000).text, "1,000");
    assert_string_equal(show_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
    char path[600];
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = i % 2 == 0 ? '\xc3' : '\xa9'; /* é é é … */
    path[sizeof path - 1] = '\0';
    struct show_text shown = show_path(path);
    assert_memory_equal(shown.text, "…\xc3\xa9", 5);
    assert_true(strlen(shown.text) > 190 && strlen(shown.text) < sizeof shown.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),       cmocka_unit_test(test_missing),
        cmocka_unit_test(test_wrong_catalogue_file), cmocka_unit_test(test_bad_file),
        cmocka_unit_test(test_long_name),  cmocka_unit_test(test_folders),
        cmocka_unit_test(test_catalogue),  cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_remembered), cmocka_unit_test(test_mtime_put_back),
        cmocka_unit_test(test_bad_notes),  cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
