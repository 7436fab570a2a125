#include "base/sum.h"

static const uint64_t P1 = 0x9e3779b185ebca87u, P2 = 0xc2b2ae3d27d4eb4fu, P3 = 0x165667b19e3779f9u,
                      P4 = 0x85ebca77c2b2ae63u, P5 = 0x27d4eb2f165667c5u;

static uint64_t turned(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* Little-endian on every machine, so that two of them agree. */
static uint64_t number_at(const char *p, int bytes)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return x;
}

static uint64_t mixed(uint64_t lane, uint64_t word)
{
    return turned(lane + word * P2, 31) * P1;
}

static uint64_t merged(uint64_t h, uint64_t lane)
{
    return (h ^ mixed(0, lane)) * P1 + P4;
}

static uint64_t lanes_of(const char **p, const char *end)
{
    uint64_t a = P1 + P2, b = P2, c = 0, d = 0 - P1;
    for (; end - *p >= 32; *p += 32) {
        a = mixed(a, number_at(*p, 8));
        b = mixed(b, number_at(*p + 8, 8));
        c = mixed(c, number_at(*p + 16, 8));
        d = mixed(d, number_at(*p + 24, 8));
    }
    uint64_t h = turned(a, 1) + turned(b, 7) + turned(c, 12) + turned(d, 18);
    return merged(merged(merged(merged(h, a), b), c), d);
}

uint64_t sum_of(struct str bytes)
{
    const char *p = bytes.p, *end = bytes.n > 0 ? bytes.p + bytes.n : bytes.p;
    uint64_t h = (bytes.n >= 32 ? lanes_of(&p, end) : P5) + bytes.n;
    for (; end - p >= 8; p += 8)
        h = turned(h ^ mixed(0, number_at(p, 8)), 27) * P1 + P4;
    for (; end - p >= 4; p += 4)
        h = turned(h ^ number_at(p, 4) * P1, 23) * P2 + P3;
    for (; p < end; p++)
        h = turned(h ^ (unsigned char)*p * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}
