/* Parse tools in OpenAI's chat format. */
#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"
#include "base/utf8.h"

static int read_tool(struct api_reader *r, const char *path, const json_t *v)
{
    char at[API_PATH_BYTES];
    const json_t *type = json_object_get(v, "type"), *function = json_object_get(v, "function");
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    api_path(at, "%s.type", path);
    if (!json_is_string(type))
        return api_refuse(r->e, ERR_INVALID, at, "expected \"function\"");
    if (!str_is(api_json_str(type), "function"))
        return api_refuse(r->e, ERR_UNSUPPORTED, at, "'%.*s' is not supported, only \"function\"", UTF8_HEAD(json_string_value(type), 40));
    api_path(at, "%s.function", path);
    if (!json_is_object(function))
        return api_refuse(r->e, ERR_INVALID, at, "expected an object with \"name\", \"description\" and \"parameters\"");
    const struct api_tool tool = {.name = json_object_get(function, "name"), .description = json_object_get(function, "description"),
                                  .parameters = json_object_get(function, "parameters"), .strict = json_object_get(function, "strict"),
                                  .name_key = "name", .parameters_key = "parameters"};
    return api_tool_add(r, at, &tool);
}

int api_read_tools(struct api_reader *r, const char *path, const json_t *v)
{
    return api_tools_each(r, path, v, read_tool);
}

static int read_mode(struct api_reader *r, const char *path, const json_t *v)
{
    static const struct { const char *name; enum tool_choice choice; } known[] = {{"none", TOOLS_NONE}, {"auto", TOOLS_AUTO}, {"required", TOOLS_REQUIRED}};
    for (size_t i = 0; json_is_string(v) && i < sizeof known / sizeof known[0]; i++)
        if (str_is(api_json_str(v), known[i].name)) {
            r->choice = known[i].choice;
            return 0;
        }
    return api_refuse(r->e, ERR_INVALID, path, "expected \"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": …}}");
}

static int choose(struct api_reader *r, const char *path, const json_t *function)
{
    const json_t *name = json_object_get(function, "name");
    if (!json_is_string(name))
        return api_refuse(r->e, ERR_INVALID, path, "expected {\"type\": \"function\", \"function\": {\"name\": …}}");
    api_choose(r, name);
    return 0;
}

/* Reads a subset of the tools. */
static int read_allowed(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *tools = json_object_get(v, "tools");
    if (!json_is_array(tools) || json_array_size(tools) == 0 || json_array_size(tools) > API_TOOLS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "expected {\"mode\": …, \"tools\": [{\"type\": \"function\", …}]}");
    int err = read_mode(r, path, json_object_get(v, "mode"));
    for (size_t i = 0; i < json_array_size(tools) && err == 0; i++) {
        const json_t *tool = json_array_get(tools, i), *function = json_object_get(tool, "function"), *type = json_object_get(tool, "type");
        if (json_is_string(type) && str_is(api_json_str(type), "function")) /* other types are dropped */
            err = choose(r, path, function != NULL ? function : tool);
    }
    if (r->only == NULL && r->choice == TOOLS_AUTO)
        r->choice = TOOLS_NONE;
    return err;
}

int api_read_tool_choice(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *type = json_object_get(v, "type"), *allowed = json_object_get(v, "allowed_tools");
    if (!json_is_object(v))
        return read_mode(r, path, v);
    if (json_is_string(type) && str_is(api_json_str(type), "allowed_tools"))
        return read_allowed(r, path, allowed != NULL ? allowed : v);
    if (!json_is_string(type) || !str_is(api_json_str(type), "function"))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "only functions can be chosen: {\"type\": \"function\", \"function\": {\"name\": …}}");
    r->choice = TOOLS_REQUIRED;
    r->call->request.tool_calls = TOOL_CALLS_ONE; /* as OpenAI does for a named tool */
    const json_t *function = json_object_get(v, "function");
    return choose(r, path, function != NULL ? function : v);
}

int api_read_parallel_tool_calls(struct api_reader *r, const char *path, const json_t *v)
{
    bool many = false;
    int err = api_read_bool(r, path, v, &many);
    if (err == 0 && r->call->request.tool_calls == TOOL_CALLS_OWN)
        r->call->request.tool_calls = many ? TOOL_CALLS_MANY : TOOL_CALLS_ONE;
    return err;
}
