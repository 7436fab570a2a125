#include "models/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/show.h"
#include "os/file.h"

enum { NOTE_TEXT_BYTES = 512 };

/* Writes "repo", or "repo@revision" unless the revision is "main". */
static void repository(const struct reference *r, char out[2 * HUB_NAME_BYTES])
{
    bool usual = strcmp(r->revision, "main") == 0;
    snprintf(out, 2 * HUB_NAME_BYTES, "%s%s%s", r->repo, usual ? "" : "@", usual ? "" : r->revision);
}

int store_path(const struct reference *r, char out[STORE_PATH_BYTES], struct fault *f)
{
    char dir[FOLDER_BYTES], repo[2 * HUB_NAME_BYTES], hash[DIGEST_BYTES];
    int err = models_dir(dir, sizeof dir, f), n = 0;
    if (err != 0)
        return err;
    repository(r, repo);
    digest_of_bytes(r->url, strcspn(r->url, "?"), hash);
    if (r->kind == REFERENCE_ENTRY)
        n = snprintf(out, STORE_PATH_BYTES, "%s/%s", dir, r->file);
    else if (r->kind == REFERENCE_HUB)
        n = snprintf(out, STORE_PATH_BYTES, "%s/%s/%s/%s", dir, r->owner, repo, r->file);
    else
        n = snprintf(out, STORE_PATH_BYTES, "%s/web/%.12s/%s", dir, hash, r->file);
    if (n < 0 || (size_t)n >= FOLDER_BYTES)
        return fault_set(f, ERR_TOO_LARGE, "the model would get a path of %d bytes, at most %d are taken: MANTA_MODELS_DIR may be shorter", n,
                         FOLDER_BYTES - 1);
    return 0;
}

/* ---- small files ---- */

static bool read_note(const char *path, char out[NOTE_TEXT_BYTES])
{
    size_t n = file_read_text(path, out, NOTE_TEXT_BYTES);
    out[strcspn(out, "\n")] = '\0';
    return n > 0;
}

/* Writes a temporary file and renames it, so that a note is never half written. Returns false on
 * failure: errno says why. */
static bool write_note(const char *path, const char *text)
{
    char part[STORE_PATH_BYTES + 64];
    file_part_name(path, part, sizeof part);
    FILE *file = fopen(part, "we");
    if (file == NULL)
        return false;
    bool ok = fprintf(file, "%s\n", text) > 0;
    ok = fclose(file) == 0 && ok;
    if (ok && rename(part, path) == 0)
        return true;
    int problem = errno;
    unlink(part);
    errno = problem;
    return false;
}

static bool pick_path(const struct reference *r, char out[STORE_PATH_BYTES])
{
    char dir[FOLDER_BYTES], repo[2 * HUB_NAME_BYTES];
    if (models_dir(dir, sizeof dir, NULL) != 0)
        return false;
    repository(r, repo);
    int n = snprintf(out, STORE_PATH_BYTES, "%s/%s/%s", dir, r->owner, repo);
    if (n < 0 || n >= FOLDER_BYTES || folder_make(out) != 0)
        return false;
    snprintf(out + n, (size_t)(STORE_PATH_BYTES - n), "/.pick-%s", r->quant[0] != '\0' ? r->quant : "usual");
    return true;
}

bool store_recall_pick(struct reference *r)
{
    char path[STORE_PATH_BYTES], text[NOTE_TEXT_BYTES], whole[REFERENCE_BYTES_MAX + 1];
    struct reference named;
    if (!pick_path(r, path) || !read_note(path, text))
        return false;
    snprintf(whole, sizeof whole, "hf:%s/%s/%s", r->owner, r->repo, text); /* check a note as a person's reference */
    if (reference_parse(whole, &named, NULL) != 0 || named.file[0] == '\0')
        return false;
    memcpy(r->file, named.file, sizeof r->file);
    return true;
}

void store_remember_pick(const struct reference *r)
{
    char path[STORE_PATH_BYTES];
    if (pick_path(r, path))
        write_note(path, r->file);
}

bool store_pinned(const char *path, char out[DIGEST_BYTES])
{
    char note[STORE_PATH_BYTES + 16], text[NOTE_TEXT_BYTES];
    snprintf(note, sizeof note, "%s.sha256", path);
    if (!read_note(note, text) || strspn(text, "0123456789abcdef") != DIGEST_BYTES - 1)
        return false;
    memcpy(out, text, DIGEST_BYTES - 1);
    out[DIGEST_BYTES - 1] = '\0';
    return true;
}

int store_pin(const char *path, const char *digest, struct fault *f)
{
    char note[STORE_PATH_BYTES + 16], text[NOTE_TEXT_BYTES];
    snprintf(note, sizeof note, "%s.sha256", path);
    snprintf(text, sizeof text, "%s  %s", digest, reference_basename(path));
    if (!write_note(note, text))
        return fault_set(f, ERR_IO, "cannot write '%s': %s", show_path(note).text, strerror(errno));
    return 0;
}

/* ---- the hub's own cache ---- */

static bool hub_cache(char *out, size_t cap)
{
    const char *cache = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *user = getenv("HOME");
    int n = -1;
    if (cache != NULL && cache[0] == '/')
        n = snprintf(out, cap, "%s", cache);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, cap, "%s/hub", home);
    else if (user != NULL && user[0] == '/')
        n = snprintf(out, cap, "%s/.cache/huggingface/hub", user);
    return n > 0 && (size_t)n < cap;
}

bool store_in_hub_cache(const struct reference *r, char out[STORE_PATH_BYTES])
{
    char dir[FOLDER_BYTES], base[FOLDER_BYTES + 256], path[STORE_PATH_BYTES + 512], commit[NOTE_TEXT_BYTES];
    if (r->kind == REFERENCE_URL || !hub_cache(dir, sizeof dir))
        return false;
    int n = snprintf(base, sizeof base, "%s/models--%s--%s", dir, r->owner, r->repo);
    if (n < 0 || (size_t)n >= sizeof base)
        return false;
    snprintf(path, sizeof path, "%s/refs/%s", base, r->revision); /* a branch names its commit; a commit is its own
                                                                     name */
    if (!read_note(path, commit))
        snprintf(commit, sizeof commit, "%s", r->revision);
    if (strspn(commit, "0123456789abcdef") != strlen(commit))
        return false;
    n = snprintf(path, sizeof path, "%s/snapshots/%s/%s", base, commit, r->file);
    if (n < 0 || n >= FOLDER_BYTES || access(path, R_OK) != 0)
        return false;
    memcpy(out, path, (size_t)n + 1);
    return true;
}
