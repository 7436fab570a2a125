/* OpenAI's /v1/responses: the input as a list of items, and the answer as a turn of the conversation that
 * continues it. */
#include <stdio.h>

#include "api/answer.h"
#include "api/field.h"
#include "api/json_in.h"
#include "api/responses.h"
#include "api/tools.h"

enum { ITEM_NAME_BYTES = API_NAME_BYTES + 32 };

/* A page of the list, as far as written. */
struct pager {
    struct jout *j;
    uint64_t id;
    struct api_items_page page;
    bool begun;                   /* the item `after` was found */
    bool more;                    /* further items do not fit the page */
    uint32_t n;
    char first[ITEM_NAME_BYTES], last[ITEM_NAME_BYTES];
};

/* A turn; each of its calls is an item of its own. */
struct put_items {
    struct pager *pager;
    struct jout *j;
    uint32_t turn, in_turn;
};

/* Counts an item. False: it is on another page. */
static bool has_item(struct pager *p, const char *name)
{
    bool before = !p->begun;
    p->begun = p->begun || str_is(p->page.after, name);
    p->more = p->more || (!before && p->n == p->page.limit);
    if (before || p->n == p->page.limit)
        return false;
    if (p->n++ == 0)
        snprintf(p->first, sizeof p->first, "%s", name);
    snprintf(p->last, sizeof p->last, "%s", name);
    return true;
}

/* Opens an item. False: it is on another page; the caller writes nothing. */
static bool begin_item(struct put_items *p, const char *type)
{
    char name[ITEM_NAME_BYTES], prefix[API_NAME_BYTES];
    int n = snprintf(name, sizeof name, "%s_%u", api_name("msg_", p->pager->id, prefix).p, p->turn);
    if (p->in_turn++ > 0)
        snprintf(name + n, sizeof name - (size_t)n, "_%u", p->in_turn - 1);
    if (!has_item(p->pager, name))
        return false;
    jout_object(p->j);
    jout_put_cstr(p->j, "id", name);
    jout_put_cstr(p->j, "type", type);
    jout_put_cstr(p->j, "status", "completed");
    return true;
}

static void put_message_item(struct put_items *p, const struct turn *t)
{
    if (!begin_item(p, "message"))
        return;
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

static void put_thought_item(struct put_items *p, struct str thought)
{
    if (!begin_item(p, "reasoning"))
        return;
    api_put_thought(p->j, p->pager->page.summary, &thought);
    jout_object_end(p->j);
}

static void put_call_item(struct put_items *p, const json_t *call)
{
    const json_t *function = json_object_get(call, "function");
    if (!begin_item(p, "function_call"))
        return;
    jout_put_str(p->j, "call_id", member(call, "id"));
    jout_put_str(p->j, "name", member(function, "name"));
    jout_put_str(p->j, "arguments", member(function, "arguments"));
    jout_object_end(p->j);
}

static void put_result_item(struct put_items *p, const struct turn *t, const json_t *extra)
{
    if (!begin_item(p, "function_call_output"))
        return;
    jout_put_str(p->j, "call_id", member(extra, "tool_call_id"));
    jout_put_str(p->j, "output", t->content);
    jout_object_end(p->j);
}

static void put_input_item(struct pager *pager, uint32_t i, const struct turn *t)
{
    struct put_items p = {.pager = pager, .j = pager->j, .turn = i};
    struct api_error e;
    json_t *extra = NULL;
    if (t->extra.n > 0)
        (void)api_json_parse_text(t->extra, &extra, &e);
    const json_t *calls = json_object_get(extra, "tool_calls");
    struct str thought = member(extra, "reasoning_content");
    if (thought.n > 0)
        put_thought_item(&p, thought);
    if (str_is(t->role, "tool"))
        put_result_item(&p, t, extra);
    else if (t->content.n > 0 || (json_array_size(calls) == 0 && thought.n == 0))
        put_message_item(&p, t);
    for (size_t k = 0; k < json_array_size(calls); k++)
        put_call_item(&p, json_array_get(calls, k));
    json_decref(extra);
}

static void put_name(struct jout *j, const char *key, const char *name)
{
    if (name[0] != '\0')
        jout_put_cstr(j, key, name);
    else
        jout_put_null(j, key);
}

bool api_write_input_items(struct buf *out, uint64_t id, const struct turn *turns, uint32_t n, const struct api_items_page *page)
{
    struct jout j = jout_to(out);
    struct pager p = {.j = &j, .id = id, .page = *page, .begun = page->after.n == 0};
    jout_object(&j);
    jout_put_cstr(&j, "object", "list");
    jout_key(&j, "data");
    jout_array(&j);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = page->oldest_first ? i : n - 1 - i;
        put_input_item(&p, at, &turns[at]);
    }
    jout_array_end(&j);
    put_name(&j, "first_id", p.first);
    put_name(&j, "last_id", p.last);
    jout_put_bool(&j, "has_more", p.more);
    jout_object_end(&j);
    return p.begun;
}

/* ---- the answer, as a turn of a later conversation ---- */

static void put_call_of(struct jout *j, uint64_t id, const struct api_block *block)
{
    char name[API_CALL_NAME_BYTES];
    jout_object(j);
    jout_put_str(j, "id", api_call_name(id, 0, block->call, name));
    jout_put_cstr(j, "type", "function");
    jout_key(j, "function");
    jout_object(j);
    jout_put_str(j, "name", block->name);
    jout_put_str(j, "arguments", block->text);
    jout_object_end(j);
    jout_object_end(j);
}

static bool has_kind(const struct api_block *blocks, uint32_t n, uint8_t kind)
{
    for (uint32_t i = 0; i < n; i++)
        if (blocks[i].kind == kind && (kind == PART_TOOL_ARGUMENTS || blocks[i].text.n > 0))
            return true;
    return false;
}

static void put_calls(struct jout *j, uint64_t id, const struct api_block *blocks, uint32_t n)
{
    jout_key(j, "tool_calls");
    jout_array(j);
    for (uint32_t i = 0; i < n; i++)
        if (blocks[i].kind == PART_TOOL_ARGUMENTS)
            put_call_of(j, id, &blocks[i]);
    jout_array_end(j);
}

void api_write_answer_extra(struct buf *out, uint64_t id, const struct api_block *blocks, uint32_t n)
{
    struct jout j = jout_to(out);
    bool calls = has_kind(blocks, n, PART_TOOL_ARGUMENTS), thinks = has_kind(blocks, n, PART_REASONING);
    if (!calls && !thinks)
        return;
    jout_object(&j);
    if (calls)
        put_calls(&j, id, blocks, n);
    if (thinks)
        api_write_reasoning(&j, "reasoning_content", &(struct api_choice){.blocks = blocks, .blocks_n = n});
    jout_object_end(&j);
}
