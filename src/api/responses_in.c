/* OpenAI's /v1/responses, what is read: a text or items, instructions, and what the answer repeats of its request. */
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/responses.h"
#include "base/utf8.h"

#define HERE FIELD_FOR(API_RESPONSES)
#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

enum { ECHO_TEXT_BYTES_MAX = 4096 }; /* longer instructions or metadata are not repeated in the answer */

/* ---- input ---- */

/* Joins the texts of content parts. */
static int read_content(struct api_reader *r, const char *path, const json_t *v, struct str *out)
{
    struct buf text = buf_max(API_BODY_BYTES_MAX);
    int err = 0;
    if (json_is_string(v)) {
        *out = api_arena_str(r->arena, api_json_str(v));
        return 0;
    }
    if (!json_is_array(v))
        return api_refuse_type(r, path, "a string or an array of parts", v);
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        const json_t *part = json_array_get(v, i);
        const char *type = json_string_value(json_object_get(part, "type"));
        const json_t *words = json_object_get(part, type != NULL && strcmp(type, "refusal") == 0 ? "refusal" : "text");
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        if (type == NULL)
            err = api_refuse(r->e, ERR_INVALID, at, "expected a part like {\"type\": \"input_text\", \"text\": \"…\"}");
        else if (strcmp(type, "input_image") == 0 || strcmp(type, "input_file") == 0 || strcmp(type, "input_audio") == 0)
            err = api_refuse(r->e, ERR_UNSUPPORTED, at, "parts of type '%s' are not supported, only 'input_text' and 'output_text'", type);
        else if (!json_is_string(words))
            err = api_refuse(r->e, ERR_INVALID, at, "parts of type '%.*s' need \"text\": \"…\"", UTF8_HEAD(type, 40));
        else if (text.n > 0)
            buf_putc(&text, '\n');
        if (err == 0)
            buf_add_str(&text, api_json_str(words));
    }
    *out = api_arena_str(r->arena, buf_str(&text));
    buf_fini(&text);
    return err;
}

static int read_role(struct api_reader *r, const char *path, const json_t *v, struct str *out)
{
    static const char *const known[] = {"user", "assistant", "system"};
    const char *role = json_string_value(v);
    if (role != NULL && strcmp(role, "developer") == 0)
        role = "system";
    for (size_t i = 0; role != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(role, known[i]) == 0) {
            *out = str_of(known[i]);
            return 0;
        }
    }
    return api_refuse(r->e, ERR_INVALID, path, "needs \"role\": \"user\", \"assistant\", \"system\" or \"developer\"");
}

/* A message becomes a turn. What models here cannot know of is left out: reasoning, and calls of tools that the API's owner runs. */
static int read_item(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    const char *type = json_string_value(json_object_get(v, "type"));
    char at[API_PATH_BYTES];
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    if (type != NULL && (strcmp(type, "function_call") == 0 || strcmp(type, "function_call_output") == 0))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "tool calls are not supported yet");
    if (type != NULL && strcmp(type, "item_reference") == 0)
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "references to items are not supported: send the item, or previous_response_id");
    if (type != NULL && strcmp(type, "message") != 0)
        return 0;
    struct turn *turn = &q->turns[q->turns_n];
    int err = read_role(r, path, json_object_get(v, "role"), &turn->role);
    api_path(at, "%s.content", path);
    if (err == 0)
        err = read_content(r, at, json_object_get(v, "content"), &turn->content);
    q->turns_n += err == 0;
    return err;
}

/* Also the instructions, which are the first turn: they are read here, wherever they stand in the body. */
static int read_input(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    const json_t *instructions = json_object_get(r->root, "instructions");
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    int err = 0;
    if (!json_is_array(v) && !json_is_string(v))
        return api_refuse_type(r, path, "a string or an array of items", v);
    if (n > REQUEST_TURNS_MAX - 1)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu items, at most %d are taken", n, REQUEST_TURNS_MAX - 1);
    q->turns = api_arena_alloc(r->arena, (n + 1) * sizeof *q->turns);
    if (json_is_string(instructions))
        q->turns[q->turns_n++] = (struct turn){.role = str_of("system"), .content = api_arena_str(r->arena, api_json_str(instructions))};
    else if (instructions != NULL && !json_is_null(instructions))
        return api_refuse_type(r, "instructions", "a string", instructions);
    r->call->instructed = q->turns_n > 0;
    if (json_is_string(v))
        q->turns[q->turns_n++] = (struct turn){.role = str_of("user"), .content = api_arena_str(r->arena, api_json_str(v))};
    for (size_t i = 0; json_is_array(v) && i < n && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_item(r, at, json_array_get(v, i));
    }
    return err;
}

