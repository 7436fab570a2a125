#include <stdio.h>
#include <string.h>

#include "api/dialect.h"
#include "head/account.h"
#include "head/admission.h"
#include "head/console.h"
#include "head/stored.h"
#include "head/watch.h"
#include "json/write.h"

/* The routes: which handler answers which path. One table; errors for unknown paths and wrong
 * methods name the alternatives. */

typedef void handler_fn(struct head_program *p, struct http_request *r);
static void reply_unknown(struct head_program *p, struct http_request *r);

enum {
    OPEN = 1,     /* needs no API key */
    ADMIN = 4,    /* changes the cluster: needs a key of the admin scope */
    LONG = 8,     /* the response may take long: not for guests, see http_is_guest() */
    ANY_HOST = 2, /* health checks use any host name and learn nothing; a browser cannot request a worker's link */
};

struct route {
    const char *method, *path; /* a path ending in '/' matches everything below it that has no row of its own */
    int flags;
    /* One of: answers it; answers its owner; neither, and it is a prompt in this dialect. */
    handler_fn *handler;
    void (*shown)(struct head_program *p, struct http_request *r, const struct owner *who);
    enum api_shape shape;
};

/* ---- handlers ---- */

static void on_models(struct head_program *p, struct http_request *r)
{
    buf_reset(&p->json);
    if (!http_is_head(r))
        write_models(p, reply_dialect(r));
    reply_json(p, r, 200, NULL);
}

static void on_model(struct head_program *p, struct http_request *r)
{
    static const char place[] = "/models/"; /* after "/v1", or at the beginning */
    struct str path = http_path(r);
    const char *at = (const char *)memmem(path.p, path.n, place, strlen(place)) + strlen(place);
    struct str id = str_n(at, (size_t)(path.p + path.n - at));
    struct buf name = buf_max(API_FIELD_BYTES_MAX);
    buf_reset(&p->json);
    if (http_decode(&name, id, false) == 0 && write_model(p, buf_str(&name), reply_dialect(r))) {
        reply_json(p, r, 200, NULL);
    } else {
        struct fault f;
        fault_set(&f, ERR_NOT_FOUND, "no model '%.*s': GET /v1/models lists what there is", STR_ARG(id));
        reply_fault(p, r, &f);
    }
    buf_fini(&name);
}

/* Continues a stream of another head, or of an earlier process of this one. */
static void on_stream(struct head_program *p, struct http_request *r)
{
    struct str id = str_behind(http_path(r), strlen("/v1/streams/"));
    struct api_stream_id from;
    struct fault f;
    if (api_parse_stream_id(id, &from, &f) == 0)
        call_begin_resume(p, r, &from);
    else
        reply_fault(p, r, &f);
}

static void on_requests(struct head_program *p, struct http_request *r, const struct owner *who)
{
    buf_reset(&p->json);
    if (!http_is_head(r))
        put_requests(p, who, &(struct jout){.buf = &p->json});
    reply_json(p, r, 200, NULL);
}

static void on_request_by_id(struct head_program *p, struct http_request *r, const struct owner *who)
{
    struct fault f;
    buf_reset(&p->json);
    if (request_told(p, str_behind(http_path(r), strlen("/manta/requests/")), who, &f) == 0)
        reply_json(p, r, 200, NULL);
    else
        reply_fault(p, r, &f);
}

static void availability(struct head_program *p, struct http_request *r, uint8_t to)
{
    struct api_error e = {0};
    struct api_availability what;
    if (api_parse_availability(http_body(r), to == WIRE_DRAINING, &what, &e) == 0) {
        call_begin_availability(p, r, to, &what);
        return;
    }
    reply_api_error(p, r, &e);
}

static void on_drain(struct head_program *p, struct http_request *r)
{
    availability(p, r, WIRE_DRAINING);
}

static void on_cordon(struct head_program *p, struct http_request *r)
{
    availability(p, r, WIRE_CORDONED);
}

static void on_uncordon(struct head_program *p, struct http_request *r)
{
    availability(p, r, WIRE_SERVING);
}

static void on_link(struct head_program *p, struct http_request *r)
{
    if (http_wants_upgrade(r, WIRE_UPGRADE) && http_is_whole(r)) {
        link_accept(p, r);
        return;
    }
    struct fault f;
    fault_set(&f, ERR_VERSION, "%s is where workers join: it takes 'Upgrade: %s' of a manta worker, nothing else", WIRE_PATH, WIRE_UPGRADE);
    reply_fault(p, r, &f);
}

static void on_console(struct head_program *p, struct http_request *r)
{
    if (!console_reply(r))
        reply_unknown(p, r);
}

