/* Parse Anthropic's requests: content blocks, a system prompt beside the messages. */
#include <string.h>

#include "api/anthropic.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"
#include "base/utf8.h"

#define HERE (FIELD_FOR(API_MESSAGES) | FIELD_FOR(API_COUNT))
#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

/* ---- blocks of content ---- */

/* State while messages are read. Consecutive messages of one role form one turn; a tool result is a
 * turn of its own. */
struct reading {
    const json_t **texts;  /* of all messages, borrowed from the tree; those from `from` on belong to the open turn */
    size_t n, from;
    struct str role;       /* of the open turn; empty: none is open */
    json_t *calls;         /* owned; of the assistant's turn that is open or was the last one */
    const json_t *thinking; /* borrowed; of the open turn */
};

static int refuse_block(struct api_reader *r, const char *path, const char *type)
{
    static const struct { const char *type, *why; } known[] = {
        {"image", "images are not supported"},
        {"document", "documents are not supported: put their text into the message"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(type, known[i].type) == 0)
            return api_refuse(r->e, ERR_UNSUPPORTED, path, "%s", known[i].why);
    }
    return api_refuse(r->e, ERR_UNSUPPORTED, path, "blocks of type '%.*s' are not supported, only 'text', 'tool_use' and 'tool_result'",
                      UTF8_HEAD(type, 40));
}

/* Joins the texts of the open turn with line feeds. */
static struct str joined(struct api_reader *r, const struct reading *g)
{
    size_t total = 0;
    for (size_t i = g->from; i < g->n; i++)
        total += json_string_length(g->texts[i]) + 1;
    char *p = api_arena_alloc(r->arena, total + 1);
    struct str all = str_n(p, total > 0 ? total - 1 : 0);
    for (size_t i = g->from; i < g->n; i++) {
        struct str s = api_json_str(g->texts[i]);
        if (i > g->from)
            *p++ = '\n';
        memcpy(p, s.p, s.n);
        p += s.n;
    }
    return all;
}

static void end_turn(struct api_reader *r, struct reading *g)
{
    struct request *q = &r->call->request;
    bool assistant = str_is(g->role, "assistant");
    if (g->role.n > 0 && (g->n > g->from || assistant)) {
        struct turn turn = {.role = g->role, .content = joined(r, g)};
        if (assistant)
            turn.extra = api_calls_extra(r, g->calls, g->thinking);
        q->turns[q->turns_n++] = turn;
    }
    g->from = g->n;
    g->role = (struct str){0};
    g->thinking = NULL;
}

static int gather(struct api_reader *r, const char *path, const json_t *v, struct reading *to);

static int read_text_block(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    const json_t *text = json_object_get(v, "text");
    if (!json_is_string(text))
        return api_refuse(r->e, ERR_INVALID, path, "a text block needs \"text\": \"…\"");
    to->texts[to->n++] = text;
    return 0;
}

static int read_call_block(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    if (!str_is(to->role, "assistant"))
        return api_refuse(r->e, ERR_INVALID, path, "only messages of the assistant have blocks of type 'tool_use'");
    return api_call_add(r, to->calls, path, json_object_get(v, "id"), json_object_get(v, "name"), json_object_get(v, "input"));
}

/* Reads a tool result, a turn of its own before the user's text. */
static int read_result_block(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    struct request *q = &r->call->request;
    struct reading content = {.texts = to->texts + to->n};
    struct turn turn = {.role = str_of("tool")};
    const json_t *text = json_object_get(v, "content");
    char at[API_PATH_BYTES];
    if (!str_is(to->role, "user"))
        return api_refuse(r->e, ERR_INVALID, path, "only messages of the user have blocks of type 'tool_result'");
    api_path(at, "%s.tool_use_id", path);
    int err = api_result_extra(r, at, to->calls, json_object_get(v, "tool_use_id"), &turn.extra);
    api_path(at, "%s.content", path);
    if (err == 0 && text != NULL && !json_is_null(text))
        err = gather(r, at, text, &content);
    if (err)
        return err;
    turn.content = joined(r, &content);
    q->turns[q->turns_n++] = turn;
    return 0;
}

