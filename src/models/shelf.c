#include "models/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/models.h"
#include "models/show.h"

enum { FOLDERS_DEEP = 5 }; /* owner, repository, and its folders */

struct walk {
    void (*on_file)(const struct shelf_file *file, void *user_data);
    void *user_data;
    char dir[FOLDER_BYTES]; /* the models folder */
    unsigned files;
};

static bool is_model(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".gguf") == 0;
}

/* Writes the reference of a file. `inside`: its path in the models folder. */
static void name_reference(const char *inside, const char *path, char out[STORE_PATH_BYTES])
{
    const char *slash = strchr(inside, '/');
    for (const struct catalogue_entry *e = models_catalogue(); slash == NULL && e->name != NULL; e++) {
        if (strcmp(e->file, inside) == 0) {
            snprintf(out, STORE_PATH_BYTES, "%s", e->name);
            return;
        }
    }
    bool hub = slash != NULL && strchr(slash + 1, '/') != NULL && strncmp(inside, "web/", 4) != 0;
    snprintf(out, STORE_PATH_BYTES, "%s%s", hub ? "hf:" : "", hub ? inside : path);
}

static void take_file(struct walk *w, const char *path, const struct stat *st)
{
    struct shelf_file file = {.bytes = (uint64_t)st->st_size};
    snprintf(file.path, sizeof file.path, "%s", path);
    name_reference(path + strlen(w->dir) + 1, path, file.reference);
    w->files++;
    w->on_file(&file, w->user_data);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Returns false when the folder does not exist. */
static bool walk_folder(struct walk *w, const char *folder, int deep)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char path[STORE_PATH_BYTES];
        struct stat st;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        bool hidden = entries[i]->d_name[0] == '.';
        free(entries[i]);
        if (hidden || length >= (int)sizeof path || w->files >= SHELF_FILES_MAX || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && deep < FOLDERS_DEEP)
            walk_folder(w, path, deep + 1);
        else if (S_ISREG(st.st_mode) && is_model(path))
            take_file(w, path, &st);
    }
    if (n >= 0)
        free(entries);
    return n >= 0;
}

int shelf_each(void (*on_file)(const struct shelf_file *file, void *user_data), void *user_data, struct fault *f)
{
    struct walk w = {.on_file = on_file, .user_data = user_data};
    int err = models_dir(w.dir, sizeof w.dir, f);
    if (err == 0 && !walk_folder(&w, w.dir, 0))
        err = fault_set(f, ERR_NOT_FOUND, "there is no folder '%s'", show_path(w.dir).text);
    return err;
}

/* ---- removing ---- */

static bool is_inside(const char *path, const char *dir)
{
    char *real = realpath(path, NULL), *root = realpath(dir, NULL);
    size_t n = root != NULL ? strlen(root) : 0;
    bool inside = real != NULL && root != NULL && strncmp(real, root, n) == 0 && real[n] == '/';
    free(real);
    free(root);
    return inside;
}

/* Finds a file by its path; only files in our folder may be removed. */
static int find_path(const char *given, const char *dir, char path[STORE_PATH_BYTES], struct fault *f)
{
    int n = snprintf(path, STORE_PATH_BYTES, "%s", given);
    if (n >= STORE_PATH_BYTES || access(given, F_OK) != 0)
        return fault_set(f, ERR_NOT_FOUND, "there is no file '%s'", show_path(given).text);
    if (!is_model(given) || !is_inside(given, dir))
        return fault_set(f, ERR_FORBIDDEN, "'%s' is not in manta's model folder, '%s'; if nothing else needs it, remove it with rm",
                         show_path(given).text, show_path(dir).text);
    return 0;
}

/* Finds the path of the reference's file. */
static int find(const char *reference, char path[STORE_PATH_BYTES], struct fault *f)
{
    char dir[FOLDER_BYTES];
    struct reference r;
    int err = models_dir(dir, sizeof dir, f);
    if (err == 0)
        err = reference_parse(reference, &r, f);
    if (err != 0)
        return err;
    if (r.kind == REFERENCE_PATH)
        return find_path(r.url, dir, path, f);
    if (r.file[0] == '\0' && !store_recall_pick(&r))
        return fault_set(f, ERR_NOT_FOUND, "'%s' is not on this machine: `manta models` lists what is", show_path(reference).text);
    err = store_path(&r, path, f);
    if (err == 0 && access(path, F_OK) != 0 && store_in_hub_cache(&r, path))
        err = fault_set(f, ERR_FORBIDDEN, "'%s' lies in the cache of the hub's own tools, '%s', which may need it", show_path(reference).text,
                        show_path(path).text);
    return err;
}

/* Takes the lock, so that no process is writing the file. The lock file stays: a process that
 * removed it could remove another's lock. */
static int lock_out(const char *path, int *out_fd, struct fault *f)
{
    char lock[STORE_PATH_BYTES + 16];
    snprintf(lock, sizeof lock, "%s.lock", path);
    *out_fd = open(lock, O_RDWR | O_CLOEXEC);
    if (*out_fd >= 0 && flock(*out_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return fault_set(f, ERR_IN_USE, "'%s' is being downloaded now", show_path(path).text);
    return 0;
}

static int remove_all(const char *path, struct fault *f)
{
    static const char *const notes[] = {".part", ".part.from", ".sha256", ""};
    bool removed = false;
    int problem = 0;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        char name[STORE_PATH_BYTES + 16];
        snprintf(name, sizeof name, "%s%s", path, notes[i]);
        if (unlink(name) == 0)
            removed = removed || strcmp(notes[i], ".sha256") != 0;
        else if (errno != ENOENT)
            problem = errno;
    }
    if (problem != 0)
        return fault_set(f, ERR_IO, "cannot remove '%s': %s", show_path(path).text, strerror(problem));
    return removed ? 0 : fault_set(f, ERR_NOT_FOUND, "'%s' is not on this machine: `manta models` lists what is", show_path(path).text);
}

int shelf_remove(const char *reference, struct shelf_file *out, struct fault *f)
{
    struct stat st;
    int lock = -1, err = find(reference, out->path, f);
    if (err == 0)
        err = lock_out(out->path, &lock, f);
    if (err == 0) {
        out->bytes = stat(out->path, &st) == 0 ? (uint64_t)st.st_size : 0;
        snprintf(out->reference, sizeof out->reference, "%s", reference);
        err = remove_all(out->path, f);
    }
    if (lock >= 0)
        close(lock);
    return err;
}
