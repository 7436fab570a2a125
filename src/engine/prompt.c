#include "engine/prompt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/biases.h"
#include "engine/composed.h"

enum { GROUPED_BYTES = 32 };

/* Inputs of one prompt. */
struct making {
    const struct engine_ops *ops;
    struct engine *engine;
    const struct engine_info *info;
    const struct request *r;
    const struct engine_bounds *bounds;
};

/* Formats 5012 as "5,012": people compare these numbers. */
static const char *grouped(uint64_t number, char out[GROUPED_BYTES])
{
    char digits[GROUPED_BYTES];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, number), at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

/* A prompt that is only counted need not fit the context. One whose tokens are scored must, because they are reported like an answer's. */
static uint32_t tokens_max(const struct making *m)
{
    bool counted = m->r->sampling.prompt_only == PROMPT_COUNTED && !m->r->sampling.prompt_scores;
    return counted && m->info->context < PROMPT_COUNTED_TOKENS_MAX ? PROMPT_COUNTED_TOKENS_MAX : m->info->context;
}

static int too_long(const struct making *m, const char *about, uint64_t tokens, struct fault *f)
{
    char has[GROUPED_BYTES], may[GROUPED_BYTES];
    uint32_t context = tokens_max(m);
    if (context > m->info->context)
        return fault_set(f, ERR_TOO_LARGE, "the text has %s%s tokens; at most %s can be told of one", about, grouped(tokens, has), grouped(context, may));
    fault_set(f, ERR_CONTEXT, "the prompt has %s%s tokens, too large: it exceeds the available context size; this model's maximum context length is %s tokens: "
              "shorten the prompt", about,
              grouped(tokens, has), grouped(context, may));
    f->count = tokens < UINT32_MAX ? (uint32_t)tokens : UINT32_MAX;
    f->limit = context;
    return ERR_CONTEXT;
}

/* ---- is it short enough? ---- */

/* No token stands for more bytes than the longest one. */
static int check_size(const struct making *m, uint64_t bytes, struct fault *f)
{
    uint64_t each = m->info->token_bytes_max, least = each > 0 ? (bytes + each - 1) / each : 0;
    return least <= tokens_max(m) ? 0 : too_long(m, "at least ", least, f);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Returns the bytes that every template keeps: user messages, without surrounding white space. Some
 * templates drop a part of assistant messages (the reasoning), and some ignore system messages. */
static uint64_t kept_bytes(const struct request *r)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->turns_n; i++) {
        struct str s = r->turns[i].content;
        while (s.n > 0 && is_space(s.p[s.n - 1]))
            s.n--;
        while (s.n > 0 && is_space(s.p[0]))
            s = str_n(s.p + 1, s.n - 1);
        bytes += str_is(r->turns[i].role, "user") ? s.n : 0;
    }
    return bytes;
}

static unsigned how_of(const struct request *r)
{
    unsigned bare = r->sampling.bare, how = r->kind == REQUEST_EMBED ? ENGINE_CLOSE : 0u;
    return how | ((bare & BARE_TEXT) != 0 ? 0u : ENGINE_CONTROL) | ((bare & BARE_BEGIN) != 0 ? ENGINE_BARE : 0u);
}

static int tokenize(const struct making *m, struct str text, struct engine_tokens *out, struct fault *f)
{
    return m->ops->tokenize(m->engine, text, how_of(m->r), m->bounds, out, f);
}

/* If a text is longer than texts that fit usually are, its beginning alone is mostly too long. */
static int check_beginning(const struct making *m, struct str text, struct engine_tokens *out, struct fault *f)
{
    size_t plausible = PROMPT_PROBE_BYTES_MIN + (size_t)tokens_max(m) * PROMPT_PROBE_BYTES_PER_TOKEN;
    if (text.n <= plausible)
        return 0;
    int err = tokenize(m, str_n(text.p, plausible), out, f);
    if (err != 0 || out->n <= tokens_max(m))
        return err;
    too_long(m, "about ", (uint64_t)((double)out->n * (double)text.n / (double)plausible), f);
    f->count = out->n; /* a lower bound */
    return f->err;
}

