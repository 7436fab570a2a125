#include "lab/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "client/fetch.h"
#include "http/http.h"

/* Happy path: each client asks -> its answer is followed -> the next prompt …; after the last one,
 * the head is asked how many answers each actor gave -> on_end. It can fail by: an answer that is
 * not whole, if no on_answer is set. */

enum { CALL_PIECES_MAX = 1 << 20, LAST_LOOK_BYTES_MAX = 1 << 20 };

struct stream {
    struct load *load;
    struct follow *follow;    /* while it asks */
    uint32_t number;          /* of its current prompt */
    uint32_t head;            /* asked first */
};

struct load {
    struct load_run *run;     /* borrowed */
    struct net_loop *loop;
    struct load_config cfg;
    struct follow_heads heads;
    struct stream *streams;   /* owned */
    uint32_t asked, done, open;
    bool cancelled, looking;  /* looking: the head is asked for its actors; on_look_end follows */
    float *ttft, *gaps;       /* owned; ms */
    uint32_t ttft_n, gaps_n;
    uint64_t from_us, tokens, prompt_tokens, cached_tokens;
    struct buf answer;        /* of the request for the actors */
    struct load_result result;
    struct fault fault;
};

/* ---- prompts ---- */

/* Words that count as one token each for most models, and for the echo engine. */
static void put_words(struct buf *out, uint64_t seed, uint32_t n)
{
    static const char *const words[] = {" the", " a", " sea", " is", " of", " light", " and", " slow", " deep", " warm", " over", " water"};
    for (uint32_t i = 0; i < n; i++)
        buf_puts(out, words[rng_at(seed, i) % (sizeof words / sizeof words[0])]);
}

static void put_prompt(struct buf *out, const struct load_prompts *p, uint64_t seed, uint32_t number)
{
    struct rng rng = {.seed = rng_at(seed, number)};
    buf_puts(out, "{\"prompt\":\"");
    if (p->prefixes > 0)
        put_words(out, rng_at(~seed, rng_below(&rng, p->prefixes)), p->prefix_words);
    put_words(out, rng_next(&rng), rng_between(&rng, p->prompt_least, p->prompt_most));
    buf_printf(out, "\",\"max_tokens\":%u,\"ignore_eos\":true,\"temperature\":0,\"seed\":%u,\"stream\":true,"
                    "\"stream_options\":{\"include_usage\":true}}",
               rng_between(&rng, p->answer_least, p->answer_most), number);
}

/* ---- the end ---- */

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double lab_percentile(float *values, uint32_t n, double part)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, by_size);
    return (double)values[(uint32_t)((double)(n - 1) * part + 0.5)];
}

void load_put_json(const struct load_result *r)
{
    printf("\"calls\":%u,\"seconds\":%.3f,\"tokens_per_s\":%.2f,\"ttft_p50_ms\":%.1f,\"ttft_p95_ms\":%.1f,\"gap_p95_ms\":%.1f,"
           "\"cached_share\":%.4f", r->calls, r->seconds, r->tokens_per_s, r->ttft_p50_ms, r->ttft_p95_ms, r->gap_p95_ms, r->cached);
}

static void load_free(struct load *l)
{
    buf_fini(&l->answer);
    free(l->streams);
    free(l->ttft);
    free(l->gaps);
    free(l);
}

static void load_end(struct load *l)
{
    struct load_run *run = l->run;
    struct load_config cfg = l->cfg;
    struct load_result *r = &l->result;
    r->calls = l->ttft_n;
    r->ttft_p50_ms = lab_percentile(l->ttft, l->ttft_n, 0.5);
    r->ttft_p95_ms = lab_percentile(l->ttft, l->ttft_n, 0.95);
    r->gap_p95_ms = lab_percentile(l->gaps, l->gaps_n, 0.95);
    r->tokens_per_s = r->seconds > 0 ? (double)l->tokens / r->seconds : 0;
    r->cached = l->prompt_tokens > 0 ? (double)l->cached_tokens / (double)l->prompt_tokens : 0;
    run->result = *r;
    if (run->fault.err == 0)
        run->fault = l->fault;
    run->load = NULL;
    load_free(l);
    if (run->fault.err != 0 || cfg.on_end == NULL || !cfg.on_end(cfg.user_data))
        net_loop_stop(run->loop);
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
    l->looking = true;
    struct http_call_config cfg = {.host = l->heads.at[0].host, .port = l->heads.at[0].port, .method = "GET", .path = "/manta/actors",
                                   .on_body = on_look_body, .on_end = on_look_end, .user_data = l};
    http_call_start(l->loop, &cfg);
}

/* ---- one call ---- */

static bool counts(const struct stream *s)
{
    return s->number >= s->load->cfg.warm;
}

static void on_piece(uint64_t since_us, bool first, void *user_data)
{
    struct stream *s = user_data;
    struct load *l = s->load;
    if (!counts(s))
        return;
    if (first && l->ttft_n < l->cfg.calls)
        l->ttft[l->ttft_n++] = (float)since_us / 1000;
    else if (!first && l->gaps_n < CALL_PIECES_MAX)
        l->gaps[l->gaps_n++] = (float)since_us / 1000;
}

