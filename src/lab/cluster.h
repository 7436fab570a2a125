/* Start a cluster on this machine for one measurement: heads and workers of this program that end
 * with their owner. */
#ifndef MANTA_LAB_CLUSTER_H
#define MANTA_LAB_CLUSTER_H

#include <stdio.h>

#include "base/err.h"
#include "net/net.h"
#include "settings/settings.h"

enum { LAB_CLUSTER_HEADS_MAX = 4, LAB_CLUSTER_WORKERS_MAX = 64, LAB_CLUSTER_READY_S = 120 };

struct lab_cluster;
struct lab_cluster_config {
    uint32_t heads, workers;             /* 1 to the limits; each worker joins all heads */
    const char *const *head_flags;       /* NULL-terminated; like everything in this struct, borrowed until the end */
    const char *const *worker_flags;     /* engine, model, slots, …; not --head, --node */
    bool apart;                          /* each worker on a host of its own, whose cable can be pulled (hosts.h) */
    /* the last worker computes this many times slower; 0, 1: as fast as the others */
    uint32_t slow_times;
    void (*on_ready)(void *user_data);   /* once: every head has as many ready actors as there are workers */
    /* A part was struck, has ended, and was started again. NULL: the owner strikes no part. */
    void (*on_again)(uint32_t part, void *user_data);
    /* a line that a part printed; NULL: lines are dropped */
    void (*on_line)(uint32_t part, struct str line, void *user_data);
    /* Once: a part ended unasked, or was not ready in LAB_CLUSTER_READY_S, or SIGINT or SIGTERM
     * came. */
    void (*on_failed)(const char *why, void *user_data);
    void *user_data;
};

/* Starts the cluster. Parts are numbered: heads from 0, then the workers, whose nodes are worker-1,
 * worker-2, … Returns NULL with f when the numbers exceed the limits, or network namespaces cannot
 * be made. */
struct lab_cluster *lab_cluster_start(struct net_loop *loop, const struct lab_cluster_config *cfg, struct fault *f);
/* Kills all parts and frees the cluster; no callback follows. Call it before net_loop_free(). NULL
 * is allowed. */
void lab_cluster_end(struct lab_cluster *t);
/* The heads' addresses, "127.0.0.1:4312,127.0.0.1:4313"; known once the cluster is ready. */
const char *lab_cluster_heads(const struct lab_cluster *t);
uint32_t lab_cluster_part_of_worker(const struct lab_cluster *t, uint32_t worker);
const char *lab_cluster_part_name(const struct lab_cluster *t, uint32_t part);
/* Sends a signal that should end the part. `again_ms` after its end it is started again at the same
 * address, and on_again comes. */
void lab_cluster_strike(struct lab_cluster *t, uint32_t part, int signum, uint32_t again_ms);
/* Sends a signal that does not end the part. */
void lab_cluster_signal(struct lab_cluster *t, uint32_t part, int signum);

/* Pulls the cable of a worker's host, or puts it back. Only with cfg->apart. */
void lab_cluster_cable(struct lab_cluster *t, uint32_t worker, bool in);
/* The API key of its heads; empty: none. */
const char *lab_cluster_key(const struct lab_cluster *t);

/* Writes the model to measure: the one the settings name, else `echo`. */
void lab_cluster_model(const struct settings *s, const char *echo, char *out, size_t cap);
/* Prints "AMD EPYC …, 2 processors". */
void lab_cluster_put_machine(FILE *out);

#endif
