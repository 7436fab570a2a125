/* Parse Anthropic's requests: their fields. The messages are read in anthropic_turns.c. */
#include <string.h>

#include "api/anthropic.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"
#include "base/utf8.h"

#define HERE (FIELD_FOR(API_MESSAGES) | FIELD_FOR(API_COUNT))
#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

/* ---- other fields ---- */

static int read_metadata(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *user = json_object_get(v, "user_id");
    (void)path;
    if (user == NULL || json_is_null(user))
        return 0;
    return api_read_text(r, "metadata.user_id", user, API_FIELD_BYTES_MAX, &r->call->request.affinity);
}

/* Conversations that the server keeps: the SDK's tool runner asks for one. This one keeps none, so to continue one is
 * answered as if it were lost; the SDK knows that answer, and sends the whole conversation. */
static int read_thread(struct api_reader *r, const char *path, const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type != NULL && strcmp(type, "create") == 0)
        return 0;
    if (type == NULL || strcmp(type, "continue") != 0)
        return api_refuse(r->e, ERR_INVALID, path, "needs \"type\": \"create\" or \"continue\"");
    int err = api_refuse(r->e, ERR_NOT_FOUND, path, "that conversation is not kept here: send all of its messages");
    r->e->code = API_CODE_THREAD;
    return err;
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
    const json_t *format = json_object_get(v, "format"), *effort = json_object_get(v, "effort");
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    int err = format == NULL || json_is_null(format) ? 0 : api_read_format(r, "output_config.format", format);
    return err != 0 || effort == NULL || json_is_null(effort) ? err : api_read_reasoning_effort(r, "output_config.effort", effort);
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

static const struct field fields[] = {
    {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
    {"thread", HERE, FIELD_OTHER, .read = read_thread}, /* first: the messages may be a part of it */
    {"messages", HERE, FIELD_OTHER, .read = api_read_dialogue},
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
    {"output_format", HERE, FIELD_OTHER, .read = api_read_format}, /* the older name of output_config.format */
    {"tool_choice", HERE, FIELD_OTHER, .read = read_tool_choice},
    {"tools", HERE, FIELD_OTHER, .read = api_read_typed_tools},
};

static const struct api_lacking lacking[] = {
    {"mcp_servers", HERE, "", NULL},
    {"container", HERE, "", NULL},
    {"fallback_models", HERE, "", NULL},
    {"compaction", FIELD_FOR(API_MESSAGES), "", "ask for a summary in a message"},
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
