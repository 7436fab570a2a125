/* Apply the brain's effects to calls, and pass the output to answer.c. calls.c describes the whole
 * path. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "head/account.h"
#include "head/memory.h"
#include "head/stored.h"

static char *keep(char **owned, struct str s)
{
    free(*owned);
    *owned = xstr_dup(s);
    return *owned;
}

/* Names the actor that produced the last part of the answer; another one may have begun it, with
 * the same model. */
static void name_actor(struct branch *b, const struct fx *fx, bool sees_address)
{
    b->response.actor = fx->actor;
    b->response.node = str_of(keep(&b->node, fx->node));
    b->response.address = str_of(keep(&b->address, sees_address ? fx->address : str_n(NULL, 0)));
}

/* A worker has the stream of another head: sets the client's place in it, and reads the note on its
 * request. */
static void on_resumed(struct head_program *p, struct call *c, const struct fx *fx)
{
    if (!note_read(fx->text, c) || !call_dialect(c)->streams || fx->branches > API_BRANCHES_MAX) {
        fault_set(&c->doom, ERR_PROTOCOL, "the worker's note on this stream is not in the format of this version");
        list_push(&p->doomed, &c->doomed);
        return;
    }
    c->begun = true; /* on another head: its first token does not count in our histograms */
    c->ended_sent = c->from->ended;
    c->total = fx->branches;
    call_places(c, c->from, false);
    if (c->api.stream)
        answer_begin_stream(c);
}

static void on_started(struct head_program *p, struct call *c, const struct fx *fx)
{
    struct branch *b = call_branch(c, fx->branch);
    if (fx->branches > c->total)
        c->total = fx->branches;
    if (!c->begun) {
        histogram_add(&p->ttft, (double)(net_now_us(p->loop) - c->started_us) / 1e6);
        histogram_add(&p->queue, (double)fx->usage.wait_ms / 1e3);
    }
    c->begun = true;
    b->begun_us = net_now_us(p->loop);
    b->before = b->heard;
    b->prompt_ms = fx->usage.prefill_ms;
    b->response.usage.prompt_tokens = fx->usage.prompt_tokens;
    b->response.usage.cached_tokens = fx->usage.cached_tokens;
    b->response.model = str_of(keep(&b->model, fx->model));
    name_actor(b, fx, c->admin);
    call_fingerprint(p, c, fx->actor);
    c->exact = fx->exact;
    if (fx->ids.n > 0 && b->prompt_ids == NULL) {
        b->prompt_ids = xalloc_array(fx->ids.n, sizeof *b->prompt_ids);
        memcpy(b->prompt_ids, fx->ids.p, fx->ids.n * sizeof *b->prompt_ids);
        memory_of_call(p, c, fx->ids.n * (int64_t)sizeof *b->prompt_ids);
        b->prompt_ids_n = fx->ids.n;
    }
    if (fx->text.n > 0)
        answer_prompt(p, c, fx->branch, fx);
    if (fx->branch == 0)
        c->head.model = b->response.model;
    answer_started(p, c, fx->branch);
}

static void on_branch_done(struct head_program *p, struct call *c, const struct fx *fx)
{
    struct branch *b = call_branch(c, fx->branch);
    b->done = true;
    b->done_us = net_now_us(p->loop);
    if (fx->finish != FINISH_ERROR) {
        name_actor(b, fx, c->admin);
        call_fingerprint(p, c, fx->actor);
    }
    b->response.time_s = (float)((double)(net_now_us(p->loop) - c->started_us) / 1e6);
    b->response.finish = fx->finish;
    b->response.fault = fx->fault;
    if (fx->stop.n > 0)
        keep(&b->stop, fx->stop);
    b->response.logprob_sum = fx->usage.logprob_sum;
    b->response.usage = (struct api_usage){.prompt_tokens = fx->usage.prompt_tokens, .cached_tokens = fx->usage.cached_tokens,
                                           .completion_tokens = fx->usage.completion_tokens,
                                           .reasoning_tokens = fx->usage.reasoning_tokens};
    if (fx->embedding.n > 0) {
        b->vector = xalloc_array(fx->embedding.n, sizeof *b->vector);
        memcpy(b->vector, fx->embedding.p, fx->embedding.n * sizeof *b->vector);
        memory_of_call(p, c, fx->embedding.n * (int64_t)sizeof *b->vector);
        b->vector_n = fx->embedding.n;
    }
    if (call_dialect(c)->vectors)
        answer_vector_done(p, c, fx->branch);
    else
        answer_branch_done(p, c, fx->branch);
}

