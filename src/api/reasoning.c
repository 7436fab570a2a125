/* Read variables of the chat template, and the handling of reasoning. */
#include <stdlib.h>

#include "api/readers.h"
#include "api/refuse.h"
#include "base/utf8.h"

int api_read_reasoning_format(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    struct str format = api_json_str(v);
    if (!str_is(format, "none") && !str_is(format, "auto") && !str_is(format, "deepseek"))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "'%.*s' is not supported: \"auto\" or \"none\"", UTF8_HEAD(json_string_value(v), 40));
    r->call->request.split_reasoning = !str_is(format, "none");
    return 0;
}

void api_template_arg(struct api_reader *r, const char *name, json_t *value)
{
    if (r->args == NULL)
        r->args = json_object();
    json_object_set_new(r->args, name, value);
}

int api_read_template_args(struct api_reader *r, const char *path, const json_t *v)
{
    const char *name;
    json_t *value;
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    const json_t *thinks = json_object_get(v, "enable_thinking");
    if (thinks != NULL && !json_is_boolean(thinks))
        return api_refuse_type(r, "chat_template_kwargs.enable_thinking", "true or false", thinks);
    json_object_foreach((json_t *)(uintptr_t)v, name, value)
        api_template_arg(r, name, json_incref(value));
    return 0;
}

int api_read_enable_thinking(struct api_reader *r, const char *path, const json_t *v)
{
    bool on = false;
    int err = api_read_bool(r, path, v, &on);
    if (err == 0)
        api_template_arg(r, "enable_thinking", json_boolean(on));
    return err;
}

int api_read_reasoning_effort(struct api_reader *r, const char *path, const json_t *v)
{
    static const char *const known[] = {"minimal", "low", "medium", "high", "xhigh", "max"};
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    if (str_is(api_json_str(v), "none")) {
        api_template_arg(r, "enable_thinking", json_false());
        return 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_is(api_json_str(v), known[i])) {
            api_template_arg(r, "reasoning_effort", json_string(known[i]));
            return 0;
        }
    return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is none: \"none\", \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\" or \"max\"",
                      UTF8_HEAD(json_string_value(v), 40));
}

int api_template_args_end(struct api_reader *r)
{
    if (r->args == NULL)
        return 0;
    char *text = json_dumps(r->args, JSON_COMPACT);
    struct str args = str_of(text);
    int err = args.n <= REQUEST_TEMPLATE_ARGS_BYTES_MAX ? 0 : api_refuse(r->e, ERR_TOO_LARGE, "chat_template_kwargs", "have %zu bytes, at most %d are taken",
                                                                          args.n, REQUEST_TEMPLATE_ARGS_BYTES_MAX);
    if (err == 0)
        r->call->request.template_args = api_arena_str(r->arena, args);
    free(text);
    return err;
}

/* Runs after the reader of messages: without this field, a chat that ends with the assistant's
 * message is continued. */
int api_read_continue(struct api_reader *r, const char *path, const json_t *v)
{
    bool on = false;
    struct request *q = &r->call->request;
    int err = api_read_bool(r, path, v, &on);
    if (err == 0 && on && !q->continues)
        return api_refuse(r->e, ERR_INVALID, path, "the last message is not the assistant's: there is nothing to continue");
    if (err == 0)
        q->continues = on;
    return err;
}

int api_read_generation_prompt(struct api_reader *r, const char *path, const json_t *v)
{
    bool on = true;
    int err = api_read_bool(r, path, v, &on);
    r->call->request.closed = err == 0 && !on && !r->call->request.continues;
    return err;
}
