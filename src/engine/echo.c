/* Run rows and draws of the echo engine.
 *
 * Invariants, each a MUST:
 * E1  A row's position is the number of tokens its sequence holds: nothing is skipped or
 *     overwritten.
 * E2  A sequence never holds more than the context; a call never has more rows than `rows`.
 * E3  Cells that are trimmed or copied exist.
 * E4  Tokens are drawn only from rows of the last call that asked for logits. */
#include "engine/echo.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/rng.h"
#include "engine/echo_state.h"

enum { RENDER_BYTES_MAX = 64 * 1024 * 1024 };

struct engine_sampler {
    const struct request *r; /* borrowed; outlives the sampler */
    uint32_t prompt_n;       /* length of the prompt */
    const int32_t *script;   /* borrowed; the tokens of the answer; NULL without a script */
    uint32_t tokens;         /* length of the answer */
};

static const char *echo_features(void)
{
    return "echo";
}

static const struct engine_info *echo_info(const struct engine *e)
{
    return &e->info;
}

/* ---- text ---- */

static int render_turns(const struct request *r, struct buf *out, struct fault *f)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    for (uint32_t i = 0; i < r->turns_n; i++) {
        size_t k = 0;
        while (k < 4 && !str_is(r->turns[i].role, roles[k]))
            k++;
        if (k == 4)
            return fault_set(f, ERR_INVALID, "the model's template knows system, user, assistant and tool, not '%.*s'",
                             STR_ARG(r->turns[i].role));
        buf_printf(out, "%s: ", roles[k]);
        buf_add_str(out, r->turns[i].content);
        buf_add_str(out, r->turns[i].extra);
        if (!r->continues || i + 1 < r->turns_n)
            buf_puts(out, "<|end|>\n");
    }
    if (!r->continues && !r->closed)
        buf_puts(out, "assistant:");
    return out->overflowed ? fault_set(f, ERR_TOO_LARGE, "the prompt is longer than %zu bytes", out->max) : 0;
}

static int echo_render(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct buf *out, struct engine_guide **guide,
                       struct fault *f)
{
    (void)bounds;
    *guide = NULL;
    if (request_has_tools(r) && r->tool_choice == TOOLS_REQUIRED && !echo_calls(e))
        return fault_set(f, ERR_TOOLS, "the echo engine makes only the calls in its script");
    int err = render_turns(r, out, f);
    if (err == 0 && r->form == FORM_FREE)
        *guide = echo_guide_new(e, r);
    return err;
}

static bool contains(struct str text, struct str word)
{
    return word.n > 0 && text.n >= word.n && memmem(text.p, text.n, word.p, word.n) != NULL;
}

