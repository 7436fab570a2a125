/* OpenAI's dialects of chat and completions, whole and in chunks. */
#include "api/answer.h"

#include <math.h>

#include "api/dialect.h"
#include "api/logprobs.h"
#include "api/readers.h"
#include "api/tools.h"

void api_write_head(struct jout *j, const struct api_head *h, const char *id_prefix, const char *object)
{
    char id[API_NAME_BYTES];
    jout_put_str(j, "id", api_name(id_prefix, h->id, id));
    jout_put_cstr(j, "object", object);
    jout_put_int(j, "created", h->created);
    jout_put_str(j, "model", h->model);
}

static void write_openai_head(struct jout *j, const struct api_head *h, const char *object)
{
    api_write_head(j, h, (h->shape == API_COMPLETION ? &api_dialect_completion : &api_dialect_chat)->id_prefix, object);
    jout_put_str(j, "system_fingerprint", h->fingerprint.n > 0 ? h->fingerprint : str_of("build"));
}

void api_write_usage(struct jout *j, const struct api_usage *u)
{
    jout_put_uint(j, "prompt_tokens", u->prompt_tokens);
    jout_put_uint(j, "completion_tokens", u->completion_tokens);
    jout_put_uint(j, "total_tokens", (uint64_t)u->prompt_tokens + u->completion_tokens);
    jout_key(j, "prompt_tokens_details");
    jout_object(j);
    jout_put_uint(j, "cached_tokens", u->cached_tokens);
    jout_object_end(j);
    if (u->reasoning_tokens == 0)
        return;
    jout_key(j, "completion_tokens_details");
    jout_object(j);
    jout_put_uint(j, "reasoning_tokens", u->reasoning_tokens);
    jout_object_end(j);
}

/* Writes a number of tokens and their time: per token, and per second. `steps` of the tokens took that
 * time. */
static void put_pace(struct jout *j, const char *n_key, const char *ms_key, const char *per_token_key, const char *per_second_key,
                     uint32_t many, uint32_t steps, double ms)
{
    double told_ms = floor(ms * 1000 + 0.5) / 1000; /* the quotients below match the rounded time */
    jout_put_uint(j, n_key, many);
    jout_put_fixed(j, ms_key, told_ms, 3);
    jout_put_fixed(j, per_token_key, steps > 0 ? told_ms / steps : 0, 3);
    jout_put_fixed(j, per_second_key, told_ms > 0 ? 1000 * steps / told_ms : 0, 6);
}

/* In llama-server's format. */
void api_write_timings(struct jout *j, const struct api_timings *t)
{
    if (t == NULL)
        return;
    jout_key(j, "timings");
    jout_object(j);
    jout_put_uint(j, "cache_n", t->cached);
    put_pace(j, "prompt_n", "prompt_ms", "prompt_per_token_ms", "prompt_per_second", t->prompt, t->prompt, t->prompt_ms);
    put_pace(j, "predicted_n", "predicted_ms", "predicted_per_token_ms", "predicted_per_second", t->predicted, t->steps, t->predicted_ms);
    jout_object_end(j);
}

static void put_usage(struct jout *j, const struct api_usage *u)
{
    jout_key(j, "usage");
    jout_object(j);
    api_write_usage(j, u);
    jout_object_end(j);
    api_write_timings(j, u->timings);
}

const char *api_finish_name(uint8_t finish)
{
    switch ((enum finish)finish) {
    case FINISH_NONE: return NULL;
    case FINISH_STOP: return "stop";
    case FINISH_LENGTH: return "length";
    case FINISH_TOOLS: return "tool_calls";
    case FINISH_CANCELLED: return "cancelled";
    case FINISH_ERROR: break;
    }
    return "error";
}

void api_write_finish(struct jout *j, uint8_t finish)
{
    const char *name = api_finish_name(finish);
    if (name != NULL)
        jout_str(j, str_of(name));
    else
        jout_null(j);
}

void api_write_ids(struct jout *j, const char *key, const int32_t *ids, uint32_t n)
{
    jout_key(j, key);
    jout_array(j);
    for (uint32_t i = 0; i < n; i++)
        jout_int(j, ids[i]);
    jout_array_end(j);
}

