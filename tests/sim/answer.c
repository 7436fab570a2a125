/* The answer to every prompt: tokens, text, log-probabilities and length are functions of its seed.
 *
 * So an engine needs no state to continue an answer, and the oracle knows each byte of it beforehand. */
#include <stdlib.h>

#include "sim.h"

int32_t answer_token(uint64_t seed, uint32_t i)
{
    return (int32_t)(rng_at(seed, i) & 0x7fffffff);
}

void answer_text(uint64_t seed, uint32_t i, char out[4])
{
    uint64_t x = rng_at(seed ^ 1, i);
    for (int k = 0; k < 4; k++, x >>= 8)
        out[k] = (char)('a' + x % 26);
}

float answer_logprob(uint64_t seed, uint32_t i)
{
    return -(float)rng_unit(seed ^ 2, i);
}

uint32_t answer_tokens(uint64_t seed, uint32_t max_tokens)
{
    uint32_t n = 1 + (uint32_t)(rng_at(seed ^ 3, 0) % 80);
    return n < max_tokens ? n : max_tokens;
}

uint8_t answer_finish(uint64_t seed, uint32_t max_tokens)
{
    return answer_tokens(seed, UINT32_MAX) < max_tokens ? FINISH_STOP : FINISH_LENGTH;
}

float answer_embedding(uint64_t call, uint32_t i)
{
    return (float)rng_unit(call, i);
}

uint64_t answer_call_of(const struct wire_run *run)
{
    struct str text = run->turns_n > 0 ? run->turns[run->turns_n - 1].content : run->text;
    return text.n > 5 && memcmp(text.p, "call=", 5) == 0 ? strtoull(text.p + 5, NULL, 10) : 0;
}

uint64_t answer_stream(uint64_t call)
{
    return (rng_mix(call) << 32) | call;
}

uint64_t answer_call_of_stream(uint64_t stream)
{
    return stream & UINT32_MAX;
}
