#include "client/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "client/fetch.h"
#include "http/http.h"

/* Happy path: each stream asks -> first piece -> pieces -> usage -> the next prompt …; after the last one the head is asked how
 * many answers each actor gave -> on_end. It can fail by: a call that fails or whose stream has an error event. */

enum { BODY_BYTES_MAX = 1 << 20, CALL_TIMEOUT_MS = 600000, GAPS_MAX = 1 << 20, LAST_LOOK_BYTES_MAX = 1 << 20 };

struct load;

struct stream {
    struct load *load;
    struct http_call *call; /* while one is under way */
    struct sse sse;
    int status;
    uint32_t number;        /* of its prompt */
    uint64_t asked_us, last_us; /* last_us: 0 before the first piece */
    bool whole;             /* its usage came */
};

struct load {
    struct net_loop *loop;
    struct load_config cfg;
    char host[256];
    uint16_t port;
    struct stream *streams;   /* owned */
    uint32_t asked, done, open;
    float *ttft, *gaps;       /* owned; ms */
    uint32_t ttft_n, gaps_n;
    uint64_t from_us, tokens, prompt_tokens, cached_tokens;
    struct buf answer;        /* of the last look */
    struct load_result result;
    struct fault fault;
};

/* ---- prompts ---- */

/* Words that most models, and the echo engine, take for one token each. */
static void put_words(struct buf *out, uint64_t seed, uint32_t n)
{
    static const char *const words[] = {" the", " a", " sea", " is", " of", " light", " and", " slow", " deep", " warm", " over", " water"};
    for (uint32_t i = 0; i < n; i++)
        buf_puts(out, words[rng_at(seed, i) % (sizeof words / sizeof words[0])]);
}

static uint32_t between(struct rng *rng, uint32_t least, uint32_t most)
{
    return least + (uint32_t)rng_below(rng, most - least + 1);
}

static void put_body(struct buf *out, const struct load_config *c, uint32_t number)
{
    struct rng rng = {.seed = rng_at(c->seed, number)};
    buf_puts(out, "{\"prompt\":\"");
    if (c->prefixes > 0)
        put_words(out, rng_at(~c->seed, rng_below(&rng, c->prefixes)), c->prefix_words);
    put_words(out, rng_next(&rng), between(&rng, c->prompt_least, c->prompt_most));
    buf_printf(out, "\",\"max_tokens\":%u,\"ignore_eos\":true,\"temperature\":0,\"seed\":%u,\"stream\":true,"
                    "\"stream_options\":{\"include_usage\":true}}",
               between(&rng, c->answer_least, c->answer_most), number);
}

/* ---- the end ---- */

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double percentile(float *values, uint32_t n, double part)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, by_size);
    return (double)values[(uint32_t)((double)(n - 1) * part + 0.5)];
}

static void load_end(struct load *l)
{
    struct load_result *r = &l->result;
    r->calls = l->ttft_n;
    r->ttft_p50_ms = percentile(l->ttft, l->ttft_n, 0.5);
    r->ttft_p95_ms = percentile(l->ttft, l->ttft_n, 0.95);
    r->gap_p95_ms = percentile(l->gaps, l->gaps_n, 0.95);
    r->tokens_per_s = r->seconds > 0 ? (double)l->tokens / r->seconds : 0;
    r->cached = l->prompt_tokens > 0 ? (double)l->cached_tokens / (double)l->prompt_tokens : 0;
    l->cfg.on_end(r, &l->fault, l->cfg.user_data);
    for (uint32_t i = 0; i < l->cfg.streams; i++)
        sse_fini(&l->streams[i].sse);
    buf_fini(&l->answer);
    free(l->streams);
    free(l->ttft);
    free(l->gaps);
    free(l);
}

static int by_node(const void *a, const void *b)
{
    return strcmp(((const struct load_share *)a)->node, ((const struct load_share *)b)->node);
}

static void read_shares(struct load *l)
{
    size_t i;
    json_t *a, *root = json_loadb(l->answer.p, l->answer.n, 0, NULL);
    struct load_result *r = &l->result;
    json_array_foreach(json_object_get(root, "actor_list"), i, a)
    {
        if (r->nodes == LOAD_NODES_MAX)
            break;
        struct load_share *s = &r->shares[r->nodes++];
        snprintf(s->node, sizeof s->node, "%s", json_text(a, "node", "?"));
        s->part = json_num(a, "jobs_done") / l->done;
    }
    json_decref(root);
    qsort(r->shares, r->nodes, sizeof r->shares[0], by_node);
}

static void on_look_body(struct http_call *c, struct str bytes, void *user_data)
{
    (void)c;
    buf_add_str(&((struct load *)user_data)->answer, bytes);
}

static void on_look_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct load *l = user_data;
    (void)c;
    if (err != 0)
        fault_set(&l->fault, err, "cannot ask the head for its actors: %s", why);
    else
        read_shares(l);
    load_end(l);
}

static void last_look(struct load *l)
{
    struct http_call_config cfg = {.host = l->host, .port = l->port, .method = "GET", .path = "/manta/actors",
                                   .on_body = on_look_body, .on_end = on_look_end, .user_data = l};
    http_call_start(l->loop, &cfg);
}

/* ---- one call ---- */

static bool counts(const struct stream *s)
{
    return s->number >= s->load->cfg.warm;
}