/* Writes the members that end every choice. */
static void put_choice_end(struct jout *j, const struct api_head *h, const struct api_choice *c)
{
    if (c->with_ids)
        api_write_ids(j, "token_ids", c->ids, c->tokens_n);
    jout_key(j, "logprobs");
    api_write_logprobs(j, h->shape, c);
    jout_key(j, "finish_reason");
    api_write_finish(j, c->finish);
}

/* Writes the members after "index" of a call; in a stream, the piece with the name has empty
 * arguments. */
static void put_call(struct jout *j, const struct api_head *h, uint32_t index, uint32_t call, struct str name, struct str arguments)
{
    char id[API_CALL_NAME_BYTES];
    if (name.n > 0) {
        jout_put_str(j, "id", api_call_name(h->id, index, call, id));
        jout_put_cstr(j, "type", "function");
    }
    jout_key(j, "function");
    jout_object(j);
    if (name.n > 0)
        jout_put_str(j, "name", name);
    jout_put_str(j, "arguments", arguments);
    jout_object_end(j);
}

static void put_call_delta(struct jout *j, const struct api_head *h, const struct api_choice *c)
{
    bool names = c->kind == PART_TOOL_NAME;
    jout_key(j, "tool_calls");
    jout_array(j);
    jout_object(j);
    jout_put_uint(j, "index", c->call);
    put_call(j, h, c->index, c->call, names ? c->text : str_n(NULL, 0), names ? str_n(NULL, 0) : c->text);
    jout_object_end(j);
    jout_array_end(j);
}

/* The role comes before it is known whether there will be text or a call: its content is null, as in
 * llama-server's streams, and OpenAI's that begin with a call. */
static void put_delta(struct jout *j, const struct api_head *h, const struct api_choice *c, bool role)
{
    jout_key(j, "delta");
    jout_object(j);
    if (role) {
        jout_put_cstr(j, "role", "assistant");
        jout_put_null(j, "content");
    } else if (c->text.n > 0 && c->kind == PART_REASONING)
        jout_put_str(j, "reasoning_content", c->text);
    else if (c->text.n > 0 && c->kind != PART_TEXT)
        put_call_delta(j, h, c);
    else if (c->text.n > 0 || c->finish == FINISH_NONE)
        jout_put_str(j, "content", c->text);
    jout_object_end(j);
}

static void put_chunk_choice(struct jout *j, const struct api_head *h, const struct api_choice *c, bool role)
{
    jout_key(j, "choices");
    jout_array(j);
    jout_object(j);
    jout_put_uint(j, "index", c->index);
    if (h->shape == API_CHAT)
        put_delta(j, h, c, role);
    else
        jout_put_str(j, "text", c->text);
    put_choice_end(j, h, c);
    jout_object_end(j);
    jout_array_end(j);
}

static void write_openai_chunk(struct jout *j, const struct api_head *h, const struct api_choice *c, bool role)
{
    jout_object(j);
    write_openai_head(j, h, h->shape == API_CHAT ? "chat.completion.chunk" : "text_completion");
    put_chunk_choice(j, h, c, role);
    if (h->include_usage)
        jout_put_null(j, "usage");
    api_write_timings(j, c->timings);
    jout_object_end(j);
}

static void write_prompt_chunk(struct jout *j, const struct api_head *h, const struct api_choice *c)
{
    jout_object(j);
    api_write_head(j, h, API_MANTA_ID_PREFIX, "manta.process_prompt.chunk");
    jout_put_uint(j, "index", c->index);
    jout_put_str(j, "text", c->text);
    jout_key(j, "finish_reason");
    api_write_finish(j, c->finish);
    jout_object_end(j);
}

void api_write_chunk(struct buf *out, const struct api_head *h, const struct api_choice *c)
{
    struct jout j = jout_to(out);
    buf_puts(out, "data: ");
    if (h->shape == API_PROCESS_PROMPT)
        write_prompt_chunk(&j, h, c);
    else
        write_openai_chunk(&j, h, c, false);
    buf_puts(out, "\n\n");
}