/* ---- other fields ---- */

static int read_previous(struct api_reader *r, const char *path, const json_t *v)
{
    struct api_stream_id id;
    if (!json_is_string(v) || api_parse_stream_id(api_json_str(v), &id, NULL) != 0 || id.n != 0)
        return api_refuse(r->e, ERR_INVALID, path, "expected the id of a response, \"resp_…\"");
    r->call->previous = id.stream;
    return 0;
}

static int read_text(struct api_reader *r, const char *path, const json_t *v)
{
    const char *type = json_string_value(json_object_get(json_object_get(v, "format"), "type"));
    (void)path;
    if (type == NULL || strcmp(type, "text") == 0)
        return 0; /* "verbosity" is a hint */
    return api_refuse(r->e, ERR_UNSUPPORTED, "text.format", "'%.*s' is not supported yet, only 'text'", UTF8_HEAD(type, 40));
}

static bool is_none(const json_t *choice)
{
    return json_is_string(choice) && str_is(api_json_str(choice), "none");
}

/* Tools that OpenAI runs itself are left out, as clients expect of servers that lack them. */
static int read_tools(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array", v);
    for (size_t i = 0; i < json_array_size(v) && !is_none(json_object_get(r->root, "tool_choice")); i++) {
        const char *type = json_string_value(json_object_get(json_array_get(v, i), "type"));
        if (type != NULL && (strcmp(type, "function") == 0 || strcmp(type, "custom") == 0))
            return api_refuse(r->e, ERR_UNSUPPORTED, path,
                              "tool calls are not supported yet: leave functions out, or send \"tool_choice\": \"none\"");
    }
    return 0;
}

static int read_tool_choice(struct api_reader *r, const char *path, const json_t *v)
{
    if (is_none(v) || (json_is_string(v) && str_is(api_json_str(v), "auto")))
        return 0;
    return api_refuse(r->e, ERR_UNSUPPORTED, path, "is not supported: tool calls are not supported yet");
}

static const struct field fields[] = {
    {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
    {"input", HERE, FIELD_OTHER, .read = read_input},
    {"max_output_tokens", HERE, FIELD_OTHER, .read = api_read_max_tokens},
    {"stream", HERE, FIELD_BOOL, TO(stream)},
    {"store", HERE, FIELD_BOOL, TO(store)},
    {"previous_response_id", HERE, FIELD_OTHER, .read = read_previous},
    {"temperature", HERE, FIELD_FLOAT, 0, 5, TO_SAMPLING(temperature)},
    {"top_p", HERE, FIELD_FLOAT, 0, 1, TO_SAMPLING(top_p)},
    {"seed", HERE, FIELD_OTHER, .read = api_read_seed}, /* not OpenAI's here; and the next three */
    {"top_k", HERE, FIELD_OTHER, .read = api_read_top_k},
    {"min_p", HERE, FIELD_FLOAT, 0, 1, TO_SAMPLING(min_p)},
    {"priority", HERE, FIELD_INT, -REQUEST_PRIORITY_MAX, REQUEST_PRIORITY_MAX, TO(request.priority)},
    {"user", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.affinity)},
    {"prompt_cache_key", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.affinity)},
    {"text", HERE, FIELD_OTHER, .read = read_text},
    {"tools", HERE, FIELD_OTHER, .read = read_tools},
    {"tool_choice", HERE, FIELD_OTHER, .read = read_tool_choice},
};

static const struct api_lacking lacking[] = {
    {"background", HERE, "false", "stream, and resume with GET /v1/responses/{id}?stream=true&starting_after=N"},
    {"conversation", HERE, "", "previous_response_id continues a conversation"},
    {"prompt", HERE, "", "send its text as instructions"},
    {"truncation", HERE, "\"disabled\"", "a text that is too long is an error here, never cut"},
    {"top_logprobs", HERE, "0", "POST /v1/chat/completions has logprobs"},
    {"messages", HERE, "", "its messages belong into input"},
    {"max_tokens", HERE, "", "send max_output_tokens"},
    {"stop", HERE, "", "POST /v1/chat/completions has it"},
    {"n", HERE, "1", "POST /v1/chat/completions has it"},
    {"context_management", HERE, "", NULL},
};

