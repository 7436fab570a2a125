/* A client's request: checks it, makes its branches, and forgets it when the last of them has ended. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/kit/hash.h"
#include "brain/kit/text.h"
#include "brain/policy/prefix.h"
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

/* ---- which model ---- */

static bool embeds(const struct request *r)
{
    return r->kind == REQUEST_EMBED;
}

static struct str printable(struct str name)
{
    return text_is_name(name, HEAD_NAME_BYTES_MAX) ? name : str_of("(no printable name)");
}

/* There are models, but none of the requested kind; `other` is one that has the name. */
static int kind_fault(struct head *h, const struct request *r, const struct pool *other, struct fault *f)
{
    enum pool_work work = head_request_work(r);
    struct str names = head_pool_names(h, work);
    if (other == NULL)
        return fault_set(f, ERR_UNSUPPORTED, "there is no model here that %s; there is: %.*s", head_work_text(work),
                         STR_ARG(head_pool_names(h, embeds(r) ? WORK_TEXT : WORK_VECTORS | WORK_RANKS)));
    return fault_set(f, ERR_UNSUPPORTED, "model '%s' %s, it %s: %.*s", other->name, head_work_text(head_pool_work(other)),
                     work == WORK_TEXT ? "generates no text; models for text" :
                     work == WORK_RANKS ? "ranks no texts; models for ranking" : "makes no embeddings; models for embeddings",
                     STR_ARG(names.n > 0 ? names : str_of("none here")));
}

static int unknown_fault(struct head *h, const struct request *r, struct fault *f)
{
    struct str names = head_pool_names(h, head_request_work(r));
    if (names.n == 0)
        names = str_of("none of that kind");
    return fault_set(f, ERR_NOT_FOUND, "there is no model '%.*s'; there is: %.*s", STR_ARG(printable(r->model)),
                     STR_ARG(names));
}

/* A call waits for a model that some worker has, or had (it may return), unless every actor of it
 * failed to load. It waits for any model while no worker is there, or while workers may still
 * return to a restarted head. */
static int find_pool(struct head *h, const struct request *r, struct pool **out, struct fault *f)
{
    struct pool *p = head_pool_for(h, r);
    bool known = p != NULL && (p->registered || p->kind == POOL_ANY);
    if (head_pool_is_other_kind(h, r->model, embeds(r)))
        return kind_fault(h, r, r->model.n > 0 ? head_pool_find(h, r->model, !embeds(r)) : NULL, f);
    if (!known && (!text_is_name(r->model, HEAD_NAME_BYTES_MAX) || head_pool_is_unknown(h, p)))
        return unknown_fault(h, r, f);
    if (known && head_pool_has_failed(h, p))
        return fault_set(f, ERR_UNAVAILABLE, "%s%s%s cannot be loaded: %s",
                         p->kind == POOL_ANY ? "the model" : "model '", p->name, p->kind == POOL_ANY ? "" : "'",
                         p->note);
    *out = p != NULL ? p : head_pool_new(h, r->model, embeds(r));
    return 0;
}

/* ---- checks before the call is kept ---- */

static int check(const struct head *h, const struct head_event *ev, struct fault *f)
{
    if (ev->request->inputs_n > REQUEST_INPUTS_MAX)
        return fault_set(f, ERR_INVALID, "%u inputs, at most %d can be in one request", ev->request->inputs_n,
                         REQUEST_INPUTS_MAX);
    if (ev->request->inputs_n > h->cfg.queue_jobs_max)
        return fault_set(f, ERR_INVALID, "%u inputs, at most %u can wait here (queue_jobs_max)", ev->request->inputs_n,
                         h->cfg.queue_jobs_max);
    if ((ev->request->inputs_n == 0 || !embeds(ev->request)) && ev->count > h->cfg.fanout_max)
        return fault_set(f, ERR_INVALID, "%u answers were asked for, at most %u can be (fanout_max)", ev->count,
                         h->cfg.fanout_max);
    if (ev->request->priority < -REQUEST_PRIORITY_MAX || ev->request->priority > REQUEST_PRIORITY_MAX)
        return fault_set(f, ERR_INVALID, "priority %d is out of range, %d … %d", ev->request->priority, -REQUEST_PRIORITY_MAX,
                         REQUEST_PRIORITY_MAX);
    size_t bytes = request_bytes(ev->request);
    if (bytes > HEAD_REQUEST_BYTES_MAX)
        return fault_set(f, ERR_TOO_LARGE, "the request takes %zu bytes, at most %d can be sent to a worker", bytes,
                         HEAD_REQUEST_BYTES_MAX);
    return 0;
}

void head_call_refuse(struct head *h, uint64_t call, const struct fault *f, uint32_t retry_s)
{
    struct fx *fx = head_fx(h, FX_CALL_FAILED);
    fx->call = call;
    fx->fault = *f;
    fx->retry_after_s = retry_s;
    h->calls_failed++;
}

/* ---- branches ---- */

