/* Opens token streams against an OpenAI endpoint and notes when each token arrives: the load of `make bench`.
 *
 *     bench_streams HOST:PORT [--path /v1/completions] [--stop-after K] <PLAN >RESULT.json
 *
 * PLAN has a line "AFTER BODY" per stream: the request BODY is sent once every stream above has AFTER tokens (0: at
 * once). With --stop-after all are cancelled when each has K tokens. A token is an event whose text is not empty.
 *
 * The story: stream_start -> http_call -> on_head(200) -> events: on_event notes the time -> on_end. A stream can fail
 * by: no connection, an HTTP error (its body becomes `error`), an error event, the answer breaking off. Each is noted
 * in the stream and the others continue: the reader of the result decides. Times are microseconds since the start.
 *
 * It shares the processors with the server it measures, so it looks for the few bytes it needs instead of parsing JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/http.h"

enum {
    STREAMS_MAX = 1024,
    TOKENS_MAX = 8192,
    TEXT_BYTES_MAX = 1 << 20,
    PATIENCE_MS = 600000,
};

struct stream {
    uint32_t after;         /* starts when every stream above has as many tokens */
    char *body;             /* owned */
    struct http_call *call; /* NULL before the start and after the end */
    struct sse sse;
    bool started, ended;
    int status;
    uint64_t start_us, end_us;
    uint64_t *token_us;     /* owned, tokens_n of them */
    uint32_t tokens_n;
    uint32_t prompt_tokens, completion_tokens, cached_tokens; /* as the server counts them */
    struct buf text;        /* still escaped as in JSON, so that it can be printed as it came */
    struct buf error;
};

static struct {
    struct net_loop *loop;
    char host[256];
    uint16_t port;
    const char *path;
    uint32_t stop_after;    /* 0: streams run to their end */
    uint64_t begin_us;
    struct stream streams[STREAMS_MAX];
    uint32_t streams_n;
    bool stopped;
} b = {.path = "/v1/completions"};

static void start_due(void);

/* ---- what an event says ---- */

/* Where the value of "key" begins in a JSON text, or NULL. */
static const char *find_value(struct str json, const char *key)
{
    const char *at = memmem(json.p, json.n, key, strlen(key));
    return at != NULL ? at + strlen(key) : NULL;
}

static void read_count(struct str json, const char *key, uint32_t *out)
{
    const char *at = find_value(json, key);
    if (at != NULL)
        *out = (uint32_t)strtoul(at, NULL, 10);
}

/* The string behind "key", still escaped; empty when there is none. */
static struct str find_text(struct str json, const char *key)
{
    const char *at = find_value(json, key), *end = json.p + json.n;
    if (at == NULL)
        return str_n(NULL, 0);
    const char *p = at;
    while (p < end && *p != '"')
        p += *p == '\\' ? 2 : 1;
    return p < end ? str_n(at, (size_t)(p - at)) : str_n(NULL, 0);
}

static bool all_have(const struct stream *end, uint32_t tokens)
{
    for (const struct stream *s = b.streams; s < end; s++) {
        if (s->tokens_n < tokens && !s->ended)
            return false;
    }
    return true;
}

static void stop_when_done(void)
{
    if (b.stop_after == 0 || b.stopped || !all_have(b.streams + b.streams_n, b.stop_after))
        return;
    b.stopped = true;
    for (uint32_t i = 0; i < b.streams_n; i++) {
        if (b.streams[i].call != NULL)
            http_call_cancel(b.streams[i].call);
    }
}

static void note_token(struct stream *s, struct str text)
{
    if (s->tokens_n == TOKENS_MAX)
        return;
    s->token_us[s->tokens_n++] = clock_us() - b.begin_us;
    buf_add_str(&s->text, text);
    start_due();
    stop_when_done();
}

static void on_event(struct str event, struct str data, struct str id, void *user_data)
{
    struct stream *s = user_data;
    (void)id;
    if (str_is(event, ":") || str_is(data, "[DONE]"))
        return;
    struct str text = find_text(data, "\"text\":\"");
    if (text.n == 0)
        text = find_text(data, "\"content\":\"");
    if (text.n > 0)
        note_token(s, text);
    else if (find_value(data, "\"error\":") != NULL)
        buf_add_str(&s->error, data);
    read_count(data, "\"prompt_tokens\":", &s->prompt_tokens);
    read_count(data, "\"completion_tokens\":", &s->completion_tokens);
    read_count(data, "\"cached_tokens\":", &s->cached_tokens);
}

/* ---- one stream ---- */

