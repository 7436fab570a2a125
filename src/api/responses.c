/* OpenAI's /v1/responses dialect.
 *
 *     created  in_progress  { output_item.added  content_part.added  output_text.delta …
 *         output_text.done  content_part.done  output_item.done } completed
 *
 * Each block of an answer is an item: a message, a function_call, or reasoning. If the request asks for
 * summaries, a thought is the item's summary instead of its content: no model here makes a summary, and
 * many clients show nothing else. Its events have other names, and the same numbers.
 *
 * An event's sequence_number, which `starting_after` refers to, is the client's place as a number
 * (numbered()): it rises with gaps, and is the same on every head. While an answer waits,
 * `response.in_progress` is repeated with the number of the place: clients take events as a sign of
 * life, not comments. */
#include <stdio.h>

#include "api/answer.h"
#include "api/json_in.h"
#include "api/responses.h"
#include "api/tools.h"

enum {
    STEPS = 4096,        /* numbers reserved per place of a stream */
    CLOSING = STEPS / 2, /* closing events are counted from here */
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
    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && n < (uint64_t)1 << 43; i++)
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    if (i != text.n || n >= (uint64_t)1 << 43)
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

/* ---- writers ---- */

static void put_id(struct jout *j, uint64_t id)
{
    char name[API_NAME_BYTES];
    jout_put_str(j, "id", api_name(api_dialect_responses.id_prefix, id, name));
}

void api_put_text_part(struct jout *j, const char *type, struct str text)
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

void api_put_thought_part(struct jout *j, bool summary, struct str text)
{
    jout_object(j);
    jout_put_cstr(j, "type", summary ? "summary_text" : "reasoning_text");
    jout_put_str(j, "text", text);
    jout_object_end(j);
}

static void put_thought_parts(struct jout *j, const char *key, bool summary, const struct str *text)
{
    jout_key(j, key);
    jout_array(j);
    if (text != NULL)
        api_put_thought_part(j, summary, *text);
    jout_array_end(j);
}