static void count(struct stream *s, const struct answer *a)
{
    if (!counts(s))
        return;
    s->load->tokens += a->completion_tokens;
    s->load->prompt_tokens += a->prompt_tokens;
    s->load->cached_tokens += a->cached_tokens;
}

static void stream_ask(struct stream *s);

static bool goes_on(const struct load *l)
{
    if (l->fault.err != 0 || l->cancelled)
        return false;
    return l->asked < l->cfg.calls + l->cfg.warm || (l->cfg.more != NULL && l->cfg.more(l->cfg.user_data));
}

static void on_answer(struct answer *a, void *user_data)
{
    struct stream *s = user_data;
    struct load *l = s->load;
    s->follow = NULL;
    l->open--;
    l->done++;
    if (!l->cancelled && l->cfg.on_answer != NULL)
        l->cfg.on_answer(s->number, a, l->cfg.user_data);
    else if (l->fault.err == 0 && (!answer_is_whole(a) || a->first_us == 0))
        fault_set(&l->fault, ERR_FAILED, "prompt %u: %s", s->number, a->why[0] != '\0' ? a->why : "no whole answer");
    count(s, a);
    answer_fini(a);
    if (l->cfg.on_progress != NULL && !l->cancelled)
        l->cfg.on_progress(l->done, l->cfg.calls + l->cfg.warm, l->cfg.user_data);
    if (goes_on(l)) {
        stream_ask(s);
        return;
    }
    if (l->open > 0)
        return;
    l->result.seconds = (double)(net_now_us(l->loop) - l->from_us) / 1e6;
    if (l->fault.err != 0 || l->cfg.on_answer != NULL)
        load_end(l);
    else
        last_look(l);
}

static void stream_ask(struct stream *s)
{
    struct load *l = s->load;
    struct buf body = buf_max(FOLLOW_BODY_BYTES_MAX);
    s->number = l->asked++;
    if (l->cfg.put_body != NULL)
        l->cfg.put_body(&body, s->number, l->cfg.user_data);
    else
        put_prompt(&body, &l->cfg.prompts, l->cfg.seed, s->number);
    if (s->number == l->cfg.warm)
        l->from_us = net_now_us(l->loop);
    struct follow_config cfg = {.heads = &l->heads, .head = s->head, .body = buf_str(&body), .away_ms = l->cfg.away_ms, .key = l->cfg.key,
                                .path = l->cfg.put_body != NULL ? "/v1/chat/completions" : "/v1/completions",
                                .on_piece = on_piece, .on_end = on_answer, .user_data = s};
    l->open++;
    s->follow = follow_start(l->loop, &cfg);
    buf_fini(&body);
}

bool load_is_settled(const struct load_run *run, uint64_t since_us)
{
    const struct load *l = run->load;
    for (uint32_t i = 0; l != NULL && i < l->cfg.streams; i++) {
        if (l->streams[i].follow != NULL && !follow_is_settled(l->streams[i].follow, since_us))
            return false;
    }
    return true;
}

void load_cancel(struct load_run *run)
{
    struct load *l = run->load;
    if (l == NULL)
        return;
    l->cancelled = true;
    fault_set(&l->fault, ERR_CANCELLED, "given up");
    l->open++; /* so that the load does not end inside this loop */
    for (uint32_t i = 0; i < l->cfg.streams; i++) {
        if (l->streams[i].follow != NULL)
            follow_cancel(l->streams[i].follow);
    }
    if (--l->open == 0 && !l->looking)
        load_end(l);
}

static int check(const struct load_config *cfg, struct follow_heads *out, struct fault *f)
{
    if (cfg->streams == 0 || cfg->streams > LOAD_STREAMS_MAX || cfg->calls < cfg->streams || cfg->calls > LOAD_CALLS_MAX)
        return fault_set(f, ERR_INVALID, "%u prompts by %u clients: there may be 1 to %d clients, and at least a prompt for each, at most %d",
                         cfg->calls, cfg->streams, LOAD_STREAMS_MAX, LOAD_CALLS_MAX);
    return follow_heads_parse(cfg->heads, out, f);
}

void load_start(struct load_run *run, const struct load_config *cfg)
{
    struct follow_heads heads;
    if (check(cfg, &heads, &run->fault) != 0) {
        net_loop_stop(run->loop);
        return;
    }
    struct load *l = run->load = xalloc(sizeof *l);
    *l = (struct load){.run = run, .loop = run->loop, .cfg = *cfg, .heads = heads, .answer = buf_max(LAST_LOOK_BYTES_MAX)};
    l->streams = xalloc_array(cfg->streams, sizeof *l->streams);
    l->ttft = xalloc_array(cfg->calls, sizeof *l->ttft);
    l->gaps = xalloc_array(CALL_PIECES_MAX, sizeof *l->gaps);
    for (uint32_t i = 0; i < cfg->streams; i++) {
        l->streams[i] = (struct stream){.load = l, .head = i % heads.n};
        stream_ask(&l->streams[i]);
    }
}
