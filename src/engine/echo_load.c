/* Load and free the echo engine, with the size, speed and faults that its options ask for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/echo_state.h"
#include "os/memory.h"

static const uint64_t BYTES_MAX = 1ull << 60; /* of cache, weights and compute each, so that their sum does not overflow */

enum { CONTEXT_STEP = 256, PROGRESS_STEPS = 20 };

static void sleep_really(uint64_t us, void *user_data)
{
    (void)user_data;
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (us > 0 && nanosleep(&t, &t) != 0)
        ;
}

void echo_sleep_with(struct engine *e, echo_sleep_fn *sleep_us, void *user_data)
{
    e->sleep_us = sleep_us;
    e->sleep_data = user_data;
}

static uint64_t needs_total(const struct engine_needs *n)
{
    return n->weights_bytes + n->kv_bytes + n->compute_bytes;
}

/* Fills in the needs for the requested context, or for the largest that fits. */
static void choose_context(const struct engine_load *load, const struct echo_options *o, struct engine_needs *out)
{
    *out = (struct engine_needs){.weights_bytes = o->weights < BYTES_MAX ? o->weights : BYTES_MAX,
                                 .compute_bytes = o->compute < BYTES_MAX ? o->compute : BYTES_MAX,
                                 .kind = o->embed > 0 ? REQUEST_EMBED : REQUEST_CHAT};
    out->context = load->context > 0 ? load->context : o->context;
    for (;;) {
        if (__builtin_mul_overflow(o->kv, (uint64_t)out->context * load->slots, &out->kv_bytes) || out->kv_bytes > BYTES_MAX)
            out->kv_bytes = BYTES_MAX;
        if (load->memory_bytes == 0 || needs_total(out) <= load->memory_bytes || load->context > 0 ||
            out->context <= CONTEXT_STEP)
            return;
        out->context -= (out->context - 1) % CONTEXT_STEP + 1; /* the next lower multiple */
    }
}

int echo_probe(const struct engine_load *load, struct engine_needs *out, struct fault *f)
{
    struct echo_options o;
    int rc = echo_options_parse(load->path, &o, f);
    if (rc != 0)
        return rc;
    MUST(load->slots > 0 && load->slots <= ENGINE_SLOTS_MAX);
    choose_context(load, &o, out);
    if (load->memory_bytes == 0 || needs_total(out) <= load->memory_bytes)
        return 0;
    return fault_set(f, ERR_MEMORY,
                     "the model needs %.1f MiB: weights %.1f + KV %.1f (%u slots x %u tokens) + compute %.1f; the limit "
                     "is %.1f MiB (--memory)",
                     mib(needs_total(out)), mib(out->weights_bytes), mib(out->kv_bytes), load->slots, out->context,
                     mib(out->compute_bytes), mib(load->memory_bytes));
}

void echo_eat(uint64_t bytes)
{
    enum { STEP = 1 << 20 };
    for (uint64_t eaten = 0; eaten < bytes; eaten += STEP)
        memset(xalloc_array(STEP, 1), 1, STEP); /* leaked on purpose */
}

static void misbehave(const struct echo_options *o)
{
    if (o->crash_load == 2)
        fprintf(stderr, "/source/echo.c:1: GGML_ASSERT(n_head > 0) failed\n");
    if (o->crash_load > 0)
        abort();
    sleep_really((uint64_t)o->hang_load * 1000, NULL);
    echo_eat(o->eat_load);
}

static int pretend_to_load(const struct echo_options *o, engine_progress_fn *progress, void *user_data, struct fault *f)
{
    for (int i = 0; i <= PROGRESS_STEPS; i++) {
        if (progress != NULL && !progress((float)i / PROGRESS_STEPS, user_data))
            return fault_set(f, ERR_CANCELLED, "loading was stopped");
        if (i == PROGRESS_STEPS / 2)
            misbehave(o);
        if (i < PROGRESS_STEPS)
            sleep_really((uint64_t)o->load_ms * 1000 / PROGRESS_STEPS, NULL);
    }
    return o->fail_load ? fault_set(f, ERR_MODEL, "the echo engine was told to fail loading (fail_load)") : 0;
}

/* Appends one answer of the script to the others. Returns the position after it. */
static uint32_t add_answer(struct engine *e, struct str text, uint32_t at)
{
    int32_t cap = (int32_t)text.n + 1;
    int32_t *tokens = xalloc_array((size_t)cap, sizeof *tokens);
    uint32_t n = (uint32_t)echo_tokenize(text, false, tokens, cap) - 1; /* without the beginning-of-text token */
    memcpy(e->script + at, tokens + 1, n * sizeof *tokens);
    free(tokens);
    e->script_ends[e->script_n++] = at + n;
    return at + n;
}

static void read_script(struct engine *e)
{
    static const char next[] = "<next>";
    struct str rest = e->options.script;
    uint32_t at = 0;
    if (rest.p == NULL)
        return;
    e->script = xalloc_array(rest.n + 1, sizeof *e->script);
    e->script_ends = xalloc_array(rest.n / (sizeof next - 1) + 2, sizeof *e->script_ends);
    for (bool more = true; more;) {
        const char *end = memmem(rest.p, rest.n, next, sizeof next - 1);
        more = end != NULL;
        size_t n = more ? (size_t)(end - rest.p) : rest.n;
        at = add_answer(e, str_n(rest.p, n), at);
        if (more)
            rest = str_n(end + sizeof next - 1, rest.n - n - (sizeof next - 1));
    }
}

int echo_load(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
              struct fault *f)
{
    struct engine_needs needs;
    int rc = echo_probe(load, &needs, f);
    if (rc != 0)
        return rc;
    struct engine *e = xalloc(sizeof *e);
    e->path = xstrdup(load->path);
    MUST(echo_options_parse(e->path, &e->options, NULL) == 0);
    rc = pretend_to_load(&e->options, progress, user_data, f);
    if (rc != 0) {
        free(e->path);
        free(e);
        return rc;
    }
    read_script(e);
    /* a text becomes a vector in one call, however long it is */
    uint32_t rows = e->options.embed > 0 && needs.context > e->options.rows ? needs.context : e->options.rows;
    e->info = (struct engine_info){.kind = needs.kind, .has_template = true,
                                   .slots = load->slots, .context = needs.context, .vocab = echo_vocab(),
                                   .token_bytes_max = echo_token_bytes_max(),
                                   .batch_rows_max = rows, .wants_max = rows, .width = e->options.embed,
                                   .chunk_rows = e->options.chunk, .memory = needs, .describe = "echo", .family = "echo"};
    snprintf(e->info.setup, sizeof e->info.setup, "%s", load->exact ? "scripted" : "");
    e->seqs = xalloc_array(load->slots, sizeof *e->seqs);
    for (uint32_t i = 0; i < load->slots; i++)
        e->seqs[i].tokens = xalloc_array(needs.context, sizeof(int32_t));
    e->rows = xalloc_array(e->options.rows, sizeof *e->rows);
    echo_sleep_with(e, sleep_really, NULL);
    *out = e;
    return 0;
}

void echo_free(struct engine *e)
{
    if (e == NULL)
        return;
    for (uint32_t i = 0; i < e->info.slots; i++)
        free(e->seqs[i].tokens);
    free(e->seqs);
    free(e->rows);
    free(e->script);
    free(e->script_ends);
    free(e->path);
    free(e);
}