void api_write_role_chunk(struct buf *out, const struct api_head *h, uint32_t index)
{
    struct jout j = jout_to(out);
    buf_puts(out, "data: ");
    write_openai_chunk(&j, h, &(struct api_choice){.index = index}, true);
    buf_puts(out, "\n\n");
}

void api_write_usage_chunk(struct buf *out, const struct api_head *h, const struct api_usage *u)
{
    struct jout j = jout_to(out);
    buf_puts(out, "data: ");
    jout_object(&j);
    write_openai_head(&j, h, h->shape == API_CHAT ? "chat.completion.chunk" : "text_completion");
    jout_key(&j, "choices");
    jout_array(&j);
    jout_array_end(&j);
    put_usage(&j, u);
    jout_object_end(&j);
    buf_puts(out, "\n\n");
}

/* Writes a chunk without choices. */
static void write_progress(struct buf *out, const struct api_event *ev, const struct api_progress *p)
{
    struct jout j = jout_to(out);
    buf_puts(out, "data: ");
    jout_object(&j);
    write_openai_head(&j, ev->head, ev->head->shape == API_CHAT ? "chat.completion.chunk" : "text_completion");
    jout_key(&j, "choices");
    jout_array(&j);
    jout_array_end(&j);
    api_write_progress(&j, p);
    api_write_timings(&j, ev->choice.timings);
    jout_object_end(&j);
    buf_puts(out, "\n\n");
}

void api_write_sse_done(struct buf *out)
{
    buf_puts(out, "data: [DONE]\n\n");
}

void api_write_sse_comment(struct buf *out, struct str text)
{
    buf_puts(out, ": ");
    for (size_t i = 0; i < text.n; i++)
        buf_putc(out, text.p[i] == '\n' || text.p[i] == '\r' ? ' ' : text.p[i]);
    buf_putc(out, '\n');
}

static bool has_kind(const struct api_choice *c, uint8_t kind)
{
    for (uint32_t i = 0; i < c->blocks_n; i++)
        if (c->blocks[i].kind == kind)
            return true;
    return false;
}

void api_write_reasoning(struct jout *j, const char *key, const struct api_choice *c)
{
    struct buf all = buf_max(j->buf->max);
    for (uint32_t i = 0; i < c->blocks_n; i++)
        if (c->blocks[i].kind == PART_REASONING)
            buf_add_str(&all, c->blocks[i].text);
    if (all.n > 0)
        jout_put_str(j, key, buf_str(&all));
    buf_fini(&all);
}

static void put_message(struct jout *j, const struct api_head *h, const struct api_choice *c)
{
    bool calls = has_kind(c, PART_TOOL_ARGUMENTS);
    jout_key(j, "message");
    jout_object(j);
    jout_put_cstr(j, "role", "assistant");
    if (calls && c->text.n == 0)
        jout_put_null(j, "content");
    else
        jout_put_str(j, "content", c->text);
    api_write_reasoning(j, "reasoning_content", c);
    jout_put_null(j, "refusal");
    if (calls) {
        jout_key(j, "tool_calls");
        jout_array(j);
        for (uint32_t i = 0; i < c->blocks_n; i++) {
            if (c->blocks[i].kind != PART_TOOL_ARGUMENTS)
                continue;
            jout_object(j);
            put_call(j, h, c->index, c->blocks[i].call, c->blocks[i].name, c->blocks[i].text);
            jout_object_end(j);
        }
        jout_array_end(j);
    }
    jout_object_end(j);
}

static void write_whole_choice(struct jout *j, const struct api_head *h, const struct api_choice *c)
{
    jout_object(j);
    jout_put_uint(j, "index", c->index);
    if (h->shape == API_CHAT) {
        put_message(j, h, c);
    } else {
        jout_put_str(j, "text", c->text);
    }
    put_choice_end(j, h, c);
    jout_object_end(j);
}

