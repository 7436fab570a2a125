/* Parse OpenAI's /v1/responses: a text or items, and instructions. */
#include <stdlib.h>
#include <string.h>

#include "api/readers.h"
#include "api/refuse.h"
#include "api/responses.h"
#include "api/tools.h"
#include "base/utf8.h"

#define HERE FIELD_FOR(API_RESPONSES)
#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

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

/* ---- items ---- */

/* State while items are read: consecutive items of the assistant become one turn, as chat templates
 * expect. */
struct items {
    json_t *calls;       /* owned; of the assistant's turn that is open or was the last one; NULL: none */
    struct turn *open;   /* the assistant's open turn; NULL: the last turn has another role */
    struct str reasoning; /* that preceded the open turn */
    bool referred;       /* the assistant's last turn is a reference, so its calls are unknown here */
};

static void end_turn(struct api_reader *r, struct items *it)
{
    if (it->open != NULL) {
        json_t *reasoning = it->reasoning.n > 0 ? json_stringn(it->reasoning.p, it->reasoning.n) : NULL;
        it->open->extra = api_calls_extra(r, it->calls, reasoning);
        json_decref(reasoning);
    }
    it->open = NULL;
    it->reasoning = (struct str){0};
}

/* Returns the assistant's open turn; opens one if necessary. */
static struct turn *assistant(struct api_reader *r, struct items *it)
{
    struct request *q = &r->call->request;
    if (it->open == NULL) {
        it->open = &q->turns[q->turns_n++];
        *it->open = (struct turn){.role = str_of("assistant"), .content = str_of("")};
        it->referred = false;
        json_decref(it->calls);
        it->calls = json_array();
    }
    return it->open;
}

static int read_message(struct api_reader *r, const char *path, const json_t *v, struct items *it)
{
    struct request *q = &r->call->request;
    struct str role = {0}, content = {0};
    char at[API_PATH_BYTES];
    int err = read_role(r, path, json_object_get(v, "role"), &role);
    api_path(at, "%s.content", path);
    if (err == 0)
        err = read_content(r, at, json_object_get(v, "content"), &content);
    if (err)
        return err;
    if (str_is(role, "assistant")) {
        if (it->open != NULL && it->open->content.n > 0) /* a second message */
            end_turn(r, it);
        assistant(r, it)->content = content;
        return 0;
    }
    end_turn(r, it);
    json_decref(it->calls);
    it->calls = NULL;
    it->referred = false;
    q->turns[q->turns_n++] = (struct turn){.role = role, .content = content};
    return 0;
}

static int read_call(struct api_reader *r, const char *path, const json_t *v, struct items *it)
{
    (void)assistant(r, it);
    return api_call_add(r, it->calls, path, json_object_get(v, "call_id"), json_object_get(v, "name"), json_object_get(v, "arguments"));
}

static int read_result(struct api_reader *r, const char *path, const json_t *v, struct items *it)
{
    struct request *q = &r->call->request;
    char at[API_PATH_BYTES];
    end_turn(r, it);
    struct turn turn = {.role = str_of("tool")};
    api_path(at, "%s.call_id", path);
    /* the call may be in the response that this one continues */
    bool elsewhere = it->referred || (it->calls == NULL && r->call->previous != 0);
    int err = elsewhere ? api_any_result_extra(r, at, json_object_get(v, "call_id"), &turn.extra)
                                                         : api_result_extra(r, at, it->calls, json_object_get(v, "call_id"), &turn.extra);
    api_path(at, "%s.output", path);
    if (err == 0)
        err = read_content(r, at, json_object_get(v, "output"), &turn.content);
    if (err == 0)
        q->turns[q->turns_n++] = turn;
    return err;
}

/* Finds the response of an item "msg_<16 hex>" or "fc_<16 hex>_2". False: the id is no item's. */
static bool response_of(struct str id, uint64_t *out)
{
    const char *at = id.n > 0 ? memchr(id.p, '_', id.n) : NULL;
    struct str rest = at != NULL ? str_n(at + 1, id.n - (size_t)(at + 1 - id.p)) : id;
    struct api_stream_id name;
    if (rest.n > 16 && rest.p[16] == '_')
        rest.n = 16;
    if (api_parse_stream_id(rest, &name, NULL) != 0 || name.n != 0)
        return false;
    *out = name.stream;
    return true;
}

