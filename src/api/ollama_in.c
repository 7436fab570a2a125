/* Parse Ollama's requests: tool calls without ids, options in an object of their own, streaming by
 * default.
 *
 * Options of Ollama's runner (num_ctx, num_gpu, keep_alive, …) are hints and ignored: a worker's
 * resources are fixed at its start. */
#include <string.h>

#include "api/json_in.h"
#include "api/ollama.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"

#define CHAT FIELD_FOR(API_OLLAMA_CHAT)
#define GENERATE FIELD_FOR(API_OLLAMA_GENERATE)
#define EMBED FIELD_FOR(API_OLLAMA_EMBED)
#define EMBEDDINGS FIELD_FOR(API_OLLAMA_EMBEDDINGS)
#define ASK (CHAT | GENERATE)
#define ALL (ASK | EMBED | EMBEDDINGS)
#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

/* ---- the name of a model ---- */

/* Strips Ollama's ":latest", which is implied there by a name without a tag; returns a part of
 * `name`. */
static struct str untagged(struct str name)
{
    static const char tag[] = ":latest"; /* Ollama's tag for a name without one; names here have none */
    size_t n = sizeof tag - 1;
    bool tagged = name.n > n && memcmp(name.p + name.n - n, tag, n) == 0;
    return tagged ? str_n(name.p, name.n - n) : name;
}

static int read_model(struct api_reader *r, const char *path, const json_t *v)
{
    struct str name;
    int err = api_read_text(r, path, v, API_FIELD_BYTES_MAX, &name);
    if (err == 0)
        r->call->request.model = untagged(name);
    return err;
}

int api_parse_show(struct str body, struct buf *model, struct api_error *e)
{
    json_t *root = NULL;
    int err = api_json_parse(body, &root, e);
    if (err)
        return err;
    const json_t *name = json_object_get(root, "model");
    name = name != NULL ? name : json_object_get(root, "name"); /* the older name of the field */
    if (!json_is_string(name))
        err = api_refuse(e, ERR_INVALID, "model", "is missing: the name of a model");
    else
        buf_add_str(model, untagged(api_json_str(name)));
    json_decref(root);
    return err;
}

/* ---- messages ---- */

/* State while messages are read. */
struct reading {
    json_t *calls; /* owned; of the assistant's last message */
    json_t *open;  /* owned; those without a result so far */
};

static void begin_calls(struct reading *g)
{
    json_decref(g->calls);
    json_decref(g->open);
    g->calls = json_array();
    g->open = json_array();
}

/* Reads a call. Ids are optional here, but templates need them: a call without an id is named by its
 * position. */
static int read_call(struct api_reader *r, const char *path, const json_t *v, struct reading *g)
{
    const json_t *function = json_object_get(v, "function"), *given = json_object_get(v, "id");
    char at[API_PATH_BYTES];
    if (!json_is_object(function))
        return api_refuse(r->e, ERR_INVALID, path, "a call needs \"function\": {\"name\": …, \"arguments\": {…}}");
    api_path(at, "%s.function", path);
    bool named = json_is_string(given) && json_string_length(given) > 0;
    json_t *id = named ? json_incref((json_t *)(uintptr_t)given) : json_sprintf("call%05zu", json_array_size(g->calls));
    int err = api_call_add(r, g->calls, at, id, json_object_get(function, "name"), json_object_get(function, "arguments"));
    json_decref(id);
    return err;
}

static int read_calls(struct api_reader *r, const char *path, const json_t *v, struct reading *g)
{
    const json_t *list = json_object_get(v, "tool_calls");
    char at[API_PATH_BYTES];
    int err = 0;
    begin_calls(g);
    api_path(at, "%s.tool_calls", path);
    if (list != NULL && !json_is_null(list) && !json_is_array(list))
        return api_refuse_type(r, at, "an array", list);
    for (size_t i = 0; i < json_array_size(list) && err == 0; i++) {
        api_path(at, "%s.tool_calls[%zu]", path, i);
        err = read_call(r, at, json_array_get(list, i), g);
    }
    json_array_extend(g->open, g->calls);
    return err;
}

/* Finds the open call of a result: by its id, else the first call of that name, else the first
 * call. */
static size_t call_of(const json_t *open, const json_t *id, const json_t *name)
{
    size_t n = json_array_size(open);
    for (size_t i = 0; i < n; i++) {
        const json_t *call = json_array_get(open, i), *called = json_object_get(json_object_get(call, "function"), "name");
        if (json_is_string(id) ? json_equal(json_object_get(call, "id"), id) : !json_is_string(name) || json_equal(called, name))
            return i;
    }
    return n;
}