static int check_count(const struct making *m, const struct engine_tokens *tokens, struct fault *f)
{
    if (tokens->n > tokens_max(m))
        return too_long(m, "", tokens->n, f);
    if (tokens->n == 0)
        return fault_set(f, ERR_INVALID, "the prompt is empty, and this model has no token to begin a text with");
    return 0;
}

static int take_text(const struct making *m, struct str text, struct engine_tokens *out, struct fault *f)
{
    int err = check_size(m, text.n, f);
    if (err == 0)
        err = check_beginning(m, text, out, f);
    if (err == 0)
        err = tokenize(m, text, out, f);
    return err == 0 ? check_count(m, out, f) : err;
}

/* ---- texts and token ids in turn ---- */

/* Returns the bounds of a part of a text: its share of the time, since the parts are tokenized one by one. */
static struct engine_bounds share_of(const struct making *m, size_t bytes)
{
    struct engine_bounds b = *m->bounds;
    uint64_t share = (uint64_t)b.cpu_ms * bytes / m->r->text.n + PROMPT_PIECE_CPU_MS;
    b.cpu_ms = b.cpu_ms == 0 || share > b.cpu_ms ? b.cpu_ms : (uint32_t)share;
    return b;
}

/* Makes the tokens of the text that is number i among the ids. Like a text alone it has the model's own first token if it
 * begins the prompt, and the model's own last token if it ends the prompt. */
static int take_piece(const struct making *m, uint32_t i, struct str text, struct engine_tokens *out, struct fault *f)
{
    struct engine_bounds share = {0};
    struct making part = *m;
    unsigned how = how_of(m->r);
    if (m->bounds != NULL && text.n > 0) {
        share = share_of(m, text.n);
        part.bounds = &share;
    }
    if (i > 0)
        how |= ENGINE_BARE;
    if (i + 1 < m->r->tokens_n)
        how &= ~(unsigned)ENGINE_CLOSE;
    out->n = 0;
    if (text.n == 0 && i > 0)
        return 0;
    int err = check_beginning(&part, text, out, f);
    return err == 0 ? m->ops->tokenize(m->engine, text, how, part.bounds, out, f) : err;
}

static int check_id(const struct making *m, int32_t token, struct fault *f)
{
    if (token < 0 || (uint32_t)token >= m->info->vocab)
        return fault_set(f, ERR_INVALID, "token %d is not one of this model's %u", token, m->info->vocab);
    return 0;
}

static int take_mixed(const struct making *m, struct engine_tokens *out, struct fault *f)
{
    const struct request *r = m->r;
    struct engine_tokens piece = {0};
    size_t at = 0;
    int err = check_size(m, r->text.n, f);
    out->n = 0;
    for (uint32_t i = 0; i < r->tokens_n && err == 0 && out->n <= tokens_max(m); i++) {
        size_t n = r->tokens[i] < 0 ? input_marked(r->tokens[i]) : 0;
        if (r->tokens[i] >= 0) {
            err = check_id(m, r->tokens[i], f);
            composed_append(out, &r->tokens[i], 1);
        } else if (n > r->text.n - at) {
            err = fault_set(f, ERR_INVALID, "%zu bytes of text among the prompt's tokens, where %zu are left", n, r->text.n - at);
        } else {
            err = take_piece(m, i, str_n(r->text.p + at, n), &piece, f);
            composed_append(out, piece.p, err == 0 ? piece.n : 0);
            at += n;
        }
    }
    free(piece.p);
    if (err == 0 && out->n > tokens_max(m))
        return too_long(m, "at least ", out->n, f);
    return err == 0 ? check_count(m, out, f) : err;
}

static bool is_mixed(const struct request *r)
{
    for (uint32_t i = 0; i < r->tokens_n; i++)
        if (r->tokens[i] < 0)
            return true;
    return false;
}