static void on_root(struct head_program *p, struct http_request *r)
{
    if (console_is_wanted(r)) {
        (void)console_reply(r);
        return;
    }
    struct head_totals t;
    head_totals(p->brain, &t);
    buf_reset(&p->json);
    buf_printf(&p->json,
               "manta head %s: %u workers, %u actors ready.\n\n"
               "OpenAI API:  POST /v1/chat/completions  POST /v1/completions  POST /v1/embeddings  POST /v1/rerank  GET /v1/models\n"
               "             POST /v1/responses  GET, DELETE /v1/responses/{id}  POST /v1/responses/{id}/cancel\n"
               "Anthropic:   POST /v1/messages  POST /v1/messages/count_tokens  GET /v1/models\n"
               "llama.cpp:   POST /completion  POST /infill  POST /tokenize  POST /detokenize  POST /apply-template  GET /props  GET /slots\n"
               "Ollama:      POST /api/chat  /api/generate  /api/embed  /api/embeddings  /api/show  GET /api/tags  /api/ps  /api/version\n"
               "streams:     GET /v1/streams/{id}, or any POST with Last-Event-ID: continues where the client is\n"
               "manta:       POST /manta/process_prompt  GET /manta/status  GET /manta/actors  POST /manta/scale\n"
               "             POST /manta/drain  POST /manta/cordon  POST /manta/uncordon\n"
               "             GET /manta/requests  GET /manta/requests/{x-request-id}[/explain]  GET /manta/events (server-sent)\n"
               "operations:  GET /health  GET /livez  GET /readyz  GET /metrics\n"
               "console:     this address in a browser\n",
               p->o->version, t.workers, t.actors_ready);
    http_reply(r, 200, "text/plain; charset=utf-8", "vary: Accept\r\n", buf_str(&p->json));
}

static const struct route routes[] = {
    {"POST", "/v1/chat/completions", .shape = API_CHAT, .flags = LONG},
    {"POST", "/v1/chat/completions/input_tokens", .shape = API_CHAT_COUNT, .flags = LONG},
    {"POST", "/v1/completions", .shape = API_COMPLETION, .flags = LONG},
    {"POST", "/v1/embeddings", .shape = API_EMBEDDINGS, .flags = LONG},
    {"POST", "/v1/rerank", .shape = API_RERANK, .flags = LONG},
    {"POST", "/v1/reranking", .shape = API_RERANK, .flags = LONG}, /* llama-server's other name */
    {"POST", "/v2/rerank", .shape = API_RERANK, .flags = LONG},    /* Cohere's */
    {"POST", "/v1/responses", .shape = API_RESPONSES, .flags = LONG},
    {"POST", "/v1/responses/input_tokens", .shape = API_RESPONSES_COUNT, .flags = LONG},
    {"GET", "/v1/responses/", .handler = on_stored_get, .flags = LONG},
    {"POST", "/v1/responses/", .handler = on_stored_post},
    {"DELETE", "/v1/responses/", .handler = on_stored_delete},
    {"POST", "/v1/messages", .shape = API_MESSAGES, .flags = LONG},
    {"POST", "/v1/messages/count_tokens", .shape = API_COUNT, .flags = LONG},
    {"GET", "/v1/models", .handler = on_models},
    {"GET", "/v1/models/", .handler = on_model},
    {"POST", "/chat/completions", .shape = API_CHAT, .flags = LONG}, /* without /v1, as some clients build their URLs; down to /models/ */
    {"POST", "/completions", .shape = API_COMPLETION, .flags = LONG},
    {"POST", "/embeddings", .shape = API_EMBEDDINGS, .flags = LONG},
    {"POST", "/chat/completions/input_tokens", .shape = API_CHAT_COUNT, .flags = LONG},
    {"POST", "/responses", .shape = API_RESPONSES, .flags = LONG},
    {"POST", "/rerank", .shape = API_RERANK, .flags = LONG},
    {"POST", "/reranking", .shape = API_RERANK, .flags = LONG},
    {"GET", "/models", .handler = on_models},
    {"GET", "/models/", .handler = on_model},
    {"POST", "/completion", .shape = API_LLAMA, .flags = LONG}, /* llama-server's; down to /slots */
    {"POST", "/infill", .shape = API_INFILL, .flags = LONG},
    {"POST", "/tokenize", .shape = API_TOKENIZE, .flags = LONG},
    {"POST", "/detokenize", .shape = API_DETOKENIZE, .flags = LONG},
    {"POST", "/apply-template", .shape = API_TEMPLATE, .flags = LONG},
    {"GET", "/props", .handler = reply_props},
    {"GET", "/slots", .handler = reply_slots},
    {"POST", "/api/chat", .shape = API_OLLAMA_CHAT, .flags = LONG}, /* Ollama's; down to /api/delete */
    {"POST", "/api/generate", .shape = API_OLLAMA_GENERATE, .flags = LONG},
    {"POST", "/api/embed", .shape = API_OLLAMA_EMBED, .flags = LONG},
    {"POST", "/api/embeddings", .shape = API_OLLAMA_EMBEDDINGS, .flags = LONG},
    {"GET", "/api/version", .handler = reply_ollama_version},
    {"GET", "/api/tags", .handler = on_models},
    {"GET", "/api/ps", .handler = on_models},
    {"POST", "/api/show", .handler = reply_ollama_show},
    {"POST", "/api/", .handler = reply_ollama_files},
    {"DELETE", "/api/delete", .handler = reply_ollama_files},
    {"GET", "/v1/streams/", .handler = on_stream, .flags = LONG},
    {"POST", "/manta/process_prompt", .shape = API_PROCESS_PROMPT, .flags = LONG},
    {"GET", "/manta/status", .shown = reply_status},
    {"GET", "/manta/actors", .shown = reply_actors},
    {"GET", "/manta/requests", .shown = on_requests},
    {"GET", "/manta/requests/", .shown = on_request_by_id},
    {"GET", "/manta/events", .shown = watch_ask, .flags = LONG},
    {"POST", "/manta/scale", .handler = on_scale, .flags = ADMIN},
    {"POST", "/manta/drain", .handler = on_drain, .flags = ADMIN},
    {"POST", "/manta/cordon", .handler = on_cordon, .flags = ADMIN},
    {"POST", "/manta/uncordon", .handler = on_uncordon, .flags = ADMIN},
    {"GET", WIRE_PATH, .handler = on_link, .flags = OPEN | ANY_HOST}, /* requires the join token instead */
    {"GET", "/metrics", .shown = reply_metrics},
    {"GET", "/health", .handler = reply_health, .flags = OPEN | ANY_HOST},
    {"GET", "/v1/health", .handler = reply_health, .flags = OPEN | ANY_HOST},
    {"GET", "/livez", .handler = reply_live, .flags = OPEN | ANY_HOST},
    {"GET", "/healthz", .handler = reply_live, .flags = OPEN | ANY_HOST},
    {"GET", "/readyz", .handler = reply_ready, .flags = OPEN | ANY_HOST},
    {"GET", "/console/", .handler = on_console, .flags = OPEN},
    {"GET", "/", .handler = on_root, .flags = OPEN},
};