static int read_result(struct api_reader *r, const char *path, const json_t *v, struct reading *g, struct turn *out)
{
    const json_t *id = json_object_get(v, "tool_call_id"), *name = json_object_get(v, "tool_name");
    size_t i = call_of(g->open, id, name != NULL ? name : json_object_get(v, "name"));
    if (i == json_array_size(g->open))
        return api_refuse(r->e, ERR_INVALID, path, "is the result of no call of the assistant's message before it");
    int err = api_result_extra(r, path, g->open, json_object_get(json_array_get(g->open, i), "id"), &out->extra);
    json_array_remove(g->open, i);
    return err;
}

static int read_role(struct api_reader *r, const char *path, const json_t *v, struct str *out)
{
    static const char *const known[] = {"user", "assistant", "system", "tool"};
    const char *role = json_string_value(json_object_get(v, "role"));
    for (size_t i = 0; role != NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(role, known[i]) == 0) {
            *out = str_of(known[i]);
            return 0;
        }
    return api_refuse(r->e, ERR_INVALID, path, "needs \"role\": \"system\", \"user\", \"assistant\" or \"tool\"");
}

static int refuse_images(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *images = json_object_get(v, "images");
    char at[API_PATH_BYTES];
    api_path(at, "%s%simages", path, *path != '\0' ? "." : "");
    bool none = images == NULL || json_is_null(images) || (json_is_array(images) && json_array_size(images) == 0);
    return none ? 0 : api_refuse(r->e, ERR_UNSUPPORTED, at, "are not supported");
}

static int read_message(struct api_reader *r, const char *path, const json_t *v, struct reading *g, struct turn *out)
{
    const json_t *content = json_object_get(v, "content");
    char at[API_PATH_BYTES];
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object with \"role\" and \"content\"", v);
    int err = read_role(r, path, v, &out->role);
    if (err == 0)
        err = refuse_images(r, path, v);
    if (err == 0 && str_is(out->role, "tool"))
        err = read_result(r, path, v, g, out);
    if (err == 0 && str_is(out->role, "assistant")) {
        err = read_calls(r, path, v, g);
        out->extra = err == 0 ? api_calls_extra(r, g->calls, json_object_get(v, "thinking")) : out->extra;
    }
    api_path(at, "%s.content", path);
    if (err == 0 && content != NULL && !json_is_null(content))
        err = api_read_text(r, at, content, API_BODY_BYTES_MAX, &out->content);
    return err;
}

/* An answer may continue the assistant's message, but not a call: its result is missing. */
static int end_messages(struct api_reader *r, const char *path, const struct reading *g)
{
    struct request *q = &r->call->request;
    q->continues = q->turns_n > 0 && str_is(q->turns[q->turns_n - 1].role, "assistant");
    if (q->continues && json_array_size(g->calls) > 0)
        return api_refuse(r->e, ERR_INVALID, path, "the last one calls tools: send their results behind it, as messages of the role tool");
    return 0;
}

