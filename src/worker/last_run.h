/* Report the death of a worker's last run: a killed process cannot report it, the next one of its
 * name can.
 *
 * The worker writes a small file in the state folder while it runs, one small write with each
 * heartbeat or change, and the kernel keeps the file after a kill. In a container the folder
 * belongs to the container and survives its restart. */
#ifndef MANTA_WORKER_LAST_RUN_H
#define MANTA_WORKER_LAST_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct last_run;

/* Begins the record of this run. Writes a sentence about the last run into out when that did not
 * end by itself, else "". Returns NULL when the record cannot be written, or another living
 * worker has this name: then nothing is recorded. The caller frees with last_run_end(). */
struct last_run *last_run_begin(const char *node, uint64_t limit_bytes, char *out, size_t cap);
/* Returns how often in a row a run died, by a crash or for its memory, while it loaded the file
 * of that digest with this engine. Being killed for another reason does not blame a file. */
uint32_t last_run_deaths(const struct last_run *r, const char *digest);
/* Records that the load of a file begins. NULL is allowed. */
void last_run_loads(struct last_run *r, const char *digest);
/* Records that a load has ended: the model was loaded, or it failed. NULL is allowed. */
void last_run_loaded(struct last_run *r, const char *digest, bool well);
/* Sets the engine; forgets the deaths when the last run had another engine, whose faults do not
 * count. Call before last_run_deaths(). NULL is allowed. */
void last_run_engine(struct last_run *r, const char *engine);
/* Records, in a signal handler, that this run dies of its own fault. */
void last_run_crashes(void);
/* Records the memory in use (of the process, or of its control group if that has the limit) and
 * the number of ready actors. Call with each heartbeat, when a head was joined, and when an
 * actor becomes ready or ceases to be. NULL is allowed. */
void last_run_note(struct last_run *r, uint64_t used_bytes, uint32_t ready);
/* Reads the health of the worker of that name on this host from its record; callable in any
 * process. Returns 0 when the worker beats to a head and has a ready actor, ERR_NOT_FOUND when
 * no such worker runs here, ERR_UNAVAILABLE with f filled when it runs but lacks something. */
int last_run_health(const char *node, struct fault *f);
/* Records that this run ends by itself, and frees r. NULL is allowed. */
void last_run_end(struct last_run *r);

#endif
