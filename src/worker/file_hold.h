/* Is a model's file still what it was?
 *
 * A *mark* is what a path leads to at a moment. A *hold* is an open file whose mapping an engine computes with: it may lose its
 * name, or give it to another file, without any harm; bytes written to it, or cut off, make what is computed worthless. */
#ifndef MANTA_WORKER_FILE_HOLD_H
#define MANTA_WORKER_FILE_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct file_mark {
    bool there;
    int64_t size, mtime_s, mtime_ns;
    uint64_t device, inode;
};
/* Of no file: all zero. */
struct file_mark file_mark_of(const char *path);
/* Both are of one file that nobody has written to. */
bool file_mark_same(const struct file_mark *a, const struct file_mark *b);

struct file_hold {
    int fd;              /* owned; -1: the engine has no file */
    uint32_t slot;       /* sys/mapped.h */
    struct file_mark as; /* it was when it was opened */
};
/* Before the engine maps it. A path that cannot be opened is not held: the engine will say so. */
void file_hold_begin(struct file_hold *h, uint32_t slot, const char *path);
/* It was written to or cut since, or could not be read. From any thread. */
bool file_hold_is_lost(const struct file_hold *h);
/* Lets go of it. Harmless where nothing is held. */
void file_hold_end(struct file_hold *h);

/* The same engine, which fails whatever it computes for a file that was lost in the call or before it. The result is static, and
 * there is one per process. */
const struct engine_ops *file_hold_guard(const struct engine_ops *ops);
/* What the guard watches over on this thread; NULL: nothing. Borrowed. */
void file_hold_watch(const struct file_hold *h);

#endif
