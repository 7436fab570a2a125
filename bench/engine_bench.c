/* How fast is the engine with its batcher, without network and head? The measure for what manta adds.
 *
 *     engine_bench MODULE MODEL [burst|long|prefix] [--streams N] [--words N] [--answer N] [--threads N] [--slots N]
 *                  [--context N] [--exact] [--repack] [--step-ms N] [--runs N] [--print]
 *
 * burst: N different prompts arrive together. long: N streams run, then a prompt of --words words arrives.
 * prefix: N prompts arrive together whose first --words words are the same. One line of numbers per run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"
#include "engine/batcher.h"

enum { STREAMS_MAX = ENGINE_SLOTS_MAX + 1, GAPS_MAX = 1 << 16 };

struct stream {
    uint64_t sent_us, first_us, last_us;
    uint32_t prompt, cached, tokens;
    bool done;
};

static struct {
    const char *what;
    uint32_t streams, words, answer, step_ms, runs;
    bool print;
} opt = {.what = "burst", .streams = 8, .words = 32, .answer = 64, .step_ms = 100, .runs = 1};

static struct stream streams[STREAMS_MAX];
static double gaps[GAPS_MAX];
static uint32_t gaps_n;

static uint64_t now(void *user_data)
{
    (void)user_data;
    return clock_us();
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void note_token(struct stream *s)
{
    uint64_t at = clock_us();
    if (s->first_us == 0)
        s->first_us = at;
    else if (gaps_n < GAPS_MAX && s != &streams[STREAMS_MAX - 1])
        gaps[gaps_n++] = (double)(at - s->last_us) / 1e3;
    s->last_us = at;
}

static void on_event(const struct batcher_event *ev, void *user_data)
{
    (void)user_data;
    struct stream *s = &streams[ev->ticket];
    if (ev->kind == BATCHER_TOKENS) {
        s->tokens += ev->ids_n;
        note_token(s);
        if (opt.print)
            printf("%.*s", STR_ARG(ev->text));
    }
    if (ev->kind != BATCHER_DONE)
        return;
    s->done = true;
    s->prompt = ev->prompt_tokens;
    s->cached = ev->cached_tokens;
    if (ev->finish == FINISH_ERROR)
        fprintf(stderr, "stream %llu: %s\n", (unsigned long long)ev->ticket, ev->fault.text);
}

/* Words that are one token each, so that a prompt of n words has about n tokens. */
static void add_words(struct buf *out, uint64_t seed, uint32_t n)
{
    static const char *const words[] = {"time",  "river", "house", "light", "paper", "green", "stone", "music",
                                        "water", "story", "metal", "night", "table", "world", "glass", "voice"};
    for (uint32_t i = 0; i < n; i++)
        buf_printf(out, "%s ", words[rng_at(seed, i) % 16]);
}

static void submit(struct batcher *b, uint32_t id, uint64_t shared_seed, uint32_t shared, uint64_t seed, uint32_t own)
{
    struct buf text = buf_max(1 << 20);
    add_words(&text, shared_seed, shared);
    add_words(&text, seed, own);
    buf_puts(&text, "Tell a story with these words.");
    struct turn turn = {.role = str_of("user"), .content = buf_str(&text)};
    struct request r = {.kind = REQUEST_CHAT, .turns = &turn, .turns_n = 1, .sampling = sampling_default()};
    r.sampling.temperature = 0;
    r.sampling.max_tokens = opt.answer;
    r.sampling.ignore_eos = 1;
    streams[id] = (struct stream){.sent_us = clock_us()};
    batcher_submit(b, id, &r, NULL, 0);
    buf_fini(&text);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static double percentile(double *values, uint32_t n, double p)
{
    qsort(values, n, sizeof *values, by_value);
    return n == 0 ? 0 : values[(uint32_t)((n - 1) * p + 0.5)];
}

static void print_run(uint64_t start_us, double cpu)
{
    double ttft[STREAMS_MAX], seconds = (double)(clock_us() - start_us) / 1e6;
    uint32_t n = 0, tokens = 0, prompt = 0, cached = 0;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        if (streams[i].tokens == 0)
            continue;
        ttft[n++] = (double)(streams[i].first_us - streams[i].sent_us) / 1e3;
        tokens += streams[i].tokens;
        prompt += streams[i].prompt;
        cached += streams[i].cached;
    }
    const struct stream *late = &streams[STREAMS_MAX - 1];
    printf("%s %u: %.1f tokens/s, ttft p50 %.0f max %.0f ms, gap p50 %.1f p95 %.1f max %.1f ms, cpu %.2f ms/token, prompt "
           "%u cached %u",
           opt.what, opt.streams, tokens / seconds, percentile(ttft, n, 0.5), percentile(ttft, n, 1),
           percentile(gaps, gaps_n, 0.5), percentile(gaps, gaps_n, 0.95), percentile(gaps, gaps_n, 1), cpu / tokens,
           prompt, cached);
    if (late->tokens != 0)
        printf(", the late one's first token %.0f ms", (double)(late->first_us - late->sent_us) / 1e3);
    printf("\n");
    fflush(stdout);
}

