#include "api/tools.h"

#include <stdlib.h>

#include "api/json_in.h"
#include "api/refuse.h"
#include "api/responses.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "json/write.h"

/* ---- schemas: malformed ones are refused here; the engine decides which others it can convert to
 * a grammar ---- */

static int check_schema(struct api_reader *r, const char *path, const json_t *v);

static int check_each(struct api_reader *r, const char *path, json_t *of)
{
    const char *key;
    json_t *v;
    size_t i;
    int err = 0;
    if (json_is_array(of)) {
        json_array_foreach(of, i, v) {
            char at[API_PATH_BYTES];
            api_path(at, "%s[%zu]", path, i);
            if (err == 0)
                err = check_schema(r, at, v);
        }
        return err;
    }
    json_object_foreach(of, key, v) {
        char at[API_PATH_BYTES];
        api_path(at, "%s.%.*s", path, UTF8_HEAD(key, 40));
        if (err == 0)
            err = check_schema(r, at, v);
    }
    return err;
}

static bool is_type(const json_t *v)
{
    static const char *const known[] = {"object", "array", "string", "number", "integer", "boolean", "null"};
    for (size_t i = 0; json_is_string(v) && i < sizeof known / sizeof known[0]; i++)
        if (str_is(api_json_str(v), known[i]))
            return true;
    return false;
}

static int check_type(struct api_reader *r, const char *path, const json_t *v)
{
    bool right = is_type(v) || (json_is_array(v) && json_array_size(v) > 0);
    for (size_t i = 0; i < json_array_size(v); i++)
        right = right && is_type(json_array_get(v, i));
    if (right)
        return 0;
    return api_refuse(r->e, ERR_INVALID, path,
                      "is no type of JSON schemas: \"object\", \"array\", \"string\", \"number\", \"integer\", \"boolean\" or \"null\"");
}

/* True if a keyword of JSON schemas has a value of the right kind. */
static bool fits(const char *key, const json_t *v, const char **wanted)
{
    static const struct { const char *key, *wanted; json_type type; } words[] = {
        {"properties", "an object", JSON_OBJECT}, {"$defs", "an object", JSON_OBJECT}, {"definitions", "an object", JSON_OBJECT},
        {"required", "an array", JSON_ARRAY}, {"enum", "an array", JSON_ARRAY}, {"anyOf", "an array", JSON_ARRAY},
        {"oneOf", "an array", JSON_ARRAY}, {"allOf", "an array", JSON_ARRAY}, {"$ref", "a string", JSON_STRING}, {"pattern", "a string", JSON_STRING},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(key, words[i].key) == 0) {
            *wanted = words[i].wanted;
            return json_typeof(v) == words[i].type;
        }
    return true;
}

/* The depth is bounded: api_json_parse() has checked it. */
static int check_schema(struct api_reader *r, const char *path, const json_t *v)
{
    static const char *const maps[] = {"properties", "$defs", "definitions", "anyOf", "oneOf", "allOf"};
    const char *key, *wanted;
    json_t *member;
    char at[API_PATH_BYTES];
    int err = 0;
    if (json_is_boolean(v))
        return 0;
    if (!json_is_object(v))
        return api_refuse_type(r, path, "a JSON schema: an object", v);
    json_object_foreach((json_t *)(uintptr_t)v, key, member) {
        api_path(at, "%s.%.*s", path, UTF8_HEAD(key, 40));
        if (!fits(key, member, &wanted))
            return api_refuse_type(r, at, wanted, member);
        if (strcmp(key, "type") == 0)
            err = check_type(r, at, member);
        for (size_t i = 0; err == 0 && i < sizeof maps / sizeof maps[0]; i++)
            if (strcmp(key, maps[i]) == 0)
                err = check_each(r, at, member);
        if (err == 0 && strcmp(key, "items") == 0)
            err = json_is_array(member) ? check_each(r, at, member) : check_schema(r, at, member);
        if (err)
            return err;
    }
    return 0;
}

/* ---- tools that a request offers ---- */

static int read_name(struct api_reader *r, const char *path, const json_t *v, struct str *out)
{
    if (!json_is_string(v))
        return v == NULL ? api_refuse(r->e, ERR_INVALID, path, "is missing: the name of a function") : api_refuse_type(r, path, "a string", v);
    struct str name = api_json_str(v);
    bool right = name.n > 0 && name.n <= API_TOOL_NAME_BYTES_MAX;
    for (size_t i = 0; right && i < name.n; i++) {
        char c = name.p[i];
        right = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_-.:/", c) != NULL;
    }
    if (!right)
        return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is no name of a function: 1 … %d letters, digits, '_', '-', '.', ':', '/'",
                          UTF8_HEAD(json_string_value(v), 40), API_TOOL_NAME_BYTES_MAX);
    *out = name;
    return 0;
}

