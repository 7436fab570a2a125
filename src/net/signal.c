/* Deliver signals as calls from the loop. */
#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/first.h"
#include "net/loop.h"

struct net_signal {
    struct net_object object; /* first */
    uv_signal_t uv;
    struct list link;         /* in net_loop.signals */
    int signum;
    net_signal_fn *fn;
    void *user_data;          /* borrowed */
};

static void on_signal(uv_signal_t *uv, int signum)
{
    struct net_signal *s = uv->data;
    s->fn(signum, s->user_data);
}

static void end_signal(struct net_object *o)
{
    struct net_signal *s = (struct net_signal *)o;
    if (uv_is_closing((uv_handle_t *)&s->uv))
        return;
    list_remove(&s->link);
    uv_close((uv_handle_t *)&s->uv, loop_free_data);
    first_default(s->signum);
}

static struct net_signal *find_signal(struct net_loop *l, int signum)
{
    LIST_EACH(pos, &l->signals) {
        struct net_signal *s = list_item(pos, struct net_signal, link);
        if (s->signum == signum)
            return s;
    }
    return NULL;
}

static struct net_signal *watch_signal(struct net_loop *l, int signum)
{
    struct net_signal *s = xalloc(sizeof *s);
    s->object.end = end_signal;
    s->signum = signum;
    MUST(uv_signal_init(&l->uv, &s->uv) == 0);
    s->uv.data = s;
    MUST(uv_signal_start(&s->uv, on_signal, signum) == 0);
    uv_unref((uv_handle_t *)&s->uv);
    list_push(&l->signals, &s->link);
    return s;
}

/* nohup ignores the signal before it starts us, and wants it to stay ignored. */
static bool is_ignored(int signum)
{
    struct sigaction now;
    return sigaction(signum, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void net_signal(struct net_loop *l, int signum, net_signal_fn *fn, void *user_data)
{
    struct net_signal *s = find_signal(l, signum);
    if (fn == NULL) {
        if (s != NULL)
            end_signal(&s->object);
        return;
    }
    if (s == NULL && signum == SIGHUP && is_ignored(signum))
        return;
    if (s == NULL)
        s = watch_signal(l, signum);
    s->fn = fn;
    s->user_data = user_data;
}
