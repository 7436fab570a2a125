/* Read the required form of an answer: a grammar, a JSON schema, a regular expression, or a choice
 * of texts.
 *
 * OpenAI, llama-server and vLLM name these fields differently. All become request.form and its
 * text, unchanged: the engine parses the text beside its streams and reports errors in it. The
 * field's name goes along for these reports (api_call.form_field). */
#include <stdlib.h>

#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "base/utf8.h"

static int set_form(struct api_reader *r, const char *path, enum request_form form, struct str text)
{
    struct request *q = &r->call->request;
    if (text.n > REQUEST_FORM_BYTES_MAX)
        return api_refuse(r->e, ERR_TOO_LARGE, path, "has %zu bytes, at most %d are taken", text.n, REQUEST_FORM_BYTES_MAX);
    if (q->form != FORM_FREE)
        return api_refuse(r->e, ERR_INVALID, path, "an answer has one form: send this or %s, not both", r->call->form_field);
    q->form = (uint8_t)form;
    q->form_text = api_arena_str(r->arena, text);
    bool whole = str_is(str_of(path), "text.format") || str_is(str_of(path), "output_config.format"); /* one member of a larger field */
    snprintf(r->call->form_field, sizeof r->call->form_field, "%.*s", whole ? (int)strlen(path) : (int)strcspn(path, "."), path);
    return 0;
}

int api_read_json_schema(struct api_reader *r, const char *path, const json_t *v)
{
    if (json_is_string(v)) /* vLLM also accepts text */
        return set_form(r, path, FORM_SCHEMA, api_json_str(v));
    if (!json_is_object(v) && !json_is_true(v))
        return api_refuse_type(r, path, "a JSON schema: an object", v);
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    int err = set_form(r, path, FORM_SCHEMA, str_of(text));
    free(text);
    return err;
}

static int set_text(struct api_reader *r, const char *path, enum request_form form, const json_t *v)
{
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    return json_string_length(v) > 0 ? set_form(r, path, form, api_json_str(v)) : 0;
}

int api_read_grammar(struct api_reader *r, const char *path, const json_t *v)
{
    return set_text(r, path, FORM_GRAMMAR, v);
}

int api_read_regex(struct api_reader *r, const char *path, const json_t *v)
{
    return set_text(r, path, FORM_REGEX, v);
}

/* Appends a GBNF literal. */
static void add_literal(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *escape = s.p[i] == '\n' ? "\\n" : s.p[i] == '\r' ? "\\r" : s.p[i] == '"' ? "\\\"" : s.p[i] == '\\' ? "\\\\" : NULL;
        if (escape != NULL)
            buf_puts(out, escape);
        else
            buf_putc(out, s.p[i]);
    }
    buf_putc(out, '"');
}

int api_read_choice(struct api_reader *r, const char *path, const json_t *v)
{
    struct buf grammar = buf_max(2 * REQUEST_FORM_BYTES_MAX);
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of strings", v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *text = json_array_get(v, i);
        if (!json_is_string(text) || json_string_length(text) == 0) {
            buf_fini(&grammar);
            return api_refuse(r->e, ERR_INVALID, path, "expected strings, none of them empty");
        }
        buf_puts(&grammar, i == 0 ? "root ::= " : " | ");
        add_literal(&grammar, api_json_str(text));
    }
    int err = json_array_size(v) > 0 ? set_form(r, path, FORM_GRAMMAR, buf_str(&grammar)) : 0;
    buf_fini(&grammar);
    return err;
}

/* Reads vLLM's {"json": …}, or "regex", "choice", "grammar", "json_object". */
int api_read_structured_outputs(struct api_reader *r, const char *path, const json_t *v)
{
    static const struct {
        const char *name;
        api_field_fn *read;
    } members[] = {{"json", api_read_json_schema}, {"regex", api_read_regex}, {"choice", api_read_choice}, {"grammar", api_read_grammar}};
    char at[API_PATH_BYTES];
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const json_t *member = json_object_get(v, members[i].name);
        api_path(at, "%s.%s", path, members[i].name);
        int err = member != NULL && !json_is_null(member) ? members[i].read(r, at, member) : 0;
        if (err)
            return err;
    }
    const json_t *tag = json_object_get(v, "structural_tag");
    api_path(at, "%s.structural_tag", path);
    if (tag != NULL && !json_is_null(tag))
        return api_refuse(r->e, ERR_UNSUPPORTED, at, "is not supported: leave it out");
    return json_is_true(json_object_get(v, "json_object")) ? set_form(r, path, FORM_JSON, str_of("")) : 0;
}

/* Reads {"type":"json_schema","name":…,"schema":{…}}. Its members have names of their own, so
 * errors name the whole field. */
int api_read_format(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *type = json_object_get(v, "type"), *schema = json_object_get(v, "schema");
    if (!json_is_object(v) || !json_is_string(type))
        return api_refuse(r->e, ERR_INVALID, path, "needs \"type\": \"text\", \"json_object\" or \"json_schema\"");
    if (str_is(api_json_str(type), "text"))
        return 0;
    if (str_is(api_json_str(type), "json_object"))
        return set_form(r, path, FORM_JSON, str_of(""));
    if (!str_is(api_json_str(type), "json_schema"))
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "'%.*s' is not supported: \"text\", \"json_object\" or \"json_schema\"",
                          UTF8_HEAD(json_string_value(type), 40));
    if (!json_is_object(schema))
        return api_refuse(r->e, ERR_INVALID, path, "needs \"schema\": {…} beside its type");
    return api_read_json_schema(r, path, schema);
}

/* Reads OpenAI's {"type":"json_schema","json_schema":{"schema":{…}}}, and llama-server's
 * {"type":"json_object","schema":{…}}. */
int api_read_response_format(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    const json_t *type = json_object_get(v, "type"), *schema = json_object_get(v, "schema");
    if (!json_is_string(type))
        return api_refuse(r->e, ERR_INVALID, path, "needs \"type\": \"text\", \"json_object\" or \"json_schema\"");
    if (str_is(api_json_str(type), "text"))
        return 0;
    if (str_is(api_json_str(type), "json_schema") && schema == NULL) {
        const json_t *outer = json_object_get(v, "json_schema");
        schema = json_object_get(outer, "schema");
        if (!json_is_object(outer) || schema == NULL)
            return api_refuse(r->e, ERR_INVALID, path, "needs \"json_schema\": {\"name\": …, \"schema\": {…}} beside its type");
    } else if (!str_is(api_json_str(type), "json_object") && !str_is(api_json_str(type), "json_schema")) {
        return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is no type of it: \"text\", \"json_object\" or \"json_schema\"",
                          UTF8_HEAD(json_string_value(type), 40));
    }
    return schema != NULL && !json_is_null(schema) ? api_read_json_schema(r, path, schema) : set_form(r, path, FORM_JSON, str_of(""));
}
