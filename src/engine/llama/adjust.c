#include "engine/llama/adjust.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

static bool penalises(const struct sampling *s)
{
    return s->penalty_last_n != 0 &&
           (s->repeat_penalty != 1.0f || s->presence_penalty != 0.0f || s->frequency_penalty != 0.0f);
}

static void copy_biases(struct adjust *a, const struct engine *e, const struct request *r)
{
    int32_t suppressed_n = 0;
    const llama_token *suppressed = llama_vocab_get_suppress_tokens(e->vocab, &suppressed_n);
    uint32_t ends_n = r->sampling.ignore_eos ? e->ends_n : 0;
    a->biases = xalloc_array(r->biases_n + ends_n + (uint32_t)suppressed_n + 1, sizeof *a->biases);
    for (uint32_t i = 0; i < r->biases_n; i++)
        if (r->biases[i].token >= 0 && r->biases[i].token < a->vocab)
            a->biases[a->biases_n++] = r->biases[i];
    for (uint32_t i = 0; i < ends_n; i++)
        a->biases[a->biases_n++] = (struct logit_bias){.token = e->ends[i], .bias = -INFINITY};
    for (int32_t i = 0; i < suppressed_n; i++)
        if (suppressed[i] >= 0 && suppressed[i] < a->vocab) /* a file may list anything */
            a->biases[a->biases_n++] = (struct logit_bias){.token = suppressed[i], .bias = -INFINITY};
}

void adjust_init(struct adjust *a, const struct engine *e, const struct request *r, bool may_penalise)
{
    *a = (struct adjust){.s = r->sampling, .vocab = (int32_t)e->info.vocab};
    copy_biases(a, e, r);
    if (may_penalise && penalises(&a->s)) {
        uint32_t n = a->s.penalty_last_n < 0 ? e->info.context : (uint32_t)a->s.penalty_last_n;
        a->recent_max = n < e->info.context ? n : e->info.context;
        a->recent = xalloc_array(a->recent_max, sizeof *a->recent);
        a->count = xalloc_array(e->info.vocab, sizeof *a->count);
    }
    a->patches = xalloc_array(a->biases_n + a->recent_max + 1, sizeof *a->patches);
}

void adjust_fini(struct adjust *a)
{
    free(a->biases);
    free(a->recent);
    free(a->count);
    free(a->patches);
}

void adjust_accept(struct adjust *a, int32_t token)
{
    if (a->recent == NULL || token < 0 || token >= a->vocab)
        return;
    int32_t *place = &a->recent[a->accepted % a->recent_max];
    if (a->accepted >= a->recent_max)
        a->count[*place]--;
    *place = token;
    a->count[token]++;
    a->accepted++;
}

static void patch(struct adjust *a, float *logits, int32_t token, float value)
{
    a->patches[a->patches_n++] = (struct patch){.token = token, .was = logits[token]};
    logits[token] = value;
}

static float penalised(const struct sampling *s, float logit, uint32_t count)
{
    logit = logit <= 0 ? logit * s->repeat_penalty : logit / s->repeat_penalty;
    return logit - (float)count * s->frequency_penalty - s->presence_penalty;
}

void adjust_apply(struct adjust *a, float *logits)
{
    uint64_t held = a->accepted < a->recent_max ? a->accepted : a->recent_max;
    a->patches_n = 0;
    for (uint32_t i = 0; i < a->biases_n; i++)
        patch(a, logits, a->biases[i].token, logits[a->biases[i].token] + a->biases[i].bias);
    for (uint64_t i = 0; i < held; i++) {
        uint32_t count = a->count[a->recent[i]];
        if (count == 0)
            continue; /* done already, at an earlier position in the ring */
        patch(a, logits, a->recent[i], penalised(&a->s, logits[a->recent[i]], count));
        a->count[a->recent[i]] = 0;
    }
    for (uint64_t i = 0; i < held; i++)
        a->count[a->recent[i]]++;
}

void adjust_undo(struct adjust *a, float *logits)
{
    while (a->patches_n > 0) {
        a->patches_n--;
        logits[a->patches[a->patches_n].token] = a->patches[a->patches_n].was;
    }
}
