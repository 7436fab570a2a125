/* Decide what the next decode call computes: one token for every running stream, or a chunk of one
 * prompt. Pure.
 *
 * Streams and prompts alternate. While streams run, prompt chunks are cut so that no stream waits
 * much longer than step_us for its next token. While none runs, a prompt call is as large as the
 * engine allows. Prompts are served first come, first served, so the first of many arrivals gets
 * its first token without waiting for the others; a short prompt may run before an older one only
 * between two chunks of a long prompt. */
#ifndef MANTA_ENGINE_PLAN_H
#define MANTA_ENGINE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/cost.h"

enum {
    PLAN_CHUNK_ROWS_MIN = 16, /* a smaller chunk costs almost as much: all weights are read anyway */
    PLAN_STRETCH = 8,         /* a chunk of the engine's preferred size may take this many times step_us: on a slow
                               * machine, smaller chunks would help nobody */
};

/* A prompt in a slot. */
struct plan_prompt {
    uint32_t slot;
    uint32_t rows; /* still to be computed */
};

struct plan_input {
    const struct cost *cost;
    uint32_t step_us;     /* maximum time between two tokens of a stream */
    uint32_t rows_max;    /* of one call */
    uint32_t chunk_rows;  /* engine_info.chunk_rows */
    uint32_t streams;     /* running: each needs one row */
    uint64_t waited_us;   /* since the last token of the stream that has waited longest */
    bool prompt_ran;      /* a prompt chunk ran since the streams' last turn */
    const struct plan_prompt *prompts; /* in order of arrival */
    uint32_t prompts_n;
    uint32_t last_slot;   /* the slot whose prompt ran last */
};

enum plan_kind { PLAN_NOTHING, PLAN_STREAMS, PLAN_PROMPT };

struct plan {
    enum plan_kind kind;
    uint32_t slot; /* PROMPT */
    uint32_t rows; /* PROMPT: of that slot's prompt */
};

/* Plans the next call. */
struct plan plan_next(const struct plan_input *in);

#endif
