#include "engine/biases.h"

#include <stdlib.h>

#include "base/alloc.h"

int biases_check(const struct request *r, const struct engine_info *info, struct fault *f)
{
    for (uint32_t i = 0; i < r->biases_n; i++) {
        const struct logit_bias *b = &r->biases[i];
        if (b->text.n == 0 && (b->token < 0 || (uint32_t)b->token >= info->vocab))
            return fault_set(f, ERR_INVALID, "logit_bias: token %d is not one of this model's %u", b->token, info->vocab);
        if (b->text.n > REQUEST_BIAS_BYTES_MAX)
            return fault_set(f, ERR_INVALID, "logit_bias: a text of %zu bytes; at most %d are allowed", b->text.n, REQUEST_BIAS_BYTES_MAX);
    }
    return 0;
}

static uint32_t texts_of(const struct request *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->biases_n; i++)
        n += r->biases[i].text.n > 0;
    return n;
}

/* A list that grows up to the ids and REQUEST_BIAS_TOKENS_MAX tokens of texts. */
struct making {
    struct logit_bias *list;
    uint32_t n, max;
};

static int add(struct making *m, int32_t token, float bias, struct fault *f)
{
    if (m->n == m->max)
        return fault_set(f, ERR_INVALID, "logit_bias: the texts have more than %d tokens together", REQUEST_BIAS_TOKENS_MAX);
    m->list[m->n++] = (struct logit_bias){.token = token, .bias = bias};
    return 0;
}

int biases_make(const struct engine_ops *ops, struct engine *e, const struct request *r, const struct engine_bounds *bounds,
                struct logit_bias **out, uint32_t *out_n, struct fault *f)
{
    uint32_t texts_n = texts_of(r);
    struct engine_tokens tokens = {0};
    int err = 0;
    *out = NULL;
    *out_n = 0;
    if (texts_n == 0)
        return 0;
    struct making m = {.max = r->biases_n - texts_n + REQUEST_BIAS_TOKENS_MAX};
    m.list = xalloc_array(m.max, sizeof *m.list);
    for (uint32_t i = 0; i < r->biases_n && err == 0; i++) {
        const struct logit_bias *b = &r->biases[i];
        if (b->text.n == 0) {
            err = add(&m, b->token, b->bias, f);
            continue;
        }
        err = ops->tokenize(e, b->text, ENGINE_BARE, bounds, &tokens, f);
        for (uint32_t k = 0; err == 0 && k < tokens.n; k++)
            err = add(&m, tokens.p[k], b->bias, f);
    }
    free(tokens.p);
    if (err != 0) {
        free(m.list);
        return err;
    }
    *out = m.list;
    *out_n = m.n;
    return 0;
}
