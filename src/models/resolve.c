/* What a person wrote -> the model file that is meant. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "models/digest.h"
#include "models/folders.h"
#include "models/models.h"
#include "models/show.h"

enum { CATALOGUE_MAX = 64 };

static const struct catalogue_entry *entry_of(const char *name)
{
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++)
        if (strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), end_n = strlen(end);
    return n >= end_n && strcmp(s + n - end_n, end) == 0;
}

/* True when a path is meant and not a name: it has a slash, or .gguf, or there is such a file. */
static bool is_path(const char *reference)
{
    return strchr(reference, '/') != NULL || ends_with(reference, ".gguf") || access(reference, F_OK) == 0;
}

static int refuse_unknown(const char *reference, struct fault *f)
{
    const char *names[CATALOGUE_MAX];
    size_t n = 0;
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL && n < CATALOGUE_MAX; e++)
        names[n++] = e->name;
    const char *near = nearest_word(reference, names, n);
    if (near != NULL)
        return fault_set(f, ERR_NOT_FOUND, "no model '%s': did you mean '%s'?", show_path(reference).text, near);
    return fault_set(f, ERR_NOT_FOUND, "no model '%s': give the path of a GGUF file, or a name that 'manta models' lists",
                     show_path(reference).text);
}

/* The path with no links and from the root, so that it means the same in every folder. */
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

/* The file's name without folder and .gguf. Of the reference, not of what a link leads to: caches have hashes there. */
static int set_name_of_path(struct model_file *m, const char *reference, struct fault *f)
{
    const char *slash = strrchr(reference, '/');
    const char *name = slash != NULL ? slash + 1 : reference;
    size_t n = strlen(name) - (ends_with(name, ".gguf") ? strlen(".gguf") : 0);
    if (n == 0 || n >= sizeof m->name)
        return fault_set(f, ERR_INVALID, "'%s' gives a model name of %zu bytes, 1 to %zu are taken",
                         show_path(reference).text, n, sizeof m->name - 1);
    memcpy(m->name, name, n);
    m->name[n] = '\0';
    return 0;
}

static int find_path(const char *reference, struct model_file *m, struct fault *f)
{
    int err = set_path(m, reference, f);
    return err ? err : set_name_of_path(m, reference, f);
}

static int find_entry(const struct catalogue_entry *e, struct model_file *m, struct fault *f)
{
    char dir[FOLDER_BYTES], path[FOLDER_BYTES + 256];
    int err = models_dir(dir, sizeof dir, f);
    if (err)
        return err;
    snprintf(path, sizeof path, "%s/%s", dir, e->file);
    if (access(path, F_OK) != 0)
        return fault_set(f, ERR_NOT_FOUND, "model '%s' is not on this machine yet ('%s'): 'make setup' brings it",
                         e->name, show_path(path).text);
    snprintf(m->name, sizeof m->name, "%s", e->name);
    return set_path(m, path, f);
}

/* A catalogue name stands for certain bytes: two workers that serve it must answer alike. */
static int check_entry(const struct catalogue_entry *e, const struct model_file *m, struct fault *f)
{
    if (strcmp(e->sha256, m->digest) == 0)
        return 0;
    return fault_set(f, ERR_MODEL,
                     "model file '%s' is not %s: its SHA-256 begins %.12s and should begin %.12s. Remove it and run "
                     "'make setup', or give its path to use it as it is",
                     show_path(m->path).text, e->name, m->digest, e->sha256);
}

int models_resolve(const char *reference, struct model_file *out, struct fault *f)
{
    struct model_file m = {0};
    struct gguf_facts facts;
    const struct catalogue_entry *e = entry_of(reference);
    int err = e != NULL            ? find_entry(e, &m, f)
              : is_path(reference) ? find_path(reference, &m, f)
                                   : refuse_unknown(reference, f);
    if (!err)
        err = gguf_read(m.path, &facts, f);
    if (!err)
        err = digest_of_file(m.path, m.digest, f);
    if (!err && e != NULL)
        err = check_entry(e, &m, f);
    if (err)
        return err;
    m.bytes = facts.file_bytes;
    *out = m;
    return 0;
}