static int read_block(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type == NULL)
        return api_refuse(r->e, ERR_INVALID, path, "expected a block like {\"type\": \"text\", \"text\": \"…\"}");
    if (strcmp(type, "text") == 0)
        return read_text_block(r, path, v, to);
    if (strcmp(type, "thinking") == 0) { /* of an earlier turn: the model's template decides whether to show it */
        to->thinking = json_object_get(v, "thinking");
        return 0;
    }
    if (strcmp(type, "redacted_thinking") == 0)
        return 0;
    if (strcmp(type, "tool_use") == 0)
        return read_call_block(r, path, v, to);
    return strcmp(type, "tool_result") == 0 ? read_result_block(r, path, v, to) : refuse_block(r, path, type);
}

static int read_blocks(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    int err = 0;
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_block(r, at, json_array_get(v, i), to);
    }
    return err;
}

/* Adds a string, or an array of blocks. */
static int gather(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    if (json_is_array(v))
        return read_blocks(r, path, v, to);
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string or an array of blocks", v);
    to->texts[to->n++] = v;
    return 0;
}

/* Returns an upper bound of the turns from a message: one per tool result, and one of its own. */
static size_t turns_in(const json_t *content)
{
    size_t n = 1;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const char *type = json_string_value(json_object_get(json_array_get(content, i), "type"));
        n += type != NULL && strcmp(type, "tool_result") == 0;
    }
    return n;
}

/* Counts texts, including those in tool results. */
static size_t texts_in(const json_t *content)
{
    size_t n = json_is_array(content) ? json_array_size(content) : 1;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *inner = json_object_get(json_array_get(content, i), "content");
        n += json_is_array(inner) ? json_array_size(inner) : 1;
    }
    return n;
}

/* ---- messages ---- */

static int read_role(struct api_reader *r, const char *path, const json_t *message, struct str *out)
{
    static const char *const known[] = {"user", "assistant", "system"};
    const char *role = json_string_value(json_object_get(message, "role"));
    for (size_t i = 0; role != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(role, known[i]) == 0) {
            *out = str_of(known[i]);
            return 0;
        }
    }
    return api_refuse(r->e, ERR_INVALID, path, "needs \"role\": \"user\" or \"assistant\"");
}

/* The calls stay known until the next assistant's turn: their results come first, in the user's
 * message. */
static void begin_turn(struct reading *g, struct str role)
{
    g->role = role;
    if (!str_is(role, "assistant"))
        return;
    json_decref(g->calls);
    g->calls = json_array();
}

static int read_message(struct api_reader *r, const char *path, const json_t *v, struct reading *g)
{
    struct str role = {0};
    char at[API_PATH_BYTES];
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object with \"role\" and \"content\"", v);
    int err = read_role(r, path, v, &role);
    if (err)
        return err;
    if (!str_eq(g->role, role)) {
        end_turn(r, g);
        begin_turn(g, role);
    }
    api_path(at, "%s.content", path);
    return gather(r, at, json_object_get(v, "content"), g);
}

/* Allocates room for all texts and turns. Returns ERR_INVALID if there are too many. */
static int make_room(struct api_reader *r, const char *path, const json_t *system, const json_t *messages, struct reading *out)
{
    size_t texts = texts_in(system), turns = 2;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *content = json_object_get(json_array_get(messages, i), "content");
        texts += texts_in(content);
        turns += turns_in(content);
    }
    if (turns > REQUEST_TURNS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu messages and results of tools, at most %d are taken", turns - 2, REQUEST_TURNS_MAX - 2);
    r->call->request.turns = api_arena_alloc(r->arena, turns * sizeof(struct turn));
    out->texts = api_arena_alloc(r->arena, texts * sizeof(const json_t *));
    return 0;
}

