/* The client's commands: one function per command, each returns the process's exit status. */
#ifndef MANTA_CLIENT_CLIENT_H
#define MANTA_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "models/models.h"
#include "net/net.h"

struct client_options {
    const char *head;     /* "host:port[,host:port]…": the first one that answers is used */
    const char *api_key;  /* empty: none */
    const char *model;    /* model to ask for; empty: any */
    const char *node;     /* health: the worker's name; empty: this host's worker */
    uint32_t max_tokens;  /* prompt: limit of an answer; 0: not given, then CLIENT_MAX_TOKENS between tags, else the rest of the context */
    bool tags, quiet;     /* prompt: use tags on a terminal, too; print only the answer */
    bool json;            /* -o json, yaml: the head's answer unchanged */
    bool wide;            /* -o wide: all columns */
    bool watch;           /* repeat until Ctrl-C */
    bool launched;        /* prompt: `manta up` has already shown a summary */
    bool limits;          /* status: include the limits */
    uint32_t patience_ms; /* time limit of an answer; 0: minutes */
};

/* Describes the program that answers at o->head: "a cluster of manta (head pid 4711, 3 workers)",
 * "another program", … False: it is no manta head. */
bool client_who(const struct client_options *o, char *out, size_t cap);
/* Returns 0 if the cluster has that model, ERR_NOT_FOUND with f (which lists its models),
 * ERR_UNAVAILABLE if no head answers. */
int client_serves(const struct client_options *o, const char *model, struct fault *f);
int client_status(const struct client_options *o);
int client_actors(const struct client_options *o);
/* Arguments of `manta scale`: a number, or a policy. */
struct client_scale_ask {
    const char *policy;    /* "auto", "fixed"; NULL: a number */
    int64_t workers, min, max; /* -1: not given */
};
int client_scale(const struct client_options *o, const struct client_scale_ask *ask);
/* Asks a worker to leave: it gets no new jobs, and its running jobs have grace_s to end, or, with
 * `move`, migrate at once. Returns when it has left. */
int client_drain(const struct client_options *o, const char *node, uint32_t grace_s, bool move);
/* Allows or forbids new jobs on a worker. Returns when that is in effect. */
int client_cordon(const struct client_options *o, const char *node, bool on);
/* For health checks: returns 0 if the head answers and, with `worker`, o->node has joined it and is
 * ready; else 1. */
int client_health(const struct client_options *o, bool worker);
/* Shows health from the worker's own record: needs no head and no key. */
int client_health_told(const struct client_options *o, const char *node, const struct fault *f);
/* Full screen until q: workers, slots, speeds, memory, queue. Without a terminal:
 * client_status(). */
int client_top(const struct client_options *o);
/* Shows waiting, running and ended requests; explains the routing of one request (id NULL: the last
 * one). */
int client_requests(const struct client_options *o);
int client_explain(const struct client_options *o, const char *id);
/* Shows JSON as YAML from now on. */
void client_yaml(void);
int client_models(const struct client_options *o);
int client_catalogue(const struct client_options *o);
/* Downloads n models to this machine. */
int client_pull(const struct client_options *o, const struct models_pull *how, const char *const *names, int n);
/* Shows a model: the facts of its file if it is here, else the catalogue's. */
int client_model_show(const struct client_options *o, const char *name);
/* Removes n models from this machine. */
int client_model_rm(const struct client_options *o, const char *const *names, int n);
/* models_obtain() with progress and errors on stderr. */
int client_obtain(const char *reference, const struct models_pull *how, struct model_file *out);
/* The architecture test: cluster, coordinator, inference, and that the head loads no model. Returns
 * 0, or 1 and shows the failed checks. */
int client_verify(const struct client_options *o);
/* The real-time client: a chat on a terminal, lines of prompts from a pipe. `words` not NULL: only
 * that prompt. */
enum { CLIENT_MAX_TOKENS = 256 };
int client_prompt(const struct client_options *o, const char *words);
/* Configures a coding agent (codex, claude, …) for the cluster and executes it: returns only on an error or,
 * with only_print, after printing the configuration. Not related to launchers (launch/), which start
 * workers. */
int client_launch_coder(const struct client_options *o, const char *name, char *const *words, int n, bool only_print);
/* News from a watch: the state of the cluster's start. */
struct client_news {
    int head_pid; /* the pid of the head that answered */
    uint32_t workers, ready, loading, failed;
    char model[64];          /* of the first actor; safe to print */
    bool others;             /* other actors have other models */
    double progress;         /* 0 to 1, mean of the loading actors */
    uint64_t weights_bytes;  /* of that model */
    double cpus;             /* of the first worker */
    uint64_t memory_bytes;   /* memory limit of the first worker; 0: none */
    bool launcher; /* a launcher is connected, for `manta scale` */
};
typedef void client_news_fn(const struct client_news *news, void *user_data);
struct client_watch;
/* Asks the head every 40 ms and reports each answer, beside other work of the loop; retries while
 * the head does not answer. Returns NULL with f for an invalid address. Borrows the strings of
 * o. */
struct client_watch *client_watch_start(struct net_loop *loop, const struct client_options *o, client_news_fn *on_news, void *user_data,
                                        struct fault *f);
/* Returns why the last question had no answer; "" if it had one. Valid until the next callback. */
const char *client_watch_why(const struct client_watch *w);
/* Also allowed within on_news. NULL is allowed. */
void client_watch_free(struct client_watch *w);

/* The prompt of `test`, in the client and in `manta up --test`. */
#define CLIENT_TEST_PROMPT "What is machine learning?"

#endif
