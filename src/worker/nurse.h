/* Watch the file of a model that was left out, and check it again when it changes.
 *
 * The nurse is a thread, because an unreachable file system blocks its callers. The happy path is:
 * nurse_start() -> the file changes, and then stays unchanged for a while -> it is found whole ->
 * on_event with `found`. It can fail by: the file is still unusable (on_event, if the reason is a
 * new one), or it never changes (nothing happens). */
#ifndef MANTA_WORKER_NURSE_H
#define MANTA_WORKER_NURSE_H

#include "models/models.h"
#include "net/net.h"
#include "worker/file_hold.h"

enum { NURSE_EVERY_MS = 1000, NURSE_STOP_S = 3 };

struct nurse_event {
    uint32_t key;
    bool found;                /* the file is whole; `model`, `needs` and `untried` describe it */
    struct fault fault;        /* else the reason */
    struct model_file model;
    struct engine_needs needs;
    bool untried;              /* not loaded by this engine on this machine before */
};
typedef void nurse_fn(const struct nurse_event *event, void *user_data);

struct nurse_config {
    uint32_t key;
    const struct engine_ops *ops;
    const char *engine_name;       /* borrowed for the nurse's life, like the next two */
    const char *engine_words;      /* for models_proved() */
    const char *reference;         /* the model's reference, as given */
    char path[1024];               /* the file; empty: the reference is a path */
    struct file_mark seen;         /* the unusable file … */
    bool changed;                  /* … is to be checked even if it has not changed since */
    struct engine_load load;       /* memory_bytes: its share; path is unused */
    uint64_t memory_bytes;         /* of the worker */
    uint32_t stall_s;
    nurse_fn *on_event;             /* called on the loop's thread */
    void *user_data;
};

struct nurse;
/* Starts watching; copies cfg. */
struct nurse *nurse_start(struct net_loop *loop, const struct nurse_config *cfg);
/* Stops; no event comes afterwards. Returns false when the thread is stuck in a call: only the
 * end of the process ends it. NULL is allowed. */
bool nurse_free(struct nurse *n);

#endif
