/* The inside of a pilot: pilot.c decides, pilot_tell.c reports. The drawing of its states is in
 * pilot.c. */
#ifndef MANTA_LAUNCH_PILOT_STATE_H
#define MANTA_LAUNCH_PILOT_STATE_H

#include "launch/pilot.h"
#include "launch/reconcile.h"
#include "launch/say.h"

enum pilot_state { OPENING, RAISING, WAITING, ADOPTING, KEEPING, ENDING, TAKING, OVER };

struct pilot {
    struct pilot_config cfg;
    struct listener listener;    /* of cfg */
    struct net_loop *loop;       /* borrowed */
    enum pilot_state state;
    struct launcher *engine;     /* owned */
    struct head_link *link;      /* owned; NULL: not dialled yet, or closed */
    struct net_timer *timer;     /* owned; the deadline of the reconciler, or of raise and down */
    struct reconcile r;
    /* until then the head may set another number: nothing is started or ended. UINT64_MAX: not
     * joined yet */
    uint64_t hold_us;
    bool stepping;               /* in step(): an engine that answers within it does not recurse */
    struct fault fault;          /* why the pilot ends by itself */
    char name[80];               /* its name at the head, from the engine and the cluster: "slurm/manta" */
    char head[300];              /* address of the raised head */
    char token[300];             /* join token of the raised head; empty: the configuration's */
    uint32_t told_running, told_target; /* last reported to on_news and the head */
    char told_note[sizeof(struct fault)];
    bool has_told;
};

/* ---- pilot_tell.c ---- */
/* Workers running in the last list; WIRE_NOT_KNOWN before the first one. */
uint32_t pilot_running(const struct pilot *p);
/* Reports the number running and the engine's note to the head and the owner, if they changed. */
void pilot_tell(struct pilot *p);
/* Passes a line for people to the owner. */
void pilot_on_said(enum log_level level, const struct event_field *event, const char *text, void *user_data);
/* The engine made a head with these keys. */
void pilot_on_keys(const char *join_token, const char *api_key, void *user_data);
/* The engine's head is reached at this address. */
void pilot_on_head_at(const char *address, void *user_data);
/* The engine removed an object. */
void pilot_on_took(const char *what, void *user_data);
/* A worker or the head printed a line. */
void pilot_on_line(const char *who, struct str line, void *user_data);

#endif
