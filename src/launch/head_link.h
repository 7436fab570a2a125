/* A launcher's link to its head: takes `scale`, tells how many workers run and are wanted.
 *
 * Whatever the engine is. A head that is not there, or dies, is dialled again for ever; after each welcome the launcher tells its numbers first,
 * so that a head that knows none learns them. */
#ifndef MANTA_LAUNCH_HEAD_LINK_H
#define MANTA_LAUNCH_HEAD_LINK_H

#include <stdint.h>

#include "launch/say.h"
#include "net/net.h"

enum { HEAD_LINK_PLACES_MAX = 8 };

struct head_link_state {
    uint32_t running, target; /* running: WIRE_NOT_KNOWN where nobody could be asked yet */
    const char *note; /* what is in the way, ""; borrowed for the call */
};

struct head_link_config {
    const char *host;              /* of the head; never a wildcard address. Or, with port 0, "a:1,b:2": each in turn, until one is there */
    uint16_t port;
    const char *join_token;        /* empty: none */
    const char *version, *node;    /* manta's; the launcher's name at the head */
    uint32_t redial_first_ms, redial_max_ms; /* the pause between two dials doubles from one to the other */
    /* The head wants so many workers. */
    void (*on_scale)(uint32_t workers, void *user_data);
    /* Joined: the numbers to begin with. False: there are none yet, head_link_tell() will bring them. */
    bool (*on_joined)(struct head_link_state *out, void *user_data);
    /* After head_link_stop(), once: it has freed itself. */
    void (*on_over)(void *user_data);
    /* The head has refused us, `final`: for good, and is not dialled again. May be NULL. */
    void (*on_refused)(const struct fault *f, bool final, void *user_data);
    struct listener listener;  /* of what people may want to know */
    void *user_data;
};

struct head_link;
/* Copies cfg, not what it points to. Dials at once. ERR_USAGE: a place that cannot be read; *out is NULL then. */
int head_link_new(struct net_loop *l, const struct head_link_config *cfg, struct head_link **out, struct fault *f);
/* Nothing when it is not joined: on_joined will ask. */
void head_link_tell(struct head_link *k, const struct head_link_state *s);
/* The head has welcomed it. */
bool head_link_is_joined(const struct head_link *k);
/* Says bye and hangs up; on_over follows, never within the call. */
void head_link_stop(struct head_link *k);
/* The owner goes: hangs up, frees itself when it can; no callback any more. */
void head_link_abandon(struct head_link *k);

#endif
