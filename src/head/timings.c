/* Measure how long an answer took, or several together. */
#include "head/call.h"

struct api_timings timings_of(const struct branch *b, uint64_t now_us)
{
    const struct api_usage *u = &b->response.usage;
    uint32_t said = b->done ? u->completion_tokens : b->heard;
    uint64_t until_us = b->done ? b->done_us : now_us;
    return (struct api_timings){
        .cached = u->cached_tokens,
        .prompt = u->prompt_tokens - u->cached_tokens,
        .prompt_ms = (double)b->prompt_ms,
        .predicted = said > b->before ? said - b->before : 0,
        .steps = said > b->before ? said - b->before - 1 : 0,
        .predicted_ms = b->begun_us != 0 ? (double)(until_us - b->begun_us) / 1e3 : 0,
        .total_ms = b->done ? (double)b->response.time_s * 1e3 : 0,
    };
}

struct api_timings timings_of_all(const struct call *c)
{
    struct api_timings sum = {0};
    for (uint32_t i = 0; i < c->branches_n; i++) {
        struct api_timings t = timings_of(&c->branches[i], c->branches[i].begun_us);
        sum.cached += t.cached;
        sum.prompt += t.prompt;
        sum.predicted += t.predicted;
        sum.steps += t.steps;
        sum.prompt_ms += t.prompt_ms;
        sum.predicted_ms += t.predicted_ms;
        sum.total_ms = t.total_ms > sum.total_ms ? t.total_ms : sum.total_ms;
    }
    return sum;
}
