#include "engine/composed.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    NEAR_BYTES_PER_TOKEN = 16, /* only this much text on each side of the gap is tokenized, per token of room */
    MARKS_MAX = 8,             /* special tokens of a gap prompt */
    EXTRA_BYTES_MAX = 4 << 20, /* of all files together */
};

static int32_t mark_of(const struct composing *c, enum engine_mark mark)
{
    return c->ops->mark != NULL ? c->ops->mark(c->engine, mark) : -1;
}

void composed_append(struct engine_tokens *out, const int32_t *tokens, uint32_t n)
{
    if (out->n + n > out->cap) {
        out->cap = (out->n + n) * 2;
        out->p = xrealloc(out->p, out->cap * sizeof *out->p);
    }
    if (n > 0)
        memcpy(out->p + out->n, tokens, n * sizeof *tokens);
    out->n += n;
}

/* Appends that special token, if the vocabulary has it. */
static void append_mark(const struct composing *c, struct engine_tokens *out, enum engine_mark mark)
{
    int32_t token = mark_of(c, mark);
    if (token >= 0)
        composed_append(out, &token, 1);
}

/* Appends text as it is: names of control tokens in it are plain text. */
static int append_text(const struct composing *c, struct engine_tokens *out, struct str text, struct fault *f)
{
    struct engine_tokens tokens = {0};
    int err = text.n > 0 ? c->ops->tokenize(c->engine, text, ENGINE_BARE, c->bounds, &tokens, f) : 0;
    if (err == 0)
        composed_append(out, tokens.p, tokens.n);
    free(tokens.p);
    return err;
}

/* ---- a gap ---- */

/* Returns the last n bytes of a text, starting at a character. */
static struct str tail(struct str s, size_t n)
{
    size_t at = s.n > n ? s.n - n : 0;
    while (at > 0 && at < s.n && ((uint8_t)s.p[at] & 0xc0) == 0x80)
        at++;
    return str_n(s.p + at, s.n - at);
}

/* Returns the first n bytes, ending after a character. */
static struct str head(struct str s, size_t n)
{
    size_t end = s.n > n ? n : s.n;
    while (end > 0 && end < s.n && ((uint8_t)s.p[end] & 0xc0) == 0x80)
        end--;
    return str_n(s.p, end);
}

static struct str turn_of(const struct request *r, const char *role)
{
    for (uint32_t i = 0; i < r->turns_n; i++) {
        if (str_is(r->turns[i].role, role))
            return r->turns[i].content;
    }
    return str_n(NULL, 0);
}

static int append_file(const struct composing *c, struct engine_tokens *out, struct str name, struct str text, struct fault *f)
{
    static const char between[] = "\n\n--- snippet ---\n\n"; /* for models without a file token, as in llama-server */
    struct buf line = buf_max(name.n + sizeof between);
    if (mark_of(c, MARK_FIM_FILE) >= 0)
        buf_printf(&line, "%.*s\n", STR_ARG(name));
    else
        buf_puts(&line, between);
    append_mark(c, out, MARK_FIM_FILE);
    int err = append_text(c, out, buf_str(&line), f);
    buf_fini(&line);
    return err == 0 ? append_text(c, out, text, f) : err;
}

/* Appends all files; they come before the text around the gap. */
static int make_files(const struct composing *c, struct engine_tokens *out, struct fault *f)
{
    const struct request *r = c->r;
    size_t bytes = 0;
    int err = 0;
    if (mark_of(c, MARK_FIM_REPO) >= 0) {
        append_mark(c, out, MARK_FIM_REPO);
        err = append_text(c, out, str_of("myproject\n"), f);
    }
    for (uint32_t i = 0; i < r->turns_n && err == 0; i++) {
        if (!str_is(r->turns[i].role, "file"))
            continue;
        bytes += r->turns[i].content.n;
        if (bytes > EXTRA_BYTES_MAX)
            return fault_set(f, ERR_TOO_LARGE, "the files have more than %d bytes together", EXTRA_BYTES_MAX);
        err = append_file(c, out, r->turns[i].extra, r->turns[i].content, f);
    }
    if (err == 0 && mark_of(c, MARK_FIM_FILE) >= 0)
        err = append_file(c, out, str_of("filename"), str_n(NULL, 0), f);
    return err;
}

