/* Hold an answer to its form: a grammar's state as it follows the answer, and the tokens that may come next.
 *
 * Grammars are llama.cpp's (GBNF); JSON schemas and regular expressions become grammars by its common/. All of it is up to clients, so
 * every call runs within bounds (bridge.h). */
#ifndef MANTA_ENGINE_LLAMA_GUIDE_H
#define MANTA_ENGINE_LLAMA_GUIDE_H

#include "base/part.h"
#include "engine/llama/bridge.h"

#ifdef __cplusplus
extern "C" {
#endif

struct llama_vocab;
struct engine_guide; /* engine.h */

enum {
    GUIDE_MEMORY_BYTES = 16 << 20, /* of one grammar; a job keeps it as long as it runs */
    GUIDE_RULES_MAX = 16384,       /* llama.cpp calls itself for each rule that begins with another one */
    GUIDE_STEP_MEMORY_BYTES = 64 << 20, /* of finding the tokens that may come next */
    GUIDE_STEP_CPU_MS = 500,       /* the same: other streams wait for it. A usual step takes some 20 microseconds */
};

/* `form` is an enum request_form, not FORM_FREE. BRIDGE_REFUSED: it is no such grammar, schema or expression, or has what cannot be kept to. */
enum bridge_end guide_new(const struct llama_vocab *vocab, unsigned form, const char *text, size_t text_n, const struct bridge_bounds *bounds,
                          struct engine_guide **out, char *why, size_t why_cap);
void guide_free(struct engine_guide *g); /* NULL is fine */
/* May any token come next? Then there is nothing to ask guide_allow(). */
int guide_rests(const struct engine_guide *g);
/* Which of n tokens may come next: ok[i] becomes 1 or 0. */
enum bridge_end guide_allow(const struct engine_guide *g, const int32_t *tokens, int32_t n, uint8_t *ok);
/* The answer's next token. BRIDGE_REFUSED: it may not come here. After an end other than BRIDGE_DONE g can only be freed. */
enum bridge_end guide_accept(struct engine_guide *g, int32_t token);

/* What a piece of an answer is made of; borrowed until the next one. */
struct guide_parts {
    const char *text;
    size_t text_n;
    const struct part *parts;
    size_t parts_n;
    int calls, over;
};
/* As the functions of engine.h: guide_cuts, guide_cut, guide_piece. */
int guide_is_cutter(const struct engine_guide *g);
enum bridge_end guide_cut(struct engine_guide *g, const char *text, size_t text_n, int ended, struct guide_parts *out);
/* A token's text as the guide sees it; its bytes, or what room it needs as a negative number. */
int32_t guide_piece(const struct engine_guide *g, int32_t token, char *out, int32_t cap);

#ifdef __cplusplus
}
#endif
#endif
