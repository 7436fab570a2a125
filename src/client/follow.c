#include "client/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/rng.h"
#include "client/fetch.h"
#include "http/http.h"

/* Happy path: ask -> pieces -> finish -> usage -> [DONE] -> on_end. If the connection breaks or no
 * head answers: a pause -> the next head is asked with Last-Event-ID -> the following pieces …,
 * until away_ms pass without any. It can fail by: an error from the head (an answer, and the end),
 * an invalid event, a break in an answer whose events have no id. */

enum { CALL_TIMEOUT_MS = 600000, WHY_BODY_BYTES_MAX = 64 << 10 };

struct follow {
    struct net_loop *loop;
    struct follow_config cfg;
    char *body;               /* owned */
    struct net_timer *pause;
    struct http_call *call;   /* while one is in progress */
    struct sse sse;
    struct buf refusal;       /* body of a response that is no stream */
    uint32_t head;
    int status;               /* of the current call */
    uint64_t away_us;         /* start of an interruption; 0: none */
    bool cancelled;
    char id[FETCH_ID_BYTES];  /* of the last event */
    struct answer answer;
};

/* ---- the answer ---- */

void answer_fini(struct answer *a)
{
    buf_fini(&a->text);
}

bool answer_is_whole(const struct answer *a)
{
    return a->status == 200 && a->done && a->used && a->finish[0] != '\0' && !a->malformed && !a->refused && !a->broken;
}

static void malformed(struct answer *a, const char *what, struct str data)
{
    if (!a->malformed)
        snprintf(a->why, sizeof a->why, "%s: %.*s", what, STR_ARG(str_n(data.p, data.n < 150 ? data.n : 150)));
    a->malformed = true;
}

static void take_text(struct follow *w, const char *text)
{
    struct answer *a = &w->answer;
    size_t n = strlen(text);
    if (n == 0)
        return;
    if (a->finish[0] != '\0')
        malformed(a, "text after the end of the choice", str_n(text, n));
    if (buf_add(&a->text, text, n) != 0)
        malformed(a, "the answer is larger than a client takes", str_n(NULL, 0));
    uint64_t now_us = net_now_us(w->loop);
    bool first = a->first_us == 0;
    uint64_t since_us = now_us - (first ? a->asked_us : a->last_us);
    if (first)
        a->first_us = now_us;
    else if (since_us > a->gap_us)
        a->gap_us = since_us;
    a->last_us = now_us;
    if (w->cfg.on_piece != NULL)
        w->cfg.on_piece(since_us, first, w->cfg.user_data);
}

static void prove(struct answer *a, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    a->proof = rng_mix(a->proof ^ bits);
}

static void take_logprobs(struct answer *a, const json_t *logprobs)
{
    size_t i;
    json_t *token;
    json_array_foreach(json_object_get(logprobs, "content"), i, token)
    {
        prove(a, json_num(token, "id"));
        prove(a, json_num(token, "logprob"));
        a->told++;
    }
}

static void take_finish(struct answer *a, const char *finish, struct str data)
{
    if (finish[0] == '\0')
        return;
    if (a->finish[0] != '\0')
        malformed(a, "the choice ends twice", data);
    snprintf(a->finish, sizeof a->finish, "%s", finish);
}