/* The prompt arrived as token ids: used unchanged, without the model's own first and last token. */
static int take_ids(const struct making *m, struct engine_tokens *out, struct fault *f)
{
    const struct request *r = m->r;
    if (r->tokens_n > tokens_max(m))
        return too_long(m, "", r->tokens_n, f);
    for (uint32_t i = 0; i < r->tokens_n; i++)
        if (check_id(m, r->tokens[i], f) != 0)
            return f->err;
    *out = (struct engine_tokens){.p = xalloc_array(r->tokens_n, sizeof *out->p), .n = r->tokens_n, .cap = r->tokens_n};
    memcpy(out->p, r->tokens, r->tokens_n * sizeof *out->p);
    return 0;
}

/* ---- interface ---- */

static int check_stops(const struct request *r, struct fault *f)
{
    if (r->stops_n > REQUEST_STOPS_MAX)
        return fault_set(f, ERR_INVALID, "%u stop strings; at most %d are allowed", r->stops_n, REQUEST_STOPS_MAX);
    for (uint32_t i = 0; i < r->stops_n; i++)
        if (r->stops[i].n > REQUEST_STOP_BYTES_MAX)
            return fault_set(f, ERR_INVALID, "a stop string of %zu bytes; at most %d are allowed", r->stops[i].n,
                             REQUEST_STOP_BYTES_MAX);
    return 0;
}

int prompt_check(const struct request *r, const struct engine_info *info, struct fault *f)
{
    if (r->kind != REQUEST_EMBED && info->kind == REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "this model makes embeddings; it does not answer prompts");
    if (r->kind == REQUEST_EMBED && info->kind != REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "this model writes text; it makes no embeddings");
    if (request_ranks(r) && !info->ranks)
        return fault_set(f, ERR_UNSUPPORTED, "this model makes embeddings; only a reranker can rank texts");
    if (r->kind == REQUEST_EMBED && r->turns_n == 0 && info->ranks)
        return fault_set(f, ERR_UNSUPPORTED, "this model ranks texts by a question (POST /v1/rerank); it makes no embeddings");
    if (r->tokens_n > 0 && (r->kind == REQUEST_CHAT || r->turns_n > 0))
        return fault_set(f, ERR_UNSUPPORTED, "token ids cannot be the prompt of a chat, or of a completion with a suffix");
    if (r->kind != REQUEST_CHAT && r->kind != REQUEST_TEXT && r->kind != REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "unknown kind of request (%u)", (unsigned)r->kind);
    if (r->form >= FORM_KINDS || r->tool_choice >= TOOL_CHOICES || r->tool_calls >= TOOL_CALLS_KINDS)
        return fault_set(f, ERR_UNSUPPORTED, "unknown form of answer (%u)", (unsigned)r->form);
    if (r->sampling.prompt_only >= PROMPT_ONLY_KINDS || r->sampling.bare > BARE_ALL)
        return fault_set(f, ERR_UNSUPPORTED, "unknown use of a prompt (%u)", (unsigned)r->sampling.prompt_only);
    if (r->sampling.mirostat > MIROSTAT_VERSIONS || (r->sampling.mirostat > 0 && (r->form != FORM_FREE || request_has_tools(r))))
        return fault_set(f, ERR_UNSUPPORTED, "mirostat is 0, 1 or 2, and cannot be combined with tools or a form of the answer");
    if (request_has_tools(r) && r->kind != REQUEST_CHAT)
        return fault_set(f, ERR_UNSUPPORTED, "only chats can call tools");
    int err = biases_check(r, info, f);
    return err != 0 ? err : check_stops(r, f);
}

/* A prompt composed of several texts. */
static int take_composed(const struct making *m, struct engine_tokens *out, struct fault *f)
{
    struct composing c = {.ops = m->ops, .engine = m->engine, .r = m->r, .bounds = m->bounds, .out = out};
    int err = check_size(m, request_ranks(m->r) ? m->r->text.n : 0, f);
    if (err == 0)
        err = request_fills(m->r) ? composed_gap(&c, f) : composed_pair(&c, f);
    return err == 0 ? check_count(m, out, f) : err;
}

