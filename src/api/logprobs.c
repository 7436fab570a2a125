#include "api/logprobs.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/utf8.h"

/* OpenAI's value for an impossible token: -inf is not JSON. */
#define LOGPROB_LOWEST (-9999.0f)

enum { NAME_BYTES = 4 * 256 + 16 }; /* "token_id:-2147483648", or "bytes:\\x80…" of a piece of up to 256 bytes */

/* A token as reported to clients. */
struct told {
    int32_t id;
    float logprob;
    struct str bytes; /* of its text; p NULL if unknown */
    struct str name;  /* its text, or a name in place of it */
    char room[NAME_BYTES];
};

static bool is_utf8(struct str s)
{
    for (size_t at = 0; at < s.n;) {
        size_t n = utf8_len(s.p + at, s.n - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

/* Names a token of a partial character "bytes:\xe2\x80", as OpenAI did. Names of different bytes
 * must differ, since they are keys in a completion's top_logprobs. */
static struct str name_bytes(struct str bytes, char room[NAME_BYTES])
{
    size_t n = (size_t)snprintf(room, NAME_BYTES, "bytes:");
    for (size_t i = 0; i < bytes.n && n + 5 < NAME_BYTES; i++)
        n += (size_t)snprintf(room + n, NAME_BYTES - n, "\\x%02x", (unsigned char)bytes.p[i]);
    return str_n(room, n);
}

static void name_token(struct told *t)
{
    if (t->bytes.n == 0) /* unknown, or a control token without text */
        t->name = str_n(t->room, (size_t)snprintf(t->room, sizeof t->room, "token_id:%d", (int)t->id));
    else
        t->name = is_utf8(t->bytes) ? t->bytes : name_bytes(t->bytes, t->room);
}

/* Describes token i of the choice. The head has no vocabulary: a chunk of one token has that
 * token's text; of several tokens only the ids are known, unless the worker sent their bytes. */
static void tell_token(const struct api_choice *c, uint32_t i, struct told *out)
{
    out->id = c->ids[i];
    out->logprob = c->logprobs[i];
    out->bytes = c->pieces != NULL ? c->pieces[i * (1 + c->top_n)] : c->tokens_n == 1 && c->text.n > 0 ? c->text : str_n(NULL, 0);
    name_token(out);
}

static void tell_likely(const struct api_choice *c, uint32_t i, uint32_t k, struct told *out)
{
    out->id = c->top_ids[i * c->top_n + k];
    out->logprob = c->top_logprobs[i * c->top_n + k];
    out->bytes = c->pieces != NULL ? c->pieces[i * (1 + c->top_n) + 1 + k] : str_n(NULL, 0);
    name_token(out);
}

static void write_logprob(struct jout *j, float v)
{
    jout_float(j, isfinite(v) ? v : LOGPROB_LOWEST);
}

/* Writes the members of an open token object. "id" is llama-server's addition. */
static void write_chat_token(struct jout *j, const struct api_choice *c, const struct told *t)
{
    jout_put_int(j, "id", t->id);
    jout_put_str(j, "token", t->name);
    jout_key(j, c->drawn_probs ? "prob" : "logprob");
    if (c->drawn_probs)
        jout_float(j, fmaxf(expf(t->logprob), FLT_MIN)); /* a drawn token was possible */
    else
        write_logprob(j, t->logprob);
    jout_key(j, "bytes");
    if (t->bytes.p == NULL) {
        jout_null(j);
        return;
    }
    jout_array(j);
    for (size_t b = 0; b < t->bytes.n; b++)
        jout_uint(j, (unsigned char)t->bytes.p[b]);
    jout_array_end(j);
}

void api_write_piece_text(struct jout *j, struct str piece)
{
    if (is_utf8(piece)) {
        jout_str(j, piece);
        return;
    }
    jout_array(j);
    for (size_t i = 0; i < piece.n; i++)
        jout_uint(j, (unsigned char)piece.p[i]);
    jout_array_end(j);
}

void api_write_tokens(struct jout *j, const struct api_choice *c)
{
    struct told t;
    jout_array(j);
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        tell_token(c, i, &t);
        jout_object(j);
        write_chat_token(j, c, &t);
        jout_key(j, c->drawn_probs ? "top_probs" : "top_logprobs");
        jout_array(j);
        for (uint32_t k = 0; k < c->top_n; k++) {
            if (c->top_ids[i * c->top_n + k] < 0) /* fewer tokens were possible */
                break;
            tell_likely(c, i, k, &t);
            jout_object(j);
            write_chat_token(j, c, &t);
            jout_object_end(j);
        }
        jout_array_end(j);
        jout_object_end(j);
    }
    jout_array_end(j);
}

static void write_chat(struct jout *j, const struct api_choice *c)
{
    jout_object(j);
    jout_key(j, "content");
    api_write_tokens(j, c);
    jout_put_null(j, "refusal");
    jout_object_end(j);
}

/* Writes one object per token: {" the": -0.5, …}. */
static void write_completion_top(struct jout *j, const struct api_choice *c)
{
    struct told t;
    jout_key(j, "top_logprobs");
    if (c->top_n == 0) {
        jout_null(j);
        return;
    }
    jout_array(j);
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        if (i == 0 && c->with_prompt) {
            jout_null(j);
            continue;
        }
        jout_object(j);
        for (uint32_t k = 0; k < c->top_n; k++) {
            tell_likely(c, i, k, &t);
            jout_key_str(j, t.name);
            write_logprob(j, t.logprob);
        }
        jout_object_end(j);
    }
    jout_array_end(j);
}

static void write_completion(struct jout *j, const struct api_choice *c)
{
    struct told t;
    jout_object(j);
    jout_key(j, "tokens");
    jout_array(j);
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        tell_token(c, i, &t);
        jout_str(j, t.name);
    }
    jout_array_end(j);
    jout_key(j, "token_logprobs");
    jout_array(j);
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        if (i == 0 && c->with_prompt) /* no token precedes it that would give it a probability */
            jout_null(j);
        else
            write_logprob(j, c->logprobs[i]);
    }
    jout_array_end(j);
    write_completion_top(j, c);
    jout_key(j, "text_offset");
    jout_array(j);
    uint32_t offset = c->text_offset;
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        jout_uint(j, offset);
        tell_token(c, i, &t);
        offset += utf8_count(t.bytes);
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
