/* Move slot contents to host memory before another prompt takes the slot, and back (prefixes.h).
 *
 * Each direction is one copy by the engine of everything a sequence holds: 23.6 MB for 1,024 tokens
 * of a 135M model, 15 ms of processor time to save into fresh memory and 4 ms to load, whereas
 * computing them takes 7 s. While streams run, each copy is a turn of its own, like a prompt chunk:
 * if the streams would wait longer than a step, they get their token first, and a copy that would
 * itself take longer than a step is not made. */
#include "engine/state.h"
#include "os/last_words.h"

enum {
    SWAP_TOKENS_MIN = 64, /* recomputing fewer is not noticeable */
    SWAP_GAIN = 2,        /* the saved computation must exceed the cost of the copies by this factor */
};

bool swap_waits(const struct batcher *b)
{
    uint64_t waited_us;
    return stream_waiting(b, &waited_us) > 0;
}

static uint64_t step_us(const struct batcher *b)
{
    return (uint64_t)b->cfg.step_ms * 1000;
}

static bool fits_step(const struct batcher *b, uint64_t us)
{
    return us <= step_us(b) || !swap_waits(b);
}

/* Call it before a copy that takes `us`: streams that would wait longer than a step get their token
 * first. */
static void streams_first(struct batcher *b, uint64_t us, uint64_t ticket)
{
    uint64_t waited_us;
    if (stream_waiting(b, &waited_us) > 0 && waited_us + us > step_us(b))
        stream_turn(b);
    last_words_computing(&ticket, 1);
}

static bool pays(const struct batcher *b, uint32_t tokens, uint64_t us)
{
    return tokens >= SWAP_TOKENS_MIN && cost_prompt(&b->cost, 64) * tokens / 64 >= SWAP_GAIN * us;
}

struct slots_prefix swap_find(const struct batcher *b, uint32_t slot, struct slots_prefix without)
{
    const struct job *j = b->slots.slot[slot].job;
    struct prefixes_found found = prefixes_find(&b->prefixes, j->r->scope, j->tokens, job_reusable(j) - 1);
    if (found.n <= without.n)
        return without;
    uint64_t us = cost_load(&b->cost, b->prefixes.entries[found.at].cells.n);
    bool better = pays(b, found.n - without.n, us) && fits_step(b, us);
    return better ? (struct slots_prefix){.n = found.n, .from = SLOTS_KEPT, .src = found.at} : without;
}

/* Returns how much of the slot's contents another slot also holds. */
static uint32_t held_beside(const struct batcher *b, uint32_t slot)
{
    const struct slot *at = &b->slots.slot[slot];
    uint32_t most = 0;
    for (uint32_t i = 0; i < b->slots.n; i++) {
        uint32_t n = i != slot ? slots_held(&b->slots.slot[i], at->scope, at->tokens, at->n) : 0;
        most = n > most ? n : most;
    }
    return most;
}

/* Returns how many tokens of the slot's last prompt are lost. The answer does not count: the next
 * prompt of the same conversation may lack parts of it, such as reasoning. */
static uint32_t lost_of(const struct slot *at, uint32_t stays)
{
    uint32_t asked = at->asked < at->n ? at->asked : at->n;
    return asked > stays ? asked - stays : 0;
}

static bool is_worth_keeping(struct batcher *b, uint32_t slot, uint32_t stays)
{
    const struct slot *at = &b->slots.slot[slot];
    if (b->prefixes.bytes_max == 0 || lost_of(at, stays) < SWAP_TOKENS_MIN)
        return false;
    struct prefixes_found kept = prefixes_find(&b->prefixes, at->scope, at->tokens, at->n);
    if (kept.n + SWAP_TOKENS_MIN > at->n) {
        prefixes_touch(&b->prefixes, kept.at);
        return false;
    }
    return held_beside(b, slot) + SWAP_TOKENS_MIN <= at->n;
}

static bool save(struct batcher *b, uint32_t slot, uint64_t bytes)
{
    const struct slot *at = &b->slots.slot[slot];
    struct prefixes_text text = {.tokens = at->tokens, .n = at->n, .asked = lost_of(at, 0), .scope = at->scope};
    struct buf cells;
    struct fault f = {0};
    uint64_t start_us = batcher_now(b);
    if (!prefixes_make_room(&b->prefixes, &text, bytes, &cells))
        return false;
    bool saved = b->ops->seq_save(b->engine, slot, &cells, &f) == 0;
    if (saved) {
        cost_saw_save(&b->cost, bytes, batcher_now(b) - start_us);
        prefixes_keep(&b->prefixes, &text, &cells);
    }
    buf_fini(&cells);
    return saved;
}

bool swap_out(struct batcher *b, uint32_t slot, uint32_t stays)
{
    const struct slot *at = &b->slots.slot[slot];
    if (!is_worth_keeping(b, slot, stays))
        return false;
    uint64_t bytes = b->ops->seq_bytes(b->engine, slot), save_us = cost_save(&b->cost, bytes);
    if (bytes == 0 || !pays(b, lost_of(at, stays), save_us + cost_load(&b->cost, bytes)) || !fits_step(b, save_us))
        return false;
    streams_first(b, save_us, at->job->ticket);
    return save(b, slot, bytes);
}

void swap_in(struct batcher *b, uint32_t slot, struct slots_prefix kept)
{
    const struct prefixes_entry *e = &b->prefixes.entries[kept.src];
    struct fault f = {0};
    streams_first(b, cost_load(&b->cost, e->cells.n), b->slots.slot[slot].job->ticket);
    uint64_t start_us = batcher_now(b);
    int err = b->ops->seq_load(b->engine, slot, buf_str(&e->cells), (int32_t)e->n, &f);
    slots_cut(&b->slots, slot, 0);
    slots_own(&b->slots, slot, e->scope);
    if (err == 0) {
        cost_saw_load(&b->cost, e->cells.n, batcher_now(b) - start_us);
        b->ops->seq_trim(b->engine, slot, (int32_t)kept.n);
        slots_append(&b->slots, slot, e->tokens, kept.n);
        b->restored++;
        b->restored_tokens += kept.n;
    }
    if (err != 0 || kept.n + SWAP_TOKENS_MIN > e->asked)
        prefixes_drop(&b->prefixes, kept.src); /* the conversation is in the slot now, and will be saved again, longer, when it leaves */
    else
        prefixes_touch(&b->prefixes, kept.src);
}
