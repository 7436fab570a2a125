#include "head/desk.h"

static void on_work(void *data)
{
    struct desk_item *d = data;
    d->work(d);
}

static void next(struct head_program *p);

static void on_done(void *data)
{
    struct desk_item *d = data;
    struct head_program *p = d->p;
    p->desk_busy = false;
    d->end(d);
    next(p);
}

static void next(struct head_program *p)
{
    if (p->desk_busy || p->stopping || list_empty(&p->desk))
        return;
    struct desk_item *d = list_item(p->desk.next, struct desk_item, link);
    list_remove(&d->link);
    p->desk_busy = true;
    if (d->begin != NULL)
        d->begin(d);
    net_work(p->loop, on_work, on_done, d);
}

void desk_add(struct head_program *p, struct desk_item *d)
{
    d->p = p;
    list_push(&p->desk, &d->link);
    next(p);
}

bool desk_remove(struct desk_item *d)
{
    if (!list_linked(&d->link))
        return false;
    list_remove(&d->link);
    return true;
}
