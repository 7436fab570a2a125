/* The view of a call for those who watch it: why it waits, or how far its answer is. Also the view of a tenant. */
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"

/* Returns the progress of the actor nearest to ready; negative when none is loading. */
static float loading(const struct head *h, const struct pool *p)
{
    float most = -1;
    if (p->loading_n == 0)
        return most;
    IDTAB_EACH(pos, &h->actors) {
        const struct actor *a = id_item(pos, struct actor, node);
        if (a->member_of[p->kind].pool == p && a->state == WIRE_ACTOR_LOADING && a->progress > most)
            most = a->progress;
    }
    return most;
}

static void view_queued(struct head *h, const struct job *job, struct head_wait *out)
{
    const struct pool *p = job->pool;
    double pace = job->queue != NULL ? pace_s(&job->queue->pace) : 0;
    uint32_t place = 1; /* of a job that regroups */
    if (job->queue != NULL) {
        queue_work_out_places(h, job->queue);
        place = job->place;
    }
    *out = (struct head_wait){
        .place = place,
        .eta_s = p->ready_n > 0 ? (pace > 0 ? pace : pace_s(&h->pace)) * place : 0,
        .ready = p->ready_n,
        .loading = loading(h, p),
        .starting = head_scale_starting(h),
        .start_s = head_scale_eta_s(h),
    };
}

/* Returns the call's first waiting job; NULL: none. */
static const struct job *waiting(const struct call *call)
{
    LIST_EACH(pos, &call->jobs) {
        const struct job *job = list_item(pos, struct job, in_call);
        if (job->state == JOB_QUEUED)
            return job;
    }
    return NULL;
}

bool head_call_waits(struct head *h, uint64_t id, struct head_wait *out)
{
    const struct call *call = head_call_find(h, id);
    const struct job *job = call != NULL ? waiting(call) : NULL;
    if (job != NULL)
        view_queued(h, job, out);
    return job != NULL;
}

bool head_call_view(struct head *h, uint64_t id, struct head_call_view *out)
{
    const struct call *call = head_call_find(h, id);
    if (call == NULL)
        return false;
    *out = (struct head_call_view){
        .model = str_of(call->pool->name),
        .tenant = str_of(call->tenant->name),
        .priority = call->request->priority,
        .branches = call->branches,
        .ended = call->branches - call->open,
        .actor = UINT32_MAX,
    };
    LIST_EACH(pos, &call->jobs) {
        const struct job *job = list_item(pos, struct job, in_call);
        out->tokens += job->said;
        if (job->attempt == NULL)
            continue;
        const struct actor *a = job->attempt->actor;
        out->running++;
        out->prefilled += job->state >= JOB_STARTED;
        if (out->actor == UINT32_MAX) {
            out->actor = (uint32_t)a->node.id;
            out->node = str_of(a->worker->name);
            out->model = str_of(a->member_of[POOL_MODEL].pool->name);
        }
    }
    const struct job *job = waiting(call);
    if (job != NULL)
        view_queued(h, job, &out->wait);
    return true;
}

bool head_tenant_at(const struct head *h, uint64_t from, struct head_tenant_view *out)
{
    struct id_node *node = idtab_from(&h->tenants, from);
    if (node == NULL)
        return false;
    const struct tenant *t = id_item(node, struct tenant, node);
    *out = (struct head_tenant_view){
        .id = t->node.id,
        .name = str_of(t->name),
        .labelled = t->labelled,
        .queued = t->queued,
        .running = t->running,
        .bytes = t->bytes,
        .calls_total = t->calls_total,
        .calls_refused = t->calls_refused,
        .prompt_tokens = t->prompt_tokens,
        .answer_tokens = t->answered_tokens,
    };
    return true;
}