/* Returns the actors of a spread call, one per branch. NULL: no ready actor takes jobs, so one job waits for all. */
static struct actor **pick_actors(struct head *h, const struct call *call, uint32_t *out_n)
{
    uint32_t n = call->wanted != 0 ? call->wanted : call->pool->ready_n;
    if (n > call->pool->ready_n)
        n = call->pool->ready_n;
    if (n > h->cfg.fanout_max)
        n = h->cfg.fanout_max;
    *out_n = n;
    if (n == 0)
        return NULL;
    struct actor **actors = xalloc_array(n, sizeof(struct actor *));
    *out_n = head_pick_spread(h, call, n, actors);
    if (*out_n > 0)
        return actors;
    free(actors);
    return NULL;
}

static void make_branches(struct head *h, struct call *call, struct actor **actors, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        head_job_new(h, call, actors != NULL ? actors[i] : NULL);
}

void head_call_spread(struct head *h, struct job *first, struct actor *a)
{
    struct call *call = first->call;
    uint32_t n = 0;
    struct actor **actors = pick_actors(h, call, &n);
    uint32_t room = h->cfg.queue_jobs_max > h->queued ? h->cfg.queue_jobs_max - h->queued : 0;
    call->spread_pending = false;
    head_job_send(h, first, a);
    if (n > 1)
        first->bound = a;
    for (uint32_t i = 0; i < n && call->branches < n && call->branches < room; i++) {
        if (actors[i] != a)
            head_job_new(h, call, actors[i]);
    }
    free(actors);
}

/* ---- life ---- */

static struct str stream_text(const uint64_t *stream)
{
    return str_n((const char *)stream, sizeof *stream);
}

struct call *head_call_by_stream(const struct head *h, uint64_t stream)
{
    const struct name_node *n = stream != 0 ? names_get(&h->stream_names, stream_text(&stream)) : NULL;
    return n != NULL ? id_item(n, struct call, by_stream) : NULL;
}

void head_call_add(struct head *h, struct call *call, uint64_t id)
{
    h->queue_bytes += call->bytes;
    call->tenant->bytes += call->bytes;
    head_tenant_hold(h, call->tenant);
    idtab_add(&h->calls, &call->node, id);
    if (call->stream != 0 && head_call_by_stream(h, call->stream) == NULL) /* a former head could hand over the same stream
                                                                              twice */
        names_add(&h->stream_names, &call->by_stream, stream_text(&call->stream));
}

/* Memory of the call until its end. Of thousands of small requests the records are larger than the
 * texts. A spread call that waits for its first actor counts all branches that it may get. */
static uint64_t call_bytes(const struct head *h, const struct head_event *ev)
{
    const struct request *r = ev->request;
    uint64_t jobs = r->inputs_n > 0 ? r->inputs_n : ev->count > 0 ? ev->count : h->cfg.fanout_max;
    return request_bytes(r) + ev->client.n + HEAD_CALL_BYTES + jobs * HEAD_JOB_BYTES;
}

struct call *head_call_new(struct head *h, const struct head_event *ev, struct pool *pool)
{
    struct call *call = xalloc(sizeof *call);
    uint64_t salt = h->cfg.seed ^ ev->request->scope; /* prompts of one tenant reveal nothing about another's */
    call->request = request_clone(ev->request);
    wire_run_from_request(&call->run, call->request, &call->arena);
    call->stream = ev->stream;
    call->claim = ev->claim;
    call->client = xstr_dup(ev->client);
    call->client_n = ev->client.n;
    call->bytes = call_bytes(h, ev);
    call->tenant = head_tenant_of(h, ev->request->tenant);
    call->prompt_bytes = request_prompt_bytes(ev->request) / (ev->request->inputs_n > 0 ? ev->request->inputs_n : 1);
    call->pool = pool;
    call->created_us = h->now_us;
    call->seq = h->next_seq++;
    call->deadline_ms = ev->deadline_ms != 0 ? ev->deadline_ms : h->cfg.queue_deadline_ms;
    call->spread = ev->spread && ev->count != 1 && ev->request->inputs_n == 0;
    call->wanted = ev->count;
    list_init(&call->jobs);
    if (ev->request->affinity.n > 0)
        call->session = hash_text(salt, ev->request->affinity) | 1;
    uint64_t blocks[PREFIX_BLOCKS_MAX];
    bool asks_prefix = h->cfg.balance == BALANCE_PREDICTED || h->cfg.balance == BALANCE_PREFIX;
    if (asks_prefix && !embeds(ev->request) && ev->request->inputs_n == 0 && !ev->request->sampling.prompt_only) /* counting caches nothing */
        call->blocks_n = (uint32_t)prefix_blocks(salt, ev->request, blocks);
    call->blocks = xalloc_array(call->blocks_n + 1, sizeof *blocks);
    memcpy(call->blocks, blocks, call->blocks_n * sizeof *blocks);
    return call;
}

