/* The table of prefix blocks: cutting prompts into blocks, finding and adding holders. */
#include "brain/policy/prefix.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "brain/kit/hash.h"

/* Sets of WAYS entries, selected by the block's hash: one block at several actors fills several
 * ways of a set, and a full set forgets its oldest entry. No chains, no growth. */
enum { WAYS = 8, SETS = PREFIX_ENTRIES_MAX / WAYS };
enum { TOOLS_BYTES = 4096 };

struct entry {
    uint64_t block; /* hash; 0: free */
    uint64_t stamp;
    uint32_t actor;
    uint32_t age; /* prefix.clock when the entry was added or refreshed */
};

struct prefix {
    uint32_t clock;
    struct entry sets[SETS][WAYS];
};

struct prefix *prefix_new(void)
{
    return xalloc(sizeof(struct prefix));
}

void prefix_free(struct prefix *p)
{
    free(p);
}

/* Cuts a stream of text pieces into blocks. */
struct cutter {
    uint64_t chain;
    uint64_t *out;
    size_t n;
    size_t fill;
    char block[PREFIX_BLOCK_BYTES];
};

static void cut_end(struct cutter *c)
{
    c->chain = hash_text(c->chain, str_n(c->block, c->fill));
    c->out[c->n++] = c->chain != 0 ? c->chain : 1;
    c->fill = 0;
}

static void cut(struct cutter *c, struct str s)
{
    while (s.n > 0 && c->n < PREFIX_BLOCKS_MAX) {
        size_t take = PREFIX_BLOCK_BYTES - c->fill;
        if (take > s.n)
            take = s.n;
        memcpy(c->block + c->fill, s.p, take);
        c->fill += take;
        s = str_n(s.p + take, s.n - take);
        if (c->fill == PREFIX_BLOCK_BYTES)
            cut_end(c);
    }
}

/* Templates put the tools first, or into the system text: with other tools no prefix is shared. Of
 * many tools only the beginning is cut into blocks, so that blocks remain for the conversation. */
static void cut_tools(struct cutter *c, const struct request *r)
{
    if (r->tools.n > 0)
        c->chain = hash_text(c->chain, r->tools);
    if (r->template_args.n > 0)
        c->chain = hash_text(c->chain, r->template_args);
    cut(c, str_n(r->tools.p, r->tools.n < TOOLS_BYTES ? r->tools.n : TOOLS_BYTES));
}

size_t prefix_uncut_bytes(const struct request *r)
{
    return r->tools.n > TOOLS_BYTES ? r->tools.n - TOOLS_BYTES : 0;
}

size_t prefix_blocks(uint64_t seed, const struct request *r, uint64_t *out)
{
    struct cutter c = {.chain = rng_mix(seed ^ r->kind), .out = out};
    cut_tools(&c, r);
    for (uint32_t i = 0; i < r->turns_n; i++) {
        cut(&c, r->turns[i].role);
        cut(&c, str_n("\0", 1)); /* so that text cannot move into the next turn unnoticed */
        cut(&c, r->turns[i].content);
        cut(&c, r->turns[i].extra);
        cut(&c, str_n("\0", 1));
    }
    cut(&c, r->text);
    return c.n;
}

static size_t set_of(uint64_t block)
{
    return (size_t)(block % SETS);
}

static void hold_first(const struct entry *set, uint64_t block, struct prefix_holder *out, size_t *n)
{
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].block == block)
            out[(*n)++] = (struct prefix_holder){.actor = set[way].actor, .blocks = 1, .stamp = set[way].stamp};
    }
}

/* Extends the holders that also have block number i; returns whether any does. */
static bool hold_next(const struct entry *set, uint64_t block, uint32_t i, struct prefix_holder *out, size_t n)
{
    bool any = false;
    for (size_t k = 0; k < n; k++) {
        for (size_t way = 0; out[k].blocks == i && way < WAYS; way++) {
            if (set[way].block != block || set[way].actor != out[k].actor)
                continue;
            out[k].blocks = i + 1;
            out[k].stamp = set[way].stamp;
            any = true;
        }
    }
    return any;
}

size_t prefix_find(const struct prefix *p, const uint64_t *blocks, size_t n, struct prefix_holder *out)
{
    _Static_assert((int)WAYS <= (int)PREFIX_HOLDERS_MAX, "a set may name more holders than a caller has room for");
    size_t holders = 0;
    if (n > 0)
        hold_first(p->sets[set_of(blocks[0])], blocks[0], out, &holders);
    for (uint32_t i = 1; i < n; i++) {
        if (!hold_next(p->sets[set_of(blocks[i])], blocks[i], i, out, holders))
            break;
    }
    return holders;
}

static struct entry *place_for(struct prefix *p, uint64_t block, uint32_t actor)
{
    struct entry *set = p->sets[set_of(block)], *oldest = &set[0];
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].block == block && set[way].actor == actor)
            return &set[way];
        if (p->clock - set[way].age > p->clock - oldest->age)
            oldest = &set[way];
    }
    return oldest;
}

void prefix_add(struct prefix *p, const uint64_t *blocks, size_t n, uint32_t actor, uint64_t stamp)
{
    for (size_t i = 0; i < n; i++) {
        p->clock++;
        *place_for(p, blocks[i], actor) =
            (struct entry){.block = blocks[i], .stamp = stamp, .actor = actor, .age = p->clock};
    }
}
