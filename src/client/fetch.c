#include "client/fetch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/plain.h"
#include "client/follow.h"
#include "client/show.h"
#include "http/http.h"

/* One request, one answer. Happy path: http_call_start -> on_head(200) -> on_body … -> on_end(0). If a stream
 * breaks, its head may have been killed: the request is sent again with the last event's id, to the next head
 * of the list, until one resumes the stream. A proxy in front of the head may end a broken stream in order,
 * and answers with 502, 503 or 504 while no head is there: both count as a loss. It can fail by: no head
 * answering (each head is tried once, or for AWAY_S after a stream has begun), an HTTP error with the head's
 * message in its body, another program's answer, Ctrl-C (the call is cancelled, and with it the generation). */

enum {
    AWAY_S = 60,
    PAUSE_MS = 100,
    TICK_MS = 100,
    PATIENCE_MS = 600000, /* the head has deadlines of its own, and reports them */
};

struct fetch {
    struct net_loop *loop;
    struct http_call *call;
    int status;
    struct buf body;             /* the whole answer; of an event stream only an error's body */
    struct fetch_ears ears;      /* on_event NULL: not a stream */
    struct sse sse;
    bool done;                   /* the stream has told of its end */
    bool interrupted, lost;      /* lost: no answer, or the answer broke off */
    bool begun;                  /* a head has begun to stream the answer */
    uint64_t give_up_us;         /* while the stream is interrupted; 0: it is not */
    char id[FETCH_ID_BYTES];     /* of the last event; empty: none so far */
    char head[300];              /* the head being asked */
    struct fault fault;          /* the error, also of an error event */
    const struct client_options *o;
};

/* Reads {"error":{"message":…}} of an answer or event. False: there is none. */
static bool read_error(const json_t *answer, struct fault *f)
{
    const json_t *error = json_object_get(answer, "error");
    if (!json_is_object(error))
        return false;
    bool too_long = strcmp(json_text(error, "code", ""), "context_length_exceeded") == 0;
    fault_set(f, too_long ? ERR_CONTEXT : ERR_FAILED, "%s", json_text(error, "message", "the head reports an error without a message"));
    return true;
}

static void interrupt(struct fetch *q)
{
    q->interrupted = true;
    if (q->call != NULL)
        http_call_cancel(q->call);
}

static void on_sse(struct str event, struct str data, struct str id, void *user_data)
{
    struct fetch *q = user_data;
    q->begun = true;
    q->give_up_us = 0;
    q->done = q->done || str_is(data, "[DONE]");
    if (str_is(event, ":") && q->ears.on_comment != NULL)
        q->ears.on_comment(data, q->ears.user_data);
    if (str_is(event, ":") || str_is(data, "[DONE]"))
        return;
    if (id.n > 0 && id.n < sizeof q->id)
        snprintf(q->id, sizeof q->id, "%.*s", STR_ARG(id));
    json_t *parsed = json_loadb(data.p, data.n, 0, NULL);
    if (parsed != NULL && !read_error(parsed, &q->fault))
        q->ears.on_event(parsed, q->ears.user_data);
    json_decref(parsed);
    if (show_has_no_reader())
        interrupt(q);
}

static void on_head(struct http_call *c, int status, void *user_data)
{
    (void)c;
    ((struct fetch *)user_data)->status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user_data)
{
    struct fetch *q = user_data;
    int err = q->ears.on_event != NULL && q->status == 200 ? sse_feed(&q->sse, bytes, on_sse, q) : buf_add_str(&q->body, bytes);
    if (err != 0) {
        fault_set(&q->fault, err, "the answer is larger than this client takes");
        http_call_cancel(c);
    }
}

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct fetch *q = user_data;
    (void)c;
    q->call = NULL;
    q->lost = err != 0 && q->fault.err == 0 && !q->interrupted;
    if (err != 0 && q->fault.err == 0 && q->interrupted)
        fault_set(&q->fault, ERR_CANCELLED, "interrupted");
    else if (err != 0 && q->fault.err == 0)
        fault_set(&q->fault, ERR_UNAVAILABLE,
                  "no answer from a manta head at %s: %s. Is it running (manta up, or manta head)? Is its address right (--head host:port)?",
                  q->head, why);
    net_loop_stop(q->loop);
}

static void on_tick(struct net_timer *t, void *user_data)
{
    struct fetch *q = user_data;
    q->ears.on_tick(q->ears.user_data);
    net_timer_set(t, net_now_us(q->loop) + TICK_MS * 1000ull);
}