static bool has_name(const json_t *list, struct str name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (str_eq(api_json_str(json_object_get(json_object_get(json_array_get(list, i), "function"), "name")), name))
            return true;
    return false;
}

static int read_parameters(struct api_reader *r, const char *path, const json_t *v, json_t *function)
{
    json_t *copy = NULL;
    int err = 0;
    if (v != NULL && !json_is_null(v)) {
        if (!json_is_object(v))
            return api_refuse_type(r, path, "a JSON schema: an object", v);
        err = check_schema(r, path, v);
        if (err)
            return err;
        const json_t *type = json_object_get(v, "type");
        if (type != NULL && !(json_is_string(type) && str_is(api_json_str(type), "object")))
            return api_refuse(r->e, ERR_INVALID, path, "arguments are an object: the schema needs \"type\": \"object\"");
        copy = json_deep_copy(v);
        if (type == NULL)
            json_object_set_new(copy, "type", json_string("object"));
    } else {
        copy = json_pack("{s:s,s:{}}", "type", "object", "properties");
    }
    json_object_set_new(function, "parameters", copy);
    return 0;
}

int api_tool_add(struct api_reader *r, const char *path, const struct api_tool *tool)
{
    char at[API_PATH_BYTES];
    struct str name;
    if (r->tools == NULL)
        r->tools = json_array();
    if (json_array_size(r->tools) >= API_TOOLS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "at most %d tools are taken", API_TOOLS_MAX);
    api_path(at, "%s.%s", path, tool->name_key);
    int err = read_name(r, at, tool->name, &name);
    if (err)
        return err;
    if (has_name(r->tools, name))
        return api_refuse(r->e, ERR_INVALID, at, "'%.*s' is there twice", STR_ARG(name));
    api_path(at, "%s.description", path);
    if (tool->description != NULL && !json_is_string(tool->description) && !json_is_null(tool->description))
        return api_refuse_type(r, at, "a string", tool->description);
    json_t *function = json_object();
    json_object_set_new(function, "name", json_stringn(name.p, name.n));
    if (json_is_string(tool->description))
        json_object_set_new(function, "description", json_deep_copy(tool->description));
    api_path(at, "%s.%s", path, tool->parameters_key);
    err = read_parameters(r, at, tool->parameters, function);
    if (err) {
        json_decref(function);
        return err;
    }
    if (json_is_true(tool->strict))
        json_object_set_new(function, "strict", json_true());
    json_array_append_new(r->tools, json_pack("{s:s,s:o}", "type", "function", "function", function));
    return 0;
}

/* ---- tools that may be called ---- */

static bool is_wanted(const json_t *tool, const json_t *only)
{
    struct str name = api_json_str(json_object_get(json_object_get(tool, "function"), "name"));
    for (size_t i = 0; i < json_array_size(only); i++)
        if (str_eq(api_json_str(json_array_get(only, i)), name))
            return true;
    return false;
}

void api_choose(struct api_reader *r, const json_t *name)
{
    if (r->only == NULL)
        r->only = json_array();
    json_array_append(r->only, (json_t *)(uintptr_t)name);
}

static int keep_only(struct api_reader *r)
{
    for (size_t i = 0; i < json_array_size(r->only); i++)
        if (!has_name(r->tools, api_json_str(json_array_get(r->only, i))))
            return api_refuse(r->e, ERR_INVALID, "tool_choice", "'%.*s' is none of the tools", UTF8_HEAD(json_string_value(json_array_get(r->only, i)), 60));
    for (size_t i = json_array_size(r->tools); i > 0; i--)
        if (!is_wanted(json_array_get(r->tools, i - 1), r->only))
            json_array_remove(r->tools, i - 1);
    return 0;
}

int api_tools_end(struct api_reader *r)
{
    struct request *q = &r->call->request;
    if (json_array_size(r->tools) == 0)
        return r->choice != TOOLS_REQUIRED ? 0 : api_refuse(r->e, ERR_INVALID, "tool_choice", "there are no tools to call: send \"tools\"");
    int err = r->only != NULL ? keep_only(r) : 0;
    if (err)
        return err;
    char *text = json_dumps(r->tools, JSON_COMPACT);
    struct str tools = str_of(text);
    if (tools.n <= REQUEST_TOOLS_BYTES_MAX)
        q->tools = api_arena_str(r->arena, tools);
    else
        err = api_refuse(r->e, ERR_TOO_LARGE, "tools", "have %zu bytes, at most %d are taken", tools.n, REQUEST_TOOLS_BYTES_MAX);
    free(text);
    q->tool_choice = (uint8_t)r->choice;
    return err;
}