/* ---- dispatch ---- */

enum { ROUTES_N = sizeof routes / sizeof routes[0] };

static bool is_row_of(const struct route *route, struct str path)
{
    return str_is(path, route->path);
}

static bool is_row_above(const struct route *route, struct str path)
{
    size_t n = strlen(route->path);
    return n > 1 && route->path[n - 1] == '/' && path.n > n && str_begins(path, route->path);
}

static bool has_row(struct str path)
{
    for (size_t i = 0; i < ROUTES_N; i++) {
        if (is_row_of(&routes[i], path))
            return true;
    }
    return false;
}

/* Returns the next row of a path from `*at` on, NULL behind the last one. A path with rows of its
 * own has only those: GET /v1/responses/input_tokens is no stored response. */
static const struct route *next_row(struct str path, size_t *at)
{
    bool own = has_row(path);
    while (*at < ROUTES_N) {
        const struct route *route = &routes[(*at)++];
        if (own ? is_row_of(route, path) : is_row_above(route, path))
            return route;
    }
    return NULL;
}

static bool method_matches(const struct route *route, struct str method)
{
    return str_is(method, route->method) || (str_is(method, "HEAD") && strcmp(route->method, "GET") == 0);
}

/* Appends the methods of a path's rows, each behind `mark`. */
static void put_methods(struct buf *out, struct str path, const char *mark)
{
    const struct route *route;
    for (size_t at = 0; (route = next_row(path, &at)) != NULL;) {
        buf_printf(out, "%s%s", mark, route->method);
        if (method_matches(route, str_of("HEAD")))
            buf_printf(out, "%sHEAD", mark);
    }
}

static struct str shown_path(const struct http_request *r)
{
    struct str path = http_path(r);
    return str_n(path.p, path.n < 100 ? path.n : 100);
}

static void reply_unknown(struct head_program *p, struct http_request *r)
{
    struct fault f;
    fault_set(&f, ERR_NOT_FOUND, "no such path: %.*s (GET / lists what there is)", STR_ARG(shown_path(r)));
    reply_fault(p, r, &f);
}

/* The path is known, but not with this method. */
static void reply_other_method(struct head_program *p, struct http_request *r)
{
    static const char comma[] = ", ", either[] = " or ";
    struct fault f;
    struct buf allow = buf_max(256), words = buf_max(256), line = buf_max(256);
    put_methods(&allow, http_path(r), comma);
    put_methods(&words, http_path(r), either);
    buf_printf(&line, "allow: %s\r\n", buf_cstr(&allow) + strlen(comma));
    fault_set(&f, ERR_METHOD, "%.*s takes %s, not %.*s", STR_ARG(shown_path(r)), buf_cstr(&words) + strlen(either), STR_ARG(http_method(r)));
    reply_error(p, r, &(struct api_error){.fault = f}, buf_cstr(&line));
    buf_fini(&allow);
    buf_fini(&words);
    buf_fini(&line);
}