void api_put_thought(struct jout *j, bool summary, const struct str *text)
{
    put_thought_parts(j, "summary", true, summary ? text : NULL);
    if (!summary)
        put_thought_parts(j, "content", false, text);
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

/* Writes an item's name; the first item has the answer's id. */
static void put_item_name(struct jout *j, const char *key, uint64_t id, const struct api_block *b)
{
    char name[API_NAME_BYTES + 16], prefix[API_NAME_BYTES];
    const char *kind = b->kind == PART_TEXT ? "msg_" : b->kind == PART_REASONING ? "rs_" : "fc_";
    (void)api_name(kind, id, prefix);
    if (b->index == 0)
        snprintf(name, sizeof name, "%s", prefix);
    else
        snprintf(name, sizeof name, "%s_%u", prefix, b->index);
    jout_put_cstr(j, key, name);
}

static bool is_summary(const struct api_head *h, const struct api_block *b)
{
    return h->summary && b->kind == PART_REASONING;
}

static void put_content(struct jout *j, const struct api_block *b, bool begun)
{
    jout_key(j, "content");
    jout_array(j);
    if (!begun)
        api_put_text_part(j, "output_text", b->text);
    jout_array_end(j);
}

/* Writes a block of an answer as an item; `finish` is the item's. An item that begins has no content
 * yet. */
static void put_item(struct jout *j, const struct api_head *h, uint8_t finish, const struct api_block *b)
{
    static const char *const types[] = {[PART_TEXT] = "message", [PART_REASONING] = "reasoning", [PART_TOOL_ARGUMENTS] = "function_call"};
    char call[API_CALL_NAME_BYTES];
    jout_object(j);
    put_item_name(j, "id", h->id, b);
    jout_put_cstr(j, "type", types[b->kind]);
    jout_put_cstr(j, "status", finish == FINISH_CANCELLED ? "incomplete" : status_of(finish));
    if (b->kind == PART_TOOL_ARGUMENTS) {
        jout_put_str(j, "arguments", finish == FINISH_NONE ? str_of("") : b->text);
        jout_put_str(j, "call_id", api_call_name(h->id, 0, b->call, call));
        jout_put_str(j, "name", b->name);
    } else if (b->kind == PART_REASONING) {
        api_put_thought(j, h->summary, finish == FINISH_NONE ? NULL : &b->text);
    } else {
        jout_put_cstr(j, "role", "assistant");
        put_content(j, b, finish == FINISH_NONE);
    }
    jout_object_end(j);
}

/* Writes the items. Only the last one can be unfinished; an empty answer is an empty message. */
static void put_output(struct jout *j, const struct api_head *h, uint8_t finish, const struct api_choice *c)
{
    static const struct api_block empty = {.kind = PART_TEXT};
    jout_key(j, "output");
    jout_array(j);
    for (uint32_t i = 0; c != NULL && finish != FINISH_NONE && i < c->blocks_n; i++)
        put_item(j, h, i + 1 < c->blocks_n ? FINISH_STOP : finish, &c->blocks[i]);
    if (c != NULL && finish != FINISH_NONE && c->blocks_n == 0)
        put_item(j, h, finish, &empty);
    jout_array_end(j);
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
    jout_put_uint(j, "cache_write_tokens", 0); /* OpenAI bills them; its clients' types require the member */
    jout_object_end(j);
    jout_put_uint(j, "output_tokens", u->completion_tokens);
    jout_key(j, "output_tokens_details");
    jout_object(j);
    jout_put_uint(j, "reasoning_tokens", u->reasoning_tokens);
    jout_object_end(j);
    jout_put_uint(j, "total_tokens", (uint64_t)u->prompt_tokens + u->completion_tokens);
    jout_object_end(j);
}

/* Writes a response; c is NULL before the answer has begun. */
static void put_response(struct jout *j, const struct api_head *h, const struct api_choice *c, const struct api_usage *u, const struct fault *f)
{
    uint8_t finish = f == NULL ? (c != NULL ? c->finish : FINISH_NONE) : f->err == ERR_CANCELLED ? FINISH_CANCELLED : FINISH_ERROR;
    jout_object(j);
    put_id(j, h->id);
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
    put_output(j, h, finish, c);
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

static void put_item_at(struct jout *j, const struct api_event *ev, uint8_t finish)
{
    jout_put_uint(j, "output_index", ev->block.index);
    jout_key(j, "item");
    put_item(j, ev->head, finish, &ev->block);
}

/* Writes the item that an event belongs to. */
static void put_where(struct jout *j, const struct api_event *ev)
{
    put_item_name(j, "item_id", ev->head->id, &ev->block);
    jout_put_uint(j, "output_index", ev->block.index);
    if (ev->block.kind != PART_TOOL_ARGUMENTS)
        jout_put_uint(j, is_summary(ev->head, &ev->block) ? "summary_index" : "content_index", 0);
}

static void put_part(struct jout *j, const struct api_event *ev, struct str text)
{
    put_where(j, ev);
    jout_key(j, "part");
    if (ev->block.kind == PART_TEXT)
        api_put_text_part(j, "output_text", text);
    else
        api_put_thought_part(j, ev->head->summary, text);
}

static bool write_begin(struct buf *out, const struct api_event *ev)
{
    if (ev->step > (ev->block.kind == PART_TOOL_ARGUMENTS ? 0 : 1))
        return false;
    const char *part = is_summary(ev->head, &ev->block) ? "response.reasoning_summary_part.added" : "response.content_part.added";
    struct jout j = event(out, ev->step == 0 ? "response.output_item.added" : part, &ev->place);
    if (ev->step == 0)
        put_item_at(&j, ev, FINISH_NONE);
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

static const char *delta_type(const struct api_event *ev)
{
    switch (ev->block.kind) {
    case PART_TEXT: return "response.output_text.delta";
    case PART_REASONING: return ev->head->summary ? "response.reasoning_summary_text.delta" : "response.reasoning_text.delta";
    default: return "response.function_call_arguments.delta";
    }
}

static void write_piece(struct buf *out, const struct api_event *ev)
{
    struct jout j = event(out, delta_type(ev), &ev->place);
    put_where(&j, ev);
    jout_put_str(&j, "delta", ev->choice.text);
    if (ev->block.kind == PART_TEXT)
        put_logprobs(&j);
    api_write_timings(&j, ev->choice.timings);
    event_end(&j);
}

static const char *const *end_types(const struct api_event *ev)
{
    static const char *const text[] = {"response.output_text.done", "response.content_part.done", "response.output_item.done", NULL};
    static const char *const reasoning[] = {"response.reasoning_text.done", "response.content_part.done", "response.output_item.done", NULL};
    static const char *const summary[] = {"response.reasoning_summary_text.done", "response.reasoning_summary_part.done", "response.output_item.done", NULL};
    static const char *const call[] = {"response.function_call_arguments.done", "response.output_item.done", NULL};
    switch (ev->block.kind) {
    case PART_TEXT: return text;
    case PART_REASONING: return ev->head->summary ? summary : reasoning;
    default: return call;
    }
}

static bool write_end(struct buf *out, const struct api_event *ev)
{
    const char *const *types = end_types(ev);
    uint32_t n = 0;
    while (types[n] != NULL)
        n++;
    if (ev->step >= n)
        return false;
    struct jout j = event(out, types[ev->step], &ev->place);
    bool call = ev->block.kind == PART_TOOL_ARGUMENTS;
    if (ev->step == 0) {
        put_where(&j, ev);
        if (call)
            jout_put_str(&j, "name", ev->block.name);
        jout_put_str(&j, call ? "arguments" : "text", ev->block.text);
        if (ev->block.kind == PART_TEXT)
            put_logprobs(&j);
    } else if (ev->step + 1 < n) {
        put_part(&j, ev, ev->block.text);
    } else {
        put_item_at(&j, ev, ev->choice.finish == FINISH_NONE ? FINISH_STOP : ev->choice.finish);
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
    api_write_timings(&j, w->usage.timings);
    event_end(&j);
    return true;
}

static void write_progress(struct buf *out, const struct api_event *ev, const struct api_progress *progress)
{
    struct jout j = event(out, "response.in_progress", &ev->place);
    jout_key(&j, "response");
    put_response(&j, ev->head, NULL, NULL, NULL);
    api_write_progress(&j, progress);
    api_write_timings(&j, ev->choice.timings);
    event_end(&j);
}

static void write_idle(struct buf *out, const struct api_event *ev, struct str text)
{
    api_write_sse_comment(out, text);
    write_state(out, ev, "response.in_progress");
}

static void write_fault(struct buf *out, const struct api_event *ev, const struct fault *f)
{
    struct api_choice c = {.blocks = ev->choice.blocks, .blocks_n = ev->choice.blocks_n, .finish = FINISH_ERROR};
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

/* ---- deletion ---- */

void api_write_deleted(struct buf *out, uint64_t id)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    put_id(&j, id);
    jout_put_cstr(&j, "object", "response");
    jout_put_bool(&j, "deleted", true);
    jout_object_end(&j);
}

const struct api_dialect api_dialect_responses = {
    .id_prefix = "resp_", .streams = true, .repeats = true, .opens_early = true, .parse = api_responses_parse,
    .opening = write_opening, .begin = write_begin, .piece = write_piece, .end = write_end,
    .ending = write_ending, .progress = write_progress, .idle = write_idle, .fault = write_fault,
    .answer = write_answer, .error = api_write_error_body, .models = api_write_models, .model = api_write_model,
};
