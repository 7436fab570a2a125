/* Couple an engine, the reconciler and the link to the head: `manta launcher`, `manta up --on
 * ENGINE`, `manta down --on ENGINE`.
 *
 * The happy path is: pilot_start -> the engine is opened -> (PILOT_UP: the engine raises the head,
 * or the owner has one) -> the head is dialled and tells the number of workers it wants, or learns
 * ours -> workers are started and ended as the reconciler decides -> pilot_stop -> (PILOT_UP:
 * everything is taken away) -> on_ended. If the raise fails: everything that carries the cluster's
 * name is taken away -> on_ended with the raise's fault (pilot.c has the story).
 *
 * It can fail by: an engine that is absent or denies access (on_ended with its fault); an engine
 * that is away for a while, at the start or later (reported, and retried for ever); no head
 * (redialled for ever, and the workers stay: a restarted launcher must not end workers that an
 * unreachable head wants); a head that refuses the launcher for good (on_ended with its words; the
 * workers stay). */
#ifndef MANTA_LAUNCH_PILOT_H
#define MANTA_LAUNCH_PILOT_H

#include "launch/launcher.h"
#include "launch/reconcile.h"

enum pilot_mode {
    PILOT_KEEP, /* keeps workers up; ends without touching them */
    PILOT_UP,   /* raises the head first, if the engine runs it; takes everything away at the end */
    PILOT_DOWN, /* only takes away the cluster's objects at the engine */
};

struct pilot_config {
    const struct launcher_ops *engine;
    struct launcher_config launcher;
    enum pilot_mode mode;
    /* PILOT_KEEP: begin with the engine's number (launcher_ops.remembers) instead of
     * launcher.workers */
    bool adopt;
    /* where this process finds the head, "host:port[,host:port]…"; unused for PILOT_DOWN, or if the
     * engine raises the head */
    const char *head;
    bool waits;                     /* PILOT_UP: start no worker before pilot_head_is_up() */
    const char *join_token;         /* empty: none */
    const char *version;            /* manta's version */
    struct reconcile_times times;
    /* The engine is there and grants access. May be NULL. */
    void (*on_opened)(void *user_data);
    /* The engine has given the head this key for clients; before on_head. May be NULL. */
    void (*on_key)(const char *api_key, void *user_data);
    /* The engine has raised the head, which is reached at this address. May be NULL. */
    void (*on_head)(const char *address, void *user_data);
    /* The last list has brought a change; running: WIRE_NOT_KNOWN before the first list, with the
     * reason in `note`. May be NULL. */
    void (*on_news)(uint32_t running, uint32_t target, const char *note, void *user_data);
    void (*on_took)(const char *what, void *user_data);                     /* as launcher_events.took; may be NULL */
    void (*on_line)(const char *who, struct str line, void *user_data);     /* may be NULL */
    void (*on_event)(enum log_level level, const struct event_field *event, const char *text, void *user_data);
    /* Once, last; f->err 0: after pilot_stop(), or PILOT_DOWN is done. May call pilot_free(). */
    void (*on_ended)(const struct fault *f, void *user_data);
    void *user_data;
};

struct pilot;
/* Starts the pilot. Copies cfg, not the memory it points to. NULL with f: the engine rejects the
 * configuration. */
struct pilot *pilot_start(struct net_loop *l, const struct pilot_config *cfg, struct fault *f);
/* With `waits`: the owner's head is up, and workers may join it from now on. */
void pilot_head_is_up(struct pilot *p);
/* Ends the pilot in order. A second call no longer waits for the engine. */
void pilot_stop(struct pilot *p);
/* Frees the pilot, after on_ended or earlier: then no callback follows, and the engine keeps its
 * workers. NULL is allowed. */
void pilot_free(struct pilot *p);

#endif
