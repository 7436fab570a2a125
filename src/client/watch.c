#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "client/fetch.h"
#include "http/http.h"

/* Watches a cluster's start, beside other work of the loop: polls /manta/status every 40 ms.
 *
 * Happy path: watch -> ask -> on_end -> news -> pause -> ask … until client_watch_free(). A head
 * that does not answer yet is asked again, without news. */

enum { ASK_EVERY_US = 40000, ANSWER_BYTES_MAX = 16 << 20, MODEL_CHARS = 60 };

struct client_watch {
    struct net_loop *loop;
    client_news_fn *on_news;
    void *user_data;
    struct net_timer *timer;
    struct http_call *call;       /* while one is in progress */
    struct buf body;
    int status;
    char host[256], headers[FETCH_HEADERS_BYTES];
    uint16_t port;
    char why[200];                /* the last call had no answer; empty: it had one */
    bool freed;                   /* by its owner, during a call */
};

static void count_actor(const json_t *a, struct client_news *n)
{
    const char *state = json_text(a, "state", ""), *model = json_text(a, "model", "");
    bool loading = strcmp(state, "loading") == 0;
    n->ready += strcmp(state, "ready") == 0;
    n->loading += loading;
    n->failed += strcmp(state, "failed") == 0;
    n->progress += loading ? json_num(a, "progress") : 0;
    if (n->model[0] == '\0')
        snprintf(n->model, sizeof n->model, "%.*s", MODEL_CHARS, model);
    bool same = strncmp(n->model, model, MODEL_CHARS) == 0;
    n->others |= !same;
    if (same && json_num(a, "weights_bytes") > 0)
        n->weights_bytes = (uint64_t)json_num(a, "weights_bytes");
}

static void count(const json_t *status, struct client_news *n)
{
    size_t i;
    json_t *a;
    const json_t *worker = json_array_get(json_object_get(status, "worker_nodes"), 0);
    n->cpus = json_num(worker, "cpus");
    n->memory_bytes = (uint64_t)json_num(worker, "memory_bytes");
    n->head_pid = (int)json_num(json_object_get(status, "head"), "pid");
    n->workers = (uint32_t)json_num(status, "workers");
    n->launcher = json_is_true(json_at(status, "scale", "launcher"));
    json_array_foreach(json_object_get(status, "actor_list"), i, a)
        count_actor(a, n);
    n->progress = n->loading > 0 ? n->progress / n->loading : 0;
    n->model[plain_in_place(n->model, utf8_whole(n->model, strlen(n->model)))] = '\0';
}

static void tell(struct client_watch *w)
{
    json_t *status = w->status == 200 ? json_loadb(w->body.p, w->body.n, 0, NULL) : NULL;
    struct client_news news = {0};
    if (status == NULL)
        return;
    count(status, &news);
    json_decref(status);
    w->on_news(&news, w->user_data);
}

static void watch_end(struct client_watch *w)
{
    net_timer_free(w->timer);
    buf_fini(&w->body);
    free(w);
}

static void on_head(struct http_call *c, int status, void *user_data)
{
    (void)c;
    ((struct client_watch *)user_data)->status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user_data)
{
    struct client_watch *w = user_data;
    if (buf_add_str(&w->body, bytes) != 0)
        http_call_cancel(c);
}

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct client_watch *w = user_data;
    (void)c;
    w->call = NULL;
    snprintf(w->why, sizeof w->why, "%s", err != 0 ? why : "");
    if (!w->freed)
        net_timer_set(w->timer, net_now_us(w->loop) + ASK_EVERY_US);
    if (!w->freed && err == 0)
        tell(w); /* may free the watch */
    else if (w->freed)
        watch_end(w);
}

static void on_timer(struct net_timer *t, void *user_data)
{
    struct client_watch *w = user_data;
    (void)t;
    buf_reset(&w->body);
    w->status = 0;
    struct http_call_config cfg = {
        .host = w->host,
        .port = w->port,
        .method = "GET",
        .path = "/manta/status",
        .headers = w->headers,
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .user_data = w,
    };
    w->call = http_call_start(w->loop, &cfg);
}

struct client_watch *client_watch_start(struct net_loop *loop, const struct client_options *o, client_news_fn *on_news, void *user_data,
                                        struct fault *f)
{
    struct client_watch *w = xalloc(sizeof *w);
    *w = (struct client_watch){.loop = loop, .on_news = on_news, .user_data = user_data, .body = buf_max(ANSWER_BYTES_MAX)};
    if (http_parse_address(o->head, 8470, w->host, sizeof w->host, &w->port, f) != 0) {
        free(w);
        return NULL;
    }
    fetch_headers(w->headers, o->api_key, NULL);
    w->timer = net_timer_new(loop, on_timer, w);
    net_timer_set(w->timer, net_now_us(loop));
    return w;
}

const char *client_watch_why(const struct client_watch *w)
{
    return w->why;
}

void client_watch_free(struct client_watch *w)
{
    if (w == NULL || w->freed)
        return;
    w->freed = true;
    if (w->call != NULL)
        http_call_cancel(w->call); /* on_end frees it */
    else
        watch_end(w);
}
