/* Invariants, each a MUST:
 * E1  a row's position is the number of tokens its sequence holds: nothing is skipped, nothing overwritten.
 * E2  a sequence never holds more than the context; a call never has more rows than `rows`.
 * E3  cells that are trimmed or copied are there.
 * E4  tokens are drawn only from rows of the last call that asked for logits. */
#include "engine/echo.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/rng.h"

enum { CONTEXT_STEP = 256, PROGRESS_STEPS = 20, RENDER_BYTES_MAX = 64 * 1024 * 1024 };

struct sequence {
    int32_t *tokens; /* owned; room for context */
    uint32_t n;
};

struct engine {
    struct engine_info info;
    struct echo_options options;
    char *path;               /* owned; options.script points into it */
    int32_t *script;          /* owned; tokens of the script, without the beginning-of-text token */
    uint32_t script_n;
    struct sequence *seqs;    /* owned; info.slots of them */
    struct engine_row *rows;  /* owned; the last call's */
    uint32_t rows_n;
    uint32_t decodes, draws;  /* so far, for the failure knobs */
    echo_sleep_fn *sleep_us;
    void *sleep_data;
};

struct engine_sampler {
    const struct request *r; /* borrowed; outlives the sampler */
    uint32_t prompt_n;       /* where the answer begins */
};

/* ---- load ---- */

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

static const char *echo_features(void)
{
    return "echo";
}

static uint64_t needs_total(const struct engine_needs *n)
{
    return n->weights_bytes + n->kv_bytes + n->compute_bytes;
}

/* Fills in the needs for the context asked for, or for the largest that fits. */
static void choose_context(const struct engine_load *load, const struct echo_options *o, struct engine_needs *out)
{
    *out = (struct engine_needs){.weights_bytes = o->weights, .compute_bytes = o->compute};
    out->context = load->context > 0 ? load->context : o->context;
    for (;;) {
        out->kv_bytes = o->kv * out->context * load->slots;
        if (load->memory_bytes == 0 || needs_total(out) <= load->memory_bytes || load->context > 0 ||
            out->context <= CONTEXT_STEP)
            return;
        out->context -= (out->context - 1) % CONTEXT_STEP + 1; /* the next lower multiple */
    }
}

static int echo_probe(const struct engine_load *load, struct engine_needs *out, struct fault *f)
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
                     "the model needs %" PRIu64 " bytes (weights %" PRIu64 ", KV %" PRIu64 " for %u slots of %u tokens, "
                     "compute %" PRIu64 "), the limit is %" PRIu64,
                     needs_total(out), out->weights_bytes, out->kv_bytes, load->slots, out->context, out->compute_bytes,
                     load->memory_bytes);
}

static int pretend_to_load(const struct echo_options *o, engine_progress_fn *progress, void *user_data,
                           struct fault *f)
{
    for (int i = 0; i <= PROGRESS_STEPS; i++) {
        if (progress != NULL && !progress((float)i / PROGRESS_STEPS, user_data))
            return fault_set(f, ERR_CANCELLED, "loading was stopped");
        if (i < PROGRESS_STEPS)
            sleep_really((uint64_t)o->load_ms * 1000 / PROGRESS_STEPS, NULL);
    }
    return o->fail_load ? fault_set(f, ERR_MODEL, "the echo engine was told to fail loading (fail_load)") : 0;
}

static void read_script(struct engine *e)
{
    struct str script = e->options.script;
    if (script.p == NULL)
        return;
    int32_t cap = (int32_t)script.n + 1;
    int32_t *tokens = xalloc_array((size_t)cap, sizeof *tokens);
    int32_t n = echo_tokenize(script, false, tokens, cap);
    memmove(tokens, tokens + 1, (size_t)(n - 1) * sizeof *tokens);
    e->script = tokens;
    e->script_n = (uint32_t)n - 1;
    e->options.tokens = e->script_n;
}

static int echo_load(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
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
    e->info = (struct engine_info){.kind = e->options.embed > 0 ? REQUEST_EMBED : REQUEST_CHAT, .has_template = true,
                                   .slots = load->slots, .context = needs.context, .vocab = echo_vocab(),
                                   .batch_rows_max = e->options.rows,
                                   .chunk_rows = e->options.chunk, .memory = needs, .describe = "echo"};
    e->seqs = xalloc_array(load->slots, sizeof *e->seqs);
    for (uint32_t i = 0; i < load->slots; i++)
        e->seqs[i].tokens = xalloc_array(needs.context, sizeof(int32_t));
    e->rows = xalloc_array(e->options.rows, sizeof *e->rows);
    echo_sleep_with(e, sleep_really, NULL);
    *out = e;
    return 0;
}

