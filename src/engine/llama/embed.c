/* Compute one vector for each of several texts, with embedding models (BERT and similar).
 *
 * Each text is a sequence of its own in one batch. Attention is masked between them, so the other
 * texts change a vector by no more than the rounding of sums. */
#include <math.h>
#include <string.h>

#include "base/must.h"
#include "engine/llama/guard.h"
#include "engine/llama/module.h"

/* All rows are wanted, because pooling needs them. */
static void add_text(struct engine *e, const struct engine_text *text, llama_seq_id seq)
{
    for (uint32_t i = 0; i < text->n; i++) {
        int32_t row = e->batch.n_tokens++;
        e->batch.token[row] = text->tokens[i];
        e->batch.pos[row] = (llama_pos)i;
        e->batch.n_seq_id[row] = 1;
        e->batch.seq_id[row][0] = seq;
        e->batch.logits[row] = 1;
    }
}

/* Scales to unit length, as OpenAI's embeddings. */
static void normalise(const float *in, float *out, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)in[i] * in[i];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (uint32_t i = 0; i < n; i++)
        out[i] = (float)(in[i] * scale);
}

/* libllama would abort on a call with more rows than n_ubatch. */
static int check(const struct engine *e, const struct engine_text *texts, uint32_t texts_n, struct fault *f)
{
    enum llama_pooling_type pooling = llama_pooling_type(e->ctx);
    uint32_t rows = 0;
    if (e->info.kind != REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "this model writes text; it gives no embeddings");
    if (pooling == LLAMA_POOLING_TYPE_NONE)
        return fault_set(f, ERR_UNSUPPORTED, "this model's file names no pooling that makes one vector of a text");
    MUST(texts_n > 0 && texts_n <= e->info.slots);
    for (uint32_t i = 0; i < texts_n; i++) {
        if (texts[i].n == 0 || texts[i].n > e->info.context)
            return fault_set(f, ERR_CONTEXT, "the text has %u tokens; this model takes 1 to %u", texts[i].n, e->info.context);
        rows += texts[i].n;
    }
    if (rows > e->info.batch_rows_max)
        return fault_set(f, ERR_CONTEXT, "%u texts have %u tokens; one call takes %u", texts_n, rows, e->info.batch_rows_max);
    return 0;
}

int batch_embed(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f)
{
    int err = check(e, texts, texts_n, f);
    if (err != 0)
        return err;
    if (e->memory != NULL)
        llama_memory_clear(e->memory, false);
    e->batch.n_tokens = 0;
    for (uint32_t i = 0; i < texts_n; i++)
        add_text(e, &texts[i], (llama_seq_id)i);
    llama_log_forget();
    int32_t result = e->memory != NULL ? guard_decode(e->ctx, e->batch) : guard_encode(e->ctx, e->batch);
    for (uint32_t i = 0; i < texts_n; i++) {
        const float *vector = result == 0 ? llama_get_embeddings_seq(e->ctx, (llama_seq_id)i) : NULL;
        if (vector == NULL)
            return fault_set(f, result == GUARD_NO_MEMORY ? ERR_MEMORY : ERR_FAILED, "embedding %d tokens of %u texts: %s",
                             e->batch.n_tokens, texts_n, llama_log_last());
        if (e->info.ranks)
            memcpy(out + (size_t)i * e->info.width, vector, e->info.width * sizeof *out);
        else
            normalise(vector, out + (size_t)i * e->info.width, e->info.width);
    }
    return 0;
}