/* Drops branches that the client knows of and that do not exist any more: the fan-out of a
 * recomputed call may find fewer actors. */
static void forget_others(struct call *c, uint32_t made)
{
    while (c->computed_again && c->branches_n > made)
        call_branch_fini(&c->branches[--c->branches_n]);
}

static void on_end(struct head_program *p, struct call *c, uint32_t branches)
{
    forget_others(c, branches);
    histogram_add(&p->e2e, (double)(net_now_us(p->loop) - c->started_us) / 1e6);
    if (c->api.store)
        stored_end(p, c);
    account_end(p, c, 200, NULL);
    if (answer_end(p, c))
        call_free(p, c);
}

static void begin_anew(struct head_program *p, struct call *c)
{
    list_remove(&c->doomed);
    idtab_remove(&p->calls, &c->node);
    idtab_add(&p->calls, &c->node, p->next_call++);
    c->computed_again = !call_may_begin_anew(c);
    if (c->computed_again || c->from->n <= c->total)
        call_places(c, c->from, true);
    if (c->computed_again) {
        c->ended_sent = c->from->ended;
        log_info("FAILOVER", EVENT("stream_recomputed"),
                 "a client sent its request again for a stream that no worker has any more: computing it again");
    }
    free(c->from);
    c->from = NULL;
    c->again = false;
    call_prompt(p, c);
}

void call_effect(struct head_program *p, const struct fx *fx)
{
    struct call *c = call_find(p, fx->call);
    if (c == NULL || list_linked(&c->doomed) || c->writing != NULL)
        return;
    switch (fx->kind) {
    case FX_CHOSEN:
    case FX_LEFT: account_step(p, c, fx); break;
    case FX_RESUMED: on_resumed(p, c, fx); break;
    case FX_PROGRESS: answer_progress(p, c, fx); break;
    case FX_STARTED: on_started(p, c, fx); break;
    case FX_TOKENS: answer_piece(p, c, fx->branch, fx); break;
    case FX_BRANCH_DONE: on_branch_done(p, c, fx); break;
    case FX_CALL_END: on_end(p, c, fx->branches); break;
    case FX_CALL_FAILED:
        if (fx->fault.err == ERR_NOT_FOUND && call_may_be_computed_again(c)) {
            c->again = true;
            list_push(&p->doomed, &c->doomed);
            break;
        }
        answer_fault(p, c, &fx->fault, fx->retry_after_s);
        call_free(p, c);
        break;
    default: break;
    }
}

void calls_reap(struct head_program *p)
{
    while (!list_empty(&p->doomed)) {
        struct call *c = list_item(p->doomed.next, struct call, doomed);
        if (c->again) {
            begin_anew(p, c);
            continue;
        }
        uint64_t id = c->node.id;
        answer_fault(p, c, &c->doom, 0);
        call_free(p, c);
        head_feed(p, (struct head_event){.kind = HEAD_CALL_GONE, .call = id});
    }
}

void call_drained(struct head_program *p, struct http_request *r)
{
    struct call *c = http_user_data(r);
    if (c != NULL && answer_drained(p, c))
        call_free(p, c);
    calls_reap(p);
    if (p->leaving && p->calls.n == 0)
        net_loop_stop(p->loop);
}