/* An answer may continue the assistant's text, but not a call: its result is missing. */
static int end_messages(struct api_reader *r, const char *path, struct reading *g)
{
    bool assistant = str_is(g->role, "assistant");
    if (assistant && json_array_size(g->calls) > 0)
        return api_refuse(r->e, ERR_INVALID, path, "the last one calls tools: send their results behind it, as blocks of type 'tool_result'");
    r->call->request.continues = assistant && g->n > g->from;
    end_turn(r, g);
    return 0;
}

/* Also reads the system prompt, the first turn, wherever it is in the body. */
static int read_messages(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *system = json_object_get(r->root, "system");
    struct reading g = {0};
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of messages", v);
    size_t n = json_array_size(v);
    if (n == 0 || n > REQUEST_TURNS_MAX - 1)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu messages, expected 1 … %d", n, REQUEST_TURNS_MAX - 1);
    int err = make_room(r, path, system, v, &g);
    if (err)
        return err;
    g.role = str_of("system");
    err = system != NULL && !json_is_null(system) ? gather(r, "system", system, &g) : 0;
    end_turn(r, &g);
    for (size_t i = 0; i < n && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_message(r, at, json_array_get(v, i), &g);
    }
    if (err == 0)
        err = end_messages(r, path, &g);
    json_decref(g.calls);
    return err;
}

/* ---- other fields ---- */

static int read_metadata(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *user = json_object_get(v, "user_id");
    (void)path;
    if (user == NULL || json_is_null(user))
        return 0;
    return api_read_text(r, "metadata.user_id", user, API_FIELD_BYTES_MAX, &r->call->request.affinity);
}

/* "adaptive" leaves the choice to the model. A thinking budget is a hint, and not enforced. */
static int read_thinking(struct api_reader *r, const char *path, const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type != NULL && strcmp(type, "adaptive") == 0)
        return 0;
    if (type == NULL || (strcmp(type, "disabled") != 0 && strcmp(type, "enabled") != 0))
        return api_refuse(r->e, ERR_INVALID, path, "needs \"type\": \"enabled\", \"disabled\" or \"adaptive\"");
    api_template_arg(r, "enable_thinking", json_boolean(strcmp(type, "enabled") == 0));
    return 0;
}

static int read_output_config(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *format = json_object_get(v, "format");
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    return format == NULL || json_is_null(format) ? 0 : api_read_format(r, "output_config.format", format); /* "effort" is a hint */
}

static int read_tool_choice(struct api_reader *r, const char *path, const json_t *v)
{
    static const struct { const char *type; enum tool_choice choice; } known[] = {
        {"auto", TOOLS_AUTO}, {"none", TOOLS_NONE}, {"any", TOOLS_REQUIRED}, {"tool", TOOLS_REQUIRED}};
    const char *type = json_string_value(json_object_get(v, "type"));
    const json_t *single = json_object_get(v, "disable_parallel_tool_use"), *name = json_object_get(v, "name");
    size_t i = 0;
    while (i < sizeof known / sizeof known[0] && (type == NULL || strcmp(type, known[i].type) != 0))
        i++;
    if (i == sizeof known / sizeof known[0])
        return api_refuse(r->e, ERR_INVALID, path, "needs \"type\": \"auto\", \"any\", \"tool\" or \"none\"");
    if (single != NULL && !json_is_null(single) && !json_is_boolean(single))
        return api_refuse_type(r, "tool_choice.disable_parallel_tool_use", "true or false", single);
    r->choice = known[i].choice;
    if (json_is_true(single) || strcmp(type, "tool") == 0)
        r->call->request.tool_calls = TOOL_CALLS_ONE;
    if (strcmp(type, "tool") != 0)
        return 0;
    if (!json_is_string(name))
        return api_refuse(r->e, ERR_INVALID, path, "needs the name of the tool");
    api_choose(r, name);
    return 0;
}

