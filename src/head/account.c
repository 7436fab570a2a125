#include "head/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/utf8.h"

static const char *shape_name(enum api_shape shape)
{
    static const char *const names[] = {
        [API_CHAT] = "chat",         [API_COMPLETION] = "completion", [API_PROCESS_PROMPT] = "process_prompt", [API_EMBEDDINGS] = "embeddings",
        [API_MESSAGES] = "messages", [API_RESPONSES] = "responses",   [API_COUNT] = "count_tokens",
        [API_LLAMA] = "llama",       [API_TOKENIZE] = "tokenize",     [API_DETOKENIZE] = "detokenize",         [API_TEMPLATE] = "apply_template",
        [API_OLLAMA_CHAT] = "ollama_chat",   [API_OLLAMA_GENERATE] = "ollama_generate",
        [API_OLLAMA_EMBED] = "ollama_embed", [API_OLLAMA_EMBEDDINGS] = "ollama_embeddings",
        [API_INFILL] = "infill",     [API_RERANK] = "rerank",         [API_CHAT_COUNT] = "count_tokens",       [API_RESPONSES_COUNT] = "count_tokens",
    };
    return (size_t)shape < sizeof names / sizeof names[0] && names[shape] != NULL ? names[shape] : "command";
}

void account_copy(char *out, size_t cap, struct str s)
{
    struct str head = utf8_head(s, cap - 1);
    snprintf(out, cap, "%.*s", STR_ARG(head));
}

static double age_s(const struct head_program *p, const struct call *c)
{
    return (double)(net_now_us(p->loop) - c->started_us) / 1e6;
}

/* ---- a record ---- */

static void step_fini(struct account_step *s)
{
    free(s->candidates);
    *s = (struct account_step){0};
}

void account_free(struct head_program *p, struct account *a)
{
    if (a == NULL)
        return;
    list_remove(&a->link);
    for (uint32_t i = 0; i < a->steps_n; i++)
        step_fini(&a->steps[i]);
    free(a->client_id);
    free(a->model);
    free(a->tenant);
    free(a);
    p->accounts_n--;
}

void accounts_end(struct head_program *p)
{
    while (!list_empty(&p->accounts))
        account_free(p, list_item(p->accounts.next, struct account, link));
}

struct account *account_new(struct head_program *p)
{
    if (p->accounts_n >= ACCOUNTS_MAX && !list_empty(&p->accounts))
        account_free(p, list_item(p->accounts.next, struct account, link));
    if (p->accounts_n >= ACCOUNTS_MAX)
        return NULL;
    struct account *a = xalloc(sizeof *a);
    p->accounts_n++;
    a->first_s = -1;
    return a;
}

/* Records how a stream came here that began elsewhere, or on another connection. */
static void add_beginning(struct account *a, const struct call *c)
{
    if (c->from == NULL && !c->computed_again)
        return;
    struct account_step *s = account_add_step(a);
    s->kind = c->computed_again ? STEP_AGAIN : STEP_CAME_BACK;
    for (uint32_t i = 0; c->computed_again && i < c->branches_n; i++)
        s->tokens += c->branches[i].sent;
    for (uint32_t i = 0; !c->computed_again && i < c->from->n; i++)
        s->tokens += c->from->at[i].tokens;
}

/* Returns the call's record, made on first use. NULL: the call is a command, or all records are of
 * running requests. */
static struct account *account_of(struct head_program *p, struct call *c)
{
    struct account *a = c->account;
    if (a == NULL && c->api.shape != 0)
        a = c->account = account_new(p);
    if (a == NULL || a->id[0] != '\0')
        return a;
    call_name(c, a->id);
    a->client_id = c->client_id != NULL ? xstrdup(c->client_id) : NULL;
    a->tenant = c->tenant != NULL && c->tenant[0] != '\0' ? xstrdup(c->tenant) : NULL;
    a->owner = c->owner;
    a->shape = c->api.shape;
    a->stream = c->api.stream;
    a->created = c->head.created;
    add_beginning(a, c);
    return a;
}

struct account_step *account_add_step(struct account *a)
{
    if (a->steps_n == ACCOUNT_STEPS_MAX) {
        struct account_step *middle = &a->steps[ACCOUNT_STEPS_MAX / 2];
        step_fini(middle);
        memmove(middle, middle + 1, (ACCOUNT_STEPS_MAX - ACCOUNT_STEPS_MAX / 2 - 1) * sizeof *middle);
        a->steps_n--;
        a->steps_left_out++;
    }
    struct account_step *s = &a->steps[a->steps_n++];
    *s = (struct account_step){0};
    return s;
}

static void keep_choice(struct account_step *s, const struct fx_choice *choice)
{
    account_copy(s->why, sizeof s->why, str_of(choice->why));
    s->attempt = choice->attempt;
    s->queued = choice->queued;
    s->n = choice->n;
    s->candidates = choice->n > 0 ? xalloc_array(choice->n, sizeof *s->candidates) : NULL;
    for (uint32_t i = 0; i < choice->n; i++) {
        s->candidates[i].c = choice->candidates[i];
        account_copy(s->candidates[i].node, sizeof s->candidates[i].node, choice->candidates[i].node);
    }
}

/* Sends a comment, once the answer has begun: "manta left worker=worker-2 token=254
 * reason=crashed", "manta resumed worker=worker-3 token=254". */