/* ---- calls in a conversation ---- */

/* Reads an object, or its text, as compact text. */
static int read_arguments(struct api_reader *r, const char *path, const json_t *v, json_t **out)
{
    json_t *object = NULL;
    struct api_error e;
    bool text = json_is_string(v), empty = v == NULL || (text && json_string_length(v) == 0);
    if (text && !empty && api_json_parse_text(api_json_str(v), &object, &e) != 0)
        object = NULL;
    if (!empty && !json_is_object(text ? object : v)) {
        json_decref(object);
        return api_refuse(r->e, ERR_INVALID, path, "expected the text of a JSON object");
    }
    char *compact = empty ? NULL : json_dumps(text ? object : v, JSON_COMPACT);
    *out = json_string(empty ? "{}" : compact);
    free(compact);
    json_decref(object);
    return 0;
}

int api_call_add(struct api_reader *r, json_t *calls, const char *path, const json_t *id, const json_t *name, const json_t *arguments)
{
    struct str named;
    json_t *text = NULL;
    char at[API_PATH_BYTES];
    if (json_array_size(calls) >= API_CALLS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "a message has at most %d calls", API_CALLS_MAX);
    if (!json_is_string(id) || json_string_length(id) == 0 || json_string_length(id) > API_CALL_ID_BYTES_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "a call needs an id of 1 … %d bytes", API_CALL_ID_BYTES_MAX);
    api_path(at, "%s.name", path);
    int err = read_name(r, at, name, &named);
    api_path(at, "%s.arguments", path);
    if (err == 0)
        err = read_arguments(r, at, arguments, &text);
    if (err)
        return err;
    json_array_append_new(calls, json_pack("{s:O,s:s,s:{s:O,s:o}}", "id", id, "type", "function", "function", "name", name, "arguments", text));
    return 0;
}

static struct str dumped(struct api_reader *r, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    struct str s = json_object_size(o) > 0 ? api_arena_str(r->arena, str_of(text)) : str_n(NULL, 0);
    free(text);
    json_decref(o);
    return s;
}

struct str api_calls_extra(struct api_reader *r, const json_t *calls, const json_t *reasoning)
{
    json_t *o = json_object();
    if (json_array_size(calls) > 0)
        json_object_set(o, "tool_calls", (json_t *)(uintptr_t)calls);
    if (json_is_string(reasoning) && json_string_length(reasoning) > 0)
        json_object_set(o, "reasoning_content", (json_t *)(uintptr_t)reasoning);
    return dumped(r, o);
}

int api_result_extra(struct api_reader *r, const char *path, const json_t *calls, const json_t *id, struct str *out)
{
    if (!json_is_string(id))
        return id == NULL ? api_refuse(r->e, ERR_INVALID, path, "is missing: the id of the call that this is the result of")
                          : api_refuse_type(r, path, "a string", id);
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        if (str_eq(api_json_str(json_object_get(call, "id")), api_json_str(id))) {
            *out = dumped(r, json_pack("{s:O,s:O}", "tool_call_id", id, "name", json_object_get(json_object_get(call, "function"), "name")));
            return 0;
        }
    }
    return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is the id of no call of the assistant's message before it", UTF8_HEAD(json_string_value(id), 60));
}

int api_any_result_extra(struct api_reader *r, const char *path, const json_t *id, struct str *out)
{
    if (!json_is_string(id) || json_string_length(id) == 0 || json_string_length(id) > API_CALL_ID_BYTES_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "expected the id of the call that this is the result of");
    *out = dumped(r, json_pack("{s:O}", "tool_call_id", id));
    return 0;
}

/* ---- calls in an answer ---- */

struct str api_call_name(uint64_t id, uint32_t index, uint32_t call, char out[API_CALL_NAME_BYTES])
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t bits = rng_mix(id ^ rng_mix((uint64_t)index << 32 | (call + 1u)));
    for (size_t i = 0; i + 1 < API_CALL_NAME_BYTES; i++) {
        out[i] = signs[bits % (sizeof signs - 1)];
        bits /= sizeof signs - 1;
    }
    out[API_CALL_NAME_BYTES - 1] = '\0';
    return str_n(out, API_CALL_NAME_BYTES - 1);
}

int api_tools_each(struct api_reader *r, const char *path, const json_t *v, api_field_fn *read)
{
    int err = 0;
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array", v);
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read(r, at, json_array_get(v, i));
    }
    return err;
}
