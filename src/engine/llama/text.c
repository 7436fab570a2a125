/* Convert text to tokens and back, and a conversation to the text format that the model was trained
 * on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/llama/bridge.h"
#include "engine/llama/guide.h"
#include "engine/llama/module.h"
#include "os/memory.h"

enum {
    TEMPLATE_OPEN_CPU_MS = 2000, /* parsing a template and detecting its capabilities takes some milliseconds */
    TEMPLATE_OPEN_BYTES = 64 << 20,
    LONG_BYTES = 256 << 10,      /* from this size on, memory is attributed to the prompt, not to the template */
};

static const char INNER[] = "it uses something that the template interpreter does not support";

static void find_ends(struct engine *e)
{
    int32_t n = llama_vocab_n_tokens(e->vocab);
    e->ends = xalloc_array((size_t)n, sizeof *e->ends);
    for (int32_t t = 0; t < n; t++) {
        if (llama_vocab_is_eog(e->vocab, t))
            e->ends[e->ends_n++] = t;
    }
    e->ends = xrealloc(e->ends, (e->ends_n + 1) * sizeof *e->ends);
}

/* Returns whether tokenizers of that type may map any number of bytes to one token or none: words
 * outside the vocabulary become one token, and white space none. */
static bool shortens(enum llama_vocab_type type)
{
    return type == LLAMA_VOCAB_TYPE_WPM || type == LLAMA_VOCAB_TYPE_UGM;
}

static void find_longest(struct engine *e)
{
    int32_t n = llama_vocab_n_tokens(e->vocab), longest = 0;
    for (int32_t t = 0; t < n; t++) {
        int32_t bytes = llama_token_to_piece(e->vocab, t, NULL, 0, 0, true);
        longest = -bytes > longest ? -bytes : longest;
    }
    e->info.token_bytes_max = shortens(llama_vocab_type(e->vocab)) ? 0 : (uint32_t)longest;
}

static int open_template(struct engine *e, const char *given, struct fault *f)
{
    if (given == NULL && llama_model_chat_template(e->model, NULL) == NULL)
        return 0;
    e->info.has_template = true;
    char why[WORDS_BYTES_MAX] = "";
    struct bridge_bounds bounds = {.memory_bytes = TEMPLATE_OPEN_BYTES, .cpu_us = TEMPLATE_OPEN_CPU_MS * 1000u};
    e->template = bridge_template_new(e->model, given != NULL ? given : "", &bounds, why, sizeof why);
    if (e->template == NULL && given != NULL)
        return fault_set(f, ERR_USAGE, "the chat template given for the model cannot be used: %s", llama_log_or(why, INNER));
    if (e->template == NULL)
        fault_set(&e->template_fault, ERR_INVALID, "the model's chat template cannot be used: %s", llama_log_or(why, INNER));
    return 0;
}

int text_open(struct engine *e, const char *chat_template, struct fault *f)
{
    find_ends(e);
    find_longest(e);
    e->stack_each = depth_measure(e);
    return open_template(e, e->info.kind == REQUEST_CHAT ? chat_template : NULL, f);
}

void text_close(struct engine *e)
{
    free(e->ends);
    bridge_template_free(e->template);
}

static void take(const char *text, size_t n, void *user_data)
{
    buf_add(user_data, text, n);
}

static int stopped(void *user_data)
{
    const struct engine_bounds *bounds = user_data;
    return bounds->stopped(bounds->user_data);
}

static struct bridge_bounds bounds_of(const struct engine_bounds *bounds)
{
    if (bounds == NULL)
        return (struct bridge_bounds){0};
    return (struct bridge_bounds){.memory_bytes = bounds->memory_bytes, .cpu_us = (uint64_t)bounds->cpu_ms * 1000,
                                  .stopped = bounds->stopped != NULL ? stopped : NULL,
                                  .user_data = (void *)(uintptr_t)bounds};
}

static const char *form_name(uint8_t form)
{
    return form == FORM_GRAMMAR ? "grammar" : form == FORM_REGEX ? "regular expression" : "JSON schema";
}

static int render_end(enum bridge_end end, const char *why, size_t bytes, uint8_t form, struct fault *f)
{
    if (end == BRIDGE_MEMORY && bytes > LONG_BYTES)
        return fault_set(f, ERR_TOO_LARGE, "rendering a prompt of %zu bytes takes more memory than it may; shorten it, or give the worker more "
                         "--memory", bytes);
    switch (end) {
    case BRIDGE_DONE: return 0;
    case BRIDGE_STOPPED: return fault_set(f, ERR_CANCELLED, "rendering the chat template was stopped");
    case BRIDGE_MEMORY:
    case BRIDGE_TIME:
    case BRIDGE_DEPTH: return fault_set(f, ERR_INVALID, "the model's chat template cannot be used for these messages: %s", why);
    case BRIDGE_FORM: return fault_set(f, ERR_FORM, "the %s cannot be used: %s", form_name(form), why);
    case BRIDGE_TOOLS: return fault_set(f, ERR_TOOLS, "cannot be used: %s", llama_log_or(why, "llama.cpp cannot make a grammar of them"));
    case BRIDGE_REFUSED: break;
    }
    return fault_set(f, ERR_INVALID, "the model's chat template refuses these messages: %s", llama_log_or(why, INNER));
}