static void tell_client(struct head_program *p, struct call *c, const struct fx *fx)
{
    struct buf text = buf_max(256);
    if (!c->streaming || c->r == NULL || fx->first == 0 || c->ended || http_stream_full(c->r))
        return;
    buf_printf(&text, "manta %s worker=%.*s token=%u", fx->kind == FX_LEFT ? "left" : "resumed", STR_ARG(fx->node), fx->first);
    if (fx->kind == FX_LEFT)
        buf_printf(&text, " reason=%s", fx->tag);
    if (c->total > 1)
        buf_printf(&text, " index=%u", fx->branch);
    buf_reset(&p->json);
    stream_comment(p, c, buf_str(&text));
    http_stream_write(c->r, buf_str(&p->json));
    buf_fini(&text);
}

void account_step(struct head_program *p, struct call *c, const struct fx *fx)
{
    struct account *a = account_of(p, c);
    if (fx->kind == FX_LEFT || (fx->choice->attempt > 1 && fx->first > 0))
        tell_client(p, c, fx);
    if (a == NULL)
        return;
    struct account_step *s = account_add_step(a);
    s->at_us = net_now_us(p->loop) - c->started_us;
    s->kind = fx->kind == FX_LEFT ? STEP_LEFT : STEP_CHOSEN;
    s->branch = fx->branch;
    s->actor = fx->actor;
    s->tokens = fx->first;
    s->wait_ms = fx->usage.wait_ms;
    account_copy(s->node, sizeof s->node, fx->node);
    account_copy(s->text, sizeof s->text, fx->text);
    if (s->kind == STEP_LEFT) {
        account_copy(s->why, sizeof s->why, str_of(fx->tag));
        return;
    }
    keep_choice(s, fx->choice);
    if (a->node[0] == '\0')
        a->queue_s = (double)fx->usage.wait_ms / 1e3;
    account_copy(a->node, sizeof a->node, fx->node);
    free(a->model);
    a->model = xstr_dup(fx->model);
}

/* ---- the end ---- */

/* Returns the reason if all branches failed; NULL: one succeeded. */
static const struct fault *failure(const struct call *c)
{
    const struct fault *f = NULL;
    for (uint32_t i = 0; i < c->branches_n; i++) {
        if (c->branches[i].response.finish != FINISH_ERROR)
            return NULL;
        f = &c->branches[i].response.fault;
    }
    return f;
}

void account_heard(struct account *a, const struct call *c)
{
    for (uint32_t i = 0; i < c->branches_n && a->first_s < 0; i++)
        if (c->branches[i].begun_us > c->started_us)
            a->first_s = (double)(c->branches[i].begun_us - c->started_us) / 1e6;
}

static void sum_up(const struct head_program *p, const struct call *c, struct account *a)
{
    a->total_s = age_s(p, c);
    account_heard(a, c);
    for (uint32_t i = 0; i < c->branches_n; i++) {
        const struct branch *b = &c->branches[i];
        a->prompt_tokens += b->response.usage.prompt_tokens;
        a->cached_tokens += b->response.usage.cached_tokens;
        a->tokens += b->done && b->response.usage.completion_tokens > 0 ? b->response.usage.completion_tokens : b->heard;
        if (b->done && b->response.finish != FINISH_ERROR)
            account_copy(a->finish, sizeof a->finish, str_of(api_finish_name(b->response.finish)));
        if (b->response.node.n > 0)
            account_copy(a->node, sizeof a->node, b->response.node);
    }
}

static void log_request(const struct account *a)
{
    const char *model = a->model != NULL ? a->model : "-", *node = a->node[0] != '\0' ? a->node : "-";
    const struct event_field *event =
        EVENT("request", KV("status", a->status), KV("api", shape_name(a->shape)), KV("model", model), KV("node", node),
              KV("prompt_tokens", a->prompt_tokens), KV("cached_tokens", a->cached_tokens), KV("tokens", a->tokens),
              KV("queue_ms", (uint64_t)(a->queue_s * 1e3)),
              KV("first_ms", (uint64_t)((a->first_s > 0 ? a->first_s : 0) * 1e3)), KV("ms", (uint64_t)(a->total_s * 1e3)), KV("id", (const char *)a->id));
    if (a->error[0] != '\0')
        log_info("REQUEST", event, "%d %s %s: %s", a->status, shape_name(a->shape), model, a->error);
    else
        log_info("REQUEST", event, "%d %s %s on %s: %u+%u tokens, the first after %.2f s, %.2f s in all", a->status, shape_name(a->shape), model, node,
                 a->prompt_tokens, a->tokens, a->first_s > 0 ? a->first_s : 0, a->total_s);
}

void account_end(struct head_program *p, struct call *c, int status, const char *why)
{
    struct account *a = account_of(p, c);
    if (a == NULL || a->ended)
        return;
    const struct fault *f = why == NULL ? failure(c) : NULL;
    a->ended = true;
    a->status = f != NULL ? err_http(f->err) : status;
    why = f != NULL ? f->text : why;
    if (a->model == NULL && c->model != NULL)
        a->model = xstrdup(c->model);
    sum_up(p, c, a);
    if (why != NULL)
        account_copy(a->error, sizeof a->error, str_of(why));
    if (p->o->log_requests)
        log_request(a);
    list_push(&p->accounts, &a->link);
    c->account = NULL;
}
