/* The story so far: a hash of all of it, the last lines of it, all of it on demand. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

static struct sim *running; /* for the handler of a failed MUST() */

static void line_print(FILE *out, const struct trace_line *l)
{
    fprintf(out, "%12.6f %-14s %-12s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", (double)l->at_us / SIM_S, l->verb, l->noun,
            l->a, l->b, l->c);
}

static uint64_t text_hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

static void must_failed(int sig)
{
    (void)sig;
    signal(SIGABRT, SIG_DFL);
    if (running != NULL)
        sim_dump(running);
    abort();
}

void sim_trace(struct sim *s, const char *verb, const char *noun, uint64_t a, uint64_t b, uint64_t c)
{
    struct trace *t = &s->trace;
    if (t->lines == 0) {
        running = s;
        signal(SIGABRT, must_failed);
    }
    struct trace_line *l = &t->ring[t->lines++ % SIM_TRACE_LINES];
    *l = (struct trace_line){s->now_us, verb, noun, a, b, c};
    uint64_t h = text_hash(text_hash(t->hash, verb), noun);
    t->hash = rng_mix(h ^ rng_mix(s->now_us ^ rng_mix(a ^ rng_mix(b ^ rng_mix(c)))));
    if (s->opt.trace)
        line_print(stdout, l);
}

void sim_say(const char *tag, struct str line)
{
    printf("%12s   [%s] %.*s\n", "", tag != NULL ? tag : "", STR_ARG(line));
}

void sim_dump(struct sim *s)
{
    uint64_t n = s->trace.lines < SIM_TRACE_LINES ? s->trace.lines : SIM_TRACE_LINES;
    fflush(stdout);
    fprintf(stderr, "the last %" PRIu64 " lines of %" PRIu64 ":\n", n, s->trace.lines);
    for (uint64_t i = s->trace.lines - n; i < s->trace.lines; i++)
        line_print(stderr, &s->trace.ring[i % SIM_TRACE_LINES]);
    fprintf(stderr, "seed %" PRIu64 " at %.6f s; again: manta-sim --seed %" PRIu64 " --heads %u --workers %u --minutes %g%s\n",
            s->opt.seed, (double)s->now_us / SIM_S, s->opt.seed, s->opt.heads, s->opt.workers, s->opt.minutes, s->opt.scale ? " --scale" : "");
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "broken: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    sim_dump(s);
    exit(1);
}
