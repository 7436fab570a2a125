#include "engine/carry.h"

#include <string.h>

struct mark {
    char name[8];
    uint32_t tokens_n, spare;
};

static const char NAME[8] = "mantakv1";

int carry_pack(const struct engine_ops *ops, struct engine *e, uint32_t seq, const int32_t *tokens, uint32_t tokens_n,
               struct buf *out, struct fault *f)
{
    struct mark mark = {.tokens_n = tokens_n};
    memcpy(mark.name, NAME, sizeof mark.name);
    if (ops->seq_save == NULL || ops->seq_load == NULL)
        return fault_set(f, ERR_UNSUPPORTED, "the %s engine cannot hand over what it has computed", ops->name);
    if (buf_add(out, &mark, sizeof mark) != 0 || buf_add(out, tokens, tokens_n * sizeof *tokens) != 0)
        return fault_set(f, ERR_TOO_LARGE, "a state of %u tokens takes more than %zu bytes", tokens_n, out->max);
    return ops->seq_save(e, seq, out, f);
}

int carry_open(struct str bytes, struct carry *out, struct fault *f)
{
    struct mark mark;
    if (bytes.n < sizeof mark || memcmp(bytes.p, NAME, sizeof NAME) != 0)
        return fault_set(f, ERR_INVALID, "%zu bytes are not the state of a sequence", bytes.n);
    memcpy(&mark, bytes.p, sizeof mark);
    size_t left = bytes.n - sizeof mark, ids_bytes = (size_t)mark.tokens_n * sizeof(int32_t);
    if (mark.tokens_n == 0 || mark.tokens_n > INT32_MAX || ids_bytes > left)
        return fault_set(f, ERR_INVALID, "a state of %u tokens in %zu bytes", mark.tokens_n, bytes.n);
    *out = (struct carry){.ids = bytes.p + sizeof mark, .tokens_n = mark.tokens_n,
                          .cells = str_n(bytes.p + sizeof mark + ids_bytes, left - ids_bytes)};
    return 0;
}

uint32_t carry_common(const struct carry *c, const int32_t *tokens, uint32_t tokens_n)
{
    uint32_t n = c->tokens_n < tokens_n ? c->tokens_n : tokens_n;
    for (uint32_t i = 0; i < n; i++) {
        int32_t id;
        memcpy(&id, c->ids + (size_t)i * sizeof id, sizeof id);
        if (id != tokens[i])
            return i;
    }
    return n;
}
