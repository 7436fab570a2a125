/* Couples an engine, the reconciler and the link to the head: `manta launcher`, `manta up --on ENGINE`, `manta down --on ENGINE`.
 *
 * The happy path is: pilot_start -> the engine is opened -> (PILOT_UP: the engine raises the head, or its owner has one) -> the head is dialled, tells how
 * many workers it wants, or learns ours -> workers are started and ended as the reconciler says -> pilot_stop -> (PILOT_UP: all is taken away) -> on_ended.
 * A raise that fails: all that carries the cluster's name is taken away -> on_ended with the raise's fault (pilot.c has the story).
 * It can fail by: an engine that is not there or lets us do nothing (on_ended with its fault); one that is away for a while, before or later (said, and
 * tried again for ever); no head (dialled again for ever, the workers stay as they are: a launcher that starts anew must not end those that a head wants
 * which it does not reach yet); a head that refuses us for good (on_ended with its words; the workers stay). */
#ifndef MANTA_LAUNCH_PILOT_H
#define MANTA_LAUNCH_PILOT_H

#include "launch/launcher.h"
#include "launch/reconcile.h"

enum pilot_mode {
    PILOT_KEEP, /* keeps workers up; ends without touching them */
    PILOT_UP,   /* raises the head first, where the engine runs it; takes everything away in the end */
    PILOT_DOWN, /* only takes away what the cluster has at the engine */
};

struct pilot_config {
    const struct launcher_ops *engine;
    struct launcher_config launcher;
    enum pilot_mode mode;
    bool adopt;                     /* PILOT_KEEP: begins with the number that the engine has (launcher_ops.remembers) instead of launcher.workers */
    const char *head;               /* where this process finds the head, "host:port[,host:port]…"; not read for PILOT_DOWN, nor when the engine raises it */
    bool waits;                     /* PILOT_UP: no worker before pilot_head_is_up() */
    const char *join_token;         /* empty: none */
    const char *version;            /* manta's */
    struct reconcile_times times;
    /* The engine is there and lets us in. May be NULL. */
    void (*on_opened)(void *user_data);
    /* The engine has given the head this key for clients; before on_head. May be NULL. */
    void (*on_key)(const char *api_key, void *user_data);
    /* The engine has raised the head: it is reached there. May be NULL. */
    void (*on_head)(const char *address, void *user_data);
    /* The last list says something new; running: WIRE_NOT_KNOWN while there was no list, `note` says why. May be NULL. */
    void (*on_news)(uint32_t running, uint32_t target, const char *note, void *user_data);
    void (*on_took)(const char *what, void *user_data);                     /* as launcher_events.took; may be NULL */
    void (*on_line)(const char *who, struct str line, void *user_data);     /* may be NULL */
    void (*on_event)(enum log_level level, const struct event_field *event, const char *text, void *user_data);
    /* Once, last; f->err 0: after pilot_stop(), or PILOT_DOWN is done. pilot_free() may be called in it. */
    void (*on_ended)(const struct fault *f, void *user_data);
    void *user_data;
};

struct pilot;
/* cfg is copied, not what it points to. NULL with f: the engine does not take that configuration. */
struct pilot *pilot_start(struct net_loop *l, const struct pilot_config *cfg, struct fault *f);
/* The head of `waits` is there, and is ours: from now on workers may join it. */
void pilot_head_is_up(struct pilot *p);
/* Ends it in order. A second call does not wait for the engine any longer. */
void pilot_stop(struct pilot *p);
/* After on_ended, or earlier: then no callback follows, and what the engine has stays. NULL is fine. */
void pilot_free(struct pilot *p);

#endif