/* Sleeps in real time even if the engine has a simulated clock: it may run on another thread. */
static int dawdle(const struct engine *e, const struct engine_bounds *bounds, struct fault *f)
{
    for (uint32_t ms = 0; ms < e->options.slow_ms; ms++) {
        if (bounds != NULL && bounds->stopped != NULL && bounds->stopped(bounds->user_data))
            return fault_set(f, ERR_CANCELLED, "tokenizing was stopped");
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}

static int echo_ops_tokenize(struct engine *e, struct str text, unsigned how, const struct engine_bounds *bounds,
                             struct engine_tokens *out, struct fault *f)
{
    int err = contains(text, e->options.slow) ? dawdle(e, bounds, f) : 0;
    if (err != 0)
        return err;
    if (out->cap < text.n + 1) {
        free(out->p);
        *out = (struct engine_tokens){.p = xalloc_array(text.n + 1, sizeof *out->p), .cap = (uint32_t)text.n + 1};
    }
    out->n = (uint32_t)echo_tokenize(text, (how & ENGINE_CONTROL) != 0, out->p, (int32_t)out->cap);
    if ((how & ENGINE_BARE) != 0 && out->n > 1 && out->p[0] == ECHO_BEGIN)
        memmove(out->p, out->p + 1, --out->n * sizeof *out->p);
    return 0;
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

/* Returns the simulated time of a call: a sequence with one row is a stream, others are prompts. */
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

/* Returns whether s contains the word, followed by at least `more` tokens. */
static bool holds(const struct sequence *s, struct str word, uint32_t more)
{
    for (uint32_t at = 0; word.n > 0 && at + word.n + more <= s->n; at++) {
        uint32_t same = 0; /* byte by byte: a word that is not in the vocabulary is tokenized to bytes */
        while (same < word.n && s->tokens[at + same] == ECHO_BYTES + (uint8_t)word.p[same])
            same++;
        if (same == word.n)
            return true;
    }
    return false;
}

static void swallow(const struct engine *e, const struct sequence *s)
{
    if (holds(s, e->options.poison, e->options.poison_after))
        abort();
    if (holds(s, e->options.eat, 0))
        echo_eat(e->options.eat_bytes);
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
    for (uint32_t i = 0; i < rows_n && e->options.poison.n + e->options.eat.n > 0; i++)
        swallow(e, &e->seqs[rows[i].seq]);
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

/* A saved sequence: a hash of the model, and one cell per token, padded to `kv` bytes, so that
 * transfers have a realistic size. */
struct saved {
    uint64_t model; /* hash of the options that answers depend on, besides the tokens */
    uint64_t cell_bytes;
};

static struct saved saved_by(const struct engine *e)
{
    uint64_t least = sizeof(int32_t);
    return (struct saved){.model = rng_mix(e->options.seed ^ e->info.context),
                          .cell_bytes = e->options.kv > least ? e->options.kv : least};
}

static uint64_t echo_seq_bytes(struct engine *e, uint32_t seq)
{
    MUST(seq < e->info.slots);
    return sizeof(struct saved) + e->seqs[seq].n * saved_by(e).cell_bytes;
}

static int echo_seq_save(struct engine *e, uint32_t seq, struct buf *out, struct fault *f)
{
    MUST(seq < e->info.slots);
    const struct sequence *s = &e->seqs[seq];
    struct saved head = saved_by(e);
    if (buf_reserve(out, echo_seq_bytes(e, seq)) != 0)
        return fault_set(f, ERR_TOO_LARGE, "a state of %u tokens takes more than %zu bytes", s->n, out->max);
    buf_add(out, &head, sizeof head);
    for (uint32_t i = 0; i < s->n; i++) {
        char *cell = out->p + out->n;
        memset(cell, 0, head.cell_bytes);
        memcpy(cell, &s->tokens[i], sizeof s->tokens[i]);
        out->n += head.cell_bytes;
    }
    e->sleep_us(e->options.copy_us, e->sleep_data);
    return 0;
}

static int echo_seq_load(struct engine *e, uint32_t seq, struct str state, int32_t n, struct fault *f)
{
    MUST(seq < e->info.slots);
    struct sequence *s = &e->seqs[seq];
    struct saved head, mine = saved_by(e);
    s->n = 0;
    if (state.n < sizeof head)
        return fault_set(f, ERR_INVALID, "a state of %zu bytes is too short", state.n);
    memcpy(&head, state.p, sizeof head);
    if (head.model != mine.model || head.cell_bytes != mine.cell_bytes)
        return fault_set(f, ERR_INVALID, "the state belongs to another model or another kind of cache");
    uint64_t bytes = sizeof head + (uint64_t)(uint32_t)n * head.cell_bytes;
    if (n < 0 || (uint32_t)n > e->info.context || state.n != bytes)
        return fault_set(f, ERR_INVALID, "a state of %zu bytes is not one of %d tokens", state.n, n);
    for (int32_t i = 0; i < n; i++)
        memcpy(&s->tokens[i], state.p + sizeof head + (uint64_t)i * head.cell_bytes, sizeof s->tokens[i]);
    s->n = (uint32_t)n;
    e->sleep_us(e->options.copy_us, e->sleep_data);
    return 0;
}

/* ---- draws ---- */

/* Chooses the script's answer for this turn of the assistant; the last answer is repeated. */
static void take_script(struct engine_sampler *s, const struct engine *e)
{
    uint32_t turn = 0;
    s->tokens = e->options.tokens;
    for (uint32_t i = 0; i + s->r->continues < s->r->turns_n; i++)
        turn += str_is(s->r->turns[i].role, "assistant");
    if (e->script_n == 0)
        return;
    turn = turn < e->script_n ? turn : e->script_n - 1;
    uint32_t from = turn > 0 ? e->script_ends[turn - 1] : 0;
    s->script = e->script + from;
    s->tokens = e->script_ends[turn] - from;
}

static struct engine_sampler *echo_sampler_new(struct engine *e, const struct request *r, const struct engine_guide *guide)
{
    (void)guide;
    struct buf rendered = buf_max(RENDER_BYTES_MAX);
    struct str text = r->text;
    if (r->kind == REQUEST_CHAT) {
        MUST(render_turns(r, &rendered, NULL) == 0);
        text = buf_str(&rendered);
    }
    struct engine_sampler *s = xalloc(sizeof *s);
    int32_t n = r->tokens_n > 0 ? echo_count_mixed(r) : echo_tokenize(text, true, NULL, 0);
    *s = (struct engine_sampler){.r = r, .prompt_n = (uint32_t)n};
    take_script(s, e);
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

/* Returns the k-th choice at position `index` of the answer; `state`: hash of the sequence's
 * tokens. */
static int32_t choice(const struct engine_sampler *s, uint32_t index, int32_t last, uint64_t state, uint32_t k)
{
    if (!s->r->sampling.ignore_eos && index >= s->tokens)
        return ECHO_END;
    if (s->script != NULL && s->tokens > 0 && k == 0)
        return s->script[index % s->tokens];
    return echo_word(last, state, k, index + 1 >= s->tokens);
}

static int32_t echo_sampler_draw(struct engine *e, struct engine_sampler *s, uint32_t row, double u, float *out_logprob,
                                 struct fault *f)
{
    (void)f;
    MUST(row < e->rows_n && e->rows[row].want); /* E4 */
    MUST(u >= 0 && u < 1);
    misbehave(e);
    const struct sequence *seq = &e->seqs[e->rows[row].seq];
    uint32_t held = (uint32_t)e->rows[row].position + 1;
    MUST(held >= s->prompt_n && held <= seq->n);
    uint64_t state = e->options.seed;
    for (uint32_t i = 0; i < held; i++)
        state = rng_mix(state ^ (uint64_t)(uint32_t)seq->tokens[i]);
    if (out_logprob != NULL)
        *out_logprob = -(float)(state % 1000) / 500.0f;
    for (uint32_t i = 0; i < s->r->biases_n; i++)
        if (s->r->biases[i].bias >= 100)
            return s->r->biases[i].token;
    uint32_t k = s->r->sampling.temperature > 0 && e->script_n == 0 ? (uint32_t)(u * 4) : 0;
    int32_t token = choice(s, held - s->prompt_n, seq->tokens[held - 1], state, k);
    for (uint32_t tries = 0; tries < 64 && bias_of(s->r, token) <= -100; tries++)
        token = choice(s, held - s->prompt_n, seq->tokens[held - 1], state, k + 1 + tries);
    return token;
}

static float echo_logprob(struct engine *e, uint32_t row, int32_t token)
{
    MUST(row < e->rows_n && e->rows[row].want); /* E4 */
    return -(float)(rng_mix((uint64_t)(uint32_t)e->rows[row].token << 32 | (uint32_t)token) % 1000) / 500.0f;
}

/* Unrelated to the draws: the most likely token is the one after the row's token in the vocabulary,
 * then the next, and so on. */
static uint32_t echo_likely(struct engine *e, uint32_t row, uint32_t n, struct engine_likely *out)
{
    MUST(row < e->rows_n && e->rows[row].want); /* E4 */
    if (n > e->info.vocab)
        n = e->info.vocab;
    for (uint32_t i = 0; i < n; i++) {
        out[i].token = (int32_t)(((uint32_t)e->rows[row].token + 1 + i) % e->info.vocab);
        out[i].logprob = -0.25f * (float)(i + 1);
    }
    return n;
}

static void vector_of(const struct engine *e, const struct engine_text *text, float *out)
{
    uint32_t n = e->info.width;
    double square = 0;
    memset(out, 0, n * sizeof *out);
    for (uint32_t i = 0; i < text->n; i++)
        out[rng_mix((uint64_t)(uint32_t)text->tokens[i] ^ e->options.seed) % n] += 1.0f;
    for (uint32_t i = 0; i < n; i++)
        square += (double)out[i] * (double)out[i];
    for (uint32_t i = 0; i < n; i++)
        out[i] /= (float)sqrt(square);
}

static int echo_embed(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f)
{
    uint32_t rows = 0;
    if (e->info.width == 0)
        return fault_set(f, ERR_UNSUPPORTED, "this model answers prompts; it makes no embeddings");
    MUST(texts_n > 0 && texts_n <= e->info.slots);
    for (uint32_t i = 0; i < texts_n; i++) {
        MUST(texts[i].n > 0 && texts[i].n <= e->info.context);
        vector_of(e, &texts[i], out + (size_t)i * e->info.width);
        rows += texts[i].n;
    }
    MUST(rows <= e->info.batch_rows_max); /* E2 */
    if (++e->decodes == e->options.fail_decode_at)
        return fault_set(f, ERR_FAILED, "the echo engine was told to fail call %u", e->decodes);
    e->sleep_us(e->options.decode_us + (uint64_t)rows * e->options.prefill_us, e->sleep_data);
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
        .guide_free = echo_guide_free,
        .guide_accept = echo_guide_accept,
        .guide_cuts = echo_guide_cuts,
        .guide_cut = echo_guide_cut,
        .guide_piece = echo_guide_piece,
        .tokenize = echo_ops_tokenize,
        .piece = echo_ops_piece,
        .is_end = echo_is_end,
        .decode = echo_decode,
        .seq_trim = echo_seq_trim,
        .seq_copy = echo_seq_copy,
        .seq_bytes = echo_seq_bytes,
        .seq_save = echo_seq_save,
        .seq_load = echo_seq_load,
        .sampler_new = echo_sampler_new,
        .sampler_free = echo_sampler_free,
        .sampler_accept = echo_sampler_accept,
        .sampler_draw = echo_sampler_draw,
        .logprob = echo_logprob,
        .likely = echo_likely,
        .embed = echo_embed,
    };
    return &ops;
}
