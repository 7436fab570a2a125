#include "worker/share.h"

static uint64_t admit(struct share *s, uint32_t n, uint64_t budget)
{
    uint64_t left = budget;
    for (uint32_t i = 0; i < n; i++) {
        s[i].given = s[i].least <= left ? s[i].least : 0;
        left -= s[i].given;
    }
    return left;
}

void share_out(struct share *s, uint32_t n, uint64_t budget)
{
    uint64_t left = admit(s, n, budget), wanted = 0;
    for (uint32_t i = 0; i < n; i++)
        wanted += s[i].given > 0 ? s[i].want - s[i].least : 0;
    double part = wanted > left ? (double)left / (double)wanted : 1;
    for (uint32_t i = 0; i < n; i++) {
        if (s[i].given == 0)
            continue;
        uint64_t more = part < 1 ? (uint64_t)((double)(s[i].want - s[i].least) * part) : s[i].want - s[i].least;
        s[i].given += more < left ? more : left;
        left -= more < left ? more : left;
    }
}

static uint64_t part(uint64_t memory_bytes, uint64_t most)
{
    uint64_t sixteenth = memory_bytes / 16;
    return memory_bytes == 0 || most < sixteenth ? most : sixteenth;
}

struct beside share_beside(uint64_t memory_bytes, struct beside most)
{
    return (struct beside){.kept_bytes = part(memory_bytes, most.kept_bytes),
                           .moving_bytes = part(memory_bytes, most.moving_bytes),
                           .prompt_bytes = part(memory_bytes, most.prompt_bytes)};
}

/* Iterates, because the memory beside models grows with the total, but more slowly: the steps
 * get shorter and end. */
uint64_t share_whole(uint64_t models_bytes, struct beside most)
{
    uint64_t whole = models_bytes;
    for (;;) {
        struct beside b = share_beside(whole, most);
        uint64_t needed = models_bytes + b.kept_bytes + b.moving_bytes + b.prompt_bytes;
        if (whole >= needed)
            return whole;
        whole = needed;
    }
}
