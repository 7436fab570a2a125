/* The dialect of OpenAI's /v1/responses.
 *
 *     created  in_progress  output_item.added  content_part.added  output_text.delta …
 *         output_text.done  content_part.done  output_item.done  completed
 *
 * Each event has a sequence_number, and `starting_after` names one: it is the client's place as a number (numbered()), so it rises with gaps
 * and is the same at every head. `response.in_progress` comes again, with the number of the place, while an answer waits: clients
 * take events for a sign of life, not comments. */
#include <stdio.h>

#include "api/answer.h"
#include "api/responses.h"

enum {
    STEPS = 32,          /* events that one place of a stream has numbers for */
    CLOSING = STEPS / 2, /* the closing ones are counted from here */
};

/* ---- numbers ---- */

static uint64_t numbered(const struct api_place *at)
{
    return (uint64_t)at->tokens * STEPS + (at->done ? CLOSING : 0) + at->steps - 1;
}

int api_parse_starting_after(struct str text, struct api_stream_id *id, struct fault *f)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && n < (uint64_t)1 << 34; i++)
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    if (i != text.n || n >= (uint64_t)1 << 34)
        return fault_set(f, ERR_INVALID, "starting_after: expected the sequence_number of an event");
    id->whole = true;
    id->n = 1;
    id->at[0] = (struct api_place){0};
    if (text.n == 0)
        return 0;
    n++;
    id->at[0].tokens = (uint32_t)(n / STEPS);
    id->at[0].steps = (uint32_t)(n % STEPS);
    id->at[0].done = id->at[0].steps > CLOSING;
    if (id->at[0].done)
        id->at[0].steps -= CLOSING;
    return 0;
}

/* ---- what is written ---- */

static void put_name(struct jout *j, const char *key, const char *prefix, uint64_t id)
{
    char name[API_NAME_BYTES];
    jout_put_str(j, key, api_name(prefix, id, name));
}

static void put_text_part(struct jout *j, const char *type, struct str text)
{
    jout_object(j);
    jout_put_cstr(j, "type", type);
    jout_key(j, "annotations");
    jout_array(j);
    jout_array_end(j);
    jout_key(j, "logprobs");
    jout_array(j);
    jout_array_end(j);
    jout_put_str(j, "text", text);
    jout_object_end(j);
}

static const char *status_of(uint8_t finish)
{
    switch (finish) {
    case FINISH_NONE: return "in_progress";
    case FINISH_LENGTH: return "incomplete";
    case FINISH_CANCELLED: return "cancelled";
    case FINISH_ERROR: return "failed";
    default: return "completed";
    }
}

/* The answer as an item; one that begins has no content yet. */
static void put_item(struct jout *j, const struct api_head *h, uint8_t finish, struct str text)
{
    jout_object(j);
    put_name(j, "id", "msg_", h->id);
    jout_put_cstr(j, "type", "message");
    jout_put_cstr(j, "status", finish == FINISH_CANCELLED ? "incomplete" : status_of(finish));
    jout_put_cstr(j, "role", "assistant");
    jout_key(j, "content");
    jout_array(j);
    if (finish != FINISH_NONE)
        put_text_part(j, "output_text", text);
    jout_array_end(j);
    jout_object_end(j);
}

static const char *error_code(int err)
{
    switch (err) {
    case ERR_CONTEXT: return "context_length_exceeded";
    case ERR_BUSY: return "rate_limit_exceeded";
    case ERR_INVALID: case ERR_UNSUPPORTED: return "invalid_prompt";
    default: return "server_error";
    }
}

static void put_error(struct jout *j, const struct fault *f)
{
    jout_key(j, "error");
    if (f == NULL) {
        jout_null(j);
        return;
    }
    jout_object(j);
    jout_put_cstr(j, "code", error_code(f->err));
    jout_put_cstr(j, "message", f->text[0] != '\0' ? f->text : err_text(f->err));
    jout_object_end(j);
}

