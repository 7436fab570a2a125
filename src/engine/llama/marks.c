/* Find the special tokens and templates of a vocabulary. */
#include "engine/llama/module.h"

static int32_t end_of(const struct engine *e)
{
    int32_t end = llama_vocab_eos(e->vocab);
    return end != LLAMA_TOKEN_NULL ? end : llama_vocab_sep(e->vocab);
}

int32_t marks_token(const struct engine *e, enum engine_mark mark)
{
    const struct llama_vocab *v = e->vocab;
    switch (mark) {
    case MARK_BEGIN: return llama_vocab_get_add_bos(v) ? llama_vocab_bos(v) : LLAMA_TOKEN_NULL;
    case MARK_END: return llama_vocab_get_add_eos(v) ? end_of(e) : LLAMA_TOKEN_NULL;
    case MARK_BETWEEN: return llama_vocab_get_add_sep(v) ? llama_vocab_sep(v) : LLAMA_TOKEN_NULL;
    case MARK_FIM_PREFIX: return llama_vocab_fim_pre(v);
    case MARK_FIM_SUFFIX: return llama_vocab_fim_suf(v);
    case MARK_FIM_MIDDLE: return llama_vocab_fim_mid(v);
    case MARK_FIM_REPO: return llama_vocab_fim_rep(v);
    case MARK_FIM_FILE: return llama_vocab_fim_sep(v);
    }
    return LLAMA_TOKEN_NULL;
}

struct str marks_pair_template(const struct engine *e)
{
    const char *text = llama_model_chat_template(e->model, "rerank");
    return text != NULL ? str_of(text) : str_n(NULL, 0);
}

/* Names longer than cap give 0 bytes. */
int32_t marks_control(const struct engine *e, int32_t token, char *out, int32_t cap)
{
    if ((llama_vocab_get_attr(e->vocab, token) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) == 0)
        return 0;
    int32_t n = llama_token_to_piece(e->vocab, token, out, cap, 0, true);
    return n > 0 ? n : 0;
}
