/* Turn a request into the tokens of its prompt and the guide of its answer, within bounds.
 *
 * What that takes is decided by files and clients: a template may loop, a text of spaces takes a tokenizer hundreds of bytes
 * for each of its own. So a prompt that surely does not fit the context is refused by its size, and what remains runs within
 * engine_bounds. May run on any thread while the engine computes; nothing here knows of jobs or slots. */
#ifndef MANTA_ENGINE_PROMPT_H
#define MANTA_ENGINE_PROMPT_H

#include "engine/engine.h"

enum {
    PROMPT_RENDER_BYTES_MAX = 64 * 1024 * 1024, /* of a rendered prompt */
    PROMPT_PROBE_BYTES_PER_TOKEN = 16, /* a prompt with more bytes than this per token of context is surely too long … */
    PROMPT_PROBE_BYTES_MIN = 16 * 1024, /* … which its beginning shows: tokenizing 1 MB takes most of a second */
    PROMPT_TEXT_BYTES_MAX = 4 * 1024 * 1024, /* that is told to who asks for it: with the ids, one message of a link */
};

struct prompt {
    const struct engine_ops *ops; /* that made it */
    struct engine_tokens tokens; /* owned */
    struct engine_guide *guide;  /* owned; NULL where the answer is free */
    struct buf text;             /* owned; where sampling.prompt_text asks for it */
    struct fault fault;          /* err 0: the tokens are there, 1 … info.context of them */
};

/* Is this a request that a model of that kind can serve? ERR_INVALID, ERR_UNSUPPORTED. Cheap. */
int prompt_check(const struct request *r, const struct engine_info *info, struct fault *f);
/* Renders and tokenizes, and makes the guide. r is borrowed, bounds may be NULL. Besides what the engine says (engine.h): ERR_CONTEXT. */
struct prompt prompt_make(const struct engine_ops *ops, struct engine *e, const struct request *r, const struct engine_bounds *bounds);
/* NULL is fine. */
void prompt_free(struct prompt *p);

#endif
