/* OpenAI's /v1/responses: the members of the answer that repeat its request. */
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/readers.h"
#include "api/responses.h"

enum { ECHO_TEXT_BYTES_MAX = 4096 }; /* longer instructions, metadata or tools are not repeated */

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

/* What the request says of reasoning, with null for the rest. */
static json_t *reasoning_of(const json_t *given)
{
    json_t *all = json_pack("{s:n,s:n}", "effort", "summary");
    json_object_update(all, (json_t *)(uintptr_t)given);
    return all;
}

/* Collects the functions; other tools were dropped. */
static const json_t *functions_of(const json_t *tools, json_t *to)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const char *type = json_string_value(json_object_get(json_array_get(tools, i), "type"));
        if (type != NULL && strcmp(type, "function") == 0)
            json_array_append(to, json_array_get(tools, i));
    }
    return to;
}

/* Writes members of an object, without its braces. */
void api_make_echo(struct api_reader *r)
{
    struct api_call *c = r->call;
    json_t *o = json_object();
    put_given(o, r->root, "instructions", json_null());
    put_given(o, r->root, "max_output_tokens", json_null());
    put_given(o, r->root, "metadata", json_object());
    json_object_set_new(o, "parallel_tool_calls", json_boolean(c->request.tool_calls != TOOL_CALLS_ONE));
    put_given(o, r->root, "previous_response_id", json_null());
    json_t *reasoning = reasoning_of(json_object_get(r->root, "reasoning"));
    json_object_set_new(o, "reasoning", short_or(reasoning, reasoning_of(NULL)));
    json_decref(reasoning);
    json_object_set_new(o, "store", json_boolean(c->store));
    json_object_set_new(o, "temperature", json_real((double)c->request.sampling.temperature));
    put_given(o, r->root, "text", json_pack("{s:{s:s}}", "format", "type", "text"));
    put_given(o, r->root, "tool_choice", json_string("auto"));
    json_t *functions = json_array();
    json_object_set_new(o, "tools", short_or(functions_of(json_object_get(r->root, "tools"), functions), json_array()));
    json_decref(functions);
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
    bool right = !text.overflowed && api_json_parse_text(buf_str(&text), &root, &e) == 0;
    json_decref(root);
    buf_fini(&text);
    return right;
}
