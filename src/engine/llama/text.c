/* Text to tokens and back, and a conversation to the text its model was trained on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/llama/bridge.h"
#include "engine/llama/module.h"

enum { PIECE_BYTES_MAX = 512 };

static void find_ends(struct engine *e)
{
    int32_t n = llama_vocab_n_tokens(e->vocab);
    e->ends = xalloc_array((size_t)n, sizeof *e->ends);
    for (int32_t t = 0; t < n; t++) {
        if (llama_vocab_is_eog(e->vocab, t))
            e->ends[e->ends_n++] = t;
    }
    e->ends = xrealloc(e->ends, (e->ends_n + 1) * sizeof *e->ends);
}

void text_open(struct engine *e)
{
    find_ends(e);
    if (llama_model_chat_template(e->model, NULL) == NULL)
        return;
    e->info.has_template = true;
    char why[256] = "";
    e->template = bridge_template_new(e->model, why, sizeof why);
    if (e->template == NULL)
        fault_set(&e->template_fault, ERR_INVALID, "the model's chat template cannot be used: %s", why);
}

void text_close(struct engine *e)
{
    free(e->ends);
    bridge_template_free(e->template);
}

/* A base model has no roles: it goes on from what was said. */
static void join(const struct request *r, struct buf *out)
{
    for (uint32_t i = 0; i < r->turns_n; i++) {
        if (i != 0)
            buf_putc(out, '\n');
        buf_add_str(out, r->turns[i].content);
    }
}

static void take(const char *text, size_t n, void *user_data)
{
    buf_add(user_data, text, n);
}

static int render_template(struct engine *e, const struct request *r, struct buf *out, struct fault *f)
{
    struct bridge_turn *turns = xalloc_array(r->turns_n + 1, sizeof *turns);
    for (uint32_t i = 0; i < r->turns_n; i++)
        turns[i] = (struct bridge_turn){.role = r->turns[i].role.p,
                                        .role_n = r->turns[i].role.n,
                                        .content = r->turns[i].content.p,
                                        .content_n = r->turns[i].content.n};
    char why[256] = "";
    int rendered = bridge_template_render(e->template, turns, r->turns_n, take, out, why, sizeof why);
    free(turns);
    return rendered ? 0 : fault_set(f, ERR_INVALID, "the model's chat template refuses these messages: %s", why);
}

int text_render(struct engine *e, const struct request *r, struct buf *out, struct fault *f)
{
    int err = 0;
    if (r->kind != REQUEST_CHAT)
        buf_add_str(out, r->text);
    else if (e->template != NULL)
        err = render_template(e, r, out, f);
    else if (e->template_fault.err != 0)
        err = fault_set(f, e->template_fault.err, "%s", e->template_fault.text);
    else
        join(r, out);
    if (err == 0 && out->overflowed)
        err = fault_set(f, ERR_TOO_LARGE, "the prompt is longer than %zu bytes", out->max);
    return err;
}

/* libllama adds the beginning-of-text token also before one that the text already has. */
static int32_t drop_doubled_start(const struct engine *e, int32_t *out, int32_t n)
{
    if (n < 2 || !llama_vocab_get_add_bos(e->vocab) || out[0] != llama_vocab_bos(e->vocab) || out[1] != out[0])
        return n;
    memmove(out, out + 1, (size_t)(n - 1) * sizeof *out);
    return n - 1;
}

int32_t text_tokenize(struct engine *e, struct str text, bool special, int32_t *out, int32_t cap)
{
    if (text.n > INT32_MAX / 2)
        return -INT32_MAX;
    int32_t n = llama_tokenize(e->vocab, text.p != NULL ? text.p : "", (int32_t)text.n, out, cap, true, special);
    if (n == INT32_MIN)
        return -INT32_MAX;
    return n > 0 ? drop_doubled_start(e, out, n) : n;
}

int32_t text_piece(const struct engine *e, int32_t token, char *out, int32_t cap)
{
    int32_t n = llama_token_to_piece(e->vocab, token, out, cap, 0, false);
    if (n >= 0)
        return n;
    char whole[PIECE_BYTES_MAX];
    n = llama_token_to_piece(e->vocab, token, whole, sizeof whole, 0, false);
    if (n < 0)
        return 0;
    memcpy(out, whole, (size_t)(n < cap ? n : cap));
    return n < cap ? n : cap;
}

bool text_is_end(const struct engine *e, int32_t token)
{
    return llama_vocab_is_eog(e->vocab, token);
}
