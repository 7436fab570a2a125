/* A cluster of this machine for one measurement: heads and workers of this program, that end with their owner. */
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
    const char *const *head_flags;       /* NULL-terminated; borrowed until the end, as are all of these */
    const char *const *worker_flags;     /* engine, model, slots, …; not --head, --node */
    bool apart;                          /* each worker on a host of its own, whose cable can be pulled (hosts.h) */
    uint32_t slow_times;                 /* the last worker computes so many times slower; 0, 1: as the others */
    void (*on_ready)(void *user_data);   /* once: every head has as many ready actors as there are workers */
    /* A part was struck, has ended, and was started again. NULL: nobody strikes. */
    void (*on_again)(uint32_t part, void *user_data);
    void (*on_line)(uint32_t part, struct str line, void *user_data); /* what a part prints; NULL: nobody reads it */
    /* Once: a part ended that should not, or was not ready in LAB_CLUSTER_READY_S, or SIGINT or SIGTERM came. */
    void (*on_failed)(const char *why, void *user_data);
    void *user_data;
};

/* Parts are numbered: heads from 0, then the workers, whose nodes are worker-1, worker-2, …
 * NULL with f when the numbers are beyond the limits, or other hosts cannot be made. */
struct lab_cluster *lab_cluster_start(struct net_loop *loop, const struct lab_cluster_config *cfg, struct fault *f);
/* Kills all of it; no callback follows. Before net_loop_free(). NULL is fine. */
void lab_cluster_end(struct lab_cluster *t);
/* "127.0.0.1:4312,127.0.0.1:4313"; known when it is ready. */
const char *lab_cluster_heads(const struct lab_cluster *t);
uint32_t lab_cluster_part_of_worker(const struct lab_cluster *t, uint32_t worker);
const char *lab_cluster_part_name(const struct lab_cluster *t, uint32_t part);
/* Sends a signal that should end the part; so many ms after its end it is started again, at the same address, and on_again
 * comes. */
void lab_cluster_strike(struct lab_cluster *t, uint32_t part, int signum, uint32_t again_ms);
/* Sends a signal that does not end it. */
void lab_cluster_signal(struct lab_cluster *t, uint32_t part, int signum);

/* Pulls the cable of a worker's host, or puts it back. Only where workers are apart. */
void lab_cluster_cable(struct lab_cluster *t, uint32_t worker, bool in);
/* The key that its heads want from clients; empty: none. */
const char *lab_cluster_key(const struct lab_cluster *t);

/* The model a measurement runs: the one that a person named, else `echo`. */
void lab_cluster_model(const struct settings *s, const char *echo, char *out, size_t cap);
/* "AMD EPYC …, 2 processors" */
void lab_cluster_put_machine(FILE *out);

#endif
