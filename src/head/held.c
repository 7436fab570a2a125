#include <stdlib.h>

#include "base/alloc.h"
#include "head/call.h"

/* An event with log-probabilities is twenty times as long as its data, and writing 8 MB of such
 * events would take a second. So the backlog is cut as it arrives: between two pieces, because a
 * stream can be resumed only there. A token with several parts stays in a portion of its own: its
 * events are numbered by that token. */

static size_t longest(const struct backlog *k)
{
    const struct buf *parts[] = {&k->text, &k->ids, &k->top_ids, &k->lengths, &k->pieces};
    size_t most = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        most = parts[i]->n > most ? parts[i]->n : most;
    return most;
}

/* True if the effect is one part that continues the portion's only part. */
static bool goes_on(const struct backlog *k, const struct fx *fx)
{
    const struct part *part = (const struct part *)(const void *)k->parts.p;
    bool text = fx->parts_n == 0 || (fx->parts_n == 1 && fx->parts[0].kind == PART_TEXT);
    if (k->parts.n == 0)
        return text;
    if (k->parts.n != sizeof *part || part->kind == PART_TOOL_NAME || fx->parts_n > 1)
        return false;
    return text ? part->kind == PART_TEXT : part->kind == fx->parts[0].kind && part->call == fx->parts[0].call;
}

static struct portion *portion_for_more(struct held *h, const struct fx *fx)
{
    if (h->last != NULL && longest(&h->last->backlog) < PORTION_BYTES && goes_on(&h->last->backlog, fx))
        return h->last;
    struct portion *new = xalloc(sizeof *new);
    *new = (struct portion){0};
    backlog_init(&new->backlog);
    if (h->last != NULL)
        h->last->next = new;
    else
        h->first = new;
    h->last = new;
    h->bytes += sizeof *new;
    return new;
}

bool held_add(struct held *h, const struct fx *fx, bool with_ids, uint32_t heard)
{
    struct portion *last = portion_for_more(h, fx);
    h->bytes -= backlog_bytes(&last->backlog);
    h->longest_bytes -= longest(&last->backlog);
    bool kept = backlog_add(&last->backlog, fx, with_ids);
    h->bytes += backlog_bytes(&last->backlog);
    h->longest_bytes += longest(&last->backlog);
    last->heard = heard;
    return kept && h->longest_bytes <= REPLY_TEXT_BYTES_MAX;
}

void held_drop(struct held *h)
{
    struct portion *first = h->first;
    h->first = first->next;
    if (h->first == NULL)
        h->last = NULL;
    h->bytes -= sizeof *first + backlog_bytes(&first->backlog);
    h->longest_bytes -= longest(&first->backlog);
    backlog_fini(&first->backlog);
    free(first);
}

void held_fini(struct held *h)
{
    while (!held_is_empty(h))
        held_drop(h);
}
