/* Prompts: chat messages become turns; a plain prompt becomes text, or one turn. */
#include "base/utf8.h"
#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"

/* The text of one part of a content array, borrowed from the tree. */
static int read_part(struct api_reader *r, const char *path, const json_t *part, struct str *out)
{
    if (!json_is_object(part))
        return api_refuse_type(r, path, "a text part like {\"type\": \"text\", \"text\": \"…\"}", part);
    const json_t *type = json_object_get(part, "type");
    if (!json_is_string(type))
        return api_refuse(r->e, ERR_INVALID, path, "a part needs \"type\": \"text\"");
    if (!str_is(api_json_str(type), "text"))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "parts of type '%.*s' are not supported, only 'text'",
                          UTF8_HEAD(json_string_value(type), 40));
    const json_t *text = json_object_get(part, "text");
    if (!json_is_string(text))
        return api_refuse(r->e, ERR_INVALID, path, "a text part needs \"text\": \"…\"");
    *out = api_json_str(text);
    return 0;
}

/* Joins the parts with line feeds, as llama-server does for templates that take plain text. */
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
        struct str s = api_json_str(json_object_get(json_array_get(parts, i), "text"));
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
    static const char *const known[] = {"system", "user", "assistant"};
    if (v == NULL)
        return api_refuse(r->e, ERR_INVALID, path, "is missing: \"system\", \"user\" or \"assistant\"");
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
    if (str_is(role, "tool") || str_is(role, "function"))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "tool results are not supported yet");
    return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is not a role: \"system\", \"user\" or \"assistant\"",
                      UTF8_HEAD(json_string_value(v), 40));
}

static int read_message(struct api_reader *r, const char *list, size_t i, const json_t *v, struct turn *out)
{
    char path[API_PATH_BYTES];
    api_path(path, "%s[%zu]", list, i);
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object with \"role\" and \"content\"", v);
    if (json_array_size(json_object_get(v, "tool_calls")) > 0)
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "tool calls are not supported yet");
    int err = api_refuse_lacking_in_message(r, path, v);
    if (err)
        return err;
    api_path(path, "%s[%zu].role", list, i);
    err = read_role(r, path, json_object_get(v, "role"), &out->role);
    if (err)
        return err;
    api_path(path, "%s[%zu].content", list, i);
    const json_t *content = json_object_get(v, "content");
    if (content == NULL && !str_is(out->role, "assistant"))
        return api_refuse(r->e, ERR_INVALID, path, "is missing: a string or an array of text parts");
    return read_content(r, path, content, &out->content);
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
    for (size_t i = 0; i < n; i++) {
        int err = read_message(r, path, i, json_array_get(v, i), &turns[i]);
        if (err)
            return err;
    }
    r->call->request.turns = turns;
    r->call->request.turns_n = (uint32_t)n;
    return 0;
}

int api_read_prompt(struct api_reader *r, const char *path, const json_t *v)
{
    if (json_is_array(v) && json_array_size(v) == 1 && json_is_string(json_array_get(v, 0)))
        v = json_array_get(v, 0);
    if (json_is_array(v) && (json_is_integer(json_array_get(v, 0)) || json_is_array(json_array_get(v, 0))))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "token ids are not supported, send the text");
    if (json_is_array(v) && json_array_size(v) > 1)
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "holds %zu prompts: send one request for each",
                          json_array_size(v));
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    r->call->request.text = api_arena_str(r->arena, api_json_str(v));
    return 0;
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
