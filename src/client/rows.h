/* Table rows that several pages share: workers, with their actors. Private to the room. */
#ifndef MANTA_CLIENT_ROWS_H
#define MANTA_CLIENT_ROWS_H

#include <jansson.h>

#include "base/buf.h"
#include "client/table.h"

/* Sums over a worker's actors. */
struct rows_worker {
    struct buf models;          /* "smollm2, gpt2 45%"; the caller frees it */
    unsigned ready, loading, slots, busy;
    double prefill, decode;     /* tokens/s; 0: not measured */
    double tokens;              /* so far */
};
bool rows_ready(const json_t *actor);
struct rows_worker rows_sum_up(const json_t *status, const json_t *w);
/* Sorts by name: worker-2 before worker-10. The caller owns the result. */
json_t *rows_by_name(const json_t *list);

#define ROWS_WORKER "WORKER STATE MODEL SLOTS TOKENS/S MEMORY LOAD UP ADDRESS ACTORS CPU"
void rows_worker(struct table *t, const json_t *w, struct rows_worker *all);
/* PROMPT/S PID CELSIUS KEPT MOVING RTT-MS VERSION ENGINE */
void rows_worker_wide(struct table *t, const json_t *w, const struct rows_worker *all);
/* Adds a cell with tokens per second; 0: not measured. */
void rows_speed(struct table *t, double tps);

#endif
