/* The table of all dialects, by shape. */
#include "api/dialect.h"
#include "base/must.h"

const struct api_dialect *api_dialect(enum api_shape shape)
{
    static const struct api_dialect *const dialects[] = {
        [API_CHAT] = &api_dialect_chat,
        [API_COMPLETION] = &api_dialect_completion,
        [API_PROCESS_PROMPT] = &api_dialect_process_prompt,
        [API_EMBEDDINGS] = &api_dialect_embeddings,
        [API_MESSAGES] = &api_dialect_messages,
        [API_RESPONSES] = &api_dialect_responses,
        [API_COUNT] = &api_dialect_count,
        [API_LLAMA] = &api_dialect_llama,
        [API_TOKENIZE] = &api_dialect_tokenize,
        [API_DETOKENIZE] = &api_dialect_detokenize,
        [API_TEMPLATE] = &api_dialect_template,
        [API_OLLAMA_CHAT] = &api_dialect_ollama_chat,
        [API_OLLAMA_GENERATE] = &api_dialect_ollama_generate,
        [API_OLLAMA_EMBED] = &api_dialect_ollama_embed,
        [API_OLLAMA_EMBEDDINGS] = &api_dialect_ollama_embeddings,
        [API_INFILL] = &api_dialect_infill,
        [API_RERANK] = &api_dialect_rerank,
        [API_CHAT_COUNT] = &api_dialect_chat_count,
        [API_RESPONSES_COUNT] = &api_dialect_responses_count,
    };
    MUST(shape >= API_CHAT && shape <= API_SHAPE_LAST);
    return dialects[shape];
}

int api_parse(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e)
{
    return api_dialect(shape)->parse(body, out, e);
}
