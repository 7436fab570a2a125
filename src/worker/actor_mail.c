#include "worker/actor_mail.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static void *put_copy(char **at, const void *p, size_t bytes)
{
    void *copy = *at;
    memcpy(copy, p, bytes);
    *at += bytes;
    return copy;
}

/* Returns the size of everything that the event points to. */
static size_t event_bytes(const struct batcher_event *ev)
{
    uint32_t top_n = ev->ids_n * ev->top_n, pieces_n = ev->pieces != NULL ? ev->ids_n + top_n : 0;
    size_t n = pieces_n * sizeof *ev->pieces + top_n * sizeof *ev->top + ev->ids_n * sizeof *ev->ids + ev->parts_n * sizeof *ev->parts +
               ev->embedding_n * sizeof *ev->embedding + ev->text.n + ev->stop.n;
    n += ev->logprobs != NULL ? ev->ids_n * sizeof *ev->logprobs : 0;
    n += ev->prompt_ids != NULL ? ev->prompt_tokens * sizeof *ev->prompt_ids : 0;
    for (uint32_t i = 0; i < pieces_n; i++)
        n += ev->pieces[i].n;
    return n;
}

static struct str put_text(char **at, struct str s)
{
    return s.n > 0 ? str_n(put_copy(at, s.p, s.n), s.n) : s;
}

/* Copies everything that the event points to behind the mail: the most aligned first, text last. */
static void put_event(char *at, struct batcher_event *ev)
{
    uint32_t top_n = ev->ids_n * ev->top_n, pieces_n = ev->pieces != NULL ? ev->ids_n + top_n : 0;
    struct str *pieces = pieces_n > 0 ? put_copy(&at, ev->pieces, pieces_n * sizeof *pieces) : NULL;
    ev->pieces = pieces;
    if (top_n > 0)
        ev->top = put_copy(&at, ev->top, top_n * sizeof *ev->top);
    if (ev->parts_n > 0)
        ev->parts = put_copy(&at, ev->parts, ev->parts_n * sizeof *ev->parts);
    if (ev->ids_n > 0)
        ev->ids = put_copy(&at, ev->ids, ev->ids_n * sizeof *ev->ids);
    if (ev->ids_n > 0 && ev->logprobs != NULL)
        ev->logprobs = put_copy(&at, ev->logprobs, ev->ids_n * sizeof *ev->logprobs);
    if (ev->embedding_n > 0)
        ev->embedding = put_copy(&at, ev->embedding, ev->embedding_n * sizeof *ev->embedding);
    if (ev->prompt_ids != NULL)
        ev->prompt_ids = put_copy(&at, ev->prompt_ids, ev->prompt_tokens * sizeof *ev->prompt_ids);
    ev->text = put_text(&at, ev->text);
    ev->stop = put_text(&at, ev->stop);
    for (uint32_t i = 0; i < pieces_n; i++)
        pieces[i] = put_text(&at, pieces[i]);
}

struct actor_mail *actor_mail_of_event(const struct batcher_event *ev)
{
    struct actor_mail *l = xalloc(sizeof *l + event_bytes(ev));
    l->event.kind = ACTOR_EVENT;
    l->batcher_event = *ev;
    l->event.event = &l->batcher_event;
    put_event((char *)(l + 1), &l->batcher_event);
    return l;
}

void actor_mail_open(struct net_mail_item *items, actor_event_fn *fn, void *user_data)
{
    while (items != NULL) {
        struct actor_mail *l = (struct actor_mail *)(void *)items;
        items = items->next;
        while (l != NULL) {
            struct actor_mail *next = l->next;
            fn(&l->event, user_data);
            buf_fini(&l->carry);
            free(l);
            l = next;
        }
    }
}
