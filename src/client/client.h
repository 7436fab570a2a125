/* Everything that talks to a head from outside: one function per command, each returns the process's exit status. */
#ifndef MANTA_CLIENT_CLIENT_H
#define MANTA_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "models/models.h"
#include "net/net.h"

struct client_options {
    const char *head;     /* "host:port[,host:port]…": the first that answers is taken */
    const char *api_key;  /* empty: none */
    const char *model;    /* model to ask for; empty: any */
    const char *node;     /* health: name of the worker; empty: the one of this host */
    uint32_t max_tokens;  /* prompt: at which an answer is cut; 0: nobody said, CLIENT_MAX_TOKENS between tags, else where the context ends */
    bool tags, quiet;     /* prompt: between tags also on a terminal; nothing but the answer */
    bool json;            /* -o json, yaml: what the head said, as it said it */
    bool wide;            /* -o wide: every column */
    bool watch;           /* again and again */
    bool launched;        /* prompt: `manta up` has shown a box already */
    bool limits;          /* status: also the limits */
    uint32_t patience_ms; /* for an answer; 0: minutes */
};

/* Who answers at o->head: "a manta cluster (head pid 4711, 3 workers)", "another program", … False: it is no head of manta. */
bool client_who(const struct client_options *o, char *out, size_t cap);
/* Whether the cluster has that model: 0, ERR_NOT_FOUND with f (the ones it has), ERR_UNAVAILABLE: no head answers. */
int client_serves(const struct client_options *o, const char *model, struct fault *f);
int client_status(const struct client_options *o);
int client_actors(const struct client_options *o);
/* What `manta scale` was given: a number, or who decides. */
struct client_scale_ask {
    const char *policy;    /* "auto", "fixed"; NULL: a number */
    int64_t workers, min, max; /* -1: not given */
};
int client_scale(const struct client_options *o, const struct client_scale_ask *ask);
/* Asks the worker of that name to leave: no new jobs, grace_s for those that run, or, `move`, those continue elsewhere at once;
 * returns when it has left. */
int client_drain(const struct client_options *o, const char *node, uint32_t grace_s, bool move);
/* Whether the worker of that name gets new jobs; returns when it is so. */
int client_cordon(const struct client_options *o, const char *node, bool on);
/* For health checks: 0 when the head answers, and with `worker`, when o->node has joined it and is ready; else 1. */
int client_health(const struct client_options *o, bool worker);
/* Shows what the worker's own record told of it instead: no head is asked, and no key is needed. */
int client_health_told(const struct client_options *o, const char *node, const struct fault *f);
/* The whole screen, until q: workers, slots, speeds, memory, queue. Without a terminal: client_status(). */
int client_top(const struct client_options *o);
/* What waits, runs and has ended; why the request of that id (NULL: the last one) went where it went. */
int client_requests(const struct client_options *o);
int client_explain(const struct client_options *o, const char *id);
/* From now on JSON is shown as YAML. */
void client_yaml(void);
int client_models(const struct client_options *o);
int client_catalogue(const struct client_options *o);
/* Brings n models to this machine. */
int client_pull(const struct client_options *o, const struct models_pull *how, const char *const *names, int n);
/* What is known of a model: of its file where it is here, else of the catalogue. */
int client_model_show(const struct client_options *o, const char *name);
/* Removes n models from this machine. */
int client_model_rm(const struct client_options *o, const char *const *names, int n);
/* models_obtain() that shows its progress and its error on stderr. */
int client_obtain(const char *reference, const struct models_pull *how, struct model_file *out);
/* The architecture test: cluster, coordinator, inference, and that the head loads no model. 0, or 1 and what failed. */
int client_verify(const struct client_options *o);
/* The real-time client: a chat on a terminal, lines of prompts from a pipe. `words` not NULL: that prompt, then the end. */
enum { CLIENT_MAX_TOKENS = 256 };
int client_prompt(const struct client_options *o, const char *words);
/* Tells a coding agent (codex, claude, …) of the cluster and becomes it: returns only when that cannot be, or, only_print, once it has
 * shown what the agent would be told. Not to be confused with launchers (launch/), which start workers. */
int client_launch_coder(const struct client_options *o, const char *name, char *const *words, int n, bool only_print);
/* What a watch tells: how far the cluster has come. */
struct client_news {
    int head_pid; /* whose news this is */
    uint32_t workers, ready, loading, failed;
    char model[64];          /* that most actors have; harmless text */
    uint32_t models;         /* different ones */
    double progress;         /* 0 to 1, of those that load */
    uint64_t weights_bytes;  /* of that model */
    double cpus;             /* of a worker */
    uint64_t memory_bytes;   /* that a worker may take; 0: any */
    bool launcher; /* somebody is there for `manta scale` */
};
typedef void client_news_fn(const struct client_news *news, void *user_data);
struct client_watch;
/* Asks the head a few times a second and tells each answer, beside whatever else the loop does; a head that does not
 * answer yet is asked again. NULL with f when the address cannot be used. What o points to is borrowed. */
struct client_watch *client_watch_start(struct net_loop *loop, const struct client_options *o, client_news_fn *on_news, void *user_data,
                                        struct fault *f);
/* Also from within on_news. NULL is fine. */
void client_watch_free(struct client_watch *w);

/* What `test` asks, in the prompt and in `manta up --test`. */
#define CLIENT_TEST_PROMPT "What is machine learning?"

#endif
