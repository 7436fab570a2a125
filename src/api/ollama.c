/* Ollama's dialects: /api/chat and /api/generate, whole or with one JSON object per line; vectors;
 * lists of models.
 *
 *     {"message":{…"Hi"},"done":false}  …  {"message":{…"tool_calls":[…]},"done":false}  …  {"done":true,"done_reason":"stop",…}
 *
 * A tool call is one object, so its line is written when the call has ended. A waiting stream sends
 * lines without text, since the format has no comments. */
#include "api/ollama.h"

#include "api/answer.h"
#include "api/json_in.h"
#include "api/logprobs.h"
#include "api/tools.h"

enum { NS_PER_MS = 1000000 };

/* ---- first members of every object, last members of the last one ---- */

static void put_head(struct jout *j, const struct api_head *h)
{
    char at[API_TIME_BYTES];
    jout_object(j);
    jout_put_str(j, "model", h->model);
    jout_put_str(j, "created_at", api_time_text(h->created, at));
}

static void put_ms_as_ns(struct jout *j, const char *key, double ms)
{
    jout_put_uint(j, key, ms > 0 ? (uint64_t)(ms * NS_PER_MS) : 0);
}

/* Writes the durations: time that is neither prompt nor answer was spent waiting. */
static void put_durations(struct jout *j, const struct api_usage *u, const struct api_timings *t)
{
    static const struct api_timings none = {0};
    t = t != NULL ? t : &none;
    put_ms_as_ns(j, "total_duration", t->total_ms);
    put_ms_as_ns(j, "load_duration", t->total_ms - t->prompt_ms - t->predicted_ms);
    jout_put_uint(j, "prompt_eval_count", u->prompt_tokens);
    put_ms_as_ns(j, "prompt_eval_duration", t->prompt_ms);
    jout_put_uint(j, "eval_count", u->completion_tokens);
    put_ms_as_ns(j, "eval_duration", t->predicted_ms);
}

static void put_logprobs(struct jout *j, const struct api_choice *c)
{
    if (c->ids == NULL || c->logprobs == NULL)
        return;
    jout_key(j, "logprobs");
    api_write_tokens(j, c);
}

/* ---- tool calls ---- */

/* False if a call was cut off: its arguments are no object then. */
static bool is_whole(struct str arguments)
{
    struct api_error e;
    json_t *object = NULL;
    bool whole = arguments.n > 0 && api_json_parse_text(arguments, &object, &e) == 0;
    json_decref(object);
    return whole;
}

static void put_call(struct jout *j, const struct api_head *h, const struct api_block *b)
{
    char id[API_CALL_NAME_BYTES];
    jout_object(j);
    jout_put_str(j, "id", api_call_name(h->id, 0, b->call, id));
    jout_key(j, "function");
    jout_object(j);
    jout_put_uint(j, "index", b->call);
    jout_put_str(j, "name", b->name);
    jout_key(j, "arguments");
    buf_add_str(j->buf, b->text); /* one compact JSON object */
    jout_object_end(j);
    jout_object_end(j);
    j->comma = true;
}

static void put_calls(struct jout *j, const struct api_head *h, const struct api_block *blocks, uint32_t n)
{
    uint32_t calls = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (blocks[i].kind != PART_TOOL_ARGUMENTS || !is_whole(blocks[i].text))
            continue;
        if (calls++ == 0) {
            jout_key(j, "tool_calls");
            jout_array(j);
        }
        put_call(j, h, &blocks[i]);
    }
    if (calls > 0)
        jout_array_end(j);
}

/* ---- text ---- */

static void begin_message(struct jout *j)
{
    jout_key(j, "message");
    jout_object(j);
    jout_put_cstr(j, "role", "assistant");
}

/* Writes text as a message, or for /api/generate as members of the object itself. */
static void put_text(struct jout *j, const struct api_head *h, struct str text, bool thinks)
{
    bool chat = h->shape == API_OLLAMA_CHAT;
    if (chat)
        begin_message(j);
    jout_put_str(j, chat ? "content" : "response", thinks ? str_n(NULL, 0) : text);
    if (thinks)
        jout_put_str(j, "thinking", text);
    if (chat)
        jout_object_end(j);
}

static void put_whole(struct jout *j, const struct api_head *h, const struct api_choice *c)
{
    bool chat = h->shape == API_OLLAMA_CHAT;
    if (chat)
        begin_message(j);
    jout_put_str(j, chat ? "content" : "response", c->text);
    api_write_reasoning(j, "thinking", c);
    if (chat) {
        put_calls(j, h, c->blocks, c->blocks_n);
        jout_object_end(j);
    }
}

/* ---- a stream: one object per line ---- */

static void end_line(struct jout *j, bool done)
{
    jout_put_bool(j, "done", done);
    jout_object_end(j);
    buf_putc(j->buf, '\n');
}

