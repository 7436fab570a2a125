#include "worker/file_hold.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "os/mapped.h"

static struct file_mark mark(int failed, const struct stat *st)
{
    if (failed != 0)
        return (struct file_mark){0};
    return (struct file_mark){.there = true, .size = st->st_size, .mtime_s = st->st_mtim.tv_sec, .mtime_ns = st->st_mtim.tv_nsec,
                              .device = st->st_dev, .inode = st->st_ino};
}

struct file_mark file_mark_of(const char *path)
{
    struct stat st;
    return mark(stat(path, &st), &st);
}

bool file_mark_same(const struct file_mark *a, const struct file_mark *b)
{
    return a->there == b->there && a->size == b->size && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns && a->device == b->device &&
           a->inode == b->inode;
}

void file_hold_begin(struct file_hold *h, uint32_t slot, const char *path)
{
    struct stat st;
    *h = (struct file_hold){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .slot = slot};
    if (h->fd < 0)
        return;
    h->as = mark(fstat(h->fd, &st), &st);
    mapped_watch(slot, path);
}

bool file_hold_is_lost(const struct file_hold *h)
{
    struct stat st;
    if (h->fd < 0)
        return false;
    struct file_mark now = mark(fstat(h->fd, &st), &st);
    return mapped_is_lost(h->slot) || !file_mark_same(&now, &h->as);
}

void file_hold_end(struct file_hold *h)
{
    if (h->fd < 0)
        return;
    mapped_watch(h->slot, NULL);
    close(h->fd);
    h->fd = -1;
}

/* ---- the guard ---- */

static const struct engine_ops *inner; /* one engine module per process, so one of each is enough */
static struct engine_ops guarded;
static _Thread_local const struct file_hold *watched;

static int or_lost(int err, struct fault *f)
{
    if (watched == NULL || !file_hold_is_lost(watched))
        return err;
    return fault_set(f, ERR_FAILED, "the model's file was changed while the answer was computed with it");
}

static int decode(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f)
{
    return or_lost(inner->decode(e, rows, rows_n, f), f);
}

static int embed(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f)
{
    return or_lost(inner->embed(e, texts, texts_n, out, f), f);
}

const struct engine_ops *file_hold_guard(const struct engine_ops *ops)
{
    MUST(inner == NULL || inner == ops);
    inner = ops;
    guarded = *ops;
    guarded.decode = decode;
    guarded.embed = ops->embed != NULL ? embed : NULL;
    return &guarded;
}

void file_hold_watch(const struct file_hold *h)
{
    watched = h;
}