static void take_usage(struct answer *a, const json_t *usage)
{
    a->used = true;
    a->prompt_tokens = (uint32_t)json_num(usage, "prompt_tokens");
    a->completion_tokens = (uint32_t)json_num(usage, "completion_tokens");
    a->cached_tokens = (uint32_t)json_num(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
}

static void take_chunk(struct follow *w, const json_t *chunk, struct str data)
{
    struct answer *a = &w->answer;
    const json_t *error = json_object_get(chunk, "error"), *usage = json_object_get(chunk, "usage");
    const json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
    if (!json_is_object(chunk)) {
        malformed(a, "not a JSON object", data);
    } else if (json_is_object(error)) {
        a->refused = true;
        snprintf(a->why, sizeof a->why, "%s", json_text(error, "message", "an error without a message"));
    } else {
        take_logprobs(a, json_object_get(choice, "logprobs"));
        take_text(w, json_text(choice, "text", json_text(json_object_get(choice, "delta"), "content", "")));
        take_finish(a, json_text(choice, "finish_reason", ""), data);
        if (json_is_object(usage))
            take_usage(a, usage);
    }
}

static void on_event(struct str event, struct str data, struct str id, void *user_data)
{
    struct follow *w = user_data;
    struct answer *a = &w->answer;
    if (str_is(event, ":"))
        return;
    if (a->done || a->refused)
        malformed(a, a->done ? "something after [DONE]" : "something after an error", data);
    if (w->away_us > 0 && a->first_us > 0 && net_now_us(w->loop) - w->away_us > a->away_us)
        a->away_us = net_now_us(w->loop) - w->away_us;
    w->away_us = 0;
    if (id.n > 0 && id.n < sizeof w->id)
        snprintf(w->id, sizeof w->id, "%.*s", STR_ARG(id));
    if (str_is(data, "[DONE]")) {
        a->done = true;
        return;
    }
    json_t *chunk = json_loadb(data.p, data.n, 0, NULL); /* also refuses invalid UTF-8 */
    take_chunk(w, chunk, data);
    json_decref(chunk);
}

/* ---- calls ---- */

static void follow_end(struct follow *w)
{
    struct answer a = w->answer;
    void (*on_end)(struct answer *, void *) = w->cfg.on_end;
    void *user_data = w->cfg.user_data;
    net_timer_free(w->pause);
    sse_fini(&w->sse);
    buf_fini(&w->refusal);
    free(w->body);
    free(w);
    on_end(&a, user_data);
}

static void on_head(struct http_call *c, int status, void *user_data)
{
    struct follow *w = user_data;
    (void)c;
    w->status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user_data)
{
    struct follow *w = user_data;
    if (w->status != 200) {
        buf_add_str(&w->refusal, bytes); /* the beginning of a long one is enough */
    } else if (sse_feed(&w->sse, bytes, on_event, w) != 0) {
        malformed(&w->answer, "an event that is too long", str_n(NULL, 0));
        http_call_cancel(c);
    }
}

static void break_off(struct follow *w, const char *why)
{
    w->answer.broken = true;
    snprintf(w->answer.why, sizeof w->answer.why, "%s", why);
    follow_end(w);
}

/* Retries after a break. Nothing received may be lost: an answer without event ids is requested
 * again only if none of it has arrived. */
static void come_back(struct follow *w, const char *why)
{
    uint64_t now_us = net_now_us(w->loop);
    if (w->away_us == 0)
        w->away_us = now_us;
    if (now_us - w->away_us >= w->cfg.away_ms * 1000ull) {
        break_off(w, why);
        return;
    }
    if (w->id[0] == '\0' && (w->answer.first_us > 0 || w->answer.told > 0)) {
        break_off(w, "it broke off, and its events had no id to continue from");
        return;
    }
    w->head = (w->head + 1) % w->cfg.heads->n;
    net_timer_set(w->pause, now_us + (w->cfg.heads->n > 1 && w->head != w->cfg.head ? 0 : FOLLOW_RETRY_MS * 1000ull));
}

static void refuse(struct follow *w)
{
    struct answer *a = &w->answer;
    json_t *body = json_loadb(w->refusal.p, w->refusal.n, 0, NULL);
    a->status = w->status;
    a->refused = true;
    snprintf(a->why, sizeof a->why, "HTTP %d: %s", w->status, json_text(json_object_get(body, "error"), "message", "no message"));
    json_decref(body);
    follow_end(w);
}

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct follow *w = user_data;
    struct answer *a = &w->answer;
    (void)c;
    w->call = NULL;
    if (w->status == 200)
        a->status = 200;
    if (w->cancelled)
        break_off(w, "given up");
    else if (a->malformed || a->refused || a->done)
        follow_end(w);
    else if (err == 0 && w->status == 503 && a->returns > 0 && w->cfg.away_ms > 0)
        come_back(w, "HTTP 503"); /* the head is back, but its workers are not */
    else if (err == 0 && w->status != 200)
        refuse(w);
    else
        come_back(w, err == 0 ? "the stream ended before [DONE]" : why);
}

static void ask(struct follow *w)
{
    const struct http_address *h = &w->cfg.heads->at[w->head];
    char headers[FETCH_HEADERS_BYTES];
    fetch_headers(headers, w->cfg.key, w->id);
    sse_fini(&w->sse);
    buf_reset(&w->refusal);
    w->status = 0;
    struct http_call_config cfg = {.host = h->host, .port = h->port, .method = "POST", .path = w->cfg.path, .headers = headers,
                                   .body = str_of(w->body), .timeout_ms = CALL_TIMEOUT_MS, .on_head = on_head, .on_body = on_body,
                                   .on_end = on_end, .user_data = w};
    w->call = http_call_start(w->loop, &cfg);
}

static void on_pause(struct net_timer *t, void *user_data)
{
    struct follow *w = user_data;
    (void)t;
    w->answer.returns++;
    ask(w);
}

bool follow_is_settled(const struct follow *w, uint64_t since_us)
{
    return w->answer.first_us == 0 || w->answer.last_us > since_us;
}

void follow_cancel(struct follow *w)
{
    w->cancelled = true;
    if (w->call != NULL)
        http_call_cancel(w->call); /* on_end follows */
    else
        break_off(w, "given up");
}

struct follow *follow_start(struct net_loop *loop, const struct follow_config *cfg)
{
    MUST(cfg->heads->n > 0 && cfg->head < cfg->heads->n);
    struct follow *w = xalloc(sizeof *w);
    *w = (struct follow){.loop = loop, .cfg = *cfg, .head = cfg->head, .body = xstr_dup(cfg->body),
                         .refusal = buf_max(WHY_BODY_BYTES_MAX), .answer = {.text = buf_max(FOLLOW_TEXT_BYTES_MAX)}};
    w->answer.asked_us = net_now_us(loop);
    sse_init(&w->sse);
    w->pause = net_timer_new(loop, on_pause, w);
    ask(w);
    return w;
}