static void write_text(struct buf *out, const struct api_event *ev, struct str text, bool thinks)
{
    struct jout j = jout_to(out);
    put_head(&j, ev->head);
    put_text(&j, ev->head, text, thinks);
    put_logprobs(&j, &ev->choice);
    end_line(&j, false);
}

static void write_piece(struct buf *out, const struct api_event *ev)
{
    if (ev->block.kind != PART_TOOL_ARGUMENTS)
        write_text(out, ev, ev->choice.text, ev->block.kind == PART_REASONING);
}

static bool write_nothing(struct buf *out, const struct api_event *ev)
{
    (void)out;
    (void)ev;
    return false;
}

static bool write_end(struct buf *out, const struct api_event *ev)
{
    struct jout j = jout_to(out);
    if (ev->step > 0 || ev->block.kind != PART_TOOL_ARGUMENTS || !is_whole(ev->block.text))
        return false;
    put_head(&j, ev->head);
    begin_message(&j);
    jout_put_cstr(&j, "content", "");
    put_calls(&j, ev->head, &ev->block, 1);
    jout_object_end(&j);
    end_line(&j, false);
    return true;
}

static void put_end(struct jout *j, const char *reason, const struct api_usage *u, const struct api_timings *t)
{
    jout_put_cstr(j, "done_reason", reason);
    put_durations(j, u, t);
}

static const char *reason_of(const struct api_choice *c)
{
    return c->finish == FINISH_LENGTH ? "length" : "stop";
}

static bool write_closing(struct buf *out, const struct api_event *ev)
{
    struct jout j = jout_to(out);
    if (ev->step > 0)
        return false;
    put_head(&j, ev->head);
    put_text(&j, ev->head, str_n(NULL, 0), false);
    put_end(&j, reason_of(&ev->choice), &ev->usage, ev->choice.timings);
    end_line(&j, true);
    return true;
}

static void write_idle(struct buf *out, const struct api_event *ev, struct str text)
{
    (void)text;
    write_text(out, ev, str_n(NULL, 0), false);
}

static void put_error(struct buf *out, const struct fault *f)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_cstr(&j, "error", f->text[0] != '\0' ? f->text : err_text(f->err));
    jout_object_end(&j);
}

static void write_fault(struct buf *out, const struct api_event *ev, const struct fault *f)
{
    (void)ev;
    put_error(out, f);
    buf_putc(out, '\n');
}

/* ---- a whole answer ---- */

static void write_answer(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    static const struct api_choice nothing = {0};
    static const struct api_usage uncounted = {0}; /* the prompt that only_load() made is not the client's */
    const struct api_choice *c = w->n > 0 ? &w->choices[0] : &nothing;
    bool only_loads = w->call->request.sampling.prompt_only != PROMPT_AND_ANSWER;
    put_head(&j, w->head);
    put_whole(&j, w->head, only_loads ? &nothing : c);
    put_logprobs(&j, c);
    put_end(&j, only_loads ? "load" : reason_of(c), only_loads ? &uncounted : &w->usage, w->usage.timings);
    jout_put_bool(&j, "done", true);
    jout_object_end(&j);
}

static void write_error(struct buf *out, const struct api_error *e, struct str request_id)
{
    (void)request_id; /* a header has it */
    put_error(out, &e->fault);
}

/* ---- vectors ---- */

static void write_vectors(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    double total_ms = 0;
    jout_object(&j);
    jout_put_str(&j, "model", w->head->model);
    jout_key(&j, "embeddings");
    jout_array(&j);
    for (uint32_t i = 0; i < w->n; i++) {
        api_write_numbers(&j, &w->vectors[i], w->call->dimensions);
        total_ms = (double)w->responses[i].time_s * 1000 > total_ms ? (double)w->responses[i].time_s * 1000 : total_ms;
    }
    jout_array_end(&j);
    put_ms_as_ns(&j, "total_duration", total_ms);
    jout_put_uint(&j, "load_duration", 0);
    jout_put_uint(&j, "prompt_eval_count", w->usage.prompt_tokens);
    jout_object_end(&j);
}

static void write_vector(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_key(&j, "embedding");
    api_write_numbers(&j, &w->vectors[0], 0);
    jout_object_end(&j);
}

/* ---- models ---- */

/* Writes a name with a tag, which Ollama's clients expect. */
static void put_name(struct jout *j, const char *key, struct str id)
{
    struct buf name = buf_max(2 * API_FIELD_BYTES_MAX);
    buf_add_str(&name, id);
    if (id.n > 0 && memchr(id.p, ':', id.n) == NULL)
        buf_puts(&name, ":latest");
    jout_put_str(j, key, buf_str(&name));
    buf_fini(&name);
}

enum { SIZE_BYTES = 32 };

