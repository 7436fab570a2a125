/* Predict how long a decode call takes from earlier calls. Pure: the caller passes the times.
 *
 * Two tables of running averages: decode calls by number of streams, prompt calls by number of rows
 * (in classes that double). Missing entries are estimated from their neighbours. */
#ifndef MANTA_ENGINE_COST_H
#define MANTA_ENGINE_COST_H

#include <stdint.h>

#include "engine/engine.h"

enum {
    COST_CLASSES = 13,          /* prompt rows 1, 2, 3-4, 5-8 … 2049-4096 */
    COST_ROW_US_GUESS = 1000,   /* per prompt row, before any measurement: a small model on a laptop */
    COST_DECODE_US_GUESS = 10000,
    COST_COPY_US_GUESS = 5000,
    COST_CELLS_US_GUESS = 1000, /* per MiB of cells saved or loaded */
};

struct cost {
    float decode_us[ENGINE_SLOTS_MAX + 1]; /* one call with this many streams; 0: never measured */
    float row_us[COST_CLASSES];            /* one row of a prompt call of that class; 0: never measured */
    float save_us, load_us;                /* one MiB of cells to host memory, and back; 0: never measured */
    float copy_us;                         /* copying one sequence to another; 0: never measured */
};

/* Records that a decode call for `streams` streams took `us`. */
void cost_saw_decode(struct cost *c, uint32_t streams, uint64_t us);
/* Records that a call with `rows` prompt rows took `us`. */
void cost_saw_prompt(struct cost *c, uint32_t rows, uint64_t us);
/* Records that copying a sequence took `us`. */
void cost_saw_copy(struct cost *c, uint64_t us);
/* Records that saving `bytes` of cells took `us`. */
void cost_saw_save(struct cost *c, uint64_t bytes, uint64_t us);
/* Records that loading `bytes` of cells took `us`. */
void cost_saw_load(struct cost *c, uint64_t bytes, uint64_t us);

/* Return the expected microseconds of a decode call, … */
uint64_t cost_decode(const struct cost *c, uint32_t streams);
/* … of a call with `rows` prompt rows, … */
uint64_t cost_prompt(const struct cost *c, uint32_t rows);
/* … of copying a sequence, … */
uint64_t cost_copy(const struct cost *c);
/* … of saving `bytes` of cells, … */
uint64_t cost_save(const struct cost *c, uint64_t bytes);
/* … and of loading them. */
uint64_t cost_load(const struct cost *c, uint64_t bytes);
/* Returns how many of `rows` prompt rows fit into `us`; 0 if not even one fits. */
uint32_t cost_rows_within(const struct cost *c, uint32_t rows, uint64_t us);

/* Measured prompt speed for the router, in tokens per second; 0 until known. */
float cost_prefill_tps(const struct cost *c);
/* Measured speed of one stream, in tokens per second; 0 until known. */
float cost_decode_tps(const struct cost *c);

#endif