/* Returns the context tokens available for the prompt. */
static uint32_t room_of(const struct composing *c)
{
    uint32_t context = c->ops->info(c->engine)->context, most = context / 2, wants = c->r->sampling.max_tokens;
    uint32_t answer = wants == 0 ? context / 4 : wants < most ? wants : most;
    return context > answer + MARKS_MAX ? context - answer - MARKS_MAX : 0;
}

struct gap {
    struct engine_tokens files, before, after, inside; /* owned */
};

static int make_gap(const struct composing *c, struct gap *g, uint32_t room, struct fault *f)
{
    size_t near_bytes = (size_t)room * NEAR_BYTES_PER_TOKEN;
    int err = append_text(c, &g->before, tail(turn_of(c->r, "prefix"), near_bytes), f);
    if (err == 0)
        err = append_text(c, &g->after, head(turn_of(c->r, "suffix"), near_bytes), f);
    if (err == 0)
        err = append_text(c, &g->inside, c->r->text, f);
    return err == 0 ? make_files(c, &g->files, f) : err;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void join(const struct composing *c, const struct gap *g, uint32_t room)
{
    uint32_t before = least(g->before.n, room / 4 * 3);
    uint32_t after = least(g->after.n, room / 4 > g->inside.n ? room / 4 - g->inside.n : 0);
    uint32_t taken = before + after + g->inside.n, files = least(g->files.n, room > taken ? room - taken : 0);
    c->out->n = 0;
    composed_append(c->out, g->files.p + (g->files.n - files), files);
    append_mark(c, c->out, MARK_BEGIN);
    append_mark(c, c->out, MARK_FIM_PREFIX);
    composed_append(c->out, g->before.p + (g->before.n - before), before);
    composed_append(c->out, g->inside.p, g->inside.n);
    append_mark(c, c->out, MARK_FIM_SUFFIX);
    composed_append(c->out, g->after.p, after);
    append_mark(c, c->out, MARK_FIM_MIDDLE);
}

int composed_gap(const struct composing *c, struct fault *f)
{
    struct gap g = {0};
    if (mark_of(c, MARK_FIM_PREFIX) < 0 || mark_of(c, MARK_FIM_SUFFIX) < 0 || mark_of(c, MARK_FIM_MIDDLE) < 0)
        return fault_set(f, ERR_UNSUPPORTED, "suffix: this model cannot fill gaps: its vocabulary has no tokens for the text before a gap, the text after "
                         "it, and the middle");
    uint32_t room = room_of(c);
    int err = make_gap(c, &g, room, f);
    if (err == 0)
        join(c, &g, room);
    free(g.files.p);
    free(g.before.p);
    free(g.after.p);
    free(g.inside.p);
    return err;
}

/* ---- a pair ---- */

/* Fills in the template of a model made for ranking, with {query} and {document} in it. */
static int append_template(const struct composing *c, struct str form, struct fault *f)
{
    struct buf text = buf_max(4 * (c->r->text.n + turn_of(c->r, "query").n) + form.n);
    struct engine_tokens tokens = {0};
    for (size_t at = 0; at < form.n;) {
        struct str rest = str_n(form.p + at, form.n - at);
        bool query = str_begins(rest, "{query}"), document = str_begins(rest, "{document}");
        if (query || document)
            buf_add_str(&text, query ? turn_of(c->r, "query") : c->r->text);
        else
            buf_putc(&text, form.p[at]);
        at += query ? strlen("{query}") : document ? strlen("{document}") : 1;
    }
    int err = text.overflowed ? fault_set(f, ERR_TOO_LARGE, "the question and the text are too large for the model's template")
                              : c->ops->tokenize(c->engine, buf_str(&text), ENGINE_BARE | ENGINE_CONTROL, c->bounds, &tokens, f);
    if (err == 0)
        composed_append(c->out, tokens.p, tokens.n);
    free(tokens.p);
    buf_fini(&text);
    return err;
}

int composed_pair(const struct composing *c, struct fault *f)
{
    struct str form = c->ops->pair_template != NULL ? c->ops->pair_template(c->engine) : str_n(NULL, 0);
    c->out->n = 0;
    if (form.n > 0)
        return append_template(c, form, f);
    append_mark(c, c->out, MARK_BEGIN);
    int err = append_text(c, c->out, turn_of(c->r, "query"), f);
    append_mark(c, c->out, MARK_END);
    append_mark(c, c->out, MARK_BETWEEN);
    if (err == 0)
        err = append_text(c, c->out, c->r->text, f);
    append_mark(c, c->out, MARK_END);
    return err;
}