static int render_chat(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct buf *out, struct engine_guide **guide,
                       struct fault *f)
{
    struct bridge_turn *turns = xalloc_array(r->turns_n + 1, sizeof *turns);
    for (uint32_t i = 0; i < r->turns_n; i++) {
        const struct turn *t = &r->turns[i];
        turns[i] = (struct bridge_turn){.role = t->role.p, .role_n = t->role.n, .content = t->content.p, .content_n = t->content.n,
                                        .extra = t->extra.p, .extra_n = t->extra.n};
    }
    struct bridge_chat chat = {.turns = turns, .turns_n = r->turns_n, .tools = r->tools.p, .tools_n = r->tools.n,
                               .template_args = r->template_args.p, .template_args_n = r->template_args.n, .tool_choice = r->tool_choice,
                               .tool_calls = r->tool_calls, .split_reasoning = r->split_reasoning, .continues = r->continues,
                               .closed = r->closed, .form = r->form,
                               .form_text = r->form_text.p, .form_text_n = r->form_text.n};
    char why[WORDS_BYTES_MAX] = "";
    struct bridge_bounds b = bounds_of(bounds);
    enum bridge_end end = bridge_template_render(e->template, e->vocab, &chat, &b, take, out, guide, why, sizeof why);
    free(turns);
    return render_end(end, why, request_prompt_bytes(r), r->form, f);
}

int text_render(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct buf *out, struct engine_guide **guide,
                struct fault *f)
{
    int err = 0;
    *guide = NULL;
    if (r->kind != REQUEST_CHAT)
        buf_add_str(out, r->text);
    else if (e->template == NULL && e->template_fault.err != 0)
        err = fault_set(f, e->template_fault.err, "%s", e->template_fault.text);
    else
        err = render_chat(e, r, bounds, out, guide, f);
    if (err == 0 && out->overflowed)
        err = fault_set(f, ERR_TOO_LARGE, "the prompt is longer than %zu bytes", out->max);
    if (err != 0) {
        guide_free(*guide);
        *guide = NULL;
    }
    return err;
}

/* ---- the form of an answer ---- */

/* A grammar that exceeds its bounds is the client's fault, however much memory the worker has. */
int text_guide(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct engine_guide **out, struct fault *f)
{
    char why[WORDS_BYTES_MAX] = "";
    struct bridge_bounds b = bounds_of(bounds);
    enum bridge_end end = guide_new(e->vocab, r->form, r->form_text.p != NULL ? r->form_text.p : "", r->form_text.n, &b, out, why, sizeof why);
    if (end == BRIDGE_DONE)
        return 0;
    if (end == BRIDGE_STOPPED)
        return fault_set(f, ERR_CANCELLED, "reading the %s was stopped", form_name(r->form));
    return fault_set(f, ERR_FORM, "the %s cannot be used: %s", form_name(r->form), why);
}

int text_guide_accept(struct engine_guide *g, int32_t token, struct fault *f)
{
    enum bridge_end end = guide_accept(g, token);
    if (end == BRIDGE_DONE)
        return 0;
    if (end == BRIDGE_REFUSED)
        return fault_set(f, ERR_FORM, "the answer's form does not allow token %d next", token);
    return fault_set(f, ERR_FORM, "following the answer's form takes too long; simplify the form");
}

bool text_guide_cuts(const struct engine_guide *g)
{
    return guide_is_cutter(g) != 0;
}

int text_guide_cut(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f)
{
    struct guide_parts p;
    enum bridge_end end = guide_cut(g, text.p != NULL ? text.p : "", text.n, ended, &p);
    if (end == BRIDGE_REFUSED)
        return fault_set(f, ERR_FORM, "the answer has a tool call that cannot be parsed");
    if (end != BRIDGE_DONE)
        return fault_set(f, ERR_FORM, "parsing the tool calls in the answer takes too long");
    *out = (struct engine_cut){.text = str_n(p.text, p.text_n), .parts = p.parts, .parts_n = (uint32_t)p.parts_n, .calls = p.calls != 0,
                                .over = p.over != 0};
    return 0;
}

/* ---- tokens ---- */

static void reserve(struct engine_tokens *t, uint32_t cap)
{
    if (cap <= t->cap)
        return;
    free(t->p); /* its contents are not needed */
    *t = (struct engine_tokens){.p = xalloc_array(cap, sizeof *t->p), .cap = cap};
}

