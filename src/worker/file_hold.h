/* Detect that a model's file was changed.
 *
 * A *mark* identifies the file at a path at one moment. A *hold* is an open file whose mapping an
 * engine computes with: renaming or replacing its path is harmless; writing to it or truncating it
 * makes the results worthless. */
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
/* Returns the mark of the file at path; all zero when there is none. */
struct file_mark file_mark_of(const char *path);
/* Returns whether both marks are of one file, unmodified in between. */
bool file_mark_same(const struct file_mark *a, const struct file_mark *b);

struct file_hold {
    int fd;              /* owned; -1: the engine has no file */
    uint32_t slot;       /* os/mapped.h */
    struct file_mark as; /* its mark when it was opened */
};
/* Opens the file; call before the engine maps it. A path that cannot be opened is not held: the
 * engine will report it. */
void file_hold_begin(struct file_hold *h, uint32_t slot, const char *path);
/* Returns whether the file was modified or truncated since then, or could not be read. Callable
 * from any thread. */
bool file_hold_is_lost(const struct file_hold *h);
/* Closes the file. Allowed when none is held. */
void file_hold_end(struct file_hold *h);

/* Wraps the engine's functions: a computation fails when its file was lost during the call or
 * before. The result is static, one per process. */
const struct engine_ops *file_hold_guard(const struct engine_ops *ops);
/* Sets the hold that the guard checks on this thread; NULL: none. Borrowed. */
void file_hold_watch(const struct file_hold *h);

#endif
