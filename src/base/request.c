#include "base/request.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/must.h"

struct sampling sampling_default(void)
{
    return (struct sampling){
        .temperature = 0.8f,
        .top_p = 0.95f,
        .min_p = 0.05f,
        .top_k = 40,
        .repeat_penalty = 1.0f,
        .penalty_last_n = 64,
        .typical_p = 1.0f,
        .top_n_sigma = -1.0f,
        .xtc_threshold = 0.1f,
        .dynatemp_exponent = 1.0f,
        .mirostat_tau = 5.0f,
        .mirostat_eta = 0.1f,
        .dry_base = 1.75f,
        .dry_allowed_length = 2,
        .dry_last_n = -1,
    };
}

size_t request_prompt_bytes(const struct request *r)
{
    size_t n = r->text.n + r->tools.n + r->tokens_n * sizeof *r->tokens;
    for (uint32_t i = 0; i < r->turns_n; i++)
        n += r->turns[i].role.n + r->turns[i].content.n + r->turns[i].extra.n;
    for (uint32_t i = 0; i < r->inputs_n; i++)
        n += r->inputs[i].text.n + r->inputs[i].tokens_n * sizeof *r->inputs[i].tokens;
    return n;
}

static size_t text_bytes(const struct request *r)
{
    size_t n = request_prompt_bytes(r) + r->model.n + r->affinity.n + r->tenant.n + r->form_text.n + r->template_args.n;
    for (uint32_t i = 0; i < r->stops_n; i++)
        n += r->stops[i].n;
    for (uint32_t i = 0; i < r->breakers_n; i++)
        n += r->breakers[i].n;
    for (uint32_t i = 0; i < r->biases_n; i++)
        n += r->biases[i].text.n;
    return n;
}

size_t request_bytes(const struct request *r)
{
    return sizeof *r + r->turns_n * sizeof *r->turns + (r->stops_n + r->breakers_n) * sizeof *r->stops +
           r->inputs_n * sizeof *r->inputs + r->biases_n * sizeof *r->biases + text_bytes(r);
}

/* Copies s to *at and moves *at behind it. */
static struct str put_text(char **at, struct str s)
{
    struct str copy = str_n(*at, s.n);
    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

/* As put_text(), for token ids. They come before the texts, because they must be aligned. */
static const int32_t *put_tokens(char **at, const int32_t *tokens, uint32_t n)
{
    const int32_t *copy = (const int32_t *)(void *)*at;
    if (n > 0)
        memcpy(*at, tokens, n * sizeof *tokens);
    *at += n * sizeof *tokens;
    return copy;
}

struct request *request_clone(const struct request *r)
{
    size_t bytes = request_bytes(r);
    struct request *c = xalloc(bytes);
    *c = *r;
    /* Layout of the block: the struct, the arrays from the most to the least aligned, the texts. */
    c->turns = (struct turn *)(void *)(c + 1);
    c->stops = (struct str *)(void *)(c->turns + r->turns_n);
    c->breakers = c->stops + r->stops_n;
    c->inputs = (struct input *)(void *)(c->breakers + r->breakers_n);
    c->biases = (struct logit_bias *)(void *)(c->inputs + r->inputs_n);
    char *at = (char *)(c->biases + r->biases_n);
    if (r->biases_n > 0)
        memcpy(c->biases, r->biases, r->biases_n * sizeof *r->biases);
    c->tokens = put_tokens(&at, r->tokens, r->tokens_n);
    for (uint32_t i = 0; i < r->inputs_n; i++) {
        c->inputs[i].tokens = put_tokens(&at, r->inputs[i].tokens, r->inputs[i].tokens_n);
        c->inputs[i].tokens_n = r->inputs[i].tokens_n;
    }
    for (uint32_t i = 0; i < r->inputs_n; i++)
        c->inputs[i].text = put_text(&at, r->inputs[i].text);
    for (uint32_t i = 0; i < r->turns_n; i++) {
        c->turns[i].role = put_text(&at, r->turns[i].role);
        c->turns[i].content = put_text(&at, r->turns[i].content);
        c->turns[i].extra = put_text(&at, r->turns[i].extra);
    }
    for (uint32_t i = 0; i < r->stops_n; i++)
        c->stops[i] = put_text(&at, r->stops[i]);
    for (uint32_t i = 0; i < r->breakers_n; i++)
        c->breakers[i] = put_text(&at, r->breakers[i]);
    for (uint32_t i = 0; i < r->biases_n; i++)
        c->biases[i].text = put_text(&at, r->biases[i].text);
    c->model = put_text(&at, r->model);
    c->text = put_text(&at, r->text);
    c->affinity = put_text(&at, r->affinity);
    c->tenant = put_text(&at, r->tenant);
    c->form_text = put_text(&at, r->form_text);
    c->tools = put_text(&at, r->tools);
    c->template_args = put_text(&at, r->template_args);
    MUST(at == (char *)c + bytes);
    return c;
}