static int read_messages(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    struct reading g = {0};
    int err = 0;
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of messages", v);
    size_t n = json_array_size(v);
    if (n > REQUEST_TURNS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu messages, at most %d are taken", n, REQUEST_TURNS_MAX);
    q->turns = api_arena_alloc(r->arena, (n + 1) * sizeof *q->turns);
    for (size_t i = 0; i < n && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        q->turns[i] = (struct turn){.content = str_of("")};
        err = read_message(r, at, json_array_get(v, i), &g, &q->turns[i]);
    }
    q->turns_n = err == 0 ? (uint32_t)n : 0;
    if (err == 0)
        err = end_messages(r, path, &g);
    json_decref(g.calls);
    json_decref(g.open);
    return err;
}

/* ---- a prompt: a turn of a chat; if raw, or before a gap, an unchanged text ---- */

static bool has_suffix(const struct api_reader *r)
{
    return json_string_length(json_object_get(r->root, "suffix")) > 0;
}

static int read_prompt(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    const json_t *system = json_object_get(r->root, "system"), *raw = json_object_get(r->root, "raw");
    struct str text, before = {0};
    int err = api_read_text(r, path, v, API_BODY_BYTES_MAX, &text);
    if (err == 0 && system != NULL && !json_is_null(system))
        err = api_read_text(r, "system", system, API_BODY_BYTES_MAX, &before);
    bool as_is = json_is_true(raw) || has_suffix(r);
    if (err || text.n == 0)
        return err;
    if (as_is && before.n > 0)
        return api_refuse(r->e, ERR_INVALID, "system", "a prompt that is raw, or before a gap, is taken as it is: put it into the prompt");
    if (as_is) {
        q->kind = REQUEST_TEXT;
        q->text = text;
        return 0;
    }
    q->turns = api_arena_alloc(r->arena, 2 * sizeof *q->turns);
    if (before.n > 0)
        q->turns[q->turns_n++] = (struct turn){.role = str_of("system"), .content = before};
    q->turns[q->turns_n++] = (struct turn){.role = str_of("user"), .content = text};
    return 0;
}

/* Checks the type; read_prompt() applies it. */
static int read_raw(struct api_reader *r, const char *path, const json_t *v)
{
    bool raw;
    return api_read_bool(r, path, v, &raw);
}

/* Reads the text after the gap that the answer fills. */
static int read_suffix(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    int err = api_read_suffix(r, path, v);
    if (err == 0 && has_suffix(r)) {
        q->kind = REQUEST_TEXT;
        q->text = q->text.p != NULL ? q->text : str_of("");
    }
    return err;
}

/* ---- other fields ---- */

/* Reads "json", or a schema. */
static int read_format(struct api_reader *r, const char *path, const json_t *v)
{
    if (json_is_object(v))
        return api_read_json_schema(r, path, v);
    if (json_is_string(v) && json_string_length(v) == 0)
        return 0;
    if (!json_is_string(v) || !str_is(api_json_str(v), "json"))
        return api_refuse(r->e, ERR_INVALID, path, "expected \"json\" or a JSON schema");
    json_t *object = json_pack("{s:s}", "type", "json_object");
    int err = api_read_format(r, path, object);
    json_decref(object);
    return err;
}

static int read_think(struct api_reader *r, const char *path, const json_t *v)
{
    return json_is_string(v) ? api_read_reasoning_effort(r, path, v) : api_read_enable_thinking(r, path, v);
}

/* 0, -1 and -2 are Ollama's "no limit". */
static int read_num_predict(struct api_reader *r, const char *path, const json_t *v)
{
    int64_t n;
    int err = api_read_integer(r, path, v, INT32_MIN, INT32_MAX, &n);
    if (err == 0)
        r->call->request.sampling.max_tokens = n > 0 ? (uint32_t)n : 0;
    return err;
}

static int read_text_input(struct api_reader *r, const char *path, const json_t *v)
{
    return json_is_string(v) ? api_read_input(r, path, v) : api_refuse_type(r, path, "a string", v);
}

static int read_options(struct api_reader *r, const char *path, const json_t *v)
{
    static const struct field options[] = {
        {"num_predict", ASK, FIELD_OTHER, .read = read_num_predict},
        {"stop", ASK, FIELD_OTHER, .read = api_read_stop},
        {"seed", ASK, FIELD_OTHER, .read = api_read_seed},
        {"temperature", ASK, FIELD_FLOAT, 0, 5, TO_SAMPLING(temperature)},
        {"top_k", ASK, FIELD_OTHER, .read = api_read_top_k},
        {"top_p", ASK, FIELD_FLOAT, 0, 1, TO_SAMPLING(top_p)},
        {"min_p", ASK, FIELD_FLOAT, 0, 1, TO_SAMPLING(min_p)},
        {"typical_p", ASK, FIELD_FLOAT, 0, 1, TO_SAMPLING(typical_p)},
        {"repeat_penalty", ASK, FIELD_FLOAT, 0.01, 10, TO_SAMPLING(repeat_penalty)},
        {"repeat_last_n", ASK, FIELD_INT, -1, API_LAST_N_MAX, TO_SAMPLING(penalty_last_n)},
        {"presence_penalty", ASK, FIELD_FLOAT, -2, 2, TO_SAMPLING(presence_penalty)},
        {"frequency_penalty", ASK, FIELD_FLOAT, -2, 2, TO_SAMPLING(frequency_penalty)},
        {"mirostat", ASK, FIELD_COUNT, 0, MIROSTAT_VERSIONS, TO_SAMPLING(mirostat)},
        {"mirostat_tau", ASK, FIELD_FLOAT, 0, 100, TO_SAMPLING(mirostat_tau)},
        {"mirostat_eta", ASK, FIELD_FLOAT, 0, 10, TO_SAMPLING(mirostat_eta)},
    };
    static const struct api_lacking lacking[] = {
        {"tfs_z", ASK, "1", NULL},
    };
    struct api_reader within = *r;
    within.root = v;
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    int err = api_fields_read(&within, options, sizeof options / sizeof options[0]);
    return err != 0 ? err : api_refuse_lacking_of(&within, lacking, sizeof lacking / sizeof lacking[0]);
}

static const struct field fields[] = {
    {"model", ALL, FIELD_OTHER, .read = read_model},
    {"messages", CHAT, FIELD_OTHER, .read = read_messages},
    {"prompt", GENERATE, FIELD_OTHER, .read = read_prompt},
    {"raw", GENERATE, FIELD_OTHER, .read = read_raw},
    {"suffix", GENERATE, FIELD_OTHER, .read = read_suffix},
    {"prompt", EMBEDDINGS, FIELD_OTHER, .read = read_text_input},
    {"input", EMBED, FIELD_OTHER, .read = api_read_input},
    {"dimensions", EMBED, FIELD_COUNT, 1, API_DIMENSIONS_MAX, TO(dimensions)},
    {"stream", ASK, FIELD_BOOL, TO(stream)},
    {"format", ASK, FIELD_OTHER, .read = read_format},
    {"think", ASK, FIELD_OTHER, .read = read_think},
    {"tools", CHAT, FIELD_OTHER, .read = api_read_tools},
    {"options", ALL, FIELD_OTHER, .read = read_options},
    {"logprobs", ASK, FIELD_FLAG, TO_SAMPLING(logprobs)},
    {"top_logprobs", ASK, FIELD_OTHER, .read = api_read_top_logprobs},
    {"priority", ALL, FIELD_INT, -REQUEST_PRIORITY_MAX, REQUEST_PRIORITY_MAX, TO(request.priority)}, /* an extension */
};

static const struct api_lacking lacking[] = {
    {"template", ASK, "", "the model's own template is used"},
    {"context", GENERATE, "", "send the conversation to POST /api/chat"},
    {"adapters", ALL, "", NULL},
};

/* ---- after all fields are read ---- */

/* A request without a prompt only asks for the model to be loaded: the count succeeds if it is. */
static void only_load(struct api_reader *r)
{
    struct request *q = &r->call->request;
    q->kind = REQUEST_TEXT;
    q->text = str_of(" ");
    q->sampling.prompt_only = PROMPT_COUNTED;
    r->call->stream = false;
}

static int check_ask(struct api_reader *r)
{
    const json_t *stream = json_object_get(r->root, "stream");
    struct api_call *c = r->call;
    int err = api_refuse_lacking_of(r, lacking, sizeof lacking / sizeof lacking[0]);
    if (err == 0)
        err = refuse_images(r, "", r->root);
    c->stream = c->stream || stream == NULL || json_is_null(stream);
    c->timings = true; /* the last line has them */
    c->request.split_reasoning = 1;
    if (err == 0 && c->request.turns_n == 0 && c->request.kind == REQUEST_CHAT)
        only_load(r);
    if (err == 0 && c->request.kind == REQUEST_CHAT)
        err = api_tools_end(r);
    if (err == 0 && has_suffix(r))
        err = api_gap_end(r);
    if (err == 0)
        err = api_samplers_end(r);
    return err != 0 ? err : api_template_args_end(r);
}

static int check_embed(struct api_reader *r)
{
    const char *wanted = r->call->shape == API_OLLAMA_EMBED ? "input" : "prompt";
    return r->call->request.inputs_n > 0 ? 0 : api_refuse(r->e, ERR_INVALID, wanted, "is missing: a text to make a vector of");
}

static int parse(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e)
{
    bool embeds = shape == API_OLLAMA_EMBED || shape == API_OLLAMA_EMBEDDINGS;
    const struct api_plan plan = {.shape = shape, .fields = fields, .n = sizeof fields / sizeof fields[0], .check = embeds ? check_embed : check_ask};
    return api_parse_plan(&plan, body, out, e);
}

int api_ollama_chat_parse(struct str body, struct api_call *out, struct api_error *e)
{
    return parse(API_OLLAMA_CHAT, body, out, e);
}

int api_ollama_generate_parse(struct str body, struct api_call *out, struct api_error *e)
{
    return parse(API_OLLAMA_GENERATE, body, out, e);
}

int api_ollama_embed_parse(struct str body, struct api_call *out, struct api_error *e)
{
    return parse(API_OLLAMA_EMBED, body, out, e);
}

int api_ollama_embeddings_parse(struct str body, struct api_call *out, struct api_error *e)
{
    return parse(API_OLLAMA_EMBEDDINGS, body, out, e);
}