static void put_usage(struct jout *j, const struct api_usage *u)
{
    jout_key(j, "usage");
    if (u == NULL) {
        jout_null(j);
        return;
    }
    jout_object(j);
    jout_put_uint(j, "input_tokens", u->prompt_tokens);
    jout_key(j, "input_tokens_details");
    jout_object(j);
    jout_put_uint(j, "cached_tokens", u->cached_tokens);
    jout_object_end(j);
    jout_put_uint(j, "output_tokens", u->completion_tokens);
    jout_key(j, "output_tokens_details");
    jout_object(j);
    jout_put_uint(j, "reasoning_tokens", 0);
    jout_object_end(j);
    jout_put_uint(j, "total_tokens", (uint64_t)u->prompt_tokens + u->completion_tokens);
    jout_object_end(j);
}

/* c is NULL before the answer has begun. */
static void put_response(struct jout *j, const struct api_head *h, const struct api_choice *c, const struct api_usage *u, const struct fault *f)
{
    uint8_t finish = f == NULL ? (c != NULL ? c->finish : FINISH_NONE) : f->err == ERR_CANCELLED ? FINISH_CANCELLED : FINISH_ERROR;
    jout_object(j);
    put_name(j, "id", api_dialect_responses.id_prefix, h->id);
    jout_put_cstr(j, "object", "response");
    jout_put_int(j, "created_at", h->created);
    jout_put_cstr(j, "status", status_of(finish));
    put_error(j, finish == FINISH_ERROR ? f : NULL);
    jout_key(j, "incomplete_details");
    if (finish == FINISH_LENGTH) {
        jout_object(j);
        jout_put_cstr(j, "reason", "max_output_tokens");
        jout_object_end(j);
    } else {
        jout_null(j);
    }
    jout_put_str(j, "model", h->model);
    jout_key(j, "output");
    jout_array(j);
    if (c != NULL && finish != FINISH_NONE)
        put_item(j, h, finish, c->text);
    jout_array_end(j);
    if (h->echo.n > 0) {
        buf_putc(j->buf, ',');
        buf_add_str(j->buf, h->echo);
    }
    put_usage(j, u);
    jout_object_end(j);
}

/* Opens the event's object; event_end() closes it. */
static struct jout event(struct buf *out, const char *type, const struct api_place *at)
{
    struct jout j = jout_to(out);
    buf_printf(out, "event: %s\ndata: ", type);
    jout_object(&j);
    jout_put_cstr(&j, "type", type);
    jout_put_uint(&j, "sequence_number", numbered(at));
    return j;
}

static void event_end(struct jout *j)
{
    jout_object_end(j);
    buf_puts(j->buf, "\n\n");
}

static void write_state(struct buf *out, const struct api_event *ev, const char *type)
{
    struct jout j = event(out, type, &ev->place);
    jout_key(&j, "response");
    put_response(&j, ev->head, NULL, NULL, NULL);
    event_end(&j);
}

static bool write_opening(struct buf *out, const struct api_event *ev)
{
    if (ev->step < 2)
        write_state(out, ev, ev->step == 0 ? "response.created" : "response.in_progress");
    return ev->step < 2;
}

static void put_item_at(struct jout *j, const struct api_event *ev, struct str text)
{
    jout_put_uint(j, "output_index", 0);
    jout_key(j, "item");
    put_item(j, ev->head, ev->choice.finish, text);
}

/* Where in the answer's only item an event belongs. */
static void put_where(struct jout *j, const struct api_event *ev)
{
    put_name(j, "item_id", "msg_", ev->head->id);
    jout_put_uint(j, "output_index", 0);
    jout_put_uint(j, "content_index", 0);
}

static void put_part(struct jout *j, const struct api_event *ev, struct str text)
{
    put_where(j, ev);
    jout_key(j, "part");
    put_text_part(j, "output_text", text);
}

static bool write_begin(struct buf *out, const struct api_event *ev)
{
    if (ev->step > 1)
        return false;
    struct jout j = event(out, ev->step == 0 ? "response.output_item.added" : "response.content_part.added", &ev->place);
    if (ev->step == 0)
        put_item_at(&j, ev, str_of(""));
    else
        put_part(&j, ev, str_of(""));
    event_end(&j);
    return true;
}