/* Reads a reference. All items of a response are one turn, so further references to the same
 * response are skipped. */
static int read_reference(struct api_reader *r, const char *path, const json_t *v, struct items *it)
{
    struct api_call *c = r->call;
    const json_t *id = json_object_get(v, "id");
    uint64_t response;
    if (!json_is_string(id) || !response_of(api_json_str(id), &response))
        return api_refuse(r->e, ERR_INVALID, path, "expected the id of an item of a stored response");
    end_turn(r, it);
    if (c->refs_n > 0 && c->refs[c->refs_n - 1].response == response && c->refs[c->refs_n - 1].turn + 1 == c->request.turns_n)
        return 0;
    if (c->refs == NULL)
        c->refs = api_arena_alloc(r->arena, json_array_size(json_object_get(r->root, "input")) * sizeof *c->refs);
    c->refs[c->refs_n++] = (struct api_reference){.turn = c->request.turns_n, .response = response};
    c->request.turns[c->request.turns_n++] = (struct turn){.role = str_of("assistant"), .content = str_of("")};
    it->referred = true;
    return 0;
}

/* Reads the reasoning before a message or call, if its text is included. */
static int read_reasoning(struct api_reader *r, const json_t *v, struct items *it)
{
    const json_t *text = json_object_get(json_array_get(json_object_get(v, "content"), 0), "text");
    end_turn(r, it);
    if (json_is_string(text))
        it->reasoning = api_arena_str(r->arena, api_json_str(text));
    return 0;
}

/* Reads an item. Calls of tools that OpenAI runs itself are dropped: models here do not know
 * them. */
static int read_item(struct api_reader *r, const char *path, const json_t *v, struct items *it)
{
    static const struct {
        const char *type;
        int (*read)(struct api_reader *r, const char *path, const json_t *v, struct items *it);
    } kinds[] = {{"message", read_message}, {"function_call", read_call}, {"function_call_output", read_result}};
    const char *type = json_string_value(json_object_get(v, "type"));
    char at[API_PATH_BYTES];
    api_path(at, "%s.type", path);
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    if (type == NULL && json_object_get(v, "type") != NULL)
        return api_refuse_type(r, at, "a string", json_object_get(v, "type"));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(type != NULL ? type : "message", kinds[i].type) == 0)
            return kinds[i].read(r, path, v, it);
    if (strcmp(type, "reasoning") == 0)
        return read_reasoning(r, v, it);
    if (strcmp(type, "item_reference") == 0)
        return read_reference(r, path, v, it);
    return 0;
}

/* The last item is the assistant's: the answer continues a message. A call cannot be continued: its
 * result is missing. */
static int end_items(struct api_reader *r, const char *path, struct items *it)
{
    if (json_array_size(it->calls) > 0)
        return api_refuse(r->e, ERR_INVALID, path, "the last item is a call: send its output behind it, as function_call_output");
    end_turn(r, it);
    r->call->request.continues = 1;
    return 0;
}

/* Also reads the instructions, the first turn, wherever they are in the body. */
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
    struct items it = {0};
    for (size_t i = 0; json_is_array(v) && i < n && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_item(r, at, json_array_get(v, i), &it);
    }
    if (err == 0 && it.open != NULL)
        err = end_items(r, path, &it);
    json_decref(it.calls);
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

/* {"format": {"type": "json_schema", "name": …, "schema": {…}}} */
static int read_text(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *format = json_object_get(v, "format");
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    return format == NULL || json_is_null(format) ? 0 : api_read_format(r, "text.format", format); /* "verbosity" is a hint */
}

/* Drops tools that OpenAI runs itself, or whose input is no JSON ("custom"), as agents expect from
 * servers that lack them. */
