/* Begin an operation on Kubernetes, and end it at once or from the loop. */
#include "base/must.h"
#include "launch/kubernetes.h"

void kubernetes_end(struct kubernetes *k, const struct fault *f)
{
    uint64_t ticket = k->ticket;
    k->step = KUBE_IDLE;
    k->launcher.events.done(ticket, f, k->launcher.user_data);
}

void kubernetes_begin(struct kubernetes *k, enum kube_step step, uint64_t ticket)
{
    MUST(k->step == KUBE_IDLE);
    k->step = step;
    k->ticket = ticket;
    k->conflicts = 0;
}

static void on_late(struct net_timer *t, void *user_data)
{
    struct kubernetes *k = user_data;
    net_timer_free(t);
    k->begin = NULL;
    kubernetes_end(k, &k->late);
}

void kubernetes_end_later(struct kubernetes *k, const struct fault *f)
{
    k->late = *f;
    k->begin = net_timer_new(k->launcher.loop, on_late, k);
    net_timer_set(k->begin, net_now_us(k->launcher.loop));
}
