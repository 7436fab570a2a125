#include "client/ask.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "client/fetch.h"
#include "client/show.h"

struct asking {
    const struct client_options *o;
    bool live;           /* show text as it arrives */
    bool wrote;          /* some text was shown */
    char last;           /* last character shown */
    uint64_t start_us;
    bool finished;       /* the final event was received */
    bool answered;       /* … and an actor succeeded */
    struct fault fault;  /* of the actors, if all failed */
};

static void show_piece(struct asking *a, const json_t *event)
{
    const char *text = json_text(event, "text", "");
    size_t n = strlen(text);
    if (!a->live || n == 0)
        return;
    fwrite(text, 1, n, stdout);
    fflush(stdout);
    a->wrote = true;
    a->last = text[n - 1];
}

/* Adds text on one line, truncated to keep a list readable. */
static void add_short(struct buf *out, const char *text)
{
    enum { CHARS = 100 };
    struct buf line = buf_max(SIZE_MAX / 2);
    plain_add(&line, str_of(text), PLAIN_LINE);
    size_t at = 0;
    for (int n = 0; at < line.n && n < CHARS; n++)
        at += utf8_len(line.p + at, line.n - at);
    buf_printf(out, "%.*s%s", (int)at, buf_cstr(&line), at < line.n ? " ..." : "");
    buf_fini(&line);
}

static bool is_cut(const json_t *response)
{
    return strcmp(json_text(response, "finish_reason", ""), "length") == 0;
}

/* Shows that the answer ended at a limit, and the remedy. */
static void show_cut(const struct asking *a, const json_t *answer)
{
    size_t i;
    json_t *r;
    double by = json_num(json_object_get(answer, "answered_by"), "actor_id"), tokens = 0;
    json_array_foreach(json_object_get(answer, "responses"), i, r)
    {
        if (is_cut(r) && json_num(r, "actor_id") == by)
            tokens = json_num(r, "tokens");
    }
    if (tokens > 0 && tokens < a->o->max_tokens)
        printf("; cut at %.0f tokens (finish: length): its context is full, workers with a larger --context have more", tokens);
    else if (tokens > 0)
        printf("; cut at %.0f tokens (finish: length): more with --max-tokens N", tokens);
}

static void add_response(struct buf *out, struct asking *a, const json_t *r)
{
    const json_t *error = json_object_get(r, "error");
    bool whole = !a->live && json_is_null(json_object_get(r, "error"));
    if (json_is_integer(json_object_get(r, "actor_id")))
        buf_printf(out, "  actor %.0f (%s); node: %s (%s); processing time %.2f s; ", json_num(r, "actor_id"), json_text(r, "model", "?"),
               json_text(r, "node", "?"), json_text(r, "address", "?"), json_num(r, "processing_time_s"));
    else
        buf_puts(out, "  no actor; ");
    if (json_is_object(error)) {
        buf_printf(out, "failed: %s", json_text(error, "message", "?"));
        fault_set(&a->fault, ERR_FAILED, "%s", json_text(error, "message", "?"));
        return;
    }
    buf_printf(out, "%.0f tokens%s; response: ", json_num(r, "tokens"), is_cut(r) ? ", cut there (finish: length)" : "");
    if (whole)
        buf_puts(out, json_text(r, "response", ""));
    else
        add_short(out, json_text(r, "response", ""));
}

static void show_response(struct asking *a, const json_t *r)
{
    struct buf line = buf_max(SIZE_MAX / 2);
    add_response(&line, a, r);
    show_paragraphs(buf_str(&line), 0);
    buf_fini(&line);
}

static void show_end(struct asking *a, const json_t *answer)
{
    size_t i;
    json_t *r;
    const json_t *info = json_object_get(answer, "cluster_info"), *by = json_object_get(answer, "answered_by");
    if (a->wrote && a->last != '\n')
        printf("\n");
    a->finished = true;
    a->answered = json_is_object(by);
    printf("%s received in %.2f s", show_tag("RESPONSE"), (double)(clock_us() - a->start_us) / 1e6);
    show_cut(a, answer);
    printf("\n");
    printf("%s total nodes %.0f, total actors %.0f, successful responses %.0f\n", show_tag("CLUSTER INFO"), json_num(info, "total_nodes"),
           json_num(info, "total_actors"), json_num(info, "successful_responses"));
    printf("%s\n", show_tag("RESPONSES"));
    json_array_foreach(json_object_get(answer, "responses"), i, r)
        show_response(a, r);
    if (!a->answered)
        return;
    printf("%s node: %s (%s); model: %s; processing time %.2f s\n", show_tag("ANSWERED BY"), json_text(by, "node", "?"),
           json_text(by, "address", "?"), json_text(by, "model", "?"), json_num(by, "processing_time_s"));
    printf("%s ", show_tag("FINAL RESPONSE"));
    show_paragraphs(str_of(a->wrote ? "(as shown above)" : json_text(answer, "final_response", "")), sizeof "[FINAL RESPONSE] " - 1);
}

static void on_event(json_t *event, void *user_data)
{
    struct asking *a = user_data;
    if (!a->o->json)
        json_make_plain(event, show_on_terminal());
    const char *object = json_text(event, "object", "");
    if (strcmp(object, "manta.process_prompt.chunk") == 0) {
        show_piece(a, event);
    } else if (strcmp(object, "manta.process_prompt") == 0 && a->o->json) {
        show_json_value(event);
        a->finished = true;
        a->answered = json_is_object(json_object_get(event, "answered_by"));
    } else if (strcmp(object, "manta.process_prompt") == 0) {
        show_end(a, event);
    }
}

static char *body_of(const struct client_options *o, const json_t *sampling, const char *prompt, bool all)
{
    json_t *body = json_pack("{s:s, s:b}", "prompt", prompt, "stream", 1);
    if (body == NULL)
        return NULL;
    json_object_set_new(body, "actors", all ? json_string("all") : json_integer(1));
    if (o->model[0] != '\0')
        json_object_set_new(body, "model", json_string(o->model));
    if (o->max_tokens > 0)
        json_object_set_new(body, "max_tokens", json_integer(o->max_tokens));
    json_object_update(body, (json_t *)sampling); /* NULL: as it is */
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

int ask(const struct client_options *o, const json_t *sampling, const char *prompt, bool all)
{
    struct asking a = {.o = o, .live = !o->json && !all && show_on_terminal(), .start_us = clock_us()};
    struct fault f = {0};
    char *body = body_of(o, sampling, prompt, all);
    if (body == NULL) {
        fault_set(&f, ERR_INVALID, "the prompt is not UTF-8 text, or has a NUL byte");
        show_fault(&f);
        return f.err;
    }
    if (!o->json)
        printf("%s sending to coordinator...\n", show_tag("SENDING"));
    fflush(stdout);
    int err = fetch_events(o, "/manta/process_prompt", body, on_event, &a, &f);
    free(body);
    if (a.wrote && !a.finished)
        printf("\n");
    if (err == 0 && !a.finished)
        err = fault_set(&f, ERR_PROTOCOL, "the answer ended before it was whole");
    else if (err == 0 && !a.answered)
        err = fault_set(&f, ERR_FAILED, "no actor answered: %s", a.fault.text);
    if (err != 0)
        show_fault(&f);
    fflush(stdout);
    return err;
}
