/* Read requests for answers that fill a gap between two texts: "suffix" of completions, and
 * llama-server's /infill. */
#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"

/* Adds a turn of a gap (base/request.h); turns have the order in which the fields are read. */
static struct turn *add_turn(struct api_reader *r, const char *role, struct str content)
{
    struct request *q = &r->call->request;
    if (q->turns == NULL)
        q->turns = api_arena_alloc(r->arena, (API_GAP_FILES_MAX + 2) * sizeof *q->turns);
    struct turn *t = &q->turns[q->turns_n++];
    *t = (struct turn){.role = str_of(role), .content = content};
    return t;
}

/* Joins texts. llama-server also takes token ids among them; here the texts around a gap are cut to what
 * the model's context has room for, which the worker does before it has any tokens. */
static int read_texts(struct api_reader *r, const char *path, const json_t *v, struct str *out)
{
    struct buf all = buf_max(API_BODY_BYTES_MAX);
    int err = 0;
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        const json_t *part = json_array_get(v, i);
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        if (json_is_string(part))
            buf_add_str(&all, api_json_str(part));
        else if (json_is_number(part))
            err = api_refuse(r->e, ERR_UNSUPPORTED, at, "token ids are not supported around a gap: send their text, which POST /detokenize gives");
        else
            err = api_refuse_type(r, at, "a string", part);
    }
    *out = api_arena_str(r->arena, buf_str(&all));
    buf_fini(&all);
    return err;
}

static int read_around(struct api_reader *r, const char *path, const json_t *v, const char *role)
{
    struct str text;
    bool many = json_is_array(v) && r->call->shape == API_INFILL;
    int err = many ? read_texts(r, path, v, &text) : api_read_text(r, path, v, API_BODY_BYTES_MAX, &text);
    if (err == 0)
        add_turn(r, role, text);
    return err;
}

int api_read_input_prefix(struct api_reader *r, const char *path, const json_t *v)
{
    return read_around(r, path, v, "prefix");
}

int api_read_input_suffix(struct api_reader *r, const char *path, const json_t *v)
{
    return read_around(r, path, v, "suffix");
}

/* An empty suffix counts as not given. */
int api_read_suffix(struct api_reader *r, const char *path, const json_t *v)
{
    return json_is_string(v) && json_string_length(v) == 0 ? 0 : read_around(r, path, v, "suffix");
}

static int read_file(struct api_reader *r, const char *path, const json_t *v)
{
    const json_t *name = json_object_get(v, "filename"), *text = json_object_get(v, "text");
    struct str content, called = str_of("tmp"); /* llama-server's default */
    char at[API_PATH_BYTES];
    if (!json_is_object(v) || text == NULL)
        return api_refuse(r->e, ERR_INVALID, path, "expected {\"text\", \"filename\"}, got %s", json_is_object(v) ? "no text" : api_json_kind(v));
    api_path(at, "%s.text", path);
    int err = api_read_text(r, at, text, API_BODY_BYTES_MAX, &content);
    api_path(at, "%s.filename", path);
    if (err == 0 && name != NULL && !json_is_null(name))
        err = api_read_text(r, at, name, API_FIELD_BYTES_MAX, &called);
    if (err == 0)
        add_turn(r, "file", content)->extra = called;
    return err;
}

int api_read_input_extra(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of {\"text\", \"filename\"}", v);
    if (json_array_size(v) > API_GAP_FILES_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu files, at most %d are taken", json_array_size(v), API_GAP_FILES_MAX);
    int err = 0;
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_file(r, at, json_array_get(v, i));
    }
    return err;
}

static bool has(const struct request *q, const char *role)
{
    for (uint32_t i = 0; i < q->turns_n; i++) {
        if (str_is(q->turns[i].role, role))
            return true;
    }
    return false;
}

int api_gap_end(struct api_reader *r)
{
    struct request *q = &r->call->request;
    bool infill = r->call->shape == API_INFILL;
    if (!infill && q->turns_n == 0)
        return 0;
    if (q->tokens_n > 0 || q->inputs_n > 0)
        return api_refuse(r->e, ERR_UNSUPPORTED, "prompt", "is one text where a gap is to be filled");
    if (r->call->with_prompt)
        return api_refuse(r->e, ERR_UNSUPPORTED, "echo", "is not for answers that fill a gap");
    if (infill && !has(q, "prefix"))
        return api_refuse(r->e, ERR_INVALID, "input_prefix", "is missing: the text before the gap");
    if (infill && !has(q, "suffix"))
        return api_refuse(r->e, ERR_INVALID, "input_suffix", "is missing: the text after the gap");
    if (!infill && q->text.p != NULL)
        add_turn(r, "prefix", q->text);
    if (infill ? q->text.p == NULL : q->text.p != NULL)
        q->text = str_of("");
    return 0;
}