/* Tools that Anthropic runs itself, or that its models are trained for, have a type and no schema:
 * they are dropped. */
static int read_tools(struct api_reader *r, const char *path, const json_t *v)
{
    int err = 0;
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array", v);
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        const json_t *tool = json_array_get(v, i), *type = json_object_get(tool, "type"), *schema = json_object_get(tool, "input_schema");
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        const struct api_tool known = {.name = json_object_get(tool, "name"), .description = json_object_get(tool, "description"), .parameters = schema,
                                       .strict = json_object_get(tool, "strict"), .name_key = "name", .parameters_key = "input_schema"};
        if (!json_is_object(tool))
            err = api_refuse_type(r, at, "an object", tool);
        else if (schema != NULL || type == NULL || (json_is_string(type) && str_is(api_json_str(type), "custom")))
            err = schema != NULL ? api_tool_add(r, at, &known) : api_refuse(r->e, ERR_INVALID, at, "a tool needs \"input_schema\": {…}");
    }
    return err;
}

static const struct field fields[] = {
    {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
    {"messages", HERE, FIELD_OTHER, .read = read_messages},
    {"max_tokens", HERE, FIELD_COUNT, 1, INT32_MAX, TO_SAMPLING(max_tokens)},
    {"stream", HERE, FIELD_BOOL, TO(stream)},
    {"stop_sequences", HERE, FIELD_OTHER, .read = api_read_stop},
    {"temperature", HERE, FIELD_FLOAT, 0, 5, TO_SAMPLING(temperature)},
    {"top_p", HERE, FIELD_FLOAT, 0, 1, TO_SAMPLING(top_p)},
    {"top_k", HERE, FIELD_OTHER, .read = api_read_top_k},
    {"seed", HERE, FIELD_OTHER, .read = api_read_seed}, /* an extension, as are the next two */
    {"min_p", HERE, FIELD_FLOAT, 0, 1, TO_SAMPLING(min_p)},
    {"priority", HERE, FIELD_INT, -REQUEST_PRIORITY_MAX, REQUEST_PRIORITY_MAX, TO(request.priority)},
    {"metadata", HERE, FIELD_OTHER, .read = read_metadata},
    {"thinking", HERE, FIELD_OTHER, .read = read_thinking},
    {"output_config", HERE, FIELD_OTHER, .read = read_output_config},
    {"tool_choice", HERE, FIELD_OTHER, .read = read_tool_choice},
    {"tools", HERE, FIELD_OTHER, .read = read_tools},
};

static const struct api_lacking lacking[] = {
    {"mcp_servers", HERE, "", NULL},
    {"container", HERE, "", NULL},
    {"fallback_models", HERE, "", NULL},
};

static int check(struct api_reader *r)
{
    const struct request *q = &r->call->request;
    int err = api_refuse_lacking_of(r, lacking, sizeof lacking / sizeof lacking[0]);
    if (err)
        return err;
    if (q->turns_n == 0)
        return api_refuse(r->e, ERR_INVALID, "messages", "is missing: an array of {\"role\", \"content\"}");
    if (q->sampling.max_tokens == 0 && r->call->shape == API_MESSAGES)
        return api_refuse(r->e, ERR_INVALID, "max_tokens", "is missing: the most tokens the answer may have");
    err = api_tools_end(r);
    return err != 0 ? err : api_template_args_end(r);
}

static int parse(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e)
{
    const struct api_plan plan = {.shape = shape, .fields = fields, .n = sizeof fields / sizeof fields[0], .check = check};
    return api_parse_plan(&plan, body, out, e);
}

int api_messages_parse(struct str body, struct api_call *out, struct api_error *e)
{
    return parse(API_MESSAGES, body, out, e);
}

int api_count_parse(struct str body, struct api_call *out, struct api_error *e)
{
    int err = parse(API_COUNT, body, out, e);
    if (err)
        return err;
    out->stream = false;
    out->request.sampling.prompt_only = 1;
    return 0;
}
