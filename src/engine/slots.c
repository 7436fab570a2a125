#include "engine/slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"

void slots_init(struct slots *s, uint32_t n, uint32_t context)
{
    MUST(n > 0 && n <= ENGINE_SLOTS_MAX);
    *s = (struct slots){.n = n, .context = context};
    for (uint32_t i = 0; i < n; i++)
        s->slot[i].tokens = xalloc_array(context, sizeof *s->slot[i].tokens);
}

void slots_fini(struct slots *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        free(s->slot[i].tokens);
    *s = (struct slots){0};
}

uint32_t slots_common(const int32_t *a, uint32_t a_n, const int32_t *b, uint32_t b_n)
{
    uint32_t n = a_n < b_n ? a_n : b_n, i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

/* Prefixes are shared only within a scope: a faster answer would tell one tenant what another one has
 * asked. */
uint32_t slots_held(const struct slot *at, uint64_t scope, const int32_t *tokens, uint32_t n)
{
    return at->scope == scope ? slots_common(at->tokens, at->n, tokens, n) : 0;
}

void slots_own(struct slots *s, uint32_t slot, uint64_t scope)
{
    MUST(s->slot[slot].scope == scope || s->slot[slot].n == 0);
    s->slot[slot].scope = scope;
}

static uint32_t busy_neighbours(const struct slots *s, uint32_t i)
{
    bool below = i > 0 && s->slot[i - 1].job != NULL, above = i + 1 < s->n && s->slot[i + 1].job != NULL;
    return (uint32_t)below + (uint32_t)above;
}

/* libllama computes neighbouring sequences in one pass over the weights, and others in one pass per
 * group, so a slot beside busy ones makes every stream faster (4 scattered streams take 1.6 times
 * as long as 4 adjacent ones). Among equals, the slot that was freed the longest ago is the least
 * likely to be needed again. */
static uint32_t best_free(const struct slots *s)
{
    uint32_t best = s->n;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->slot[i].job != NULL)
            continue;
        uint32_t more = best < s->n ? busy_neighbours(s, best) : 0, here = busy_neighbours(s, i);
        if (best == s->n || here > more || (here == more && s->slot[i].freed < s->slot[best].freed))
            best = i;
    }
    MUST(best < s->n);
    return best;
}

/* A new conversation shares its system prompt with every old one. Taking an old conversation's slot
 * for these few tokens would delay that conversation's next first token, so the shared part must be
 * half of what the slot holds. */
uint32_t slots_pick(const struct slots *s, uint64_t scope, const int32_t *tokens, uint32_t n, uint32_t kept)
{
    uint32_t best = s->n, best_common = kept > SLOTS_COPY_TOKENS_MIN ? kept - SLOTS_COPY_TOKENS_MIN : 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->slot[i].job != NULL)
            continue;
        uint32_t common = slots_held(&s->slot[i], scope, tokens, n);
        if (common > best_common && common >= s->slot[i].n / 2) {
            best = i;
            best_common = common;
        }
    }
    return best < s->n ? best : best_free(s);
}

void slots_take(struct slots *s, uint32_t slot, struct job *job)
{
    MUST(slot < s->n && s->slot[slot].job == NULL);
    s->slot[slot].job = job;
    s->slot[slot].begun = false;
    s->busy++;
}

void slots_release(struct slots *s, uint32_t slot)
{
    MUST(slot < s->n && s->slot[slot].job != NULL);
    s->slot[slot].job = NULL;
    s->slot[slot].begun = false;
    s->slot[slot].freed = ++s->frees;
    s->busy--;
}

struct slots_prefix slots_find_prefix(const struct slots *s, uint32_t slot, uint64_t scope, const int32_t *tokens, uint32_t n,
                                      uint32_t copy_tokens)
{
    MUST(n > 0);
    struct slots_prefix own = {.n = slots_held(&s->slot[slot], scope, tokens, n - 1)};
    struct slots_prefix other = {.from = SLOTS_COPY};
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t common = i != slot ? slots_held(&s->slot[i], scope, tokens, n - 1) : 0;
        if (common > other.n) {
            other.n = common;
            other.src = i;
        }
    }
    uint32_t gain = other.n > own.n ? other.n - own.n : 0;
    return gain >= SLOTS_COPY_TOKENS_MIN && gain >= SLOTS_COPY_GAIN * copy_tokens ? other : own;
}

void slots_append(struct slots *s, uint32_t slot, const int32_t *tokens, uint32_t n)
{
    struct slot *at = &s->slot[slot];
    MUST(n <= s->context - at->n);
    memcpy(at->tokens + at->n, tokens, n * sizeof *tokens);
    at->n += n;
}

void slots_cut(struct slots *s, uint32_t slot, uint32_t n)
{
    MUST(n <= s->slot[slot].n);
    s->slot[slot].n = n;
}

void slots_copy(struct slots *s, uint32_t src, uint32_t dst, uint32_t n)
{
    MUST(src != dst && n <= s->slot[src].n);
    s->slot[dst].scope = s->slot[src].scope;
    s->slot[dst].n = 0;
    slots_append(s, dst, s->slot[src].tokens, n);
}
