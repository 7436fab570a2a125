/* The list of effects for the worker's program, and the memory of their texts. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "brain/agent/state.h"

void ag_effects_reset(struct ag_effects *e)
{
    e->n = 0;
}

void ag_effects_fini(struct ag_effects *e)
{
    free(e->ag);
    *e = (struct ag_effects){0};
}

struct ag *agent_add(struct agent *a, enum ag_kind kind)
{
    struct ag_effects *e = a->fx;
    if (e->n == e->cap) {
        e->cap = e->cap == 0 ? 16 : e->cap * 2;
        e->ag = xrealloc(e->ag, e->cap * sizeof *e->ag);
    }
    struct ag *ag = &e->ag[e->n++];
    memset(ag, 0, sizeof *ag);
    ag->kind = kind;
    return ag;
}

static char *text_new(struct agent *a, size_t bytes)
{
    struct agent_text *t = xalloc(sizeof *t + bytes);
    t->next = a->texts;
    a->texts = t;
    return t->text;
}

void agent_texts_free(struct agent *a)
{
    while (a->texts != NULL) {
        struct agent_text *t = a->texts;
        a->texts = t->next;
        free(t);
    }
}

void agent_log(struct agent *a, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
{
    char text[LOG_LINE_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t bytes = strlen(text) + 1;
    char *line = text_new(a, bytes);
    memcpy(line, text, bytes);
    struct ag *ag = agent_add(a, AG_LOG);
    ag->level = level;
    ag->tag = tag;
    ag->event = event_copy(event, text_new(a, event_copy_bytes(event)));
    ag->text = str_of(line);
}

void agent_add_msg(struct agent *a, uint32_t head, const struct wire_msg *msg)
{
    struct ag *ag = agent_add(a, AG_SEND);
    ag->head = head;
    ag->msg = *msg;
}

struct wire_msg *agent_send(struct agent *a, uint32_t head, enum wire_type type)
{
    struct ag *ag = agent_add(a, AG_SEND);
    ag->head = head;
    ag->msg.type = type;
    return &ag->msg;
}
