#include "worker/nurse.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/wait.h"
#include "worker/tryout.h"

struct nurse_mail {
    struct net_mail_item item;
    struct nurse_event event;
};

struct nurse {
    struct nurse_config cfg;
    struct net_mail *mail;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, ended;
    char said[sizeof((struct fault *)0)->text]; /* the last reason reported; used by the thread only */
};

static void on_mail(struct net_mail *m, struct net_mail_item *items, void *user_data)
{
    (void)m;
    struct nurse *n = user_data;
    while (items != NULL) {
        struct nurse_mail *l = (struct nurse_mail *)(void *)items;
        bool last = l->event.found; /* the receiver may free the nurse in this event */
        items = items->next;
        n->cfg.on_event(&l->event, n->cfg.user_data);
        free(l);
        if (last)
            return;
    }
}

/* ---- the thread ---- */

/* Returns false to stop. */
static bool sleep_a_while(struct nurse *n)
{
    struct timespec until = wait_until(NURSE_EVERY_MS);
    pthread_mutex_lock(&n->lock);
    bool stop = wait_flag(&n->wake, &n->lock, &n->stop, &until);
    pthread_mutex_unlock(&n->lock);
    return !stop;
}

static bool not_stopped(float progress, void *user_data)
{
    (void)progress;
    struct nurse *n = user_data;
    pthread_mutex_lock(&n->lock);
    bool stop = n->stop;
    pthread_mutex_unlock(&n->lock);
    return !stop;
}

/* Checks the file as at the worker's start, but downloads nothing. */
static int look(struct nurse *n, struct nurse_event *out)
{
    struct engine_load load = n->cfg.load;
    int err = models_resolve(n->cfg.reference, &out->model, &out->fault);
    if (err != 0)
        return err;
    load.path = out->model.path;
    out->untried = !models_proved(out->model.digest, n->cfg.engine_words);
    struct tryout t = {.engine = n->cfg.engine_name, .load = load, .memory_bytes = n->cfg.memory_bytes, .stall_s = n->cfg.stall_s};
    if (out->untried)
        err = tryout_run(&t, not_stopped, n, &out->fault);
    return err != 0 ? err : n->cfg.ops->probe(&load, &out->needs, &out->fault);
}

/* Checks the file and posts the result. Returns true when it is whole. */
static bool look_and_tell(struct nurse *n)
{
    struct nurse_mail *l = xalloc(sizeof *l);
    l->event.key = n->cfg.key;
    int err = look(n, &l->event);
    l->event.found = err == 0;
    if (err == ERR_CANCELLED || (err != 0 && strcmp(l->event.fault.text, n->said) == 0)) {
        free(l);
        return false;
    }
    snprintf(n->said, sizeof n->said, "%s", l->event.fault.text);
    net_mail_post(n->mail, &l->item);
    return err == 0;
}

static void *nurse_thread(void *arg)
{
    struct nurse *n = arg;
    const char *path = n->cfg.path[0] != '\0' ? n->cfg.path : n->cfg.reference;
    struct file_mark seen = n->cfg.seen, before = seen;
    bool changed = n->cfg.changed;
    while (sleep_a_while(n)) {
        struct file_mark now = file_mark_of(path);
        changed = changed || !file_mark_same(&now, &seen);
        bool rests = file_mark_same(&now, &before); /* else another process is still writing it */
        before = now;
        if (!changed || !rests)
            continue;
        changed = false;
        seen = now;
        if (look_and_tell(n))
            break;
    }
    pthread_mutex_lock(&n->lock);
    n->ended = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

/* ---- its life ---- */

struct nurse *nurse_start(struct net_loop *loop, const struct nurse_config *cfg)
{
    struct nurse *n = xalloc(sizeof *n);
    n->cfg = *cfg;
    pthread_mutex_init(&n->lock, NULL);
    wait_init(&n->wake);
    n->mail = net_mail_new(loop, on_mail, n);
    MUST(pthread_create(&n->thread, NULL, nurse_thread, n) == 0);
    return n;
}

bool nurse_free(struct nurse *n)
{
    if (n == NULL)
        return true;
    struct timespec give_up = wait_until(NURSE_STOP_S * 1000);
    pthread_mutex_lock(&n->lock);
    n->stop = true;
    pthread_cond_signal(&n->wake);
    bool ended = wait_flag(&n->wake, &n->lock, &n->ended, &give_up);
    pthread_mutex_unlock(&n->lock);
    if (!ended)
        return false;
    pthread_join(n->thread, NULL);
    struct net_mail_item *items = net_mail_free(n->mail);
    while (items != NULL) {
        struct net_mail_item *next = items->next;
        free(items); /* the item is the mail's first member */
        items = next;
    }
    pthread_mutex_destroy(&n->lock);
    pthread_cond_destroy(&n->wake);
    free(n);
    return true;
}