/* ---- web pages ---- */

static bool any_host(struct str path)
{
    const struct route *route;
    for (size_t at = 0; (route = next_row(path, &at)) != NULL;) {
        if ((route->flags & ANY_HOST) != 0)
            return true;
    }
    return false;
}

/* Returns false if the request was refused, for its host name or its page. */
static bool admit(struct head_program *p, struct http_request *r, const struct web_request *web)
{
    struct fault f;
    struct buf lines = buf_max(HTTP_LINES_BYTES_MAX);
    int err = any_host(http_path(r)) ? 0 : web_check_host(&p->web, web, &f);
    if (err == 0)
        err = web_check_page(&p->web, web, &f);
    if (err == 0)
        web_lines(&p->web, web, &lines);
    else
        buf_puts(&lines, "vary: Origin\r\n");
    request_put_client_id(r, &lines);
    http_answer_with(r, buf_str(&lines));
    buf_fini(&lines);
    if (err != 0)
        reply_fault(p, r, &f);
    return err == 0;
}

/* Answers OPTIONS with the allowed methods; browsers ask before a page of another origin sends its
 * request. */
static void reply_options(struct head_program *p, struct http_request *r, const struct web_request *web)
{
    struct str path = http_path(r);
    struct buf lines = buf_max(HTTP_LINES_BYTES_MAX);
    size_t first = 0;
    bool preflight = web->origin.n > 0 && http_header(r, "access-control-request-method").n > 0;
    bool known = str_is(path, "*") || next_row(path, &first) != NULL;
    buf_puts(&lines, "allow: OPTIONS");
    put_methods(&lines, path, ", ");
    buf_puts(&lines, "\r\n");
    if (preflight)
        web_preflight_lines(http_header(r, "access-control-request-headers"),
                            str_is(http_header(r, "access-control-request-private-network"), "true"), &lines);
    if (known || preflight)
        http_reply(r, 200, NULL, buf_cstr(&lines), (struct str){0});
    else
        reply_unknown(p, r);
    buf_fini(&lines);
}

/* The checks of a route that need only the header. Returns false if the request was refused. */
static bool may_follow(struct head_program *p, struct http_request *r, const struct route *route)
{
    struct fault f;
    if (admission_check_key(p, r, route->path, (route->flags & OPEN) != 0, (route->flags & ADMIN) != 0, &f) != 0 ||
        admission_check_encoding(r, &f) != 0) {
        reply_fault(p, r, &f);
        return false;
    }
    if ((route->flags & OPEN) == 0 && p->keys.n > 0)
        http_trust(r);
    if ((route->flags & LONG) == 0 || !http_is_guest(r))
        return true;
    fault_set(&f, ERR_UNAVAILABLE, "all %u connections of this head are busy: try again in a moment", http_server_conns_max(p->server));
    reply_fault(p, r, &f);
    return false;
}

/* Finds the route, after all checks that need only the header. NULL: the request was answered. */
static const struct route *find_route(struct head_program *p, struct http_request *r)
{
    const struct route *route;
    bool known = false;
    struct str path = http_path(r), method = http_method(r);
    struct web_request web = admission_web(r);
    if (!admit(p, r, &web))
        return NULL;
    if (str_is(method, "OPTIONS")) {
        reply_options(p, r, &web);
        return NULL;
    }
    for (size_t at = 0; (route = next_row(path, &at)) != NULL; known = true) {
        if (method_matches(route, method))
            return may_follow(p, r, route) ? route : NULL;
    }
    if (known)
        reply_other_method(p, r);
    else
        reply_unknown(p, r);
    return NULL;
}

static void follow(const struct route *route, struct head_program *p, struct http_request *r)
{
    struct owner who;
    struct fault f = {0};
    if (route->handler != NULL)
        route->handler(p, r);
    else if (route->shown == NULL)
        call_begin(p, r, route->shape);
    else if (owner_of(p, r, &who, &f) == 0)
        route->shown(p, r, &who);
    else
        reply_fault(p, r, &f);
}

void route(struct head_program *p, struct http_request *r)
{
    const struct route *route = find_route(p, r);
    if (route != NULL)
        follow(route, p, r);
}

bool route_head(struct head_program *p, struct http_request *r)
{
    const struct route *route = find_route(p, r);
    if (route == NULL)
        return false;
    if (strcmp(route->method, "POST") == 0)
        return true;
    follow(route, p, r); /* no handler reads its body */
    return false;
}
