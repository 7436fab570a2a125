/* The services of one step of the head's brain: effects, texts that live as long as these, and
 * graves for records that effects point to. Calls nothing else of the brain. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "brain/step/step.h"

void head_bury(struct head *h, struct grave *g, void (*bury)(struct grave *g))
{
    g->bury = bury;
    g->next = h->graves;
    h->graves = g;
}

void head_graves_clear(struct head *h)
{
    while (h->graves != NULL) {
        struct grave *g = h->graves;
        h->graves = g->next;
        if (g->bury != NULL)
            g->bury(g);
        else
            free(g);
    }
}

struct step_text {
    struct grave grave;
    char text[];
};

void *head_bytes(struct head *h, size_t n)
{
    struct step_text *t = xalloc(sizeof *t + n);
    head_bury(h, &t->grave, NULL);
    return t->text;
}

static struct str step_text(struct head *h, const char *fmt, va_list ap)
{
    char line[LOG_LINE_BYTES_MAX];
    int n = vsnprintf(line, sizeof line, fmt, ap);
    MUST(n >= 0);
    size_t bytes = (size_t)n < sizeof line ? (size_t)n : utf8_whole(line, sizeof line - 1);
    bytes = plain_in_place(line, bytes); /* a peer's words may not forge lines */
    return str_n(memcpy(head_bytes(h, bytes + 1), line, bytes), bytes);
}

struct str head_text(struct head *h, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str s = step_text(h, fmt, ap);
    va_end(ap);
    return s;
}

struct fx *head_fx(struct head *h, enum fx_kind kind)
{
    return effects_add(h->fx, kind);
}

struct wire_msg *head_send(struct head *h, const struct link *link, enum wire_type type)
{
    struct fx *fx = head_fx(h, FX_SEND);
    fx->link = link->node.id;
    fx->msg.type = type;
    return &fx->msg;
}

struct fx *head_log(struct head *h, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str line = step_text(h, fmt, ap);
    va_end(ap);
    struct fx *fx = head_fx(h, FX_LOG);
    fx->level = level;
    fx->tag = tag;
    fx->event = event_copy(event, head_bytes(h, event_copy_bytes(event)));
    fx->text = line;
    return fx;
}

void head_answer(struct head *h, uint64_t call, const struct fault *f)
{
    struct fx *fx = head_fx(h, f->err != 0 ? FX_CALL_FAILED : FX_CALL_END);
    fx->call = call;
    fx->fault = *f;
}