static int read_tools(struct api_reader *r, const char *path, const json_t *v)
{
    int err = 0;
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array", v);
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        const json_t *tool = json_array_get(v, i);
        const char *type = json_string_value(json_object_get(tool, "type"));
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        const struct api_tool known = {.name = json_object_get(tool, "name"), .description = json_object_get(tool, "description"),
                                       .parameters = json_object_get(tool, "parameters"), .strict = json_object_get(tool, "strict"),
                                       .name_key = "name", .parameters_key = "parameters"};
        if (!json_is_object(tool))
            err = api_refuse_type(r, at, "an object", tool);
        else if (type != NULL && strcmp(type, "function") == 0)
            err = api_tool_add(r, at, &known);
    }
    return err;
}

/* The parts of an answer that are not always reported. Of what OpenAI's own tools and models add there is nothing here. */
static int read_include(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of strings", v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *part = json_string_value(json_array_get(v, i));
        if (part == NULL)
            return api_refuse_type(r, path, "an array of strings", json_array_get(v, i));
        if (strcmp(part, "message.output_text.logprobs") == 0)
            return api_refuse(r->e, ERR_UNSUPPORTED, path, "'%s' is not supported: POST /v1/chat/completions has logprobs", part);
    }
    return 0;
}

/* Reads {"effort": "low"}; summaries are never made. */
static int read_reasoning_field(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *effort = json_object_get(v, "effort");
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    return effort == NULL || json_is_null(effort) ? 0 : api_read_reasoning_effort(r, "reasoning.effort", effort);
}

static const struct field fields[] = {
    {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
    {"previous_response_id", HERE, FIELD_OTHER, .read = read_previous},
    {"input", HERE, FIELD_OTHER, .read = read_input},
    {"max_output_tokens", HERE, FIELD_OTHER, .read = api_read_max_tokens},
    {"stream", HERE, FIELD_BOOL, TO(stream)},
    {"store", HERE, FIELD_BOOL, TO(store)},
    {"temperature", HERE, FIELD_FLOAT, 0, 5, TO_SAMPLING(temperature)},
    {"top_p", HERE, FIELD_FLOAT, 0, 1, TO_SAMPLING(top_p)},
    {"timings_per_token", HERE, FIELD_BOOL, TO(timings)}, /* llama-server's, as is the next */
    {"return_progress", HERE, FIELD_FLAG, TO_SAMPLING(progress)},
    {"seed", HERE, FIELD_OTHER, .read = api_read_seed}, /* an extension, as are the next three */
    {"top_k", HERE, FIELD_OTHER, .read = api_read_top_k},
    {"min_p", HERE, FIELD_FLOAT, 0, 1, TO_SAMPLING(min_p)},
    {"priority", HERE, FIELD_INT, -REQUEST_PRIORITY_MAX, REQUEST_PRIORITY_MAX, TO(request.priority)},
    {"user", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.affinity)},
    {"prompt_cache_key", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.affinity)},
    {"include", HERE, FIELD_OTHER, .read = read_include},
    {"text", HERE, FIELD_OTHER, .read = read_text},
    {"tools", HERE, FIELD_OTHER, .read = read_tools},
    {"tool_choice", HERE, FIELD_OTHER, .read = api_read_tool_choice},
    {"parallel_tool_calls", HERE, FIELD_OTHER, .read = api_read_parallel_tool_calls},
    {"reasoning", HERE, FIELD_OTHER, .read = read_reasoning_field},
    {"chat_template_kwargs", HERE, FIELD_OTHER, .read = api_read_template_args}, /* an extension */
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

static int check(struct api_reader *r)
{
    int err = api_refuse_lacking_of(r, lacking, sizeof lacking / sizeof lacking[0]);
    if (err)
        return err;
    if (r->call->request.turns_n == r->call->instructed)
        return api_refuse(r->e, ERR_INVALID, "input", "is missing: a text, or an array of items");
    err = api_tools_end(r);
    if (err == 0)
        err = api_template_args_end(r);
    if (err)
        return err;
    if (json_object_get(r->root, "store") == NULL || json_is_null(json_object_get(r->root, "store")))
        r->call->store = true;
    api_make_echo(r);
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

void api_call_refer(struct api_call *c, const struct api_reference *ref, struct str content, struct str extra)
{
    struct turn *turn = &c->request.turns[ref->turn];
    turn->content = api_arena_str(c->owned, content);
    turn->extra = extra.n > 0 ? api_arena_str(c->owned, extra) : str_n(NULL, 0);
}
