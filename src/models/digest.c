#include "models/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "models/folders.h"
#include "models/models.h"
#include "models/show.h"
#include "os/file.h"

enum {
    READ_BYTES = 1 << 20,
    NOTE_BYTES = 2048, /* a remembered digest with its identity */
};

/* The identity of a file's content. A change of its bytes changes the times, and ctime cannot be
 * set back. */
struct identity {
    char text[NOTE_BYTES]; /* "<size> <mtime> <ctime> <device> <inode> <path>\n" */
};

static bool identity_of(int fd, const char *path, struct identity *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    int n = snprintf(out->text, sizeof out->text, "%lld %lld.%09ld %lld.%09ld %llu %llu %s\n", (long long)st.st_size,
                     (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
                     st.st_ctim.tv_nsec, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, path);
    return n > 0 && (size_t)n < sizeof out->text;
}

/* ---- hashing ---- */

struct digest *digest_new(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    MUST(c != NULL);
    MUST(EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1);
    return (struct digest *)c;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
    MUST(EVP_DigestUpdate((EVP_MD_CTX *)d, p, n) == 1);
}

void digest_end(struct digest *d, char out[DIGEST_BYTES])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    MUST(EVP_DigestFinal_ex((EVP_MD_CTX *)d, raw, &n) == 1);
    MUST(n == 32);
    for (unsigned int i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
    digest_free(d);
}

void digest_free(struct digest *d)
{
    EVP_MD_CTX_free((EVP_MD_CTX *)d);
}

void models_digest_with(const char *digest, const char *text, char out[DIGEST_BYTES])
{
    struct digest *d = digest_new();
    digest_add(d, digest, strlen(digest) + 1);
    digest_add(d, text, strlen(text));
    digest_end(d, out);
}

void digest_of_bytes(const void *p, size_t n, char out[DIGEST_BYTES])
{
    struct digest *d = digest_new();
    digest_add(d, p, n);
    digest_end(d, out);
}

/* Returns 0 or an errno. */
static int hash_fd(int fd, char out[DIGEST_BYTES])
{
    struct digest *d = digest_new();
    char *bytes = xalloc(READ_BYTES);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    ssize_t n;
    while ((n = read(fd, bytes, READ_BYTES)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            digest_add(d, bytes, (size_t)n);
    int problem = n < 0 ? errno : 0;
    digest_end(d, out);
    free(bytes);
    return problem;
}

/* ---- remembering: a failure here costs time, never correctness ---- */

static bool note_path(const char *path, char *out, size_t cap)
{
    char dir[FOLDER_BYTES], name[DIGEST_BYTES];
    if (folder_cache("digests", dir, sizeof dir, NULL) || folder_make(dir))
        return false;
    digest_of_bytes(path, strlen(path), name);
    int n = snprintf(out, cap, "%s/%.32s", dir, name);
    return n > 0 && (size_t)n < cap;
}

static bool is_hex(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") >= n;
}

/* Reads the digest remembered for exactly this identity. */
static bool recall(const char *note, const struct identity *id, char out[DIGEST_BYTES])
{
    char text[NOTE_BYTES + DIGEST_BYTES];
    size_t n = file_read_text(note, text, sizeof text);
    bool same = n > DIGEST_BYTES && is_hex(text, DIGEST_BYTES - 1) && text[DIGEST_BYTES - 1] == ' ' &&
                strcmp(text + DIGEST_BYTES, id->text) == 0;
    if (same)
        snprintf(out, DIGEST_BYTES, "%.64s", text);
    return same;
}

/* Writes a temporary file and renames it: several workers may start at once. */
static void remember(const char *note, const struct identity *id, const char *digest)
{
    char part[FOLDER_BYTES + 64];
    file_part_name(note, part, sizeof part);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    FILE *file = fdopen(fd, "w");
    MUST(file != NULL);
    bool ok = fprintf(file, "%s %s", digest, id->text) > 0;
    ok = fclose(file) == 0 && ok;
    if (!ok || rename(part, note) != 0)
        unlink(part);
}

static int digest_of_fd(int fd, const char *path, char out[DIGEST_BYTES], struct fault *f)
{
    char note[FOLDER_BYTES + 48];
    struct identity before, after;
    bool noted = identity_of(fd, path, &before) && note_path(path, note, sizeof note);
    if (noted && recall(note, &before, out))
        return 0;
    char digest[DIGEST_BYTES];
    int problem = hash_fd(fd, digest);
    if (problem != 0)
        return fault_set(f, ERR_IO, "model file '%s' cannot be read: %s", show_path(path).text, strerror(problem));
    if (noted && (!identity_of(fd, path, &after) || strcmp(before.text, after.text) != 0))
        return fault_set(f, ERR_IO, "model file '%s' changed while it was read", show_path(path).text);
    if (noted)
        remember(note, &before, digest);
    memcpy(out, digest, DIGEST_BYTES);
    return 0;
}

void digest_remember(const char *path, const char *digest)
{
    char note[FOLDER_BYTES + 48];
    struct identity id;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (identity_of(fd, path, &id) && note_path(path, note, sizeof note))
        remember(note, &id, digest);
    close(fd);
}

int digest_of_file(const char *path, char out[DIGEST_BYTES], struct fault *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set(f, ERR_IO, "model file '%s' cannot be opened: %s", show_path(path).text, strerror(errno));
    int err = digest_of_fd(fd, path, out, f);
    close(fd);
    return err;
}
