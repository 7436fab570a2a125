#include <stdlib.h>

#include "base/alloc.h"
#include "head/call.h"

/* The text of an event with log-probabilities is twenty times as long as what it tells of, and 8 MB of them would be written for a
 * second. So a backlog is cut where it comes in: between two pieces, because only there is a place from which the stream can be resumed. */

static size_t longest(const struct kept *k)
{
    const struct buf *parts[] = {&k->text, &k->ids, &k->top_ids, &k->lengths, &k->pieces};
    size_t most = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        most = parts[i]->n > most ? parts[i]->n : most;
    return most;
}

static struct portion *portion_for_more(struct held *h)
{
    if (h->last != NULL && longest(&h->last->kept) < PORTION_BYTES)
        return h->last;
    struct portion *new = xalloc(sizeof *new);
    *new = (struct portion){0};
    kept_init(&new->kept);
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
    struct portion *last = portion_for_more(h);
    h->bytes -= kept_bytes(&last->kept);
    h->longest_bytes -= longest(&last->kept);
    bool kept = kept_add(&last->kept, fx, with_ids);
    h->bytes += kept_bytes(&last->kept);
    h->longest_bytes += longest(&last->kept);
    last->heard = heard;
    return kept && h->longest_bytes <= REPLY_TEXT_BYTES_MAX;
}

void held_drop(struct held *h)
{
    struct portion *first = h->first;
    h->first = first->next;
    if (h->first == NULL)
        h->last = NULL;
    h->bytes -= sizeof *first + kept_bytes(&first->kept);
    h->longest_bytes -= longest(&first->kept);
    kept_fini(&first->kept);
    free(first);
}

void held_fini(struct held *h)
{
    while (!held_is_empty(h))
        held_drop(h);
}
