/* Look after a model that was left out: wait until its file changes, and look at it again.
 *
 * A thread, because a file system that went away holds up whoever asks it something. The happy path is: nurse_start() -> the
 * file changes, and stays as it is for a while -> it is found whole -> on_event with `found`. It can fail by: the file is still no
 * good (on_event with the reason, where that is another one), it never changes (nothing happens). */
#ifndef MANTA_WORKER_NURSE_H
#define MANTA_WORKER_NURSE_H

#include "models/models.h"
#include "net/net.h"
#include "worker/file_hold.h"

enum { NURSE_EVERY_MS = 1000, NURSE_STOP_S = 3 };

struct nurse_event {
    uint32_t key;
    bool found;                /* it is whole: `model`, `needs` and `untried` say what it is */
    struct fault fault;        /* else: why it is not */
    struct model_file model;
    struct engine_needs needs;
    bool untried;              /* not loaded by this engine on this machine yet */
};
typedef void nurse_fn(const struct nurse_event *event, void *user_data);

struct nurse_config {
    uint32_t key;
    const struct engine_ops *ops;
    const char *engine_name;       /* borrowed for the nurse's life, as are the next two */
    const char *engine_words;      /* for models_proved() */
    const char *reference;         /* as the model was asked for */
    char path[1024];               /* the file; empty: the reference is one */
    struct file_mark seen;         /* the file that was no good; ... */
    bool changed;                  /* ... it is to be looked at even if it is still that one */
    struct engine_load load;       /* memory_bytes: its share; path is not used */
    uint64_t memory_bytes;         /* of the worker */
    uint32_t stall_s;
    nurse_fn *on_event;             /* on the loop's thread */
    void *user_data;
};

struct nurse;
/* Begins to watch; cfg is copied. */
struct nurse *nurse_start(struct net_loop *loop, const struct nurse_config *cfg);
/* Ends it; no event afterwards. NULL is fine. False: it stands in a call that does not end, and only the end of the process is its end. */
bool nurse_free(struct nurse *n);

#endif