/* Makes the tokens of the prompt; a chat is rendered into `text`, which is also where the prompt's
 * text is requested. */
static int make(const struct making *m, struct buf *text, struct engine_tokens *out, struct engine_guide **guide, struct fault *f)
{
    int err = prompt_check(m->r, m->info, f);
    if (err != 0)
        return err;
    if (m->r->tokens_n > 0)
        return is_mixed(m->r) ? take_mixed(m, out, f) : take_ids(m, out, f);
    if (request_fills(m->r) || request_ranks(m->r))
        return take_composed(m, out, f);
    if (m->r->kind != REQUEST_CHAT)
        return take_text(m, m->r->text, out, f);
    err = check_size(m, kept_bytes(m->r), f);
    if (err == 0)
        err = m->ops->render(m->engine, m->r, m->bounds, text, guide, f);
    return err == 0 ? take_text(m, buf_str(text), out, f) : err;
}

/* Control tokens have no bytes in an answer; in a prompt's text they are spelled out. */
static void add_piece(const struct making *m, int32_t token, struct buf *text)
{
    char piece[ENGINE_TOKEN_BYTES_MAX];
    int32_t n = m->ops->piece(m->engine, token, piece, sizeof piece);
    if (n == 0 && m->ops->control != NULL)
        n = m->ops->control(m->engine, token, piece, sizeof piece);
    buf_add(text, piece, (size_t)n);
}

/* Completes the prompt's text: as it arrived, was rendered, or as its tokens spell it. */
static int tell_text(const struct making *m, struct buf *text, struct fault *f)
{
    size_t at = 0;
    for (uint32_t i = 0; i < m->r->tokens_n; i++) {
        size_t n = m->r->tokens[i] < 0 ? input_marked(m->r->tokens[i]) : 0;
        if (m->r->tokens[i] >= 0)
            add_piece(m, m->r->tokens[i], text);
        if (n > 0)
            buf_add(text, m->r->text.p + at, n);
        at += n;
    }
    if (m->r->kind != REQUEST_CHAT && m->r->tokens_n == 0)
        buf_add_str(text, m->r->text);
    if (text->overflowed || text->n > PROMPT_TEXT_BYTES_MAX)
        return fault_set(f, ERR_TOO_LARGE, "the prompt's text has more than %d bytes, too many to return", PROMPT_TEXT_BYTES_MAX);
    return 0;
}

static int make_guide(const struct making *m, struct engine_guide **out, struct fault *f)
{
    if (m->r->form == FORM_FREE || *out != NULL)
        return 0;
    if (m->ops->guide_new == NULL)
        return fault_set(f, ERR_FORM, "the %s engine cannot enforce a form", m->ops->name);
    return m->ops->guide_new(m->engine, m->r, m->bounds, out, f);
}

struct prompt prompt_make(const struct engine_ops *ops, struct engine *e, const struct request *r, const struct engine_bounds *bounds)
{
    struct prompt p = {.ops = ops, .text = buf_max(PROMPT_RENDER_BYTES_MAX)};
    struct making m = {.ops = ops, .engine = e, .info = ops->info(e), .r = r, .bounds = bounds};
    int err = make(&m, &p.text, &p.tokens, &p.guide, &p.fault);
    if (err == 0)
        err = make_guide(&m, &p.guide, &p.fault);
    if (err == 0)
        err = biases_make(ops, e, r, bounds, &p.biases, &p.biases_n, &p.fault);
    if (err == 0 && r->sampling.prompt_text)
        err = tell_text(&m, &p.text, &p.fault);
    else
        buf_fini(&p.text);
    if (err != 0)
        prompt_free(&p);
    return p;
}

void prompt_free(struct prompt *p)
{
    buf_fini(&p->text);
    free(p->tokens.p);
    p->tokens = (struct engine_tokens){0};
    free(p->biases);
    p->biases = NULL;
    p->biases_n = 0;
    if (p->guide != NULL)
        p->ops->guide_free(p->guide);
    p->guide = NULL;
}
