#include "api/logprobs.h"

#include <math.h>
#include <stdio.h>

/* OpenAI's number for "as good as impossible": -inf is not JSON. */
#define LOGPROB_LOWEST (-9999.0f)

enum { NAME_BYTES = 24 }; /* "token_id:-2147483648" */

/* The head has no vocabulary. A chunk of one token carries that token's text; of several only the ids are sure. */
static bool token_text(const struct api_choice *c, uint32_t i, char name[NAME_BYTES], struct str *out)
{
    if (c->pieces != NULL || (c->tokens_n == 1 && c->text.n > 0)) {
        *out = c->pieces != NULL ? c->pieces[i] : c->text;
        return true;
    }
    int n = snprintf(name, NAME_BYTES, "token_id:%d", (int)c->ids[i]);
    *out = str_n(name, (size_t)n);
    return false;
}

static void write_logprob(struct jout *j, float v)
{
    jout_float(j, isfinite(v) ? v : LOGPROB_LOWEST);
}

static void write_chat_token(struct jout *j, const struct api_choice *c, uint32_t i)
{
    char name[NAME_BYTES];
    struct str text;
    bool known = token_text(c, i, name, &text);
    jout_object(j);
    jout_put_str(j, "token", text);
    jout_key(j, "logprob");
    write_logprob(j, c->logprobs[i]);
    jout_key(j, "bytes");
    if (known) {
        jout_array(j);
        for (size_t b = 0; b < text.n; b++)
            jout_uint(j, (unsigned char)text.p[b]);
        jout_array_end(j);
    } else {
        jout_null(j);
    }
    jout_key(j, "top_logprobs");
    jout_array(j);
    jout_array_end(j);
    jout_object_end(j);
}

static void write_chat(struct jout *j, const struct api_choice *c)
{
    jout_object(j);
    jout_key(j, "content");
    jout_array(j);
    for (uint32_t i = 0; i < c->tokens_n; i++)
        write_chat_token(j, c, i);
    jout_array_end(j);
    jout_put_null(j, "refusal");
    jout_object_end(j);
}

static uint32_t characters(struct str s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void write_completion(struct jout *j, const struct api_choice *c)
{
    char name[NAME_BYTES];
    struct str text;
    jout_object(j);
    jout_key(j, "tokens");
    jout_array(j);
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        token_text(c, i, name, &text);
        jout_str(j, text);
    }
    jout_array_end(j);
    jout_key(j, "token_logprobs");
    jout_array(j);
    for (uint32_t i = 0; i < c->tokens_n; i++)
        write_logprob(j, c->logprobs[i]);
    jout_array_end(j);
    jout_put_null(j, "top_logprobs");
    jout_key(j, "text_offset");
    jout_array(j);
    uint32_t offset = c->text_offset;
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        jout_uint(j, offset);
        if (token_text(c, i, name, &text))
            offset += characters(text);
    }
    jout_array_end(j);
    jout_object_end(j);
}

void api_write_logprobs(struct jout *j, enum api_shape shape, const struct api_choice *c)
{
    if (c->ids == NULL || c->logprobs == NULL)
        jout_null(j);
    else if (shape == API_CHAT)
        write_chat(j, c);
    else
        write_completion(j, c);
}
