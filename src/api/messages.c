/* Parse chat messages, and the question of process_prompt, into turns. */
#include "base/utf8.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"

/* The text of a part is the member that its type names: "text", or "refusal" in what an assistant has
 * said. */
static const json_t *words_of(const json_t *part)
{
    bool refused = str_is(api_json_str(json_object_get(part, "type")), "refusal");
    return json_object_get(part, refused ? "refusal" : "text");
}

/* Returns the text of one part of a content array, borrowed from the tree. */
static int read_part(struct api_reader *r, const char *path, const json_t *part, struct str *out)
{
    if (!json_is_object(part))
        return api_refuse_type(r, path, "a text part like {\"type\": \"text\", \"text\": \"…\"}", part);
    const json_t *type = json_object_get(part, "type");
    if (!json_is_string(type))
        return api_refuse(r->e, ERR_INVALID, path, "a part needs \"type\": \"text\"");
    if (!str_is(api_json_str(type), "text") && !str_is(api_json_str(type), "refusal"))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "parts of type '%.*s' are not supported, only 'text'",
                          UTF8_HEAD(json_string_value(type), 40));
    const json_t *text = words_of(part);
    if (!json_is_string(text))
        return api_refuse(r->e, ERR_INVALID, path, "a text part needs \"text\": \"…\"");
    *out = api_json_str(text);
    return 0;
}

/* Joins the parts with line feeds, as llama-server does for templates without content parts. */
static int read_parts(struct api_reader *r, const char *path, const json_t *parts, struct str *out)
{
    size_t total = 0, n = json_array_size(parts);
    for (size_t i = 0; i < n; i++) {
        char part_path[API_PATH_BYTES];
        api_path(part_path, "%s[%zu]", path, i);
        struct str s;
        int err = read_part(r, part_path, json_array_get(parts, i), &s);
        if (err)
            return err;
        total += s.n + 1;
    }
    if (n == 0)
        return 0;
    char *p = api_arena_alloc(r->arena, total);
    *out = str_n(p, total - 1);
    for (size_t i = 0; i < n; i++) {
        struct str s = api_json_str(words_of(json_array_get(parts, i)));
        if (i > 0)
            *p++ = '\n';
        memcpy(p, s.p, s.n);
        p += s.n;
    }
    return 0;
}

static int read_content(struct api_reader *r, const char *path, const json_t *v, struct str *out)
{
    *out = str_of("");
    if (v == NULL || json_is_null(v))
        return 0;
    if (json_is_string(v)) {
        *out = api_arena_str(r->arena, api_json_str(v));
        return 0;
    }
    if (json_is_array(v))
        return read_parts(r, path, v, out);
    return api_refuse_type(r, path, "a string or an array of text parts", v);
}

static int read_role(struct api_reader *r, const char *path, const json_t *v, struct str *out)
{
    static const char *const known[] = {"system", "user", "assistant", "tool"};
    if (v == NULL)
        return api_refuse(r->e, ERR_INVALID, path, "is missing: \"system\", \"user\", \"assistant\" or \"tool\"");
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    struct str role = api_json_str(v);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (str_is(role, known[i])) {
            *out = str_of(known[i]);
            return 0;
        }
    }
    if (str_is(role, "developer")) { /* OpenAI's new name for system; no model's template knows it */
        *out = str_of("system");
        return 0;
    }
    if (str_is(role, "function"))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "results of functions are not supported: send them with the role tool");
    return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is not a role: \"system\", \"user\", \"assistant\" or \"tool\"",
                      UTF8_HEAD(json_string_value(v), 40));
}

/* ---- tool calls ---- */

static int read_call(struct api_reader *r, const char *path, const json_t *v, json_t *calls)
{
    char at[API_PATH_BYTES];
    const json_t *type = json_object_get(v, "type"), *function = json_object_get(v, "function");
    if (type != NULL && !(json_is_string(type) && str_is(api_json_str(type), "function")))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "only calls of the type \"function\" are supported");
    if (!json_is_object(function))
        return api_refuse(r->e, ERR_INVALID, path, "a call needs \"function\": {\"name\": …, \"arguments\": …}");
    api_path(at, "%s.function", path);
    return api_call_add(r, calls, at, json_object_get(v, "id"), json_object_get(function, "name"), json_object_get(function, "arguments"));
}

/* Reads the assistant's calls and reasoning. *calls becomes the calls that later messages of the
 * role tool may refer to. */