static void on_head(struct http_call *c, int status, void *user_data)
{
    (void)c;
    ((struct stream *)user_data)->status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user_data)
{
    struct stream *s = user_data;
    if (s->status != 200)
        buf_add_str(&s->error, bytes);
    else if (sse_feed(&s->sse, bytes, on_event, s) != 0)
        http_call_cancel(c);
}

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct stream *s = user_data;
    (void)c;
    if (err != 0 && !b.stopped && s->error.n == 0)
        buf_puts(&s->error, why);
    s->end_us = clock_us() - b.begin_us;
    s->call = NULL;
    s->ended = true;
    start_due();
    stop_when_done();
}

static void stream_start(struct stream *s)
{
    struct http_call_config cfg = {
        .host = b.host,
        .port = b.port,
        .method = "POST",
        .path = b.path,
        .headers = "content-type: application/json\r\n",
        .body = str_of(s->body),
        .timeout_ms = PATIENCE_MS,
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .user_data = s,
    };
    s->started = true;
    s->start_us = clock_us() - b.begin_us;
    s->call = http_call_start(b.loop, &cfg);
}

static void start_due(void)
{
    for (uint32_t i = 0; i < b.streams_n && !b.stopped; i++) {
        struct stream *s = &b.streams[i];
        if (!s->started && all_have(s, s->after))
            stream_start(s);
    }
}

/* ---- the plan and the result ---- */

static bool read_plan(FILE *in)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, in)) > 0) {
        char *body = NULL;
        unsigned long after = strtoul(line, &body, 10);
        if (body == line || *body != ' ' || b.streams_n == STREAMS_MAX)
            break;
        struct stream *s = &b.streams[b.streams_n++];
        s->after = (uint32_t)after;
        s->body = xstr_dup(str_n(body + 1, strcspn(body + 1, "\n")));
        s->token_us = xalloc_array(TOKENS_MAX, sizeof *s->token_us);
        s->text = buf_max(TEXT_BYTES_MAX);
        s->error = buf_max(TEXT_BYTES_MAX);
        sse_init(&s->sse);
    }
    free(line);
    return n < 0 && b.streams_n > 0;
}

/* An error's text is for people: what JSON would have to escape becomes a blank or another quote. */
static void print_plain(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        putchar(c < ' ' || c == '\\' ? ' ' : c == '"' ? '\'' : c);
    }
}

static void print_stream(const struct stream *s)
{
    printf("{\"status\":%d,\"start_us\":%llu,\"end_us\":%llu,\"prompt_tokens\":%u,\"completion_tokens\":%u,"
           "\"cached_tokens\":%u,\"error\":\"",
           s->status, (unsigned long long)s->start_us, (unsigned long long)s->end_us, s->prompt_tokens,
           s->completion_tokens, s->cached_tokens);
    print_plain(buf_str(&s->error));
    printf("\",\"text\":\"%.*s\",\"tokens_us\":[", STR_ARG(s->text));
    for (uint32_t i = 0; i < s->tokens_n; i++)
        printf(i > 0 ? ",%llu" : "%llu", (unsigned long long)s->token_us[i]);
    printf("]}");
}

static void print_result(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"cpu_ms\":%.1f,\"streams\":[", (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
                                               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3);
    for (uint32_t i = 0; i < b.streams_n; i++) {
        printf(i > 0 ? ",\n" : "\n");
        print_stream(&b.streams[i]);
    }
    printf("]}\n");
}

static void free_all(void)
{
    for (uint32_t i = 0; i < b.streams_n; i++) {
        struct stream *s = &b.streams[i];
        free(s->body);
        free(s->token_us);
        buf_fini(&s->text);
        buf_fini(&s->error);
        sse_fini(&s->sse);
    }
}

static int parse(int argc, char **argv, struct fault *f)
{
    if (argc < 2)
        return fault_set(f, ERR_USAGE, "which server? bench_streams HOST:PORT [--path P] [--stop-after K] <PLAN");
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--path") == 0)
            b.path = argv[i + 1];
        else if (strcmp(argv[i], "--stop-after") == 0)
            b.stop_after = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else
            return fault_set(f, ERR_USAGE, "unknown option %s", argv[i]);
    }
    return http_parse_address(argv[1], 8470, b.host, sizeof b.host, &b.port, f);
}

int main(int argc, char **argv)
{
    struct fault f = {0};
    if (parse(argc, argv, &f) == 0 && !read_plan(stdin))
        fault_set(&f, ERR_INVALID, "the plan is not lines of \"AFTER BODY\", at most %d of them", STREAMS_MAX);
    if (f.err != 0) {
        fprintf(stderr, "bench_streams: %s\n", f.text);
        return err_exit(f.err);
    }
    b.loop = net_loop_new();
    b.begin_us = clock_us();
    start_due();
    net_loop_run(b.loop);
    net_loop_free(b.loop);
    print_result();
    free_all();
    return 0;
}
