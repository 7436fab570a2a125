/* What a call waits for, for those who watch it wait. */
#include "cluster/head_state.h"

/* Jobs of its model that are sent before this one, and itself. */
static uint32_t place_of(const struct pool *p, const struct job *job)
{
    uint32_t place = 1;
    LIST_EACH(pos, &p->queue) {
        const struct job *before = list_item(pos, struct job, queued);
        if (before->seq >= job->seq)
            break;
        place++;
    }
    return place;
}

/* How far the actor that is nearest to being ready has come; negative when none is loading. */
static float loading(const struct head *h, const struct pool *p)
{
    float most = -1;
    if (p->loading_n == 0)
        return most;
    IDTAB_EACH(pos, &h->actors) {
        const struct actor *a = id_item(pos, struct actor, node);
        if (a->seats[p->seat].pool == p && a->state == WIRE_ACTOR_LOADING && a->progress > most)
            most = a->progress;
    }
    return most;
}

bool head_call_waits(const struct head *h, uint64_t id, struct head_wait *out)
{
    struct id_node *node = idtab_get(&h->calls, id);
    if (node == NULL)
        return false;
    const struct call *call = id_item(node, struct call, node);
    LIST_EACH(pos, &call->jobs) {
        const struct job *job = list_item(pos, struct job, in_call);
        if (job->state != JOB_QUEUED)
            continue;
        const struct pool *p = job->pool;
        uint32_t place = place_of(p, job);
        *out = (struct head_wait){
            .place = place,
            .eta_s = p->ready_n > 0 ? h->drain_s * place : 0,
            .ready = p->ready_n,
            .loading = loading(h, p),
        };
        return true;
    }
    return false;
}