static void saw_piece(struct stream *s)
{
    struct load *l = s->load;
    uint64_t now_us = net_now_us(l->loop);
    if (counts(s) && s->last_us == 0)
        l->ttft[l->ttft_n++] = (float)(now_us - s->asked_us) / 1000;
    else if (counts(s) && l->gaps_n < GAPS_MAX)
        l->gaps[l->gaps_n++] = (float)(now_us - s->last_us) / 1000;
    s->last_us = now_us;
}

static void saw_usage(struct stream *s, const json_t *usage)
{
    s->whole = true;
    if (!counts(s))
        return;
    s->load->tokens += (uint64_t)json_num(usage, "completion_tokens");
    s->load->prompt_tokens += (uint64_t)json_num(usage, "prompt_tokens");
    s->load->cached_tokens += (uint64_t)json_num(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
}

static void on_event(struct str event, struct str data, struct str id, void *user_data)
{
    struct stream *s = user_data;
    (void)id;
    if (str_is(event, ":") || str_is(data, "[DONE]"))
        return;
    json_t *chunk = json_loadb(data.p, data.n, 0, NULL);
    const json_t *error = json_object_get(chunk, "error"), *usage = json_object_get(chunk, "usage");
    const json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
    if (json_is_object(error))
        fault_set(&s->load->fault, ERR_FAILED, "prompt %u: %s", s->number, json_text(error, "message", "an error without a message"));
    if (json_text(choice, "text", "")[0] != '\0')
        saw_piece(s);
    if (json_is_object(usage))
        saw_usage(s, usage);
    json_decref(chunk);
}

static void on_head(struct http_call *c, int status, void *user_data)
{
    (void)c;
    ((struct stream *)user_data)->status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user_data)
{
    struct stream *s = user_data;
    if (s->status == 200 && sse_feed(&s->sse, bytes, on_event, s) != 0)
        http_call_cancel(c);
}

static void stream_ask(struct stream *s);

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct stream *s = user_data;
    struct load *l = s->load;
    (void)c;
    s->call = NULL;
    l->open--;
    l->done++;
    if (l->fault.err == 0 && err != 0)
        fault_set(&l->fault, err, "prompt %u: %s", s->number, why);
    else if (l->fault.err == 0 && (s->status != 200 || !s->whole || s->last_us == 0))
        fault_set(&l->fault, ERR_FAILED, "prompt %u: HTTP %d%s", s->number, s->status, s->status == 200 ? ", and no whole answer" : "");
    if (l->cfg.on_progress != NULL)
        l->cfg.on_progress(l->done, l->cfg.calls + l->cfg.warm, l->cfg.user_data);
    if (l->fault.err == 0 && l->asked < l->cfg.calls + l->cfg.warm) {
        stream_ask(s);
        return;
    }
    if (l->open > 0)
        return;
    l->result.seconds = (double)(net_now_us(l->loop) - l->from_us) / 1e6;
    if (l->fault.err != 0)
        load_end(l);
    else
        last_look(l);
}

static void stream_ask(struct stream *s)
{
    struct load *l = s->load;
    struct buf body = buf_max(BODY_BYTES_MAX);
    s->number = l->asked++;
    put_body(&body, &l->cfg, s->number);
    if (s->number == l->cfg.warm)
        l->from_us = net_now_us(l->loop);
    sse_fini(&s->sse);
    sse_init(&s->sse);
    s->status = 0;
    s->whole = false;
    s->last_us = 0;
    s->asked_us = net_now_us(l->loop);
    struct http_call_config cfg = {.host = l->host, .port = l->port, .method = "POST", .path = "/v1/completions",
                                   .headers = "content-type: application/json\r\n", .body = buf_str(&body), .timeout_ms = CALL_TIMEOUT_MS,
                                   .on_head = on_head, .on_body = on_body, .on_end = on_end, .user_data = s};
    l->open++;
    s->call = http_call_start(l->loop, &cfg);
    buf_fini(&body);
}

int load_start(struct net_loop *loop, const struct load_config *cfg, struct fault *f)
{
    if (cfg->streams == 0 || cfg->streams > LOAD_STREAMS_MAX || cfg->calls < cfg->streams || cfg->calls > LOAD_CALLS_MAX)
        return fault_set(f, ERR_INVALID, "%u prompts by %u clients: there may be 1 to %d clients, and at least a prompt for each, at most %d",
                         cfg->calls, cfg->streams, LOAD_STREAMS_MAX, LOAD_CALLS_MAX);
    struct load *l = xalloc(sizeof *l);
    *l = (struct load){.loop = loop, .cfg = *cfg, .answer = buf_max(LAST_LOOK_BYTES_MAX)};
    int err = http_parse_address(cfg->head, 8470, l->host, sizeof l->host, &l->port, f);
    if (err != 0) {
        free(l);
        return err;
    }
    l->streams = xalloc_array(cfg->streams, sizeof *l->streams);
    l->ttft = xalloc_array(cfg->calls, sizeof *l->ttft);
    l->gaps = xalloc_array(GAPS_MAX, sizeof *l->gaps);
    for (uint32_t i = 0; i < cfg->streams; i++) {
        l->streams[i].load = l;
        sse_init(&l->streams[i].sse);
        stream_ask(&l->streams[i]);
    }
    return 0;
}
