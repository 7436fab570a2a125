/* The inside of a pilot: pilot.c decides, pilot_tell.c tells. The drawing of its states is in pilot.c. */
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
    struct head_link *link;      /* owned; NULL: not dialled yet, or over */
    struct net_timer *timer;     /* owned; the reconciler's deadline, or that of raise and down */
    struct reconcile r;
    uint64_t hold_us;            /* until then the head may know better than we: nothing is started or ended. UINT64_MAX: it is not joined yet */
    bool stepping;               /* in step(): an engine that answers at once is not followed deeper */
    struct fault fault;          /* why it ends by itself */
    char name[80];               /* at the head: what it keeps up, "slurm/manta" */
    char head[300];              /* as raised */
    char token[300];             /* likewise; empty: the configuration's */
    uint32_t told_running, told_target; /* on_news, and the head */
    char told_note[sizeof(struct fault)];
    bool has_told;
};

/* ---- pilot_tell.c ---- */
/* Workers that run, as listed last; WIRE_NOT_KNOWN before the first list. */
uint32_t pilot_running(const struct pilot *p);
/* Tells the head and the owner how many run and what the engine said, where that is new. */
void pilot_tell(struct pilot *p);
/* head_link: what it says goes to the owner. */
void pilot_on_said(enum log_level level, const struct event_field *event, const char *text, void *user_data);
/* The engine made a head with these keys. */
void pilot_on_keys(const char *join_token, const char *api_key, void *user_data);
/* The engine's head is reached there. */
void pilot_on_head_at(const char *address, void *user_data);
/* The engine took something away. */
void pilot_on_took(const char *what, void *user_data);
/* A worker or the head wrote a line. */
void pilot_on_line(const char *who, struct str line, void *user_data);

#endif
