/* Parse OpenAI's /v1/responses: the input, a text or items, as turns. */
#include <string.h>

#include "api/readers.h"
#include "api/refuse.h"
#include "api/responses.h"
#include "api/tools.h"
#include "base/utf8.h"

/* ---- messages ---- */

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
    json_t *calls;                 /* owned; of the assistant's turn that is open or was the last one; NULL: none */
    struct turn *open;             /* the assistant's open turn; NULL: the last turn has another role */
    struct buf content, reasoning; /* of the open turn; also reasoning that precedes it */
    bool referred;                 /* the assistant's last turn is a reference, so its calls are unknown here */
};

static void end_turn(struct api_reader *r, struct items *it)
{
    if (it->open != NULL) {
        json_t *reasoning = it->reasoning.n > 0 ? json_stringn(it->reasoning.p, it->reasoning.n) : NULL;
        it->open->content = api_arena_str(r->arena, buf_str(&it->content));
        it->open->extra = api_calls_extra(r, it->calls, reasoning);
        json_decref(reasoning);
    }
    it->open = NULL;
    buf_reset(&it->content);
    buf_reset(&it->reasoning);
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

/* What follows a call belongs to the same answer: the turn ends with the outputs of all its calls. */
static bool has_called(const struct items *it)
{
    return it->open != NULL && json_array_size(it->calls) > 0;
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
        if (it->open != NULL && it->content.n > 0 && !has_called(it)) /* a second message */
            end_turn(r, it);
        (void)assistant(r, it);
        buf_add_str(&it->content, content);
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

static void add_parts(struct buf *to, const json_t *parts, const char *between)
{
    for (size_t i = 0; i < json_array_size(parts); i++) {
        struct str text = api_json_str(json_object_get(json_array_get(parts, i), "text"));
        if (to->n > 0 && text.n > 0)
            buf_puts(to, between);
        buf_add_str(to, text);
    }
}

/* Reads the reasoning before a message or call: its content, or without content its summary, which is
 * all that a client has of a thought shown as one. A text that is only encrypted cannot be read. */
static int read_reasoning(struct api_reader *r, const json_t *v, struct items *it)
{
    struct buf text = buf_max(API_BODY_BYTES_MAX);
    add_parts(&text, json_object_get(v, "content"), "");
    if (text.n == 0)
        add_parts(&text, json_object_get(v, "summary"), "\n\n");
    if (it->open != NULL && !has_called(it))
        end_turn(r, it);
    buf_add_str(&it->reasoning, buf_str(&text));
    buf_fini(&text);
    return 0;
}

/* A part outside a message would be dropped with its text, as other items are. */
static int refuse_part(struct api_reader *r, const char *path, const char *type)
{
    static const char *const parts[] = {"input_text", "output_text", "text", "input_image", "input_file", "input_audio"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(type, parts[i]) == 0)
            return api_refuse(r->e, ERR_INVALID, path, "'%s' is a part of a message: send {\"role\": \"user\", \"content\": [part]}", type);
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
    return refuse_part(r, at, type);
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
int api_read_items(struct api_reader *r, const char *path, const json_t *v)
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
    struct items it = {.content = buf_max(API_BODY_BYTES_MAX), .reasoning = buf_max(API_BODY_BYTES_MAX)};
    for (size_t i = 0; json_is_array(v) && i < n && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_item(r, at, json_array_get(v, i), &it);
    }
    if (err == 0 && it.open != NULL)
        err = end_items(r, path, &it);
    json_decref(it.calls);
    buf_fini(&it.content);
    buf_fini(&it.reasoning);
    return err;
}
