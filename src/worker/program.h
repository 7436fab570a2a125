/* The worker program's own struct, shared by the files of the room. Private to it. */
#ifndef MANTA_WORKER_PROGRAM_H
#define MANTA_WORKER_PROGRAM_H

#include "base/name.h"
#include "brain/agent.h"
#include "http/http.h"
#include "models/models.h"
#include "net/net.h"
#include "worker/actor.h"
#include "worker/last_run.h"
#include "worker/nurse.h"
#include "worker/share.h"
#include "worker/worker.h"

struct worker_program;

/* One head we dial: the state machine is the agent's, the bytes are here. */
struct uplink {
    struct worker_program *program; /* borrowed */
    uint32_t index;                 /* in program->uplinks and for the agent */
    struct http_address at;
    struct http_dial *dial;         /* while dialling */
    struct net_conn *conn;          /* while linked */
    struct buf in;                  /* bytes of an unfinished frame */
};

/* One model of ours: what was asked for, what it will take, and the actor that runs it. */
struct deployment {
    const char *reference;     /* borrowed from the options */
    struct model_file model;   /* once resolved; before, only its name */
    struct engine_load load;   /* memory_bytes: its share */
    struct engine_needs needs; /* as planned */
    uint64_t prefix_bytes;     /* for its prompts that lose their slots */
    struct actor *actor;       /* NULL: not started */
    char setup[ENGINE_SETUP_BYTES]; /* exact: how it computes, as measured before or now; is.setup points to it */
    struct nurse *nurse;       /* while it is left out; or NULL */
    bool counted;              /* in the thread budget */
    bool untried;              /* this engine has not loaded that file on this machine yet */
    bool served;               /* it was loaded once: its file may come back */
    bool waits;                /* to be loaded when nothing else is */
    bool lost, ended;          /* its actor: the file was changed under it; it could not load, and has ended */
    struct file_mark seen;     /* the file that was no good */
    uint64_t moved_us;         /* its load made progress then */
    uint32_t quiet_looks;      /* so often in a row its actor had nothing to do */
    struct wire_actor is;      /* what heads are told of it */
    struct fault fault;        /* why it failed, if it did; keeps is.note's text */
};

struct worker_program {
    const struct worker_options *o;
    /* Both stand above those that call them: worker_feed() above links, worker_on_event() above deployments. */
    void (*feed)(struct worker_program *p, struct agent_event ev);
    actor_event_fn *on_event;
    struct net_loop *loop;
    struct net_timer *timer, *look;  /* the agent's; for deployments_look() */
    struct agent *agent;
    struct ag_effects fx;
    struct uplink uplinks[AGENT_HEADS_MAX];
    uint32_t uplinks_n;
    const struct engine_ops *ops;
    struct deployment deployments[AGENT_ACTORS_MAX]; /* by the actor's key */
    uint32_t deployments_n;
    struct actor_thread_budget thread_budget;              /* of their actors */
    struct beside beside;                /* of its memory, what is not theirs */
    char node[NAME_CAP], engine[96];
    char engine_words[256];          /* engine, version, processor: for models_proved() */
    bool scripted;                   /* the echo engine: models are no files */
    struct buf out;                  /* one frame being written */
    struct wire_arena arena, scratch; /* decoding a message; building a request from it */
    bool group_limited;              /* our control group has a memory limit */
    struct last_run *last_run;       /* owned; NULL: not recorded */
    uint32_t noted_joined, noted_ready; /* heads, actors: when it was written last */
    uint64_t cpu_us, cpu_at_us;      /* processor time at the last beat */
    bool feeding;                    /* an event is being handled: no second one within it */
    bool stopping;                   /* the loop is being taken down */
    bool hung_up;                /* SIGHUP came */
    int exit_status;
};

/* ---- prepare.c: which models, and how much of this worker is each one's ---- */
/* Finds every model, opens the engine and shares the memory out; nothing is loaded yet. A model that cannot be had or does not fit has its
 * fault, which was logged. Fails when none is left, with the first one's fault. */
int deployments_prepare(struct worker_program *p, struct fault *f);
/* The memory that the others leave for a deployment; 0: there is no limit. */
uint64_t deployments_share(const struct worker_program *p, const struct deployment *r);
/* The memory for its prompts that lose their slots: its part of --prefix-cache, or less, where the models leave less. */
uint64_t deployments_prefix(const struct worker_program *p, const struct deployment *r);
/* Compute threads of the worker. */
uint32_t deployments_threads(const struct worker_program *p);

/* ---- resolve.c ---- */
/* Finds the deployment's model, downloading it where that is allowed; sets its fault when it cannot be had. */
void deployment_resolve(struct worker_program *p, struct deployment *r);
/* A file that this engine has not loaded on this machine yet is looked at in a process of its own first (tryout.h); sets the
 * deployment's fault when it may not be loaded here. */
void deployment_look(struct worker_program *p, struct deployment *r);
/* How it was measured to compute exactly, if it was: for its next load. */
void deployment_recall_setup(const struct worker_program *p, struct deployment *r);
/* It was loaded well, and need not be tried any more. */
void deployment_prove(const struct worker_program *p, struct deployment *r);
/* Notes how it was measured to compute exactly. */
void deployment_measured(const struct worker_program *p, struct deployment *r, const struct engine_info *info);

/* ---- events.c ---- */
/* The actor_event_fn of all actors: what they say becomes events of the agent. */
void worker_on_event(const struct actor_event *n, void *user_data);

/* ---- deployments.c: what becomes of a deployment ---- */
enum { DEPLOYMENTS_LOOK_MS = 1000, LOAD_DEATHS_MAX = 2 };
/* Starts an actor for each model, and tells the agent of all of them. */
void deployments_start(struct worker_program *p);
/* Ends all actors. False: one of them is in a call that does not end. */
bool deployments_stop(struct worker_program *p);
/* Tells heads what the deployment is now. */
void deployment_tell(struct worker_program *p, struct deployment *r);
/* The deployment is left out: heads are told, its file is looked after, and when it was the last hope, the worker leaves. */
void deployment_failed(struct worker_program *p, struct deployment *r, const struct fault *why);
/* Its file was changed while it was in use. */
void deployment_lost(struct worker_program *p, struct deployment *r, const struct actor_event *n);
/* The nurse_fn of all of them. */
void deployment_on_nurse(const struct nurse_event *n, void *user_data);
/* Every DEPLOYMENTS_LOOK_MS: loads that hang, actors that can end. */
void deployments_look(struct worker_program *p);

/* ---- feed.c ---- */
/* Hands an event to the agent and carries out what it wants. now_us is filled in. */
void worker_feed(struct worker_program *p, struct agent_event ev);

/* ---- link.c ---- */
/* Begins to dial that head; the agent hears how it went. */
void uplink_dial(struct uplink *u);
/* Nothing happens where the link is down. */
void uplink_send(struct uplink *u, const struct wire_msg *msg);
/* Frames that are whole already. */
void uplink_send_frames(struct uplink *u, struct str frames);
/* Ends the link; the agent hears of it. */
void uplink_hang_up(struct uplink *u);
/* Frees what it holds. */
void uplink_fini(struct uplink *u);

/* ---- measure.c ---- */
/* Processor time of this process so far. */
uint64_t measure_cpu_us(void);
/* Degrees Celsius of the hottest sensor, or 0 where the machine does not tell. `root`: "/sys", tests have another. */
float measure_temperature_c(const char *root);
/* Processors this process may run on. */
uint32_t measure_cpus(void);

#endif
