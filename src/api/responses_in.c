/* Parse OpenAI's /v1/responses: its fields. The input is read in responses_turns.c. */
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/responses.h"
#include "api/tools.h"
#include "base/utf8.h"

#define HERE FIELD_FOR(API_RESPONSES)
#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

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

/* Reads "summary", or its old name: whether thoughts are shown as summaries. No model here makes a
 * shorter or longer one. */
static int read_summary(struct api_reader *r, const char *path, const json_t *v)
{
    static const char *const known[] = {"auto", "concise", "detailed"};
    if (v == NULL || json_is_null(v) || str_is(api_json_str(v), "none"))
        return 0;
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_is(api_json_str(v), known[i])) {
            r->call->summary = true;
            return 0;
        }
    return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is none: \"auto\", \"concise\" or \"detailed\"", UTF8_HEAD(json_string_value(v), 40));
}

/* Reads {"effort": "low", "summary": "auto"}. */
static int read_reasoning_field(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *effort = json_object_get(v, "effort");
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    int err = effort == NULL || json_is_null(effort) ? 0 : api_read_reasoning_effort(r, "reasoning.effort", effort);
    if (err == 0)
        err = read_summary(r, "reasoning.generate_summary", json_object_get(v, "generate_summary"));
    return err == 0 ? read_summary(r, "reasoning.summary", json_object_get(v, "summary")) : err;
}

static const struct field fields[] = {
    {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
    {"previous_response_id", HERE, FIELD_OTHER, .read = read_previous},
    {"input", HERE, FIELD_OTHER, .read = api_read_items},
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
    {"prompt_cache_options", HERE, FIELD_OTHER, .read = api_read_prompt_cache_options},
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
    {"moderation", HERE, "", "nothing is moderated here"},
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

/* ---- earlier responses ---- */

static json_t *extra_of(const struct turn *turn)
{
    struct api_error e;
    json_t *extra = NULL;
    if (turn->extra.n > 0)
        (void)api_json_parse_text(turn->extra, &extra, &e);
    return extra;
}

/* Returns an object: the name of each call of a turn, by its id. */
static json_t *names_of(const struct turn *turn)
{
    json_t *extra = extra_of(turn), *names = json_object();
    const json_t *calls = json_object_get(extra, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        const char *id = json_string_value(json_object_get(call, "id"));
        if (id != NULL)
            json_object_set(names, id, json_object_get(json_object_get(call, "function"), "name"));
    }
    json_decref(extra);
    return names;
}

/* Results of calls that an earlier response made have names now, as those of calls in the input have: templates
 * may show them. */
static void name_results(struct api_call *c, uint32_t asked)
{
    struct request *q = &c->request;
    json_t *names = names_of(&q->turns[asked]);
    for (uint32_t i = asked + 1; i < q->turns_n && str_is(q->turns[i].role, "tool"); i++) {
        json_t *extra = extra_of(&q->turns[i]);
        const char *id = json_string_value(json_object_get(extra, "tool_call_id"));
        json_t *name = id != NULL ? json_object_get(names, id) : NULL;
        char *text = name != NULL && json_object_set(extra, "name", name) == 0 ? json_dumps(extra, JSON_COMPACT) : NULL;
        if (text != NULL)
            q->turns[i].extra = api_arena_str(c->owned, str_of(text));
        free(text);
        json_decref(extra);
    }
    json_decref(names);
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
    if (n > 0)
        name_results(c, head + n - 1);
    return 0;
}

void api_call_refer(struct api_call *c, const struct api_reference *ref, struct str content, struct str extra)
{
    struct turn *turn = &c->request.turns[ref->turn];
    turn->content = api_arena_str(c->owned, content);
    turn->extra = extra.n > 0 ? api_arena_str(c->owned, extra) : str_n(NULL, 0);
    name_results(c, ref->turn);
}
