/* Anthropic's /v1/messages: named events, content blocks, a system prompt beside the messages.
 *
 *     message_start  content_block_start  content_block_delta …  content_block_stop  message_delta  message_stop
 *
 * A waiting stream sends `ping`: clients of this API take events as a sign of life, not
 * comments. */
#include <stdio.h>

#include "api/anthropic.h"
#include "api/answer.h"
#include "api/json_in.h"
#include "api/tools.h"

static void put_usage(struct jout *j, const struct api_usage *u)
{
    jout_key(j, "usage");
    jout_object(j);
    jout_put_uint(j, "input_tokens", u->prompt_tokens - u->cached_tokens);
    jout_put_uint(j, "cache_creation_input_tokens", 0);
    jout_put_uint(j, "cache_read_input_tokens", u->cached_tokens);
    jout_put_uint(j, "output_tokens", u->completion_tokens);
    jout_object_end(j);
}

/* Writes the stop reason; c NULL: the message has not ended. */
static void put_stop(struct jout *j, const struct api_choice *c)
{
    jout_key(j, "stop_reason");
    if (c == NULL)
        jout_null(j);
    else
        jout_str(j, str_of(c->stop.n > 0 ? "stop_sequence" : c->finish == FINISH_LENGTH ? "max_tokens" : c->finish == FINISH_TOOLS ? "tool_use" : "end_turn"));
    jout_key(j, "stop_sequence");
    if (c != NULL && c->stop.n > 0)
        jout_str(j, c->stop);
    else
        jout_null(j);
}

/* Writes the arguments of a call; an empty object if the call was cut off. */
static void put_input(struct jout *j, struct str arguments)
{
    struct api_error e;
    json_t *object = NULL;
    bool right = arguments.n > 0 && api_json_parse_text(arguments, &object, &e) == 0;
    json_decref(object);
    jout_key(j, "input");
    jout_object(j);
    if (right)
        buf_add(j->buf, arguments.p + 1, arguments.n - 2); /* compact, without its braces */
    jout_object_end(j);
}

static void put_block(struct jout *j, const struct api_head *h, uint32_t index, const struct api_block *b)
{
    char id[API_CALL_NAME_BYTES];
    jout_object(j);
    switch (b->kind) {
    case PART_REASONING:
        jout_put_cstr(j, "type", "thinking");
        jout_put_str(j, "thinking", b->text);
        jout_put_cstr(j, "signature", ""); /* clients ignore it: prompts leave out the thinking of earlier turns */
        break;
    case PART_TOOL_ARGUMENTS:
        jout_put_cstr(j, "type", "tool_use");
        jout_put_str(j, "id", api_call_name(h->id, index, b->call, id));
        jout_put_str(j, "name", b->name);
        put_input(j, b->text);
        break;
    default:
        jout_put_cstr(j, "type", "text");
        jout_put_str(j, "text", b->text);
        break;
    }
    jout_object_end(j);
}

/* Writes the content blocks; an empty answer has one empty text block. */
static void put_blocks(struct jout *j, const struct api_head *h, const struct api_choice *c)
{
    static const struct api_block empty = {.kind = PART_TEXT};
    for (uint32_t i = 0; i < c->blocks_n; i++)
        put_block(j, h, c->index, &c->blocks[i]);
    if (c->blocks_n == 0)
        put_block(j, h, c->index, &empty);
}

/* Writes a message; c NULL: one that begins. */
static void put_message(struct jout *j, const struct api_head *h, const struct api_choice *c, const struct api_usage *u)
{
    char id[API_NAME_BYTES];
    jout_object(j);
    jout_put_str(j, "id", api_name(api_dialect_messages.id_prefix, h->id, id));
    jout_put_cstr(j, "type", "message");
    jout_put_cstr(j, "role", "assistant");
    jout_put_str(j, "model", h->model);
    jout_key(j, "content");
    jout_array(j);
    if (c != NULL)
        put_blocks(j, h, c);
    jout_array_end(j);
    put_stop(j, c);
    put_usage(j, u);
    jout_object_end(j);
}

/* Opens the event's object; event_end() closes it. */
static struct jout event(struct buf *out, const char *type)
{
    struct jout j = jout_to(out);
    buf_printf(out, "event: %s\ndata: ", type);
    jout_object(&j);
    jout_put_cstr(&j, "type", type);
    return j;
}

static void event_end(struct jout *j)
{
    jout_object_end(j);
    buf_puts(j->buf, "\n\n");
}

static bool write_opening(struct buf *out, const struct api_event *ev)
{
    if (ev->step > 0)
        return false;
    struct jout j = event(out, "message_start");
    struct api_usage begun = {.prompt_tokens = ev->usage.prompt_tokens, .cached_tokens = ev->usage.cached_tokens};
    jout_key(&j, "message");
    put_message(&j, ev->head, NULL, &begun);
    event_end(&j);
    return true;
}

static bool write_begin(struct buf *out, const struct api_event *ev)
{
    if (ev->step > 0)
        return false;
    struct jout j = event(out, "content_block_start");
    jout_put_uint(&j, "index", ev->block.index);
    jout_key(&j, "content_block");
    put_block(&j, ev->head, ev->choice.index, &ev->block);
    event_end(&j);
    return true;
}

