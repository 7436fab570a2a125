/* The worker program's own struct, shared by program.c and link.c. Private to the room. */
#ifndef MANTA_WORKER_PROGRAM_H
#define MANTA_WORKER_PROGRAM_H

#include "cluster/agent.h"
#include "http/http.h"
#include "models/models.h"
#include "net/net.h"
#include "worker/actor.h"
#include "worker/last_run.h"
#include "worker/worker.h"

struct worker_program;

/* One head we dial: the state machine is the agent's, the bytes are here. */
struct uplink {
    struct worker_program *program; /* borrowed */
    uint32_t index;                 /* in program->uplinks and for the agent */
    char host[256];
    uint16_t port;
    struct http_dial *dial;         /* while dialling */
    struct net_conn *conn;          /* while linked */
    struct buf in;                  /* bytes of an unfinished frame */
};

struct worker_program {
    const struct worker_options *o;
    struct net_loop *loop;
    struct net_timer *timer;
    struct agent *agent;
    struct ag_effects fx;
    struct uplink uplinks[AGENT_HEADS_MAX];
    uint32_t uplinks_n;
    struct model_file model;
    const struct engine_ops *ops;
    struct actor *actor;
    struct wire_actor actor_state;   /* what heads are told of it */
    struct fault actor_fault;        /* keeps actor_state.note's text */
    char node[128], engine[96];
    struct buf out;                  /* one frame being written */
    struct wire_arena arena, scratch; /* decoding a message; building a request from it */
    bool group_limited;              /* our control group has a memory limit */
    struct last_run *last_run;       /* owned; NULL: not recorded */
    uint64_t cpu_us, cpu_at_us;      /* processor time at the last beat */
    bool feeding;                    /* an event is being handled: no second one within it */
    bool stopping;                   /* the loop is being taken down */
    int exit_status;
};

/* Hands an event to the agent and carries out what it wants. now_us is filled in. */
void worker_feed(struct worker_program *p, struct agent_event ev);

/* ---- link.c ---- */
void uplink_dial(struct uplink *u);
void uplink_send(struct uplink *u, const struct wire_msg *msg);
void uplink_hang_up(struct uplink *u);
void uplink_fini(struct uplink *u);

/* ---- measure.c ---- */
/* Processor time of this process so far. */
uint64_t measure_cpu_us(void);
/* Degrees Celsius of the hottest sensor, or 0 where the machine does not tell. `root`: "/sys", tests have another. */
float measure_temperature_c(const char *root);
/* Processors this process may run on. */
uint32_t measure_cpus(void);

#endif
