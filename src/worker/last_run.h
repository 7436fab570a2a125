/* What became of the last run of this worker: a process that is killed cannot say so, the next one of its name can.
 *
 * A small file in the state folder is written while the worker runs, one small write with each heartbeat or change, and the kernel keeps it
 * when the process is gone. In a container the folder is the container's own and outlives its restart. */
#ifndef MANTA_WORKER_LAST_RUN_H
#define MANTA_WORKER_LAST_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct last_run;

/* Begins the record of this run. out[0] is '\0', or out is a sentence on the last one, when it did not end by itself. NULL
 * when there is nowhere to write, or when another living worker has this name: then nothing is recorded. */
struct last_run *last_run_begin(const char *node, uint64_t limit_bytes, char *out, size_t cap);
/* How often in a row a run has died while it loaded the file of that digest with this engine: of its own fault, or killed for its
 * memory. Being killed for another reason says nothing about a file. */
uint32_t last_run_deaths(const struct last_run *r, const char *digest);
/* Its load begins; ends: well, or with a reason. NULL is fine. */
void last_run_loads(struct last_run *r, const char *digest);
/* A model was loaded, or its load failed. */
void last_run_loaded(struct last_run *r, const char *digest, bool well);
/* Other engines have other faults: with another one than last time, deaths are forgotten. Before the first question. */
void last_run_engine(struct last_run *r, const char *engine);
/* In the handler of a signal: this run dies of its own fault. */
void last_run_crashes(void);
/* Memory in use now: of the process, or of its control group where that has the limit; actors that are ready. With each heartbeat, and when a
 * head has been joined, or an actor becomes ready or ceases to be. NULL is fine. */
void last_run_note(struct last_run *r, uint64_t used_bytes, uint32_t ready);
/* How the worker of that name on this host is, by its record; in any process. 0: it beats to a head and has an actor that is ready.
 * ERR_NOT_FOUND: no such worker runs here; ERR_UNAVAILABLE with f: it runs, and what it lacks. */
int last_run_health(const char *node, struct fault *f);
/* This run ends by itself. NULL is fine. */
void last_run_end(struct last_run *r);

#endif
