/* Tenants, the owners of requests: a bounded table of names that forgets those idle longest.
 *
 * Where a header names the tenant, a client may invent names. So the table is bounded, and when
 * every tenant in it has calls, a newcomer shares the common tenant. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/queue/queue.h"

static const char COMMON[] = "common";

static void forget(struct head *h, struct tenant *t)
{
    MUST(t->calls_n == 0 && t->queued == 0 && t->running == 0);
    list_remove(&t->idle);
    names_remove(&h->tenant_names, &t->by_name);
    idtab_remove(&h->tenants, &t->node);
    head_bury(h, &t->grave, head_tenant_free);
}

static void rest(struct head *h, struct tenant *t)
{
    if (!t->labelled)
        list_push(&h->tenants_idle, &t->idle);
}

struct tenant *head_tenant_of(struct head *h, struct str name)
{
    if (name.n == 0)
        name = str_of(COMMON);
    struct name_node *node = names_get(&h->tenant_names, name);
    if (node != NULL)
        return id_item(node, struct tenant, by_name);
    if (h->tenants.n >= h->cfg.tenants_max) {
        if (list_empty(&h->tenants_idle))
            return h->common;
        forget(h, list_item(h->tenants_idle.next, struct tenant, idle));
    }
    struct tenant *t = xalloc(sizeof *t);
    t->name = xstr_dup(name);
    t->labelled = h->tenants_labelled < HEAD_TENANT_LABELS && h->tenants_labelled < h->cfg.tenants_max;
    h->tenants_labelled += t->labelled;
    idtab_add(&h->tenants, &t->node, h->next_tenant++);
    names_add(&h->tenant_names, &t->by_name, str_of(t->name));
    rest(h, t);
    return t;
}

void head_tenant_hold(struct head *h, struct tenant *t)
{
    (void)h;
    if (t->calls_n++ == 0)
        list_remove(&t->idle);
}

void head_tenant_leave(struct head *h, struct tenant *t)
{
    MUST(t->calls_n > 0);
    if (--t->calls_n == 0)
        rest(h, t);
}

void head_tenant_free(struct grave *g)
{
    struct tenant *t = list_item(g, struct tenant, grave);
    free(t->name);
    free(t);
}

bool head_tenant_is_alone(const struct head *h, const struct tenant *t)
{
    return h->tenants.n == 1 && t == h->common;
}