static void on_interrupt(int signum, void *user_data)
{
    (void)signum;
    interrupt(user_data);
}

static bool is_gateway_error(int status)
{
    return status >= 502 && status <= 504;
}

static void read_http_error(struct fetch *q)
{
    q->lost = is_gateway_error(q->status);
    json_t *answer = json_loadb(q->body.p, q->body.n, 0, NULL);
    if (!read_error(answer, &q->fault))
        fault_set(&q->fault, ERR_PROTOCOL, "%s answered with HTTP %d and no manta error: is it a manta head?", q->head, q->status);
    if (q->status == err_http(ERR_AUTH))
        fault_set(&q->fault, ERR_AUTH, "the head at %s wants %s API key: give --api-key KEY, --api-key-file FILE, or set MANTA_API_KEY", q->head,
                  q->o->api_key[0] != '\0' ? "another" : "an");
    static const int errs[] = {ERR_UNAVAILABLE, ERR_AUTH, ERR_FORBIDDEN, ERR_NOT_FOUND};
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
        if (err_http(errs[i]) == q->status)
            q->fault.err = errs[i];
    }
    json_decref(answer);
}

/* The stream has ended in order, but no event has told so. */
static void break_off(struct fetch *q)
{
    q->lost = q->begun;
    if (q->begun)
        fault_set(&q->fault, ERR_UNAVAILABLE, "the answer of %s ended before it was whole", q->head);
    else
        fault_set(&q->fault, ERR_PROTOCOL, "%s answered with something that is no stream of events: is it a manta head?", q->head);
}

void fetch_headers(char out[FETCH_HEADERS_BYTES], const char *key, const char *last_id)
{
    size_t cap = FETCH_HEADERS_BYTES;
    int n = snprintf(out, cap, "content-type: application/json\r\n");
    if (key != NULL && key[0] != '\0')
        n += snprintf(out + n, cap - (size_t)n, "authorization: Bearer %.800s\r\n", key); /* heads accept only shorter keys */
    if (last_id != NULL && last_id[0] != '\0')
        snprintf(out + n, cap - (size_t)n, "last-event-id: %s\r\n", last_id);
}

static void ask_one(struct fetch *q, const struct http_address *head, const char *path, const char *body)
{
    char headers[FETCH_HEADERS_BYTES];
    fetch_headers(headers, q->o->api_key, q->id);
    snprintf(q->head, sizeof q->head, "%s", net_place(head->host, head->port).text);
    q->fault = (struct fault){0};
    q->lost = q->done = false;
    q->status = 0;
    buf_reset(&q->body);
    q->loop = net_loop_new();
    net_signal(q->loop, SIGINT, on_interrupt, q);
    struct http_call_config cfg = {
        .host = head->host,
        .port = head->port,
        .method = body != NULL ? "POST" : "GET",
        .path = path,
        .headers = headers,
        .body = body != NULL ? str_of(body) : str_n(NULL, 0),
        .timeout_ms = q->o->patience_ms > 0 ? q->o->patience_ms : PATIENCE_MS,
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .user_data = q,
    };
    struct net_timer *ticks = q->ears.on_tick != NULL ? net_timer_new(q->loop, on_tick, q) : NULL;
    if (ticks != NULL)
        net_timer_set(ticks, net_now_us(q->loop) + TICK_MS * 1000ull);
    q->call = http_call_start(q->loop, &cfg);
    net_loop_run(q->loop);
    net_timer_free(ticks);
    net_loop_free(q->loop);
    if (q->fault.err == 0 && q->status != 200)
        read_http_error(q);
    else if (q->fault.err == 0 && q->ears.on_event != NULL && !q->done)
        break_off(q);
}

static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000l}, NULL);
}

/* Tells the reader, once per interruption, that the stream is interrupted. */
static void tell_away(struct fetch *q)
{
    if (q->give_up_us != 0)
        return;
    q->give_up_us = clock_us() + AWAY_S * 1000000ull;
    if (q->ears.on_away != NULL)
        q->ears.on_away(q->ears.user_data);
    else
        fprintf(stderr, "\n%s the head is gone; the answer resumes as soon as one is there\n", show_tag("RECONNECTING"));
}

