/* Invariants:
 * T1  The output of text_take() is valid UTF-8, cut between characters.
 * T2  No byte of a matched stop string is handed out, however it is split over tokens and steps;
 *     text_take_to() beyond text_sure() is the caller's choice. */
#include "engine/text.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/request.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* ---- stop strings ---- */

/* After a mismatch behind i matched bytes, fall[i] bytes still match. */
static void stop_init(struct text_stop *stop, struct str s)
{
    MUST(s.n > 0 && s.n <= REQUEST_STOP_BYTES_MAX);
    *stop = (struct text_stop){.s = s, .fall = xalloc_array(s.n + 1, sizeof *stop->fall)};
    uint16_t k = 0;
    for (size_t i = 1; i < s.n; i++) {
        while (k > 0 && s.p[i] != s.p[k])
            k = stop->fall[k];
        if (s.p[i] == s.p[k])
            k++;
        stop->fall[i + 1] = k;
    }
}

static bool stop_feed(struct text_stop *stop, char c)
{
    while (stop->matched > 0 && stop->s.p[stop->matched] != c)
        stop->matched = stop->fall[stop->matched];
    if (stop->s.p[stop->matched] == c)
        stop->matched++;
    return stop->matched == stop->s.n;
}

/* Feeds one byte to all stop strings. Of those that end here, the longest counts: it begins
 * first. */
static void feed_stops(struct text *t, char c)
{
    for (uint32_t i = 0; i < t->stops_n; i++)
        if (stop_feed(&t->stops[i], c) && t->stops[i].s.n > t->met.n)
            t->met = t->stops[i].s;
    size_t met = t->met.n;
    if (met == 0)
        return;
    size_t left = t->out.n - t->taken;
    MUST(met <= left || t->ahead); /* T2: it was held back until now */
    t->out.n -= met < left ? met : left;
    t->stopped = true;
}

/* ---- UTF-8 ---- */

/* Returns the length of the character that begins with c; 0 if c begins none. */
static uint8_t char_bytes(uint8_t c)
{
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        return 2;
    if (c >= 0xe0 && c <= 0xef)
        return 3;
    return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* Returns whether c may follow the n >= 1 bytes of part. The second byte excludes overlong forms
 * and surrogates. */
static bool char_goes_on(const uint8_t *part, uint8_t n, uint8_t c)
{
    if ((c & 0xc0) != 0x80)
        return false;
    if (n > 1)
        return true;
    switch (part[0]) {
    case 0xe0:
        return c >= 0xa0;
    case 0xed:
        return c <= 0x9f;
    case 0xf0:
        return c >= 0x90;
    case 0xf4:
        return c <= 0x8f;
    default:
        return true;
    }
}

static void add_char(struct text *t, const char *p, size_t n)
{
    for (size_t i = 0; i < n && !t->stopped; i++) {
        MUST(buf_putc(&t->out, p[i]) == 0);
        feed_stops(t, p[i]);
    }
}

static void drop_part(struct text *t)
{
    if (t->part_n > 0)
        add_char(t, replacement, sizeof replacement - 1);
    t->part_n = 0;
}

static void add_byte(struct text *t, uint8_t c)
{
    if (t->part_n > 0 && !char_goes_on(t->part, t->part_n, c))
        drop_part(t);
    if (t->part_n == 0 && char_bytes(c) == 0) {
        add_char(t, replacement, sizeof replacement - 1);
        return;
    }
    t->part[t->part_n++] = c;
    if (t->part_n < char_bytes(t->part[0]))
        return;
    uint8_t n = t->part_n;
    t->part_n = 0;
    add_char(t, (const char *)t->part, n);
}

/* ---- interface ---- */

void text_init(struct text *t, const struct str *stops, uint32_t stops_n)
{
    *t = (struct text){.out = buf_max(TEXT_STEP_BYTES_MAX)};
    t->stops = xalloc_array(stops_n > 0 ? stops_n : 1, sizeof *t->stops);
    for (uint32_t i = 0; i < stops_n; i++)
        if (stops[i].n > 0)
            stop_init(&t->stops[t->stops_n++], stops[i]);
}

void text_fini(struct text *t)
{
    for (uint32_t i = 0; i < t->stops_n; i++)
        free(t->stops[i].fall);
    free(t->stops);
    buf_fini(&t->out);
    *t = (struct text){0};
}

bool text_add(struct text *t, struct str bytes)
{
    for (size_t i = 0; i < bytes.n && !t->stopped; i++)
        add_byte(t, (uint8_t)bytes.p[i]);
    return t->stopped;
}

void text_end(struct text *t)
{
    if (!t->stopped)
        drop_part(t);
    for (uint32_t i = 0; i < t->stops_n; i++)
        t->stops[i].matched = 0;
}

static size_t held_back(const struct text *t)
{
    size_t held = 0;
    for (uint32_t i = 0; i < t->stops_n && !t->stopped; i++)
        if (t->stops[i].matched > held)
            held = t->stops[i].matched;
    return held;
}

bool text_waits(const struct text *t)
{
    return t->out.n > t->taken + held_back(t);
}

uint64_t text_made(const struct text *t)
{
    return t->before + t->out.n;
}

uint64_t text_sure(const struct text *t)
{
    size_t held = held_back(t), end = t->out.n > held ? t->out.n - held : 0;
    MUST(held <= t->out.n - t->taken || t->ahead);
    /* T1: a stop string is UTF-8 and so begins between characters; one that is not must not cut the
     * text either. */
    while (end > 0 && end < t->out.n && ((uint8_t)t->out.p[end] & 0xc0) == 0x80)
        end--;
    return t->before + end;
}

struct str text_take(struct text *t)
{
    return text_take_to(t, text_sure(t));
}

struct str text_take_to(struct text *t, uint64_t end)
{
    if (end > text_made(t))
        end = text_made(t);
    t->ahead = t->ahead || end > text_sure(t);
    buf_consume(&t->out, t->taken);
    t->before += t->taken;
    t->taken = end > t->before ? (size_t)(end - t->before) : 0;
    return str_n(t->out.p, t->taken);
}
