/* Anthropic's dialect, what is read: blocks of content, a system prompt beside the messages. */
#include <string.h>

#include "api/anthropic.h"
#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "base/utf8.h"

#define HERE (FIELD_FOR(API_MESSAGES) | FIELD_FOR(API_COUNT))
#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

/* ---- blocks of content ---- */

/* The texts of all messages, borrowed from the tree; those from `from` on are of the turn that is being read. */
struct gathered {
    const json_t **texts;
    size_t n, from;
};

static int refuse_block(struct api_reader *r, const char *path, const char *type)
{
    static const struct { const char *type, *why; } known[] = {
        {"image", "images are not supported"},
        {"document", "documents are not supported: put their text into the message"},
        {"tool_use", "tool calls are not supported yet"},
        {"tool_result", "tool results are not supported yet"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(type, known[i].type) == 0)
            return api_refuse(r->e, ERR_UNSUPPORTED, path, "%s", known[i].why);
    }
    return api_refuse(r->e, ERR_UNSUPPORTED, path, "blocks of type '%.*s' are not supported, only 'text'", UTF8_HEAD(type, 40));
}

static int read_block(struct api_reader *r, const char *path, const json_t *v, struct gathered *to)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type == NULL)
        return api_refuse(r->e, ERR_INVALID, path, "expected a block like {\"type\": \"text\", \"text\": \"…\"}");
    if (strcmp(type, "thinking") == 0 || strcmp(type, "redacted_thinking") == 0) /* of an earlier turn: models are not shown it again */
        return 0;
    if (strcmp(type, "text") != 0)
        return refuse_block(r, path, type);
    const json_t *text = json_object_get(v, "text");
    if (!json_is_string(text))
        return api_refuse(r->e, ERR_INVALID, path, "a text block needs \"text\": \"…\"");
    to->texts[to->n++] = text;
    return 0;
}

static int read_blocks(struct api_reader *r, const char *path, const json_t *v, struct gathered *to)
{
    int err = 0;
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_block(r, at, json_array_get(v, i), to);
    }
    return err;
}

/* Adds a string, or blocks. */
static int gather(struct api_reader *r, const char *path, const json_t *v, struct gathered *to)
{
    if (json_is_array(v))
        return read_blocks(r, path, v, to);
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string or an array of blocks", v);
    to->texts[to->n++] = v;
    return 0;
}

/* The texts of one turn, on lines of their own. */
static struct str joined(struct api_reader *r, const struct gathered *g)
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

static size_t texts_in(const json_t *content)
{
    return json_is_array(content) ? json_array_size(content) : 1;
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

static void end_turn(struct api_reader *r, struct gathered *g, struct str role)
{
    struct request *q = &r->call->request;
    q->turns[q->turns_n++] = (struct turn){.role = role, .content = joined(r, g)};
    g->from = g->n;
}

/* One message; the API takes messages of one role in a row for one turn. */
static int read_message(struct api_reader *r, const char *path, const json_t *v, struct gathered *g, struct str *role)
{
    struct str before = *role;
    char at[API_PATH_BYTES];
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object with \"role\" and \"content\"", v);
    int err = read_role(r, path, v, role);
    if (err)
        return err;
    if (before.n > 0 && !str_eq(before, *role))
        end_turn(r, g, before);
    api_path(at, "%s.content", path);
    return gather(r, at, json_object_get(v, "content"), g);
}

static struct gathered room_for(struct api_reader *r, const json_t *system, const json_t *messages)
{
    size_t n = texts_in(system);
    for (size_t i = 0; i < json_array_size(messages); i++)
        n += texts_in(json_object_get(json_array_get(messages, i), "content"));
    r->call->request.turns = api_arena_alloc(r->arena, (json_array_size(messages) + 1) * sizeof(struct turn));
    return (struct gathered){.texts = api_arena_alloc(r->arena, n * sizeof(const json_t *))};
}

/* Also the system prompt, which is the first turn: it is read here, wherever it stands in the body. */
static int read_messages(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *system = json_object_get(r->root, "system");
    struct str role = {0};
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of messages", v);
    size_t n = json_array_size(v);
    if (n == 0 || n > REQUEST_TURNS_MAX - 1)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu messages, expected 1 … %d", n, REQUEST_TURNS_MAX - 1);
    struct gathered g = room_for(r, system, v);
    int err = system != NULL && !json_is_null(system) ? gather(r, "system", system, &g) : 0;
    if (g.n > 0)
        end_turn(r, &g, str_of("system"));
    for (size_t i = 0; i < n && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_message(r, at, json_array_get(v, i), &g, &role);
    }
    if (err == 0)
        end_turn(r, &g, role);
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

/* "adaptive" leaves it to the model, which is how it is here. */
static int read_thinking(struct api_reader *r, const char *path, const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type != NULL && (strcmp(type, "disabled") == 0 || strcmp(type, "adaptive") == 0))
        return 0;
    return api_refuse(r->e, ERR_UNSUPPORTED, path, "is not supported: leave it out, or send {\"type\": \"disabled\"}");
}

static int read_output_config(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *format = json_object_get(v, "format");
    (void)path;
    if (format == NULL || json_is_null(format))
        return 0; /* "effort" is a hint */
    return api_refuse(r->e, ERR_UNSUPPORTED, "output_config.format", "is not supported: an answer is plain text here");
}

static int read_tool_choice(struct api_reader *r, const char *path, const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type != NULL && (strcmp(type, "auto") == 0 || strcmp(type, "none") == 0))
        return 0;
    return api_refuse(r->e, ERR_UNSUPPORTED, path, "is not supported: tool calls are not supported yet");
}

static int read_tools(struct api_reader *r, const char *path, const json_t *v)
{
    const char *choice = json_string_value(json_object_get(json_object_get(r->root, "tool_choice"), "type"));
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array", v);
    if (json_array_size(v) == 0 || (choice != NULL && strcmp(choice, "none") == 0))
        return 0;
    return api_refuse(r->e, ERR_UNSUPPORTED, path,
                      "tool calls are not supported yet: leave the tools out, or send \"tool_choice\": {\"type\": \"none\"}");
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
    {"seed", HERE, FIELD_OTHER, .read = api_read_seed}, /* not Anthropic's; and the next two */
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
    if (str_is(q->turns[q->turns_n - 1].role, "assistant"))
        return api_refuse(r->e, ERR_UNSUPPORTED, "messages", "the last one is of the assistant: to continue an answer is not supported");
    return 0;
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
