/* Cut scripted answers with <think>…</think> and
 * <tool_call>{"name":"f","arguments":{…}}</tool_call> as a model's answer would be cut, so that
 * everything above the engine is tested with tool calls and reasoning. */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/echo_state.h"

enum where { IN_TEXT, IN_THOUGHT, IN_NAME, IN_ARGUMENTS, IN_TAIL };

enum { HELD_MAX = 1 << 20 };

struct engine_guide {
    enum where where;
    struct buf held; /* part of the answer that was not reported yet */
    struct buf text; /* output of the last cut … */
    struct buf parts; /* … and its array of struct part */
    uint32_t calls;
    uint32_t depth;  /* nesting of the arguments' braces */
    bool in_string, escaped, single, thinks, may_call;
};

static const char think[] = "<think>", thought[] = "</think>", call[] = "<tool_call>", called[] = "</tool_call>";
static const char before_name[] = "{\"name\":\"", before_arguments[] = "\",\"arguments\":";

bool echo_calls(const struct engine *e)
{
    return e->options.script.p != NULL && strstr(e->options.script.p, call) != NULL;
}

struct engine_guide *echo_guide_new(const struct engine *e, const struct request *r)
{
    bool thinks = e->options.script.p != NULL && strstr(e->options.script.p, think) != NULL;
    if (!(request_has_tools(r) && echo_calls(e)) && !(r->split_reasoning && thinks))
        return NULL;
    struct engine_guide *g = xalloc(sizeof *g);
    *g = (struct engine_guide){.held = buf_max(HELD_MAX), .text = buf_max(HELD_MAX), .parts = buf_max(HELD_MAX),
                               .single = r->tool_calls == TOOL_CALLS_ONE, .thinks = r->split_reasoning, .may_call = request_has_tools(r)};
    return g;
}

void echo_guide_free(struct engine_guide *g)
{
    if (g == NULL)
        return;
    buf_fini(&g->held);
    buf_fini(&g->text);
    buf_fini(&g->parts);
    free(g);
}

int echo_guide_accept(struct engine_guide *g, int32_t token, struct fault *f)
{
    (void)g;
    (void)token;
    (void)f;
    return 0;
}

bool echo_guide_cuts(const struct engine_guide *g)
{
    (void)g;
    return true;
}

int32_t echo_guide_piece(const struct engine_guide *g, int32_t token, char *out, int32_t cap)
{
    (void)g;
    (void)token;
    (void)out;
    (void)cap;
    return 0;
}

/* Reports the first n held bytes as a part, and drops the `also` bytes after them. */
static void tell(struct engine_guide *g, enum part_kind kind, size_t n, size_t also)
{
    uint32_t number = kind == PART_TOOL_NAME || kind == PART_TOOL_ARGUMENTS ? g->calls - 1 : 0;
    struct part part = {.kind = (uint8_t)kind, .call = number, .bytes = (uint32_t)n};
    if (n > 0) {
        buf_add(&g->text, g->held.p, n);
        buf_add(&g->parts, &part, sizeof part);
    }
    buf_consume(&g->held, n + also);
}

static size_t find(const struct buf *b, const char *mark)
{
    const char *at = b->n > 0 ? memmem(b->p, b->n, mark, strlen(mark)) : NULL;
    return at != NULL ? (size_t)(at - b->p) : SIZE_MAX;
}

/* Returns how many bytes at the end of b may be the beginning of the mark. */
static size_t begun(const struct buf *b, const char *mark)
{
    size_t n = strlen(mark) - 1 < b->n ? strlen(mark) - 1 : b->n;
    while (n > 0 && memcmp(b->p + b->n - n, mark, n) != 0)
        n--;
    return n;
}

static bool in_text(struct engine_guide *g, bool ended)
{
    size_t to_think = g->thinks ? find(&g->held, think) : SIZE_MAX, to_call = g->may_call ? find(&g->held, call) : SIZE_MAX;
    if (to_think < to_call) {
        tell(g, PART_TEXT, to_think, sizeof think - 1);
        g->where = IN_THOUGHT;
        return true;
    }
    if (to_call != SIZE_MAX) {
        tell(g, PART_TEXT, to_call, sizeof call - 1);
        g->where = IN_NAME;
        return true;
    }
    size_t a = begun(&g->held, think), b = begun(&g->held, call), held = ended ? 0 : a > b ? a : b;
    tell(g, PART_TEXT, g->held.n - held, 0);
    return false;
}

static bool in_thought(struct engine_guide *g, bool ended)
{
    size_t end = find(&g->held, thought);
    if (end == SIZE_MAX) {
        tell(g, PART_REASONING, g->held.n - (ended ? 0 : begun(&g->held, thought)), 0);
        return false;
    }
    tell(g, PART_REASONING, end, sizeof thought - 1);
    g->where = IN_TEXT;
    return true;
}

static bool in_name(struct engine_guide *g)
{
    size_t from = find(&g->held, before_name), to = find(&g->held, before_arguments);
    if (from == SIZE_MAX || to == SIZE_MAX)
        return false;
    from += sizeof before_name - 1;
    buf_consume(&g->held, from);
    g->calls++;
    tell(g, PART_TOOL_NAME, to - from, sizeof before_arguments - 1);
    g->where = IN_ARGUMENTS;
    return true;
}

/* Scans one byte of the arguments; true: it was the last one. */
static bool count(struct engine_guide *g, char c)
{
    if (g->in_string) {
        g->in_string = g->escaped || c != '"';
        g->escaped = !g->escaped && c == '\\';
    } else if (c == '"') {
        g->in_string = true;
    } else if (c == '{') {
        g->depth++;
    } else if (c == '}') {
        return --g->depth == 0;
    }
    return false;
}

static bool in_arguments(struct engine_guide *g)
{
    size_t n = 0;
    bool last = false;
    while (n < g->held.n && !last)
        last = count(g, g->held.p[n++]);
    tell(g, PART_TOOL_ARGUMENTS, n, 0);
    if (last)
        g->where = IN_TAIL;
    return last;
}

static bool in_tail(struct engine_guide *g)
{
    size_t end = find(&g->held, called);
    if (end == SIZE_MAX)
        return false;
    buf_consume(&g->held, end + sizeof called - 1);
    g->where = IN_TEXT;
    return true;
}

static bool step(struct engine_guide *g, bool ended)
{
    switch (g->where) {
    case IN_TEXT: return in_text(g, ended);
    case IN_THOUGHT: return in_thought(g, ended);
    case IN_NAME: return in_name(g);
    case IN_ARGUMENTS: return in_arguments(g);
    case IN_TAIL: return in_tail(g);
    }
    return false;
}

int echo_guide_cut(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f)
{
    buf_reset(&g->text);
    buf_reset(&g->parts);
    if (buf_add_str(&g->held, text) != 0)
        return fault_set(f, ERR_FORM, "a call in the script has no end");
    while (step(g, ended) && !(g->single && g->where == IN_TAIL))
        ;
    bool whole = g->calls > 0 && g->where != IN_NAME && g->where != IN_ARGUMENTS;
    *out = (struct engine_cut){.text = buf_str(&g->text), .parts = (const struct part *)(const void *)g->parts.p,
                               .parts_n = (uint32_t)(g->parts.n / sizeof(struct part)), .calls = whole, .over = whole && g->single};
    return 0;
}