void head_call_free(struct grave *g)
{
    struct call *call = list_item(g, struct call, grave);
    LIST_EACH_SAFE(pos, nxt, &call->jobs)
        head_job_free(&list_item(pos, struct job, in_call)->grave);
    free(call->request);
    wire_arena_fini(&call->arena);
    free(call->blocks);
    free(call->client);
    free(call);
}

static void call_forget(struct head *h, struct call *call)
{
    MUST(call->open == 0 && list_empty(&call->jobs));
    h->queue_bytes -= call->bytes;
    call->tenant->bytes -= call->bytes;
    head_tenant_leave(h, call->tenant);
    if (call->by_stream.name.n > 0)
        names_remove(&h->stream_names, &call->by_stream);
    idtab_remove(&h->calls, &call->node);
    head_pool_tidy(h, call->pool);
    head_bury(h, &call->grave, head_call_free);
}

static void end_jobs(struct head *h, struct call *call)
{
    LIST_EACH_SAFE(pos, nxt, &call->jobs)
        head_job_end(h, list_item(pos, struct job, in_call));
}

void head_call_fail(struct head *h, struct call *call, const struct fault *f, uint32_t retry_s)
{
    MUST(!call->reported);
    head_call_refuse(h, call->node.id, f, retry_s);
    end_jobs(h, call);
    call_forget(h, call);
}

void head_call_taken(struct head *h, struct call *call)
{
    struct fault f = {0};
    fault_set(&f, ERR_CANCELLED, "the client continued this stream on another connection");
    head_call_refuse(h, call->node.id, &f, 0);
    end_jobs(h, call);
    call_forget(h, call);
}

void head_call_count_failed(struct head *h, struct call *call)
{
    h->calls_failed += !call->failed;
    call->failed = true;
}

void head_call_branch_ended(struct head *h, struct call *call)
{
    if (call->open > 0)
        return;
    struct fx *fx = head_fx(h, FX_CALL_END);
    fx->call = call->node.id;
    fx->branches = call->branches;
    call_forget(h, call);
}

void head_job_fail(struct head *h, struct job *job, const struct fault *f)
{
    struct call *call = job->call;
    struct fx *fx = head_fx(h, FX_BRANCH_DONE);
    fx->call = call->node.id;
    fx->branch = job->branch;
    fx->actor = job->avoid; /* the actor that lost it last */
    fx->finish = FINISH_ERROR;
    fx->fault = *f;
    fx->usage.completion_tokens = job->said;
    fx->usage.wait_ms = job->wait_ms;
    const struct actor *a = head_actor_find(h, job->avoid);
    if (a != NULL) {
        fx->model = str_of(a->member_of[POOL_MODEL].pool->name);
        fx->node = str_of(a->worker->name);
        fx->address = str_of(a->worker->address);
    }
    call->reported = true;
    head_call_count_failed(h, call);
    head_job_end(h, job);
    head_call_branch_ended(h, call);
}

bool head_call_gone(struct head *h, uint64_t id)
{
    struct call *call = head_call_find(h, id);
    if (call == NULL)
        return false;
    end_jobs(h, call);
    call_forget(h, call);
    return true;
}

/* ---- the event ---- */

/* Estimates how many of the call's jobs will have to wait. */
static uint32_t will_wait(const struct call *call, struct actor **actors, uint32_t n)
{
    const struct pool *p = call->pool;
    if (actors == NULL)
        return queue_is_empty(&p->queue) && p->open_n >= n ? 0 : n;
    uint32_t wait = 0;
    for (uint32_t i = 0; i < n; i++)
        wait += actors[i]->member_of[p->kind].open_at == NOT_LISTED;
    return wait;
}

void head_prompt(struct head *h, const struct head_event *ev)
{
    struct fault f = {0};
    struct pool *pool = NULL;
    h->calls_total++;
    if (check(h, ev, &f) != 0 || find_pool(h, ev->request, &pool, &f) != 0) {
        head_call_refuse(h, ev->call, &f, f.err == ERR_UNAVAILABLE ? head_retry_s(h, NULL, h->common) : 0);
        return;
    }
    if (head_call_by_stream(h, ev->stream) != NULL) {
        fault_set(&f, ERR_IN_USE, "this stream is being answered already");
        head_call_refuse(h, ev->call, &f, 0);
        return;
    }
    struct call *call = head_call_new(h, ev, pool);
    uint32_t n = ev->request->inputs_n > 0 ? ev->request->inputs_n : ev->count > 0 ? ev->count : 1, retry_s = 0;
    struct actor **actors = call->spread ? pick_actors(h, call, &n) : NULL;
    call->spread_pending = call->spread && actors == NULL;
    if (call->spread_pending)
        n = 1;
    call->tenant->calls_total++;
    struct admission wants = {.jobs = will_wait(call, actors, n), .bytes = call->bytes};
    if (head_admit(h, pool, call->tenant, wants, &f, &retry_s) != 0) {
        head_call_refuse(h, ev->call, &f, retry_s);
        head_pool_tidy(h, pool);
        head_call_free(&call->grave);
    } else {
        head_call_add(h, call, ev->call);
        make_branches(h, call, actors, n);
    }
    free(actors);
}