/* ---- what the answer repeats of its request ---- */

static json_t *short_or(const json_t *v, json_t *instead)
{
    char *text = v != NULL && !json_is_null(v) ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    bool is_short = text != NULL && strlen(text) <= ECHO_TEXT_BYTES_MAX;
    free(text);
    if (!is_short)
        return instead;
    json_decref(instead);
    return json_deep_copy(v);
}

static void put_given(json_t *to, const json_t *root, const char *key, json_t *instead)
{
    json_object_set_new(to, key, short_or(json_object_get(root, key), instead));
}

/* Members of an object, without its braces. */
static void make_echo(struct api_reader *r)
{
    struct api_call *c = r->call;
    json_t *o = json_object();
    put_given(o, r->root, "instructions", json_null());
    put_given(o, r->root, "max_output_tokens", json_null());
    put_given(o, r->root, "metadata", json_object());
    json_object_set_new(o, "parallel_tool_calls", json_true());
    put_given(o, r->root, "previous_response_id", json_null());
    json_object_set_new(o, "reasoning", json_pack("{s:n,s:n}", "effort", "summary"));
    json_object_set_new(o, "store", json_boolean(c->store));
    json_object_set_new(o, "temperature", json_real((double)c->request.sampling.temperature));
    json_object_set_new(o, "text", json_pack("{s:{s:s}}", "format", "type", "text"));
    json_object_set_new(o, "tool_choice", json_string(is_none(json_object_get(r->root, "tool_choice")) ? "none" : "auto"));
    json_object_set_new(o, "tools", json_array());
    json_object_set_new(o, "top_p", json_real((double)c->request.sampling.top_p));
    json_object_set_new(o, "truncation", json_string("disabled"));
    put_given(o, r->root, "user", json_null());
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text != NULL && strlen(text) <= API_ECHO_BYTES_MAX)
        c->echo = api_arena_str(r->arena, str_n(text + 1, strlen(text) - 2));
    free(text);
    json_decref(o);
}

bool api_echo_is_right(struct str echo)
{
    struct api_error e;
    json_t *root = NULL;
    struct buf text = buf_max(API_ECHO_BYTES_MAX + 2);
    buf_putc(&text, '{');
    buf_add_str(&text, echo);
    buf_putc(&text, '}');
    bool right = !text.overflowed && api_json_parse(buf_str(&text), &root, &e) == 0;
    json_decref(root);
    buf_fini(&text);
    return right;
}

static int check(struct api_reader *r)
{
    int err = api_refuse_lacking_of(r, lacking, sizeof lacking / sizeof lacking[0]);
    if (err)
        return err;
    if (r->call->request.turns_n == r->call->instructed)
        return api_refuse(r->e, ERR_INVALID, "input", "is missing: a text, or an array of items");
    if (json_object_get(r->root, "store") == NULL || json_is_null(json_object_get(r->root, "store")))
        r->call->store = true;
    make_echo(r);
    return 0;
}

int api_responses_parse(struct str body, struct api_call *out, struct api_error *e)
{
    const struct api_plan plan = {.shape = API_RESPONSES, .fields = fields, .n = sizeof fields / sizeof fields[0], .check = check};
    return api_parse_plan(&plan, body, out, e);
}

int api_call_continue(struct api_call *c, const struct turn *turns, uint32_t n)
{
    struct request *q = &c->request;
    struct api_arena *arena = c->owned;
    if (n > REQUEST_TURNS_MAX - q->turns_n)
        return ERR_TOO_LARGE;
    struct turn *all = api_arena_alloc(arena, (q->turns_n + n) * sizeof *all);
    uint32_t head = c->instructed;
    memcpy(all, q->turns, head * sizeof *all);
    for (uint32_t i = 0; i < n; i++)
        all[head + i] = (struct turn){.role = api_arena_str(arena, turns[i].role), .content = api_arena_str(arena, turns[i].content),
                                      .extra = api_arena_str(arena, turns[i].extra)};
    memcpy(all + head + n, q->turns + head, (q->turns_n - head) * sizeof *all);
    q->turns = all;
    q->turns_n += n;
    return 0;
}
