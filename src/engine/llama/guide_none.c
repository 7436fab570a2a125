/* An installed libllama without common/: grammars are refused. */
#include <stdio.h>

#include "engine/llama/guide.h"

enum bridge_end guide_new(const struct llama_vocab *vocab, unsigned form, const char *text, size_t text_n, const struct bridge_bounds *bounds,
                          struct engine_guide **out, char *why, size_t why_cap)
{
    (void)vocab;
    (void)form;
    (void)text;
    (void)text_n;
    (void)bounds;
    (void)out;
    snprintf(why, why_cap, "this build of the engine module keeps to no grammar; it needs llama.cpp's own source");
    return BRIDGE_REFUSED;
}

void guide_free(struct engine_guide *g)
{
    (void)g;
}

enum bridge_end guide_allow(const struct engine_guide *g, const int32_t *tokens, int32_t n, uint8_t *ok)
{
    (void)g;
    (void)tokens;
    (void)n;
    (void)ok;
    return BRIDGE_REFUSED;
}

enum bridge_end guide_accept(struct engine_guide *g, int32_t token)
{
    (void)g;
    (void)token;
    return BRIDGE_REFUSED;
}

int guide_rests(const struct engine_guide *g)
{
    (void)g;
    return 1;
}

int guide_is_cutter(const struct engine_guide *g)
{
    (void)g;
    return 0;
}

enum bridge_end guide_cut(struct engine_guide *g, const char *text, size_t text_n, int ended, struct guide_parts *out)
{
    (void)g;
    (void)text;
    (void)text_n;
    (void)ended;
    (void)out;
    return BRIDGE_REFUSED;
}

int32_t guide_piece(const struct engine_guide *g, int32_t token, char *out, int32_t cap)
{
    (void)g;
    (void)token;
    (void)out;
    (void)cap;
    return 0;
}
