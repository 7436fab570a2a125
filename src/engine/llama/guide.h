/* Constrain an answer to its form: the state of a grammar as it follows the answer, and the tokens
 * it allows next.
 *
 * Grammars are llama.cpp's (GBNF); its common/ converts JSON schemas and regular expressions to
 * grammars. Clients control all of them, so every call runs within bounds (bridge.h). */
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
    GUIDE_RULES_MAX = 16384,       /* llama.cpp recurses for each rule that begins with another one */
    GUIDE_STEP_MEMORY_BYTES = 64 << 20, /* for finding the tokens allowed next */
    GUIDE_STEP_CPU_MS = 500,       /* likewise: other streams wait for it. A usual step takes about 20 microseconds */
};

/* `form`: an enum request_form other than FORM_FREE. Returns BRIDGE_REFUSED if text is not a valid
 * grammar, schema or expression, or contains something that cannot be enforced. */
enum bridge_end guide_new(const struct llama_vocab *vocab, unsigned form, const char *text, size_t text_n, const struct bridge_bounds *bounds,
                          struct engine_guide **out, char *why, size_t why_cap);
void guide_free(struct engine_guide *g); /* NULL is allowed */
/* Returns whether any token may come next; then guide_allow() need not be called. */
int guide_rests(const struct engine_guide *g);
/* Checks which of n tokens may come next: sets ok[i] to 1 or 0. */
enum bridge_end guide_allow(const struct engine_guide *g, const int32_t *tokens, int32_t n, uint8_t *ok);
/* Adds the answer's next token. Returns BRIDGE_REFUSED if it is not allowed here. After any result
 * but BRIDGE_DONE, g can only be freed. */
enum bridge_end guide_accept(struct engine_guide *g, int32_t token);

/* The parts of a piece of an answer; borrowed until the next one. */
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
/* Writes a token's text as the guide sees it. Returns its length in bytes, or the required capacity
 * as a negative number. */
int32_t guide_piece(const struct engine_guide *g, int32_t token, char *out, int32_t cap);

#ifdef __cplusplus
}
#endif
#endif