static void write_piece(struct buf *out, const struct api_event *ev)
{
    static const struct { const char *type, *member; } deltas[] = {
        [PART_TEXT] = {"text_delta", "text"}, [PART_REASONING] = {"thinking_delta", "thinking"}, [PART_TOOL_ARGUMENTS] = {"input_json_delta", "partial_json"}};
    uint8_t kind = ev->block.kind < sizeof deltas / sizeof deltas[0] ? ev->block.kind : PART_TEXT;
    struct jout j = event(out, "content_block_delta");
    jout_put_uint(&j, "index", ev->block.index);
    jout_key(&j, "delta");
    jout_object(&j);
    jout_put_cstr(&j, "type", deltas[kind].type);
    jout_put_str(&j, deltas[kind].member, ev->choice.text);
    jout_object_end(&j);
    event_end(&j);
}

static bool write_end(struct buf *out, const struct api_event *ev)
{
    if (ev->step > 0)
        return false;
    struct jout j = event(out, "content_block_stop");
    jout_put_uint(&j, "index", ev->block.index);
    event_end(&j);
    return true;
}

static bool write_closing(struct buf *out, const struct api_event *ev)
{
    if (ev->step > 0)
        return false;
    struct jout j = event(out, "message_delta");
    jout_key(&j, "delta");
    jout_object(&j);
    put_stop(&j, &ev->choice);
    jout_object_end(&j);
    put_usage(&j, &ev->usage);
    event_end(&j);
    return true;
}

static bool write_ending(struct buf *out, const struct api_whole *w)
{
    (void)w;
    struct jout j = event(out, "message_stop");
    event_end(&j);
    return true;
}

static void write_idle(struct buf *out, const struct api_event *ev, struct str text)
{
    (void)ev;
    api_write_sse_comment(out, text);
    struct jout j = event(out, "ping");
    event_end(&j);
}

static void write_answer(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    put_message(&j, w->head, &w->choices[0], &w->usage);
}

/* ---- errors ---- */

static const char *error_type(int err)
{
    switch (err_http(err)) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    case 504: return "timeout_error";
    default: return err_http(err) < 500 ? "invalid_request_error" : "api_error";
    }
}

/* Writes the members after "type". */
/* `code`: an error that the client handles by itself; NULL: none. */
static void put_error(struct jout *j, const struct fault *f, const char *code, struct str request_id)
{
    char text[sizeof f->text];
    snprintf(text, sizeof text, "%s", f->text[0] != '\0' ? f->text : err_text(f->err));
    if (f->err == ERR_CONTEXT && f->limit > 0) /* clients search for these words */
        snprintf(text, sizeof text, "prompt is too long: %u tokens > %u maximum", f->count, f->limit);
    jout_key(j, "error");
    jout_object(j);
    jout_put_cstr(j, "type", error_type(f->err));
    jout_put_cstr(j, "message", text);
    if (code != NULL) {
        jout_key(j, "details");
        jout_object(j);
        jout_put_cstr(j, "error_code", code);
        jout_object_end(j);
    }
    jout_object_end(j);
    jout_put_str(j, "request_id", request_id);
}

static void write_fault(struct buf *out, const struct api_event *ev, const struct fault *f)
{
    char id[API_NAME_BYTES];
    struct jout j = event(out, "error");
    put_error(&j, f, NULL, api_name(api_dialect_messages.id_prefix, ev->head->id, id));
    event_end(&j);
}

static void write_error(struct buf *out, const struct api_error *e, struct str request_id)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_cstr(&j, "type", "error");
    bool is_thread = e->code != NULL && strcmp(e->code, API_CODE_THREAD) == 0;
    put_error(&j, &e->fault, is_thread ? e->code : NULL, request_id);
    jout_object_end(&j);
}

/* ---- models ---- */

static void put_model(struct jout *j, const struct api_model *m)
{
    char created[API_TIME_BYTES];
    jout_object(j);
    jout_put_cstr(j, "type", "model");
    jout_put_str(j, "id", m->id);
    jout_put_str(j, "display_name", m->id);
    jout_put_str(j, "created_at", api_time_text(m->created, created));
    jout_put_cstr(j, "lifecycle", "active");
    jout_object_end(j);
}

static void write_model(struct buf *out, const struct api_model *m)
{
    struct jout j = jout_to(out);
    put_model(&j, m);
}

static void put_end(struct jout *j, const char *key, const struct api_model *m)
{
    if (m != NULL)
        jout_put_str(j, key, m->id);
    else
        jout_put_null(j, key);
}

static void write_models(struct buf *out, const struct api_model *models, size_t n)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_key(&j, "data");
    jout_array(&j);
    for (size_t i = 0; i < n; i++)
        put_model(&j, &models[i]);
    jout_array_end(&j);
    jout_put_bool(&j, "has_more", false);
    put_end(&j, "first_id", n > 0 ? &models[0] : NULL);
    put_end(&j, "last_id", n > 0 ? &models[n - 1] : NULL);
    jout_object_end(&j);
}

const struct api_dialect api_dialect_messages = {
    .id_prefix = "msg_", .id_header = "request-id", .streams = true, .parse = api_messages_parse,
    .opening = write_opening, .begin = write_begin, .piece = write_piece, .end = write_end, .closing = write_closing,
    .ending = write_ending, .idle = write_idle, .fault = write_fault,
    .answer = write_answer, .error = write_error, .models = write_models, .model = write_model,
};

/* ---- POST /v1/messages/count_tokens ---- */

static void write_count(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_uint(&j, "input_tokens", w->usage.prompt_tokens);
    jout_object_end(&j);
}

const struct api_dialect api_dialect_count = {
    .id_prefix = "count_", .id_header = "request-id", .parse = api_count_parse, .idle = write_idle, .fault = write_fault,
    .answer = write_count, .error = write_error, .models = write_models, .model = write_model,
};