static void run(struct batcher *b, uint64_t seed)
{
    memset(streams, 0, sizeof streams);
    gaps_n = 0;
    uint64_t start_us = clock_us();
    double cpu0 = cpu_ms();
    bool is_long = strcmp(opt.what, "long") == 0, is_prefix = strcmp(opt.what, "prefix") == 0, late = false;
    for (uint32_t i = 0; i < opt.streams; i++)
        submit(b, i, seed, is_prefix ? opt.words : 0, seed * 100 + i, is_prefix || is_long ? 16 : opt.words);
    while (batcher_step(b)) {
        /* late: when the streams are well under way */
        if (is_long && !late && gaps_n > 20 * opt.streams) {
            submit(b, STREAMS_MAX - 1, seed * 7, opt.words, 1, 1);
            late = true;
            gaps_n = 0;
        }
    }
    print_run(start_us, cpu_ms() - cpu0);
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

static bool parse(int argc, char **argv, struct engine_load *load)
{
    struct {
        const char *name;
        uint32_t *value;
    } numbers[] = {{"--streams", &opt.streams}, {"--words", &opt.words},    {"--answer", &opt.answer},
                   {"--threads", &load->threads}, {"--slots", &load->slots}, {"--context", &load->context},
                   {"--step-ms", &opt.step_ms}, {"--runs", &opt.runs}};
    if (argc < 3)
        return false;
    load->path = argv[2];
    for (int i = 3; i < argc; i++) {
        size_t at = 0;
        while (at < sizeof numbers / sizeof *numbers && strcmp(numbers[at].name, argv[i]) != 0)
            at++;
        if (at < sizeof numbers / sizeof *numbers && i + 1 < argc)
            *numbers[at].value = number(argv[++i]);
        else if (strcmp(argv[i], "--exact") == 0)
            load->exact = true;
        else if (strcmp(argv[i], "--repack") == 0)
            load->repack = true;
        else if (strcmp(argv[i], "--print") == 0)
            opt.print = true;
        else if (argv[i][0] != '-')
            opt.what = argv[i];
        else
            return false;
    }
    return opt.streams < STREAMS_MAX;
}

int main(int argc, char **argv)
{
    struct fault f = {0};
    const struct engine_ops *ops;
    struct engine *engine = NULL;
    struct engine_load load = {.threads = 2};
    bool parsed = parse(argc, argv, &load);
    if (load.slots == 0)
        load.slots = opt.streams;
    if (!parsed || engine_open(argv[1], &ops, &f) != 0 || ops->load(&load, NULL, NULL, &engine, &f) != 0) {
        fprintf(stderr, "engine_bench MODULE MODEL [burst|long|prefix] [--streams N] … %s\n", f.text);
        return 2;
    }
    struct batcher_config cfg = {.ops = ops, .engine = engine, .step_ms = opt.step_ms, .queue_max = 64, .now_us = now};
    struct batcher *b = batcher_new(&cfg, on_event, NULL);
    for (uint32_t i = 0; i < opt.runs; i++)
        run(b, i + 1);
    batcher_free(b);
    ops->free(engine);
    return 0;
}