/* "7.6B", "134.52M"; empty: not known. */
static struct str size_text(uint64_t parameters, char out[SIZE_BYTES])
{
    double n = (double)parameters;
    if (parameters == 0)
        return str_of("");
    if (n >= 1e9)
        snprintf(out, SIZE_BYTES, "%.1fB", n / 1e9);
    else if (n >= 1e6)
        snprintf(out, SIZE_BYTES, "%.2fM", n / 1e6);
    else
        snprintf(out, SIZE_BYTES, "%.2fK", n / 1e3);
    return str_of(out);
}

/* Writes the facts that its worker read in the model file. */
static void put_details(struct jout *j, const struct api_model *m)
{
    char size[SIZE_BYTES];
    jout_key(j, "details");
    jout_object(j);
    jout_put_cstr(j, "parent_model", "");
    jout_put_cstr(j, "format", "gguf");
    jout_put_str(j, "family", m->family);
    jout_key(j, "families");
    jout_array(j);
    if (m->family.n > 0)
        jout_str(j, m->family);
    jout_array_end(j);
    jout_put_str(j, "parameter_size", size_text(m->parameters, size));
    jout_put_str(j, "quantization_level", m->quantization);
    jout_object_end(j);
}

/* For /api/tags and /api/ps: every listed model is loaded. */
static void write_models(struct buf *out, const struct api_model *models, size_t n)
{
    struct jout j = jout_to(out);
    char at[API_TIME_BYTES];
    jout_object(&j);
    jout_key(&j, "models");
    jout_array(&j);
    for (size_t i = 0; i < n; i++) {
        jout_object(&j);
        put_name(&j, "name", models[i].id);
        put_name(&j, "model", models[i].id);
        jout_put_str(&j, "modified_at", api_time_text(models[i].created, at));
        jout_put_uint(&j, "size", models[i].bytes);
        jout_put_str(&j, "digest", models[i].digest);
        put_details(&j, &models[i]);
        jout_put_cstr(&j, "expires_at", "9999-12-31T23:59:59Z"); /* the worker keeps it loaded */
        jout_put_uint(&j, "size_vram", 0);
        jout_put_uint(&j, "context_length", models[i].context);
        jout_object_end(&j);
    }
    jout_array_end(&j);
    jout_object_end(&j);
}

/* Clients look up "general.architecture", then "<architecture>.context_length". */
static void put_info(struct jout *j, const struct api_model *m)
{
    jout_key(j, "model_info");
    jout_object(j);
    struct str architecture = m->family.n > 0 ? m->family : str_of("manta");
    struct buf key = buf_max(API_FIELD_BYTES_MAX);
    buf_printf(&key, "%.*s.context_length", STR_ARG(architecture));
    jout_put_str(j, "general.architecture", architecture);
    jout_put_str(j, "general.basename", m->id);
    if (m->parameters > 0)
        jout_put_uint(j, "general.parameter_count", m->parameters);
    jout_put_uint(j, buf_cstr(&key), m->context);
    buf_fini(&key);
    jout_object_end(j);
}

static void put_capabilities(struct jout *j, const struct api_model *m)
{
    jout_key(j, "capabilities");
    jout_array(j);
    jout_str(j, str_of(m->embeds ? "embedding" : "completion"));
    if (m->chats)
        jout_str(j, str_of("tools"));
    jout_array_end(j);
}

static void write_model(struct buf *out, const struct api_model *m)
{
    struct jout j = jout_to(out);
    char at[API_TIME_BYTES];
    jout_object(&j);
    jout_put_cstr(&j, "modelfile", "");
    jout_key(&j, "parameters");
    buf_printf(out, "\"num_ctx                        %u\"", m->context);
    j.comma = true;
    jout_put_cstr(&j, "template", "");
    put_details(&j, m);
    put_info(&j, m);
    put_capabilities(&j, m);
    jout_put_str(&j, "modified_at", api_time_text(m->created, at));
    jout_object_end(&j);
}

/* ---- the tables ---- */

#define OLLAMA .idle = write_idle, .fault = write_fault, .error = write_error, .models = write_models, .model = write_model

const struct api_dialect api_dialect_ollama_chat = {
    .id_prefix = "chat-", .streams = true, .lines = true, .repeats = true, .parse = api_ollama_chat_parse,
    .begin = write_nothing, .piece = write_piece, .end = write_end, .closing = write_closing, .answer = write_answer, OLLAMA,
};
const struct api_dialect api_dialect_ollama_generate = {
    .id_prefix = "gen-", .streams = true, .lines = true, .parse = api_ollama_generate_parse,
    .begin = write_nothing, .piece = write_piece, .closing = write_closing, .answer = write_answer, OLLAMA,
};
const struct api_dialect api_dialect_ollama_embed = {
    .id_prefix = "embed-", .vectors = true, .parse = api_ollama_embed_parse, .answer = write_vectors, OLLAMA,
};
const struct api_dialect api_dialect_ollama_embeddings = {
    .id_prefix = "embed-", .vectors = true, .parse = api_ollama_embeddings_parse, .answer = write_vector, OLLAMA,
};
