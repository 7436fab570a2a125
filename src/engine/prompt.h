/* Turn a request into the tokens of its prompt, the guide of its answer and its biases, within bounds.
 *
 * Files and clients determine the cost: a template may loop, and a text of spaces takes a tokenizer
 * hundreds of bytes per byte. A prompt that cannot fit the context is therefore refused by its
 * size, and everything else runs within engine_bounds. May run on any thread while the engine
 * computes; nothing here depends on jobs or slots. */
#ifndef MANTA_ENGINE_PROMPT_H
#define MANTA_ENGINE_PROMPT_H

#include "engine/engine.h"

enum {
    PROMPT_RENDER_BYTES_MAX = 64 * 1024 * 1024, /* of a rendered prompt */
    PROMPT_PROBE_BYTES_PER_TOKEN = 16, /* a prompt with more bytes than this per context token is presumably too long … */
    PROMPT_PROBE_BYTES_MIN = 16 * 1024, /* … which tokenizing its beginning shows: tokenizing 1 MB takes most of a second */
    PROMPT_PIECE_CPU_MS = 5, /* processor time for each text among token ids, besides its share by bytes */
    PROMPT_COUNTED_TOKENS_MAX = 128 * 1024, /* tokens of a prompt that is only counted or returned, if the context is smaller */
    PROMPT_TEXT_BYTES_MAX = 4 * 1024 * 1024, /* limit of a reported prompt text: with the ids it must fit one message of a link */
};

struct prompt {
    const struct engine_ops *ops; /* the engine that made it */
    struct engine_tokens tokens; /* owned */
    struct engine_guide *guide;  /* owned; NULL if the answer is unconstrained */
    struct logit_bias *biases;   /* owned; the request's, with the tokens of texts; NULL: none has a text */
    uint32_t biases_n;
    struct buf text;             /* owned; if sampling.prompt_text asks for it */
    struct fault fault;          /* err 0: there are 1 … info.context tokens, or, if only counted, up to PROMPT_COUNTED_TOKENS_MAX */
};

/* Checks whether a model of that kind can serve the request. Returns ERR_INVALID or ERR_UNSUPPORTED
 * if not. Cheap. */
int prompt_check(const struct request *r, const struct engine_info *info, struct fault *f);
/* Renders and tokenizes the prompt, and makes the guide. r is borrowed, bounds may be NULL. Errors,
 * in p.fault: those of the engine (engine.h), and ERR_CONTEXT. */
struct prompt prompt_make(const struct engine_ops *ops, struct engine *e, const struct request *r, const struct engine_bounds *bounds);
/* NULL is allowed. */
void prompt_free(struct prompt *p);

#endif
