/* Find the model file that a reference means. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/name.h"
#include "models/digest.h"
#include "models/models.h"
#include "models/reference.h"
#include "models/show.h"
#include "models/store.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), end_n = strlen(end);
    return n >= end_n && strcmp(s + n - end_n, end) == 0;
}

/* Sets the absolute path without links, so that it is valid in every folder. */
static int set_path(struct model_file *m, const char *path, struct fault *f)
{
    char *real = realpath(path, NULL);
    if (real == NULL)
        return fault_set(f, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, "model file '%s': %s",
                         show_path(path).text, strerror(errno));
    int n = snprintf(m->path, sizeof m->path, "%s", real);
    free(real);
    if ((size_t)n >= sizeof m->path)
        return fault_set(f, ERR_TOO_LARGE, "the model file's path has %d bytes, at most %zu are taken: '%s'", n,
                         sizeof m->path - 1, show_path(path).text);
    return 0;
}

/* Sets the name: the file name without folder and .gguf. Taken from the reference, not from a
 * link's target: in caches that is a hash. */
static int set_name_of_path(struct model_file *m, const char *reference, struct fault *f)
{
    const char *name = reference_basename(reference);
    size_t n = strlen(name) - (ends_with(name, ".gguf") ? strlen(".gguf") : 0);
    if (n == 0)
        return fault_set(f, ERR_INVALID, "'%s' gives a model no name: what is before .gguf is its name", show_path(reference).text);
    name_fit(str_n(name, n), m->name, sizeof m->name);
    return 0;
}

static int find_path(const char *path, struct model_file *m, struct fault *f)
{
    int err = set_path(m, path, f);
    return err ? err : set_name_of_path(m, path, f);
}

/* Finds a model of the catalogue, the hub or the web: in our models folder, else in the cache of
 * the hub's own tools. */
static int find_stored(const char *text, struct reference *r, struct model_file *m, struct fault *f)
{
    char path[STORE_PATH_BYTES], address[REFERENCE_BYTES_MAX + 1];
    if (r->kind == REFERENCE_URL) { /* the part behind the ? may be a secret */
        snprintf(address, sizeof address, "%.*s", (int)strcspn(r->url, "?"), r->url);
        text = address;
    }
    if (r->file[0] == '\0' && !store_recall_pick(r))
        return fault_set(f, ERR_NOT_FOUND, "model '%s' is not on this machine yet: 'manta models pull %s' brings it", show_path(text).text,
                         show_path(text).text);
    int err = store_path(r, path, f);
    if (err != 0)
        return err;
    if (access(path, F_OK) != 0 && !store_in_hub_cache(r, path))
        return fault_set(f, ERR_NOT_FOUND, "model '%s' is not on this machine yet ('%s'): 'manta models pull %s' brings it",
                         show_path(text).text, show_path(path).text, show_path(text).text);
    err = r->kind == REFERENCE_ENTRY ? 0 : set_name_of_path(m, r->file, f);
    if (r->kind == REFERENCE_ENTRY)
        snprintf(m->name, sizeof m->name, "%s", r->entry->name);
    return err != 0 ? err : set_path(m, path, f);
}

/* Checks the digest. A catalogue name stands for certain bytes: two workers that serve it must
 * answer alike. So does #sha256=, and a downloaded file must still have the bytes of its
 * download. */
static int check_digest(const char *text, const struct reference *r, const struct model_file *m, struct fault *f)
{
    char pinned[DIGEST_BYTES];
    const char *expected = r->sha256[0] != '\0' ? r->sha256 : store_pinned(m->path, pinned) ? pinned : m->digest;
    if (strcmp(expected, m->digest) == 0)
        return 0;
    return fault_set(f, ERR_MODEL,
                     "model file '%s' is not %s: its SHA-256 begins %.12s and should begin %.12s. Remove it and run "
                     "'manta models pull', or give its path to use it as it is",
                     show_path(m->path).text, show_path(text).text, m->digest, expected);
}

/* Parses a reference; a text that names an existing file is a path, unless it is in the
 * catalogue. */
static int parse(const char *text, struct reference *r, struct fault *f)
{
    size_t n = strlen(text);
    if (n == 0 || n > REFERENCE_BYTES_MAX || reference_entry(text) != NULL || access(text, F_OK) != 0)
        return reference_parse(text, r, f);
    *r = (struct reference){.kind = REFERENCE_PATH};
    memcpy(r->url, text, n + 1);
    return 0;
}

int models_check(const char *reference, struct fault *f)
{
    struct reference r;
    return parse(reference, &r, f);
}

int models_resolve(const char *reference, struct model_file *out, struct fault *f)
{
    struct model_file m = {0};
    struct gguf_facts facts;
    struct reference r;
    int err = parse(reference, &r, f);
    if (!err)
        err = r.kind == REFERENCE_PATH ? find_path(reference, &m, f) : find_stored(reference, &r, &m, f);
    if (!err)
        err = gguf_read(m.path, &facts, f);
    if (!err)
        err = digest_of_file(m.path, m.digest, f);
    if (!err && r.kind != REFERENCE_PATH)
        err = check_digest(reference, &r, &m, f);
    if (err)
        return err;
    m.bytes = facts.file_bytes;
    *out = m;
    return 0;
}