static int read_assistant(struct api_reader *r, const char *path, const json_t *v, json_t **calls, struct turn *out)
{
    const json_t *list = json_object_get(v, "tool_calls");
    char at[API_PATH_BYTES];
    json_decref(*calls);
    *calls = json_array();
    api_path(at, "%s.tool_calls", path);
    if (list != NULL && !json_is_null(list) && !json_is_array(list))
        return api_refuse_type(r, at, "an array", list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        api_path(at, "%s.tool_calls[%zu]", path, i);
        int err = read_call(r, at, json_array_get(list, i), *calls);
        if (err)
            return err;
    }
    out->extra = api_calls_extra(r, *calls, json_object_get(v, "reasoning_content"));
    return 0;
}

/* Reads the members of messages of one role. */
static int read_extra(struct api_reader *r, const char *path, const json_t *v, json_t **calls, struct turn *out)
{
    char at[API_PATH_BYTES];
    if (str_is(out->role, "assistant"))
        return read_assistant(r, path, v, calls, out);
    api_path(at, "%s.tool_call_id", path);
    if (str_is(out->role, "tool"))
        return api_result_extra(r, at, *calls, json_object_get(v, "tool_call_id"), &out->extra);
    json_decref(*calls);
    *calls = NULL;
    return 0;
}

static int read_message(struct api_reader *r, const char *list, size_t i, const json_t *v, json_t **calls, struct turn *out)
{
    char path[API_PATH_BYTES], at[API_PATH_BYTES];
    api_path(path, "%s[%zu]", list, i);
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object with \"role\" and \"content\"", v);
    int err = api_refuse_lacking_in_message(r, path, v);
    if (err)
        return err;
    api_path(at, "%s.role", path);
    err = read_role(r, at, json_object_get(v, "role"), &out->role);
    if (err)
        return err;
    err = read_extra(r, path, v, calls, out);
    if (err)
        return err;
    api_path(at, "%s.content", path);
    const json_t *content = json_object_get(v, "content");
    if (content == NULL && !str_is(out->role, "assistant"))
        return api_refuse(r->e, ERR_INVALID, at, "is missing: a string or an array of text parts");
    err = read_content(r, at, content, &out->content);
    const json_t *refusal = json_object_get(v, "refusal");
    if (err == 0 && out->content.n == 0 && json_is_string(refusal) && str_is(out->role, "assistant"))
        out->content = api_arena_str(r->arena, api_json_str(refusal));
    return err;
}

/* An answer may continue the assistant's message, but not a call: its result is missing. */
static int end_messages(struct api_reader *r, const char *path)
{
    struct request *q = &r->call->request;
    struct str last = q->turns[q->turns_n - 1].role;
    q->continues = (r->call->shape == API_CHAT || r->call->shape == API_TEMPLATE) && str_is(last, "assistant");
    if (q->continues && json_array_size(json_object_get(json_array_get(json_object_get(r->root, "messages"), q->turns_n - 1), "tool_calls")) > 0)
        return api_refuse(r->e, ERR_INVALID, path, "the last one calls tools: send their results behind it, as messages of the role tool");
    return 0;
}

int api_read_messages(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of messages", v);
    size_t n = json_array_size(v);
    if (n == 0)
        return api_refuse(r->e, ERR_INVALID, path, "is empty: expected at least one message");
    if (n > REQUEST_TURNS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu messages, at most %d are taken", n, REQUEST_TURNS_MAX);
    struct turn *turns = api_arena_alloc(r->arena, n * sizeof *turns);
    json_t *calls = NULL;
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++)
        err = read_message(r, path, i, json_array_get(v, i), &calls, &turns[i]);
    json_decref(calls);
    if (err)
        return err;
    r->call->request.turns = turns;
    r->call->request.turns_n = (uint32_t)n;
    return end_messages(r, path);
}

int api_read_question(struct api_reader *r, const char *path, const json_t *v)
{
    if (r->call->request.turns_n > 0)
        return api_refuse(r->e, ERR_INVALID, path, "send either prompt or messages, not both");
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    if (json_string_length(v) == 0)
        return api_refuse(r->e, ERR_INVALID, path, "is empty");
    struct turn *turn = api_arena_alloc(r->arena, sizeof *turn);
    turn->role = str_of("user");
    turn->content = api_arena_str(r->arena, api_json_str(v));
    r->call->request.turns = turn;
    r->call->request.turns_n = 1;
    return 0;
}
