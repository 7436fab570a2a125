/* Parse Anthropic's messages: blocks of content, and a system prompt beside the messages, as turns. */
#include <string.h>

#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"
#include "base/utf8.h"

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
    if (strcmp(type, "image") == 0)
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "images are not supported");
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

/* ---- documents ---- */

static void add_text(struct reading *to, const json_t *text)
{
    if (json_is_string(text) && json_string_length(text) > 0)
        to->texts[to->n++] = text;
}

/* An answer that cites is another answer than one that does not. */
static int refuse_citations(struct api_reader *r, const char *path, const json_t *v)
{
    char at[API_PATH_BYTES];
    api_path(at, "%s.citations", path);
    bool wanted = json_is_true(json_object_get(json_object_get(v, "citations"), "enabled"));
    return wanted ? api_refuse(r->e, ERR_UNSUPPORTED, at, "are not supported: leave them out") : 0;
}

/* Reads a document of text: its title, its context and its text become texts of the message. */
static int read_document(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    const json_t *source = json_object_get(v, "source"), *type = json_object_get(source, "type"), *data = json_object_get(source, "data");
    char at[API_PATH_BYTES];
    int err = refuse_citations(r, path, v);
    if (err)
        return err;
    add_text(to, json_object_get(v, "title"));
    add_text(to, json_object_get(v, "context"));
    if (json_is_string(type) && str_is(api_json_str(type), "text") && json_is_string(data)) {
        add_text(to, data);
        return 0;
    }
    api_path(at, "%s.source.content", path);
    if (json_is_string(type) && str_is(api_json_str(type), "content"))
        return gather(r, at, json_object_get(source, "content"), to);
    api_path(at, "%s.source", path);
    return api_refuse(r->e, ERR_UNSUPPORTED, at, "only documents of the types 'text' and 'content' are supported: put the text of others into the message");
}

static int read_search_result(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    char at[API_PATH_BYTES];
    int err = refuse_citations(r, path, v);
    if (err)
        return err;
    add_text(to, json_object_get(v, "title"));
    add_text(to, json_object_get(v, "source"));
    api_path(at, "%s.content", path);
    return gather(r, at, json_object_get(v, "content"), to);
}

/* Found by a search for tools; all tools are offered here. */
static int read_tool_reference(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    (void)r;
    (void)path;
    add_text(to, json_object_get(v, "tool_name"));
    return 0;
}

/* ---- blocks by type ---- */

/* True for calls of tools that Anthropic runs itself, and their results: they are dropped, as the tools
 * are. */
static bool is_servers(const char *type)
{
    static const char result[] = "_tool_result";
    size_t n = strlen(type);
    return strcmp(type, "server_tool_use") == 0 || strcmp(type, "mcp_tool_use") == 0 ||
           (n >= sizeof result && strcmp(type + n - (sizeof result - 1), result) == 0);
}

/* Of an earlier turn: the model's template decides whether to show it. */
static int read_thinking_block(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    (void)r;
    (void)path;
    to->thinking = json_object_get(v, "thinking");
    return 0;
}

static int read_block(struct api_reader *r, const char *path, const json_t *v, struct reading *to)
{
    static const struct {
        const char *type;
        int (*read)(struct api_reader *r, const char *path, const json_t *v, struct reading *to);
    } kinds[] = {{"text", read_text_block}, {"thinking", read_thinking_block}, {"tool_use", read_call_block}, {"tool_result", read_result_block},
                 {"document", read_document}, {"search_result", read_search_result}, {"tool_reference", read_tool_reference}};
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type == NULL)
        return api_refuse(r->e, ERR_INVALID, path, "expected a block like {\"type\": \"text\", \"text\": \"…\"}");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(type, kinds[i].type) == 0)
            return kinds[i].read(r, path, v, to);
    return is_servers(type) || strcmp(type, "redacted_thinking") == 0 ? 0 : refuse_block(r, path, type);
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

/* Returns an upper bound of the texts, including those in tool results and documents. The depth is bounded:
 * api_json_parse() has checked it. */
static size_t texts_in(const json_t *content)
{
    size_t n = 1;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        n += 3 + texts_in(json_object_get(block, "content")) + texts_in(json_object_get(json_object_get(block, "source"), "content"));
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
int api_read_dialogue(struct api_reader *r, const char *path, const json_t *v)
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