static int tokenize_end(enum bridge_end end, struct str text, const struct engine_bounds *bounds, struct fault *f)
{
    switch (end) {
    case BRIDGE_DONE: return 0;
    case BRIDGE_STOPPED: return fault_set(f, ERR_CANCELLED, "tokenizing was stopped");
    case BRIDGE_TIME:
        return fault_set(f, ERR_TOO_LARGE, "a prompt of %zu bytes takes more than %.0f s to tokenize; shorten it", text.n,
                         bounds->cpu_ms / 1000.0);
    case BRIDGE_MEMORY:
        return fault_set(f, ERR_TOO_LARGE, "a prompt of %zu bytes takes more than %.0f MiB to tokenize; shorten it, or give the worker "
                         "more --memory", text.n, bounds != NULL ? mib(bounds->memory_bytes) : 0);
    case BRIDGE_DEPTH:
        return fault_set(f, ERR_TOO_LARGE, "the prompt has a stretch of text that is too long for this model's tokenizer; break it up with spaces");
    case BRIDGE_TOOLS:
    case BRIDGE_FORM:
    case BRIDGE_REFUSED: break;
    }
    return fault_set(f, ERR_INVALID, "the model's vocabulary has no tokens for a part of this prompt");
}

/* libllama would add the tokens at both ends itself, but would abort if the vocabulary lacks one of
 * them. */
static int32_t opening(const struct engine *e)
{
    bool wanted = llama_vocab_get_add_bos(e->vocab) || llama_vocab_type(e->vocab) == LLAMA_VOCAB_TYPE_WPM;
    return wanted ? llama_vocab_bos(e->vocab) : LLAMA_TOKEN_NULL;
}

static int32_t closing(const struct engine *e)
{
    if (llama_vocab_type(e->vocab) == LLAMA_VOCAB_TYPE_WPM)
        return llama_vocab_sep(e->vocab);
    return llama_vocab_get_add_eos(e->vocab) ? llama_vocab_eos(e->vocab) : LLAMA_TOKEN_NULL;
}

/* A token covers at least one byte of text, except for white space, of which some vocabularies make
 * up to three tokens. */
static uint32_t room_for(struct str text)
{
    return (uint32_t)text.n + 16;
}

int text_tokenize(struct engine *e, struct str text, unsigned how, const struct engine_bounds *bounds, struct engine_tokens *out,
                  struct fault *f)
{
    struct bridge_bounds b = bounds_of(bounds);
    int32_t n = 0, first = (how & ENGINE_BARE) != 0 ? LLAMA_TOKEN_NULL : opening(e), last = (how & ENGINE_CLOSE) != 0 ? closing(e) : LLAMA_TOKEN_NULL;
    out->n = 0;
    if (text.n > INT32_MAX / 8)
        return fault_set(f, ERR_TOO_LARGE, "the prompt has %zu bytes, at most %d can be tokenized", text.n, INT32_MAX / 8);
    int err = depth_check(e, text, bounds, f);
    if (err != 0)
        return err;
    reserve(out, room_for(text));
    for (int tries = 0; tries < 2; tries++) {
        enum bridge_end end = bridge_tokenize(e->vocab, text.p != NULL ? text.p : "", (int32_t)text.n, (how & ENGINE_CONTROL) != 0, &b,
                                              out->p + 1, (int32_t)out->cap - 2, &n);
        if (end != BRIDGE_DONE)
            return tokenize_end(end, text, bounds, f);
        if (n >= 0)
            break;
        reserve(out, (uint32_t)-n + 16);
    }
    out->p[0] = first;
    bool skip = first == LLAMA_TOKEN_NULL || (n > 0 && out->p[1] == first);
    if (skip)
        memmove(out->p, out->p + 1, (size_t)n * sizeof *out->p);
    out->n = (uint32_t)n + !skip;
    if (last != LLAMA_TOKEN_NULL)
        out->p[out->n++] = last;
    return 0;
}

/* libllama names a token with empty text [EMPTY_7], where 7 is its number. */
static bool is_empty(const struct engine *e, int32_t token)
{
    const char *text = llama_vocab_get_text(e->vocab, token);
    char name[32];
    if (text[0] != '[' || text[1] != 'E')
        return false;
    snprintf(name, sizeof name, "[EMPTY_%d]", token);
    return strcmp(text, name) == 0;
}

int32_t text_piece(const struct engine *e, int32_t token, char *out, int32_t cap)
{
    if (is_empty(e, token))
        return 0;
    int32_t n = llama_token_to_piece(e->vocab, token, out, cap, 0, false);
    if (n >= 0)
        return n;
    char *whole = xalloc((size_t)-n);
    n = llama_token_to_piece(e->vocab, token, whole, -n, 0, false);
    memcpy(out, whole, (size_t)cap);
    free(whole);
    return cap;
}

bool text_is_end(const struct engine *e, int32_t token)
{
    return llama_vocab_is_eog(e->vocab, token);
}