static void echo_free(struct engine *e)
{
    if (e == NULL)
        return;
    for (uint32_t i = 0; i < e->info.slots; i++)
        free(e->seqs[i].tokens);
    free(e->seqs);
    free(e->rows);
    free(e->script);
    free(e->path);
    free(e);
}

static const struct engine_info *echo_info(const struct engine *e)
{
    return &e->info;
}

/* ---- text ---- */

static int echo_render(struct engine *e, const struct request *r, struct buf *out, struct fault *f)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    (void)e;
    for (uint32_t i = 0; i < r->turns_n; i++) {
        size_t k = 0;
        while (k < 4 && !str_is(r->turns[i].role, roles[k]))
            k++;
        if (k == 4)
            return fault_set(f, ERR_INVALID, "the model's template knows system, user, assistant and tool, not '%.*s'",
                             STR_ARG(r->turns[i].role));
        buf_printf(out, "%s: ", roles[k]);
        buf_add_str(out, r->turns[i].content);
        buf_puts(out, "<|end|>\n");
    }
    buf_puts(out, "assistant:");
    return out->overflowed ? fault_set(f, ERR_TOO_LARGE, "the prompt is longer than %zu bytes", out->max) : 0;
}

static int32_t echo_ops_tokenize(struct engine *e, struct str text, bool special, int32_t *out, int32_t cap)
{
    (void)e;
    return echo_tokenize(text, special, out, cap);
}

static int32_t echo_ops_piece(const struct engine *e, int32_t token, char *out, int32_t cap)
{
    (void)e;
    return echo_piece(token, out, cap);
}

static bool echo_is_end(const struct engine *e, int32_t token)
{
    (void)e;
    return token == ECHO_END;
}

/* ---- rows ---- */

/* What a call costs: rows of sequences that have one row are streams, the others are prompts. */
static uint64_t call_us(const struct engine *e, const struct engine_row *rows, uint32_t n)
{
    uint64_t streams = 0, prompt_rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool before = i > 0 && rows[i - 1].seq == rows[i].seq, after = i + 1 < n && rows[i + 1].seq == rows[i].seq;
        if (before || after)
            prompt_rows++;
        else
            streams++;
    }
    return prompt_rows * e->options.prefill_us + streams * e->options.stream_us +
           (streams > 0 ? e->options.decode_us : 0);
}

static int echo_decode(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f)
{
    MUST(rows_n > 0 && rows_n <= e->info.batch_rows_max); /* E2 */
    if (++e->decodes == e->options.fail_decode_at)
        return fault_set(f, ERR_FAILED, "the echo engine was told to fail decode call %u", e->decodes);
    for (uint32_t i = 0; i < rows_n; i++) {
        MUST(rows[i].seq < e->info.slots);
        MUST(rows[i].token >= 0 && (uint32_t)rows[i].token < e->info.vocab);
        struct sequence *s = &e->seqs[rows[i].seq];
        MUST(rows[i].position >= 0 && (uint32_t)rows[i].position == s->n); /* E1 */
        MUST(s->n < e->info.context);                                      /* E2 */
        s->tokens[s->n++] = rows[i].token;
        e->rows[i] = rows[i];
    }
    e->rows_n = rows_n;
    e->sleep_us(call_us(e, rows, rows_n), e->sleep_data);
    return 0;
}

static void echo_seq_trim(struct engine *e, uint32_t seq, int32_t from)
{
    MUST(seq < e->info.slots);
    MUST(from >= 0 && (uint32_t)from <= e->seqs[seq].n); /* E3 */
    e->seqs[seq].n = (uint32_t)from;
}

static void echo_seq_copy(struct engine *e, uint32_t src, uint32_t dst, int32_t upto)
{
    MUST(src < e->info.slots && dst < e->info.slots && src != dst);
    MUST(upto >= 0 && (uint32_t)upto <= e->seqs[src].n); /* E3 */
    memcpy(e->seqs[dst].tokens, e->seqs[src].tokens, (size_t)upto * sizeof(int32_t));
    e->seqs[dst].n = (uint32_t)upto;
    e->sleep_us(e->options.copy_us, e->sleep_data);
}

/* ---- draws ---- */

static struct engine_sampler *echo_sampler_new(struct engine *e, const struct request *r)
{
    struct buf rendered = buf_max(RENDER_BYTES_MAX);
    struct str text = r->text;
    if (r->kind == REQUEST_CHAT) {
        MUST(echo_render(e, r, &rendered, NULL) == 0);
        text = buf_str(&rendered);
    }
    struct engine_sampler *s = xalloc(sizeof *s);
    int32_t n = echo_tokenize(text, true, NULL, 0);
    *s = (struct engine_sampler){.r = r, .prompt_n = (uint32_t)-n};
    buf_fini(&rendered);
    return s;
}