void api_write_answer(struct buf *out, const struct api_head *h, const struct api_choice *choices, uint32_t choices_n,
                      const struct api_usage *u)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    write_openai_head(&j, h, h->shape == API_CHAT ? "chat.completion" : "text_completion");
    jout_key(&j, "choices");
    jout_array(&j);
    for (uint32_t i = 0; i < choices_n; i++)
        write_whole_choice(&j, h, &choices[i]);
    jout_array_end(&j);
    if (h->prompt_ids != NULL)
        api_write_ids(&j, "prompt_token_ids", h->prompt_ids, h->prompt_ids_n);
    put_usage(&j, u);
    jout_object_end(&j);
}

/* ---- lists of models ---- */

static void write_model(struct jout *j, const struct api_model *m)
{
    jout_object(j);
    jout_put_str(j, "id", m->id);
    jout_put_cstr(j, "object", "model");
    jout_put_int(j, "created", m->created);
    jout_put_cstr(j, "owned_by", "manta");
    jout_object_end(j);
}

void api_write_model(struct buf *out, const struct api_model *m)
{
    struct jout j = jout_to(out);
    write_model(&j, m);
}

void api_write_models(struct buf *out, const struct api_model *models, size_t n)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_cstr(&j, "object", "list");
    jout_key(&j, "data");
    jout_array(&j);
    for (size_t i = 0; i < n; i++)
        write_model(&j, &models[i]);
    jout_array_end(&j);
    jout_object_end(&j);
}

/* ---- the tables ---- */

static int parse_chat(struct str body, struct api_call *out, struct api_error *e)
{
    return api_parse_own(API_CHAT, body, out, e);
}

static int parse_completion(struct str body, struct api_call *out, struct api_error *e)
{
    return api_parse_own(API_COMPLETION, body, out, e);
}

static bool write_opening(struct buf *out, const struct api_event *ev)
{
    if (ev->step == 0)
        api_write_role_chunk(out, ev->head, ev->choice.index);
    return ev->step == 0;
}

bool api_write_last_chunk(struct buf *out, const struct api_event *ev)
{
    if (ev->step == 0)
        api_write_chunk(out, ev->head, &ev->choice);
    return ev->step == 0;
}

void api_write_piece(struct buf *out, const struct api_event *ev)
{
    api_write_chunk(out, ev->head, &ev->choice);
}

static bool write_ending(struct buf *out, const struct api_whole *w)
{
    if (w->head->include_usage)
        api_write_usage_chunk(out, w->head, &w->usage);
    return w->head->include_usage;
}

void api_write_idle_comment(struct buf *out, const struct api_event *ev, struct str text)
{
    (void)ev;
    api_write_sse_comment(out, text);
}

void api_write_stream_fault(struct buf *out, const struct api_event *ev, const struct fault *f)
{
    (void)ev;
    api_write_sse_error(out, f);
}

static void write_whole(struct buf *out, const struct api_whole *w)
{
    api_write_answer(out, w->head, w->choices, w->n, &w->usage);
}

void api_write_error_body(struct buf *out, const struct api_error *e, struct str request_id)
{
    (void)request_id; /* a header has it */
    api_write_error(out, e);
}

const struct api_dialect api_dialect_chat = {
    .id_prefix = "chatcmpl-", .streams = true, .parse = parse_chat,
    .opening = write_opening, .piece = api_write_piece, .closing = api_write_last_chunk,
    .ending = write_ending, .progress = write_progress, .last = api_write_sse_done, .idle = api_write_idle_comment, .fault = api_write_stream_fault,
    .answer = write_whole, .error = api_write_error_body, .models = api_write_models, .model = api_write_model,
};

const struct api_dialect api_dialect_completion = {
    .id_prefix = "cmpl-", .streams = true, .counts_chars = true, .parse = parse_completion,
    .piece = api_write_piece, .closing = api_write_last_chunk,
    .ending = write_ending, .progress = write_progress, .last = api_write_sse_done, .idle = api_write_idle_comment, .fault = api_write_stream_fault,
    .answer = write_whole, .error = api_write_error_body, .models = api_write_models, .model = api_write_model,
};
