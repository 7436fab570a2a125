/* A launcher's link to its head: receives `scale`, reports how many workers run and are wanted.
 *
 * Independent of the engine. The link redials a head that is absent or dies, for ever; after each
 * welcome the launcher reports its numbers first, so that a head without a number learns them. */
#ifndef MANTA_LAUNCH_HEAD_LINK_H
#define MANTA_LAUNCH_HEAD_LINK_H

#include <stdint.h>

#include "brain/dialler.h"
#include "launch/say.h"
#include "net/net.h"

enum { HEAD_LINK_PLACES_MAX = 8 };

struct head_link_state {
    uint32_t running, target; /* running: WIRE_NOT_KNOWN before the engine has answered */
    const char *note; /* the current problem, or ""; borrowed for the call */
};

struct head_link_config {
    /* of the head, no wildcard address; or, with port 0, "a:1,b:2": dialled in turn until one
     * answers */
    const char *host;
    uint16_t port;
    const char *join_token;        /* empty: none */
    const char *version, *node;    /* manta's version; the launcher's name at the head */
    struct dialler_times times;
    /* The head orders this many workers. */
    void (*on_scale)(uint32_t workers, void *user_data);
    /* Joined: fill in the first numbers to report. False: not known yet, head_link_tell() will
     * report them. */
    bool (*on_joined)(struct head_link_state *out, void *user_data);
    /* Once, after head_link_stop(): the link has freed itself. */
    void (*on_over)(void *user_data);
    /* The head has refused this launcher. `final`: for good, the link does not dial again. May be
     * NULL. */
    void (*on_refused)(const struct fault *f, bool final, void *user_data);
    struct listener listener;  /* receives lines for people */
    void *user_data;
};

struct head_link;
/* Dials at once. Copies cfg, not the memory it points to. ERR_USAGE with f: a bad address; *out is
 * left unset. */
int head_link_new(struct net_loop *l, const struct head_link_config *cfg, struct head_link **out, struct fault *f);
/* Reports the numbers to the head. Does nothing while not joined: on_joined will ask. */
void head_link_tell(struct head_link *k, const struct head_link_state *s);
/* Sends bye and closes; on_over follows, never within the call. */
void head_link_stop(struct head_link *k);
/* Closes without another callback; the link frees itself when it can. For an owner that goes away. */
void head_link_abandon(struct head_link *k);

#endif
