/* Know what a decode call will take, from what earlier ones took. Pure: times are told.
 *
 * Two tables of running averages: decode calls by their number of streams, prompt calls by their number of rows (in
 * classes that double). What was never seen is read off its neighbours. */
#ifndef MANTA_ENGINE_COST_H
#define MANTA_ENGINE_COST_H

#include <stdint.h>

#include "engine/engine.h"

enum {
    COST_CLASSES = 13,          /* prompt rows 1, 2, 3-4, 5-8 … 2049-4096 */
    COST_ROW_US_GUESS = 1000,   /* per prompt row, before anything was measured: a small model on a laptop */
    COST_DECODE_US_GUESS = 10000,
    COST_COPY_US_GUESS = 5000,
    COST_CELLS_US_GUESS = 1000, /* per MiB of cells saved or loaded */
};

struct cost {
    float decode_us[ENGINE_SLOTS_MAX + 1]; /* one call with so many streams; 0: never seen */
    float row_us[COST_CLASSES];            /* one row of a prompt call of that class; 0: never seen */
    float save_us, load_us;                /* a MiB of cells to the memory of the host, and back; 0: never seen */
    float copy_us;                         /* making one sequence hold what another holds; 0: never seen */
};

/* A call for so many streams took us. */
void cost_saw_decode(struct cost *c, uint32_t streams, uint64_t us);
/* A call of so many prompt rows took us. */
void cost_saw_prompt(struct cost *c, uint32_t rows, uint64_t us);
/* A copy of a sequence took us. */
void cost_saw_copy(struct cost *c, uint64_t us);
/* Saving so many bytes of cells took us. */
void cost_saw_save(struct cost *c, uint64_t bytes, uint64_t us);
/* The same of loading them. */
void cost_saw_load(struct cost *c, uint64_t bytes, uint64_t us);

/* Expected microseconds of a call. */
uint64_t cost_decode(const struct cost *c, uint32_t streams);
/* The same of so many prompt rows. */
uint64_t cost_prompt(const struct cost *c, uint32_t rows);
/* The same of a copy. */
uint64_t cost_copy(const struct cost *c);
/* The same of saving so many bytes of cells. */
uint64_t cost_save(const struct cost *c, uint64_t bytes);
/* The same of loading them. */
uint64_t cost_load(const struct cost *c, uint64_t bytes);
/* How many of `rows` prompt rows fit into us; 0 when not even one does. */
uint32_t cost_rows_within(const struct cost *c, uint32_t rows, uint64_t us);

/* Measured speeds for the router, tokens per second; 0 until known. */
float cost_prefill_tps(const struct cost *c);
/* The same of one stream's tokens. */
float cost_decode_tps(const struct cost *c);

#endif