static void echo_sampler_free(struct engine_sampler *s)
{
    free(s);
}

static void echo_sampler_accept(struct engine_sampler *s, int32_t token)
{
    (void)s;
    MUST(token >= 0 && (uint32_t)token < echo_vocab());
}

static void misbehave(struct engine *e)
{
    e->draws++;
    if (e->draws == e->options.freeze_at)
        e->sleep_us((uint64_t)e->options.freeze_ms * 1000, e->sleep_data);
    if (e->draws == e->options.crash_at)
        abort();
}

static float bias_of(const struct request *r, int32_t token)
{
    for (uint32_t i = 0; i < r->biases_n; i++)
        if (r->biases[i].token == token)
            return r->biases[i].bias;
    return 0;
}

/* The k-th choice at place `index` of the answer, where the sequence's tokens have been mixed into `state`. */
static int32_t choice(const struct engine *e, const struct engine_sampler *s, uint32_t index, int32_t last,
                      uint64_t state, uint32_t k)
{
    if (!s->r->sampling.ignore_eos && index >= e->options.tokens)
        return ECHO_END;
    if (e->script_n > 0 && k == 0)
        return e->script[index % e->script_n];
    return echo_word(last, state, k, index + 1 >= e->options.tokens);
}

static int32_t echo_sampler_draw(struct engine *e, struct engine_sampler *s, uint32_t row, double u, float *out_logprob)
{
    MUST(row < e->rows_n && e->rows[row].want); /* E4 */
    MUST(u >= 0 && u < 1);
    misbehave(e);
    const struct sequence *seq = &e->seqs[e->rows[row].seq];
    uint32_t held = (uint32_t)e->rows[row].position + 1;
    MUST(held >= s->prompt_n && held <= seq->n);
    uint64_t state = e->options.seed;
    for (uint32_t i = 0; i < held; i++)
        state = rng_mix(state ^ (uint64_t)(uint32_t)seq->tokens[i]);
    *out_logprob = -(float)(state % 1000) / 500.0f;
    for (uint32_t i = 0; i < s->r->biases_n; i++)
        if (s->r->biases[i].bias >= 100)
            return s->r->biases[i].token;
    uint32_t k = s->r->sampling.temperature > 0 && e->script_n == 0 ? (uint32_t)(u * 4) : 0;
    int32_t token = choice(e, s, held - s->prompt_n, seq->tokens[held - 1], state, k);
    for (uint32_t tries = 0; tries < 64 && bias_of(s->r, token) <= -100; tries++)
        token = choice(e, s, held - s->prompt_n, seq->tokens[held - 1], state, k + 1 + tries);
    return token;
}

static int echo_embed(struct engine *e, const int32_t *tokens, uint32_t tokens_n, float *out, uint32_t *inout_n,
                      struct fault *f)
{
    uint32_t n = e->options.embed;
    if (n == 0)
        return fault_set(f, ERR_UNSUPPORTED, "this model answers prompts, it makes no embeddings");
    MUST(*inout_n >= n);
    double square = 0;
    memset(out, 0, n * sizeof *out);
    for (uint32_t i = 0; i < tokens_n; i++)
        out[rng_mix((uint64_t)(uint32_t)tokens[i] ^ e->options.seed) % n] += 1.0f;
    for (uint32_t i = 0; i < n; i++)
        square += (double)out[i] * (double)out[i];
    for (uint32_t i = 0; i < n; i++)
        out[i] /= (float)sqrt(square);
    e->sleep_us((uint64_t)tokens_n * e->options.prefill_us, e->sleep_data);
    *inout_n = n;
    return 0;
}

const struct engine_ops *engine_echo(void)
{
    static const struct engine_ops ops = {
        .abi = ENGINE_ABI,
        .name = "echo",
        .version = "1",
        .features = echo_features,
        .probe = echo_probe,
        .load = echo_load,
        .free = echo_free,
        .info = echo_info,
        .render = echo_render,
        .tokenize = echo_ops_tokenize,
        .piece = echo_ops_piece,
        .is_end = echo_is_end,
        .decode = echo_decode,
        .seq_trim = echo_seq_trim,
        .seq_copy = echo_seq_copy,
        .sampler_new = echo_sampler_new,
        .sampler_free = echo_sampler_free,
        .sampler_accept = echo_sampler_accept,
        .sampler_draw = echo_sampler_draw,
        .embed = echo_embed,
    };
    return &ops;
}
