/* Decide what the next decode call does: a token for every running stream, or a chunk of one prompt. Pure.
 *
 * Streams and prompts take turns. While streams run, prompt chunks are cut so that no stream waits longer than about
 * step_us for its next token. While none runs, a prompt goes whole. Prompts are served first come, first served, so
 * the first of many arrivals has its first token without waiting for the others; only while a long prompt is cut up may
 * a short one slip in between two of its chunks. */
#ifndef MANTA_ENGINE_PLAN_H
#define MANTA_ENGINE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/cost.h"

enum {
    PLAN_CHUNK_ROWS_MIN = 16, /* a smaller chunk costs almost as much: the weights are read all the same */
    PLAN_STRETCH = 8,         /* a chunk of the engine's favourite size may take this many times step_us: a slow
                               * machine would serve nobody by cutting prompts into crumbs */
};

/* A prompt that sits in a slot. */
struct plan_prompt {
    uint32_t slot;
    uint32_t rows; /* still to compute */
};

struct plan_input {
    const struct cost *cost;
    uint32_t step_us;     /* how long a stream may wait for its next token */
    uint32_t rows_max;    /* of one call */
    uint32_t chunk_rows;  /* engine_info.chunk_rows */
    uint32_t streams;     /* running: each needs one row */
    uint64_t waited_us;   /* since the stream that waits the longest had its last token */
    bool prompt_ran;      /* a prompt chunk ran since the streams' last turn */
    const struct plan_prompt *prompts; /* in the order of their arrival */
    uint32_t prompts_n;
    uint32_t last_slot;   /* the slot whose prompt ran last */
};

enum plan_kind { PLAN_NOTHING, PLAN_STREAMS, PLAN_PROMPT };

struct plan {
    enum plan_kind kind;
    uint32_t slot; /* PROMPT */
    uint32_t rows; /* PROMPT: of that slot's prompt */
};

/* What the next call computes: a pure function of its input. */
struct plan plan_next(const struct plan_input *in);

#endif
