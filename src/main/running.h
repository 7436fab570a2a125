/* Notes of this user's running clusters: a small file per `manta up` and `manta launcher` in the
 * state folder, for `manta down`.
 *
 *     ~/.local/state/manta/running/4711-4026531836-ash:
 *     "4711 889231 pid:[4026531836] up local manta 8470 127.0.0.1 net:[4026531840] 6c1f… ash"
 *
 * A process is identified by its pid, its start time, its pid namespace and its machine (several may
 * share a home): name, and the boot that the start time counts from. The first reader there that
 * finds the process ended removes the file. A cluster in another network namespace is not reachable
 * from here, and not meant by any command. */
#ifndef MANTA_MAIN_RUNNING_H
#define MANTA_MAIN_RUNNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "settings/settings.h"

enum { RUNNING_MAX = 64 };

struct running {
    int pid;
    uint64_t start;         /* start time of the process, in ticks since boot */
    char engine[32], cluster[64];
    char what[16];          /* "up", "launcher" */
    char host[256];         /* of the head; empty for a launcher */
    unsigned port;
};

/* Notes that this process runs the cluster. If the note cannot be written (no state folder, a full
 * disk), `manta down` will not find it: running_how_to_stop() says so. */
void running_tell(const char *what, const char *engine, const char *cluster, const char *host, unsigned port);
/* Says how to stop this process, for people: "`manta down` stops it". In a static buffer. */
const char *running_how_to_stop(bool detached);
/* Removes the note; harmless without one. */
void running_forget(void);
/* Finds the running ones, at most RUNNING_MAX, sorted by pid. Returns ERR_IO with f if the folder
 * cannot be read. */
int running_find(struct running out[RUNNING_MAX], size_t *out_n, struct fault *f);
/* Returns whether a cluster of this user with its head at that port runs here, so that `manta down` ends it. */
bool running_at(unsigned port);
/* Finds the cluster that a command means by default: the only one with a head on this machine, or,
 * of several, the one at the default port. *out_n is 1 if there is such a cluster, else 0. Returns
 * ERR_USAGE with f for several clusters, none of them at the default port. */
int running_only(struct running *out, size_t *out_n, struct fault *f);
/* Sets a client's head to the cluster of running_only(), unless a head was given; without a cluster
 * the default address stays. Returns ERR_USAGE with f if the user must name one. */
int running_head(struct settings *s, struct fault *f);
/* Sends SIGTERM and waits for the end. Returns ERR_TIMEOUT after patience_ms, ERR_FORBIDDEN, or 0,
 * also if the process has ended by itself. */
int running_end(const struct running *r, uint32_t patience_ms, struct fault *f);

#endif
