/* Write large answers at the desk: 8 MB of numbers take 400 ms. The brain has dropped the call by
 * then; only the desk touches it until it is answered. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "head/call.h"
#include "head/desk.h"

struct writing {
    struct desk_item desk;
    struct call *c;             /* owned */
    struct api_cluster cluster;
    struct buf text;            /* owned */
};

static struct writing *writing_of(struct desk_item *d)
{
    return list_item(d, struct writing, desk);
}

static void writing_free(struct writing *w)
{
    buf_fini(&w->text);
    free(w);
}

static void on_work(struct desk_item *d)
{
    struct writing *w = writing_of(d);
    write_answer(&w->text, w->c, &w->cluster);
}

static void on_end(struct desk_item *d)
{
    struct writing *w = writing_of(d);
    struct head_program *p = d->p;
    struct call *c = w->c;
    c->writing = NULL;
    if (c->r != NULL && p->stopping) {
        http_set_user_data(c->r, NULL);
        c->r = NULL;
    }
    p->written(p, c, &w->text);
    writing_free(w);
    if (p->leaving && p->calls.n == 0)
        net_loop_stop(p->loop);
}

/* Bytes that the answer is made of, about its own size. */
static size_t size_of(const struct call *c)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < c->branches_n; i++) {
        const struct branch *b = &c->branches[i];
        bytes += backlog_bytes(&b->whole) + ((size_t)b->vector_n + b->prompt_ids_n) * sizeof(float);
    }
    return bytes;
}

bool writing_begin(struct head_program *p, struct call *c, struct str first, struct api_cluster cluster)
{
    if (size_of(c) < DESK_BYTES)
        return false;
    struct writing *w = xalloc(sizeof *w);
    *w = (struct writing){.c = c, .cluster = cluster, .text = buf_max(REPLY_JSON_BYTES_MAX),
                          .desk = {.work = on_work, .end = on_end}};
    MUST(buf_add_str(&w->text, first) == 0);
    c->writing = w;
    desk_add(p, &w->desk);
    return true;
}

bool writing_gone(struct call *c)
{
    struct writing *w = c->writing;
    c->r = NULL;
    if (!desk_remove(&w->desk))
        return false;
    c->writing = NULL;
    writing_free(w);
    return true;
}
