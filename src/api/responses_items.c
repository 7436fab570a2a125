/* OpenAI's /v1/responses: what was asked, as a list of items. */
#include <stdio.h>

#include "api/answer.h"
#include "api/field.h"
#include "api/json_in.h"
#include "api/responses.h"

/* A turn, of which calls are items of their own. */
struct put_items {
    struct jout *j;
    uint64_t id;
    uint32_t turn, in_turn;
};

static void begin_item(struct put_items *p, const char *type)
{
    char name[API_NAME_BYTES + 32], prefix[API_NAME_BYTES];
    int n = snprintf(name, sizeof name, "%s_%u", api_name("msg_", p->id, prefix).p, p->turn);
    if (p->in_turn++ > 0)
        snprintf(name + n, sizeof name - (size_t)n, "_%u", p->in_turn - 1);
    jout_object(p->j);
    jout_put_cstr(p->j, "id", name);
    jout_put_cstr(p->j, "type", type);
    jout_put_cstr(p->j, "status", "completed");
}

static void put_message_item(struct put_items *p, const struct turn *t)
{
    begin_item(p, "message");
    jout_put_str(p->j, "role", t->role);
    jout_key(p->j, "content");
    jout_array(p->j);
    api_put_text_part(p->j, str_is(t->role, "assistant") ? "output_text" : "input_text", t->content);
    jout_array_end(p->j);
    jout_object_end(p->j);
}

static struct str member(const json_t *o, const char *name)
{
    return api_json_str(json_object_get(o, name));
}

static void put_call_item(struct put_items *p, const json_t *call)
{
    const json_t *function = json_object_get(call, "function");
    begin_item(p, "function_call");
    jout_put_str(p->j, "call_id", member(call, "id"));
    jout_put_str(p->j, "name", member(function, "name"));
    jout_put_str(p->j, "arguments", member(function, "arguments"));
    jout_object_end(p->j);
}

static void put_input_item(struct jout *j, uint64_t id, uint32_t i, const struct turn *t)
{
    struct put_items p = {.j = j, .id = id, .turn = i};
    struct api_error e;
    json_t *extra = NULL;
    if (t->extra.n > 0)
        (void)api_json_parse(t->extra, &extra, &e);
    const json_t *calls = json_object_get(extra, "tool_calls");
    if (str_is(t->role, "tool")) {
        begin_item(&p, "function_call_output");
        jout_put_str(j, "call_id", member(extra, "tool_call_id"));
        jout_put_str(j, "output", t->content);
        jout_object_end(j);
    } else if (t->content.n > 0 || json_array_size(calls) == 0) {
        put_message_item(&p, t);
    }
    for (size_t k = 0; k < json_array_size(calls); k++)
        put_call_item(&p, json_array_get(calls, k));
    json_decref(extra);
}

void api_write_input_items(struct buf *out, uint64_t id, const struct turn *turns, uint32_t n, bool oldest_first)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_cstr(&j, "object", "list");
    jout_key(&j, "data");
    jout_array(&j);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = oldest_first ? i : n - 1 - i;
        put_input_item(&j, id, at, &turns[at]);
    }
    jout_array_end(&j);
    jout_put_bool(&j, "has_more", false);
    jout_object_end(&j);
}