static void put_logprobs(struct jout *j)
{
    jout_key(j, "logprobs");
    jout_array(j);
    jout_array_end(j);
}

static void write_piece(struct buf *out, const struct api_event *ev)
{
    struct jout j = event(out, "response.output_text.delta", &ev->place);
    put_where(&j, ev);
    jout_put_str(&j, "delta", ev->choice.text);
    put_logprobs(&j);
    event_end(&j);
}

static bool write_end(struct buf *out, const struct api_event *ev)
{
    static const char *const types[] = {"response.output_text.done", "response.content_part.done", "response.output_item.done"};
    if (ev->step >= sizeof types / sizeof types[0])
        return false;
    struct jout j = event(out, types[ev->step], &ev->place);
    if (ev->step == 0) {
        put_where(&j, ev);
        jout_put_str(&j, "text", ev->text);
        put_logprobs(&j);
    } else if (ev->step == 1) {
        put_part(&j, ev, ev->text);
    } else {
        put_item_at(&j, ev, ev->text);
    }
    event_end(&j);
    return true;
}

static bool write_ending(struct buf *out, const struct api_whole *w)
{
    const struct api_choice *c = &w->choices[0];
    struct jout j = event(out, c->finish == FINISH_LENGTH ? "response.incomplete" : "response.completed", &w->place);
    jout_key(&j, "response");
    put_response(&j, w->head, c, &w->usage, NULL);
    event_end(&j);
    return true;
}

static void write_idle(struct buf *out, const struct api_event *ev, struct str text)
{
    api_write_sse_comment(out, text);
    write_state(out, ev, "response.in_progress");
}

static void write_fault(struct buf *out, const struct api_event *ev, const struct fault *f)
{
    struct api_choice c = {.text = ev->text, .finish = FINISH_ERROR};
    struct jout j = event(out, f->err == ERR_CANCELLED ? "response.incomplete" : "response.failed", &ev->place);
    jout_key(&j, "response");
    put_response(&j, ev->head, &c, NULL, f);
    event_end(&j);
}

static void write_answer(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    put_response(&j, w->head, &w->choices[0], w->choices[0].finish == FINISH_NONE ? NULL : &w->usage, NULL);
}

/* ---- items and deletion ---- */

static void put_input_item(struct jout *j, uint64_t id, uint32_t i, const struct turn *t)
{
    char name[API_NAME_BYTES + 16], prefix[API_NAME_BYTES];
    snprintf(name, sizeof name, "%s_%u", api_name("msg_", id, prefix).p, i);
    jout_object(j);
    jout_put_cstr(j, "id", name);
    jout_put_cstr(j, "type", "message");
    jout_put_cstr(j, "status", "completed");
    jout_put_str(j, "role", t->role);
    jout_key(j, "content");
    jout_array(j);
    put_text_part(j, str_is(t->role, "assistant") ? "output_text" : "input_text", t->content);
    jout_array_end(j);
    jout_object_end(j);
}

void api_write_input_items(struct buf *out, uint64_t id, const struct turn *turns, uint32_t n, bool oldest_first)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_cstr(&j, "object", "list");
    jout_key(&j, "data");
    jout_array(&j);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = oldest_first ? i : n - 1 - i;
        put_input_item(&j, id, at, &turns[at]);
    }
    jout_array_end(&j);
    jout_put_bool(&j, "has_more", false);
    jout_object_end(&j);
}

void api_write_deleted(struct buf *out, uint64_t id)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    put_name(&j, "id", api_dialect_responses.id_prefix, id);
    jout_put_cstr(&j, "object", "response");
    jout_put_bool(&j, "deleted", true);
    jout_object_end(&j);
}

const struct api_dialect api_dialect_responses = {
    .id_prefix = "resp_", .streams = true, .repeats = true, .opens_early = true, .parse = api_responses_parse,
    .opening = write_opening, .begin = write_begin, .piece = write_piece, .end = write_end,
    .ending = write_ending, .idle = write_idle, .fault = write_fault,
    .answer = write_answer, .error = api_write_error_body, .models = api_write_models, .model = api_write_model,
};
