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
