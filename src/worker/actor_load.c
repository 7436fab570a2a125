/* The part of an actor's thread that loads its model and watches its file. */
#include "worker/actor_state.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "os/last_words.h"
#include "worker/actor_mail.h"
#include "worker/tryout.h"

/* Posts an event to the loop and gives the mail away. */
static void post(struct actor *a, struct actor_mail *l)
{
    l->event.key = a->cfg.key;
    net_mail_post(a->mail, &l->item);
}

/* Returns whether actor_stop() was called. */
static bool is_stopping(struct actor *a)
{
    pthread_mutex_lock(&a->lock);
    bool stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    return stop;
}

static bool on_progress(float progress, void *user_data)
{
    struct actor *a = user_data;
    int percent = (int)(progress * 100.0f);
    if (percent >= a->last_percent + 5) {
        a->last_percent = percent;
        struct actor_mail *l = xalloc(sizeof *l);
        l->event.kind = ACTOR_LOADING;
        l->event.progress = progress;
        post(a, l);
    }
    return !is_stopping(a);
}

static int try_first(struct actor *a, struct fault *f)
{
    struct tryout t = {.engine = a->cfg.untried, .load = a->cfg.load, .memory_bytes = a->cfg.try_bytes, .whole = true, .stall_s = a->cfg.stall_s};
    int err = tryout_run(&t, on_progress, a, f);
    a->last_percent = 0; /* the load itself begins at 0 */
    return err;
}

int actor_thread_load(struct actor *a)
{
    struct actor_mail *l = xalloc(sizeof *l);
    struct engine_needs needs;
    struct file_mark seen = file_mark_of(a->cfg.load.path);
    const uint64_t loading = UINT64_MAX; /* not a ticket: a crash now blames no job */
    last_words_computing(&loading, 1);
    int err = a->cfg.untried != NULL ? try_first(a, &l->event.fault) : 0;
    if (err == 0)
        err = a->cfg.ops->probe(&a->cfg.load, &needs, &l->event.fault);
    if (err == 0)
        err = a->cfg.ops->load(&a->cfg.load, on_progress, a, &a->engine, &l->event.fault);
    if (err == 0)
        l->event.info = *a->cfg.ops->info(a->engine);
    last_words_computing(NULL, 0);
    if (file_hold_is_lost(&a->hold))
        err = fault_set(&l->event.fault, ERR_IO, "model file '%s' was changed while it was loaded", a->cfg.load.path);
    if (err != 0 && a->engine != NULL)
        a->cfg.ops->free(a->engine);
    l->event.kind = err == 0 ? ACTOR_LOADED : ACTOR_FAILED;
    l->event.seen = seen;
    post(a, l);
    return err;
}

void actor_look_at_file(struct actor *a)
{
    if (a->lost || !(a->lost = file_hold_is_lost(&a->hold)))
        return;
    struct actor_mail *l = xalloc(sizeof *l);
    l->event = (struct actor_event){.kind = ACTOR_LOST, .seen = file_mark_of(a->cfg.load.path)};
    fault_set(&l->event.fault, ERR_IO, "model file '%s' was changed while it was in use; it is loaded again when it is whole", a->cfg.load.path);
    post(a, l);
}
