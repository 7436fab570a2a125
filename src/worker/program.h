/* The worker program's own struct, shared by the files of this room. Private to it. */
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

/* One head that the worker dials: its state machine is in the agent, its bytes are here. */
struct uplink {
    struct worker_program *program; /* borrowed */
    uint32_t index;                 /* in program->uplinks and in the agent */
    struct http_address at;
    struct http_dial *dial;         /* while dialling */
    struct net_conn *conn;          /* while linked */
    struct buf in;                  /* bytes of an unfinished frame */
};

/* One model of the worker: its reference, its memory needs, and the actor that runs it. */
struct deployment {
    const char *reference;     /* borrowed from the options */
    struct model_file model;   /* valid once resolved; before, only its name */
    char digest[sizeof((struct model_file *)0)->digest]; /* is.digest: of the file and of a template given for it */
    struct engine_load load;   /* memory_bytes: its share */
    struct engine_needs needs; /* as planned */
    uint64_t prefix_bytes;     /* for the KV cache of prompts that lost their slots */
    struct actor *actor;       /* NULL: not started */
    char family[sizeof((struct engine_info *)0)->family], quantization[sizeof((struct engine_info *)0)->quantization]; /* is.* point to them */
    char setup[ENGINE_SETUP_BYTES]; /* exact: the measured way it computes; is.setup points to it */
    struct nurse *nurse;       /* while the model is left out; else NULL */
    bool counted;              /* counted in the thread budget */
    bool untried;              /* this engine has not loaded the file on this machine before */
    bool served;               /* it was loaded once, so its file may come back */
    bool waits;                /* it is to be loaded when no other load is running */
    bool lost, ended;          /* its actor: the file was changed in use; the load has failed and the thread has
                                  ended */
    struct file_mark seen;     /* the unusable file */
    uint64_t moved_us;         /* time of its load's last progress */
    uint32_t quiet_looks;      /* consecutive looks at which its actor was idle */
    struct wire_actor is;      /* its description for heads */
    struct fault fault;        /* its failure, if any; holds the text of is.note */
};

struct worker_program {
    const struct worker_options *o;
    /* Both are in files above their callers: worker_feed() above links, worker_on_event() above
     * deployments. */
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
    struct actor_thread_budget thread_budget;              /* of the deployments' actors */
    struct beside beside;                /* the memory that is not for models */
    char node[NAME_CAP], engine[96];
    char engine_words[256];          /* engine, version, processor: the key of models_proved() */
    bool scripted;                   /* the echo engine: models are not files */
    char *chat_template;             /* owned; NULL: the models' own */
    struct buf out;                  /* one frame being written */
    struct wire_arena arena, scratch; /* for decoding a message; for building a request from it */
    bool group_limited;              /* our control group has a memory limit */
    struct last_run *last_run;       /* owned; NULL: not recorded */
    uint32_t noted_joined, noted_ready; /* heads and actors as last written to last_run */
    uint64_t cpu_us, cpu_at_us;      /* processor time at the last beat */
    bool feeding;                    /* an event is being handled; another one must not be fed within it */
    bool stopping;                   /* the loop is being shut down */
    bool hung_up;                /* SIGHUP came */
    int exit_status;
};

/* ---- prepare.c: find the models, and share the worker's memory among them ---- */
/* Finds every model, opens the engine and shares out the memory; loads nothing yet. A model that
 * cannot be found or does not fit gets its fault, which is logged. Fails with the first fault
 * when no model is left, unless the worker is patient. */
int deployments_prepare(struct worker_program *p, struct fault *f);
/* Returns the memory that other deployments leave for this one; 0: no limit. */
uint64_t deployments_share(const struct worker_program *p, const struct deployment *r);
/* Returns the memory for a deployment's prompts that lost their slots: its part of
 * --prefix-cache, or less when the models leave less. */
uint64_t deployments_prefix(const struct worker_program *p, const struct deployment *r);
/* Returns the number of compute threads of the worker. */
uint32_t deployments_threads(const struct worker_program *p);

/* ---- template.c ---- */
enum { CHAT_TEMPLATE_BYTES_MAX = 1 << 20 };
/* Reads the file that --chat-template names. Returns ERR_USAGE if it cannot be used. */
int template_read(struct worker_program *p, struct fault *f);
/* Sets the deployment's digest for heads. It covers the chat template, because a model with another template must not continue an answer. */
void template_digest(const struct worker_program *p, struct deployment *r);

/* ---- resolve.c ---- */
/* Finds the deployment's model, and downloads it if allowed; sets its fault on failure. */
void deployment_resolve(struct worker_program *p, struct deployment *r);
/* Checks the file in a separate process (tryout.h) if this engine has not loaded it on this
 * machine before; sets the deployment's fault when it must not be loaded. */
void deployment_look(struct worker_program *p, struct deployment *r);
/* Looks up the measured way in which the model computes exactly, if any, for its next load. */
void deployment_recall_setup(const struct worker_program *p, struct deployment *r);
/* Notes that the file was loaded and need not be tried any more. */
void deployment_prove(const struct worker_program *p, struct deployment *r);
/* Notes the measured way in which the model computes exactly. */
void deployment_measured(const struct worker_program *p, struct deployment *r, const struct engine_info *info);

/* ---- events.c ---- */
/* The actor_event_fn of all actors: turns their events into events of the agent. */
void worker_on_event(const struct actor_event *n, void *user_data);

/* ---- deployments.c: the life of a deployment ---- */
enum { DEPLOYMENTS_LOOK_MS = 1000, LOAD_DEATHS_MAX = 2 };
/* Starts an actor for each model, and reports all of them to the agent. */
void deployments_start(struct worker_program *p);
/* Ends all actors. Returns false when one of them is stuck in a call. */
bool deployments_stop(struct worker_program *p);
/* Reports the deployment's state to the heads. */
void deployment_tell(struct worker_program *p, struct deployment *r);
/* Leaves the deployment out: tells the heads, watches its file, and ends the worker if there is
 * no other model to hope for. */
void deployment_failed(struct worker_program *p, struct deployment *r, const struct fault *why);
/* Handles a file that was changed while in use. */
void deployment_lost(struct worker_program *p, struct deployment *r, const struct actor_event *n);
/* The nurse_fn of all deployments. */
void deployment_on_nurse(const struct nurse_event *n, void *user_data);
/* Gives up loads that hang and ends actors that can end. Called every DEPLOYMENTS_LOOK_MS. */
void deployments_look(struct worker_program *p);

/* ---- feed.c ---- */
/* Passes an event to the agent and carries out its effects. Fills in now_us. */
void worker_feed(struct worker_program *p, struct agent_event ev);

/* ---- link.c ---- */
/* Begins to dial the head; the outcome goes to the agent. */
void uplink_dial(struct uplink *u);
/* Sends a message; does nothing while the link is down. */
void uplink_send(struct uplink *u, const struct wire_msg *msg);
/* Sends complete frames; does nothing while the link is down. */
void uplink_send_frames(struct uplink *u, struct str frames);
/* Ends the link, or the dialling; the agent is told. */
void uplink_hang_up(struct uplink *u);
/* Frees its memory. */
void uplink_fini(struct uplink *u);

/* ---- measure.c ---- */
/* Returns the processor time of this process so far. */
uint64_t measure_cpu_us(void);
/* Returns the temperature of the hottest sensor in degrees Celsius; 0 when unknown. `root`:
 * "/sys"; another in tests. */
float measure_temperature_c(const char *root);
/* Returns the number of processors this process may use. */
uint32_t measure_cpus(void);

#endif
