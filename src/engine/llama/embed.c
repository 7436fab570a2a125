/* One vector for a text, from models made for that (BERT and its kin). */
#include <math.h>

#include "engine/llama/module.h"

/* The rows of one text; all of them are wanted, pooling needs them. */
static void fill(struct engine *e, const int32_t *tokens, uint32_t tokens_n)
{
    e->batch.n_tokens = (int32_t)tokens_n;
    for (uint32_t i = 0; i < tokens_n; i++) {
        e->batch.token[i] = tokens[i];
        e->batch.pos[i] = (llama_pos)i;
        e->batch.n_seq_id[i] = 1;
        e->batch.seq_id[i][0] = 0;
        e->batch.logits[i] = 1;
    }
}

/* Unit length, as OpenAI's embeddings have. */
static void normalise(const float *in, float *out, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)in[i] * in[i];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (uint32_t i = 0; i < n; i++)
        out[i] = (float)(in[i] * scale);
}

int batch_embed(struct engine *e, const int32_t *tokens, uint32_t tokens_n, float *out, uint32_t *inout_n,
                struct fault *f)
{
    uint32_t width = (uint32_t)llama_model_n_embd_out(e->model);
    if (e->info.kind != REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "this model writes text; it gives no embeddings");
    if (llama_pooling_type(e->ctx) == LLAMA_POOLING_TYPE_NONE || llama_pooling_type(e->ctx) == LLAMA_POOLING_TYPE_RANK)
        return fault_set(f, ERR_UNSUPPORTED, "this model's file names no pooling that makes one vector of a text");
    if (tokens_n == 0 || tokens_n > e->info.batch_rows_max || tokens_n > e->info.context)
        return fault_set(f, ERR_CONTEXT, "the text has %u tokens; this model takes 1 to %u", tokens_n,
                         e->info.context < e->info.batch_rows_max ? e->info.context : e->info.batch_rows_max);
    if (*inout_n < width)
        return fault_set(f, ERR_TOO_LARGE, "an embedding has %u numbers, there is room for %u", width, *inout_n);
    if (e->memory != NULL)
        llama_memory_seq_rm(e->memory, 0, -1, -1);
    fill(e, tokens, tokens_n);
    words_forget();
    int32_t result = e->memory != NULL ? llama_decode(e->ctx, e->batch) : llama_encode(e->ctx, e->batch);
    const float *vector = result == 0 ? llama_get_embeddings_seq(e->ctx, 0) : NULL;
    if (vector == NULL)
        return fault_set(f, ERR_FAILED, "embedding %u tokens: %s", tokens_n, words_last());
    normalise(vector, out, width);
    *inout_n = width;
    return 0;
}