static int run(struct fetch *q, const char *path, const char *body)
{
    struct follow_heads heads;
    int err = follow_heads_parse(q->o->head, &heads, &q->fault);
    if (err != 0)
        return err;
    for (uint32_t i = 0;; i++) {
        ask_one(q, &heads.at[i % heads.n], path, body);
        if (!q->lost)
            return q->fault.err;
        if (!q->begun && i + 1 < heads.n)
            continue; /* another head may answer */
        if (!q->begun || (q->give_up_us != 0 && clock_us() > q->give_up_us))
            return q->fault.err;
        tell_away(q);
        sse_fini(&q->sse); /* an event may have arrived in part */
        sse_init(&q->sse);
        wait_a_moment();
    }
}

/* Any server may answer any path with JSON: a member that heads' answers always have tells them
 * apart. */
static bool is_of_head(const char *path, const json_t *answer)
{
    static const struct { const char *path, *member; json_type type; } marks[] = {
        {"/manta/status", "head", JSON_OBJECT},      {"/manta/actors", "actor_list", JSON_ARRAY},
        {"/manta/requests/", "id", JSON_STRING},     {"/manta/requests", "request_list", JSON_ARRAY},
        {"/manta/scale", "target", JSON_INTEGER},    {"/manta/drain", "worker", JSON_STRING},
        {"/manta/cordon", "worker", JSON_STRING},    {"/manta/uncordon", "worker", JSON_STRING},
        {"/v1/models", "data", JSON_ARRAY},          {"/manta/process_prompt", "responses", JSON_ARRAY},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const json_t *member = json_object_get(answer, marks[i].member);
        if (strncmp(path, marks[i].path, strlen(marks[i].path)) == 0)
            return member != NULL && json_typeof(member) == marks[i].type;
    }
    return true;
}

int fetch_json(const struct client_options *o, const char *path, const char *body, json_t **out, char **out_text, struct fault *f)
{
    struct fetch q = {.o = o, .body = buf_max(FETCH_BYTES_MAX)};
    int err = run(&q, path, body);
    json_t *answer = err == 0 ? json_loadb(q.body.p, q.body.n, 0, NULL) : NULL;
    if (err == 0 && answer == NULL)
        err = fault_set(&q.fault, ERR_PROTOCOL, "%s answered with something that is not JSON: is it a manta head?", q.head);
    else if (err == 0 && !is_of_head(path, answer))
        err = fault_set(&q.fault, ERR_PROTOCOL, "%s answered with other JSON than a head's: is it a manta head?", q.head);
    if (err == 0) {
        *out = answer;
        if (out_text != NULL)
            *out_text = strdup(buf_cstr(&q.body));
    } else {
        json_decref(answer);
        *f = q.fault;
    }
    buf_fini(&q.body);
    return err;
}

int fetch_stream(const struct client_options *o, const char *path, const char *body, const struct fetch_ears *ears, struct fault *f)
{
    struct fetch q = {.o = o, .body = buf_max(FETCH_BYTES_MAX), .ears = *ears};
    sse_init(&q.sse);
    int err = run(&q, path, body);
    if (err != 0)
        *f = q.fault;
    sse_fini(&q.sse);
    buf_fini(&q.body);
    return err;
}

int fetch_events(const struct client_options *o, const char *path, const char *body, fetch_event_fn *on_event, void *user_data,
                 struct fault *f)
{
    return fetch_stream(o, path, body, &(struct fetch_ears){.on_event = on_event, .user_data = user_data}, f);
}

const char *json_text(const json_t *object, const char *key, const char *fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

static bool is_answer(const char *key)
{
    return strcmp(key, "response") == 0 || strcmp(key, "final_response") == 0 || strcmp(key, "text") == 0;
}

static void text_make_plain(json_t *v, enum plain_how how)
{
    struct buf plain = buf_max(SIZE_MAX / 2);
    plain_add(&plain, str_n(json_string_value(v), json_string_length(v)), how);
    json_string_setn(v, buf_cstr(&plain), plain.n);
    buf_fini(&plain);
}

/* Recurses at most as deep as jansson reads (2,048 levels). */
void json_make_plain(json_t *v, bool answers)
{
    const char *key;
    json_t *inner;
    size_t i;
    if (json_is_string(v))
        text_make_plain(v, PLAIN_LINE);
    json_array_foreach(v, i, inner)
        json_make_plain(inner, answers);
    json_object_foreach(v, key, inner) {
        if (!json_is_string(inner) || !is_answer(key))
            json_make_plain(inner, answers);
        else if (answers)
            text_make_plain(inner, PLAIN_TEXT);
    }
}

double json_num(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : 0.0;
}

const json_t *json_at(const json_t *object, const char *key, const char *inner)
{
    return json_object_get(json_object_get(object, key), inner);
}
