/* Who of this user's runs a cluster here: a small file of each `manta up` and `manta launcher` in the state folder, for `manta down`.
 *
 *     ~/.local/state/manta/running/4711: "4711 889231 pid:[4026531836] up local manta 8470 127.0.0.1"
 *
 * A process is known by its pid, its start time and the namespace these are of; a file of one that has ended is removed by whoever sees it. */
#ifndef MANTA_MAIN_RUNNING_H
#define MANTA_MAIN_RUNNING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "settings/settings.h"

enum { RUNNING_MAX = 64 };

struct running {
    int pid;
    uint64_t start;         /* of the process, in ticks since the machine's */
    char engine[32], cluster[64];
    char what[16];          /* "up", "launcher" */
    char host[256];         /* of the head; empty for a launcher */
    unsigned port;
};

/* Says that this process runs it. Without a state folder: nothing happens, `manta down` will not find it. */
void running_tell(const char *what, const char *engine, const char *cluster, const char *host, unsigned port);
/* Takes that back; harmless without it. */
void running_forget(void);
/* Those that run now, at most RUNNING_MAX, by pid. ERR_IO with f: the folder cannot be read. */
int running_find(struct running out[RUNNING_MAX], size_t *out_n, struct fault *f);
/* The cluster that commands mean when nobody says which: the only one with a head that runs here, or of several the one at the usual port. *out_n: how many
 * there are; *out is set when it is one, or when it is the usual one of several (*out_n is 1 then, too). ERR_USAGE with f: several, none of them usual. */
int running_only(struct running *out, size_t *out_n, struct fault *f);
/* A client that was not told of a head asks that of running_only(); without one the usual address stays. ERR_USAGE with f: it must be told. */
int running_head(struct settings *s, struct fault *f);
/* SIGTERM, and waits until it has ended: ERR_TIMEOUT after patience_ms, ERR_FORBIDDEN. 0 also when it has ended by itself meanwhile. */
int running_end(const struct running *r, uint32_t patience_ms, struct fault *f);

#endif
