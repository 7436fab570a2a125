/* What became of the last run of this worker: a process that is killed cannot say so, the next one of its name can.
 *
 * A small file in the state folder is written while the worker runs, one small write with each heartbeat, and the kernel keeps it
 * when the process is gone. In a container the folder is the container's own and outlives its restart. */
#ifndef MANTA_WORKER_LAST_RUN_H
#define MANTA_WORKER_LAST_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct last_run;

/* Begins the record of this run. out[0] is '\0', or out is a sentence on the last one, when it did not end by itself. NULL
 * when there is nowhere to write, or when another living worker has this name: then nothing is recorded. */
struct last_run *last_run_begin(const char *node, uint64_t limit_bytes, char *out, size_t cap);
/* Memory in use now: of the process, or of its control group where that has the limit. With each heartbeat. NULL is fine. */
void last_run_note(struct last_run *r, uint64_t used_bytes);
/* This run ends by itself. NULL is fine. */
void last_run_end(struct last_run *r);

#endif
