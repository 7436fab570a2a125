/* Launchers: whoever keeps local worker processes up, and can be asked for more or fewer. */
#include "cluster/head_state.h"

#define TAG "CLUSTER SCALING"

/* The one that joined last: an older one that is still listed may be a connection nobody has noticed to be dead. */
const struct link *head_launcher(const struct head *h)
{
    return list_empty(&h->launchers) ? NULL : list_item(h->launchers.prev, struct link, launches);
}

void head_answer(struct head *h, uint64_t call, const struct fault *f)
{
    struct fx *fx = head_fx(h, f->err != 0 ? FX_CALL_FAILED : FX_CALL_END);
    fx->call = call;
    fx->fault = *f;
}

void head_scale(struct head *h, uint64_t call, uint32_t count)
{
    struct fault f = {0};
    const struct link *launcher = head_launcher(h);
    if (count > HEAD_SCALE_MAX)
        fault_set(&f, ERR_INVALID, "%u workers were asked for, at most %d can be", count, HEAD_SCALE_MAX);
    else if (launcher == NULL)
        fault_set(&f, ERR_UNAVAILABLE,
                  "nobody here can start workers: a head that `manta up` started has a launcher, this one has none");
    if (f.err == 0) {
        head_send(h, launcher, WIRE_scale)->scale.workers = count;
        head_log(h, LOG_INFO, TAG, "asked for %u workers launcher=%s", count, launcher->name);
    }
    head_answer(h, call, &f);
}

void head_scale_state(struct head *h, struct link *link, const struct wire_scale_state *m)
{
    bool news = m->running != link->scale_running || m->target != link->scale_target;
    link->scale_running = m->running;
    link->scale_target = m->target;
    if (m->note.n > 0)
        head_log(h, LOG_WARN, TAG, "%.*s launcher=%s", STR_ARG(m->note), link->name);
    else if (news)
        head_log(h, LOG_INFO, TAG, "%u of %u workers run launcher=%s", m->running, m->target, link->name);
}
