/* Read texts that are used unchanged: prompts of /v1/completions, and inputs of /v1/embeddings.
 *
 * An input is a text, or an array of token ids with texts among them. As in OpenAI's API, one array
 * with numbers is one input, and an empty text to embed is refused. */
#include "base/utf8.h"
#include "api/readers.h"
#include "api/refuse.h"

static int read_text(struct api_reader *r, const char *path, const json_t *v, struct input *out)
{
    struct str text = api_json_str(v);
    if (text.n == 0 && r->call->request.kind == REQUEST_EMBED)
        return api_refuse(r->e, ERR_INVALID, path, "is empty: expected a text to make a vector of");
    out->text = api_arena_str(r->arena, text);
    return 0;
}

static int read_token(struct api_reader *r, const char *path, size_t i, const json_t *v, int32_t *out)
{
    char at[API_PATH_BYTES];
    int64_t token;
    api_path(at, "%s[%zu]", path, i);
    if (!json_is_number(v))
        return api_refuse_type(r, at, "a token id or a text", v);
    int err = api_read_integer(r, at, v, 0, INT32_MAX, &token);
    if (err == 0)
        *out = (int32_t)token;
    return err;
}

static int check_mixed(struct api_reader *r, const char *path, size_t texts_n, struct buf *text)
{
    if (texts_n > REQUEST_MIXED_TEXTS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu texts among its token ids, at most %d are taken", texts_n, REQUEST_MIXED_TEXTS_MAX);
    return text->overflowed ? api_refuse(r->e, ERR_TOO_LARGE, path, "has more than %d bytes of text", API_BODY_BYTES_MAX) : 0;
}

/* Reads one prompt as an array: token ids, or as llama-server takes them, texts and token ids in turn. */
static int read_tokens(struct api_reader *r, const char *path, const json_t *v, struct input *out)
{
    size_t n = json_array_size(v), texts_n = 0;
    struct buf text = buf_max(API_BODY_BYTES_MAX);
    int err = 0;
    if (n == 0)
        return api_refuse(r->e, ERR_INVALID, path, "is empty: expected at least one token id");
    int32_t *tokens = api_arena_alloc(r->arena, n * sizeof *tokens);
    for (size_t i = 0; i < n && err == 0; i++) {
        const json_t *part = json_array_get(v, i);
        if (json_is_string(part)) {
            buf_add_str(&text, api_json_str(part));
            tokens[i] = input_mark(json_string_length(part));
            texts_n++;
        } else {
            err = read_token(r, path, i, part, &tokens[i]);
        }
    }
    if (err == 0 && texts_n > 0 && (err = check_mixed(r, path, texts_n, &text)) == 0)
        out->text = api_arena_str(r->arena, buf_str(&text));
    buf_fini(&text);
    out->tokens = tokens;
    out->tokens_n = (uint32_t)n; /* at most API_JSON_WEIGHT_MAX */
    return err;
}

/* Returns whether an array is one prompt rather than a list of prompts: it has a token id in it. */
static bool is_one(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (json_is_number(json_array_get(v, i)))
            return true;
    return false;
}

/* Reads llama-server's object around a text, which has a member for images. */
static int read_prompt_object(struct api_reader *r, const char *path, const json_t *v, struct input *out)
{
    const json_t *text = json_object_get(v, "prompt_string"), *media = json_object_get(v, "multimodal_data");
    if (media != NULL && json_array_size(media) + json_string_length(media) > 0)
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "multimodal_data is not supported: no images or sound");
    return read_text(r, path, text, out);
}

/* Reads a text in parts, as in messages. */
static int read_content(struct api_reader *r, const char *path, const json_t *v, struct input *out)
{
    struct buf text = buf_max(API_BODY_BYTES_MAX);
    int err = 0;
    for (size_t i = 0; i < json_array_size(v) && err == 0; i++) {
        const json_t *part = json_array_get(v, i), *said = json_object_get(part, "text"), *type = json_object_get(part, "type");
        char at[API_PATH_BYTES];
        api_path(at, "%s.content[%zu]", path, i);
        if (!json_is_string(type) || !str_is(api_json_str(type), "text") || !json_is_string(said))
            err = api_refuse(r->e, ERR_UNSUPPORTED, at, "only parts of type \"text\" are supported");
        else
            buf_add_str(&text, api_json_str(said));
    }
    out->text = api_arena_str(r->arena, buf_str(&text));
    buf_fini(&text);
    return err;
}

static int read_one(struct api_reader *r, const char *path, const json_t *v, struct input *out)
{
    if (json_is_string(json_object_get(v, "prompt_string")))
        return read_prompt_object(r, path, v, out);
    if (r->call->request.kind == REQUEST_EMBED && json_array_size(json_object_get(v, "content")) > 0)
        return read_content(r, path, json_object_get(v, "content"), out);
    if (json_is_string(v))
        return read_text(r, path, v, out);
    if (json_is_array(v))
        return read_tokens(r, path, v, out);
    return api_refuse_type(r, path, "a string, or an array of token ids and texts", v);
}

static int read_many(struct api_reader *r, const char *path, const json_t *v, size_t n)
{
    struct input *inputs = r->call->request.inputs;
    for (size_t i = 0; i < n; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        int err = read_one(r, at, json_array_get(v, i), &inputs[i]);
        if (err)
            return err;
    }
    return 0;
}

int api_read_content(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    struct input only = {0};
    if (!json_is_string(v) && !json_is_array(v))
        return api_refuse_type(r, path, "a string, or an array of texts and token ids", v);
    int err = json_is_string(v) ? read_text(r, path, v, &only) : read_tokens(r, path, v, &only);
    q->text = only.text;
    q->tokens = only.tokens;
    q->tokens_n = only.tokens_n;
    return err;
}

int api_read_input(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    if (!json_is_string(v) && !json_is_array(v) && !json_is_object(v))
        return api_refuse_type(r, path, "a string, an array of strings, or token ids", v);
    size_t n = json_array_size(v);
    if (json_is_array(v) && n == 0)
        return api_refuse(r->e, ERR_INVALID, path, "is empty: expected at least one text");
    bool many = json_is_array(v) && !is_one(v);
    if (many && n > REQUEST_INPUTS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu texts, at most %d are taken in one request: send the rest in others",
                          n, REQUEST_INPUTS_MAX);
    q->inputs_n = many ? (uint32_t)n : 1;
    q->inputs = api_arena_alloc(r->arena, q->inputs_n * sizeof *q->inputs);
    return many ? read_many(r, path, v, n) : read_one(r, path, v, &q->inputs[0]);
}

int api_read_prompt(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    size_t n = json_array_size(v);
    struct input only = {0};
    bool one = is_one(v);
    if (json_is_array(v) && n == 0)
        return api_refuse(r->e, ERR_INVALID, path, "is empty: expected at least one text");
    if (n > API_BRANCHES_MAX && !one)
        return api_refuse(r->e, ERR_INVALID, path, "holds %zu prompts, at most %d are taken in one request: send the rest in others", n, API_BRANCHES_MAX);
    if (n > 1 && !one) {
        q->inputs_n = (uint32_t)n;
        q->inputs = api_arena_alloc(r->arena, n * sizeof *q->inputs);
        return read_many(r, path, v, n);
    }
    int err = read_one(r, path, n == 1 && !one ? json_array_get(v, 0) : v, &only);
    q->text = only.text;
    q->tokens = only.tokens;
    q->tokens_n = only.tokens_n;
    return err;
}

/* Repeats each prompt for its answers: each answer is a job of its own. */
static int repeat_prompts(struct api_reader *r, uint32_t each)
{
    struct request *q = &r->call->request;
    uint32_t n = (q->inputs_n > 0 ? q->inputs_n : 1) * each;
    if (n > API_BRANCHES_MAX)
        return api_refuse(r->e, ERR_INVALID, "prompt", "%u answers were asked for, at most %d can be in one request: send the rest in others", n,
                          API_BRANCHES_MAX);
    struct input *inputs = api_arena_alloc(r->arena, (n + 1) * sizeof *inputs);
    for (uint32_t i = 0; q->inputs_n > 0 && i < n; i++)
        inputs[i] = q->inputs[i / each];
    r->call->many = q->inputs_n > 0;
    q->inputs_n = q->inputs_n > 0 ? n : 0;
    q->inputs = inputs;
    r->call->each = each;
    r->call->shown = r->call->n;
    r->call->n = n;
    return 0;
}

int api_prompts_end(struct api_reader *r)
{
    struct api_call *c = r->call;
    struct sampling *s = &c->request.sampling;
    if (c->request.text.p == NULL && c->request.tokens_n == 0 && c->request.inputs_n == 0)
        return api_refuse(r->e, ERR_INVALID, "prompt", "is missing: the text to continue from");
    if (c->with_prompt && c->stream)
        return api_refuse(r->e, ERR_UNSUPPORTED, "echo", "is only for answers that do not stream");
    if (c->best_of > 0 && c->best_of < c->n)
        return api_refuse(r->e, ERR_INVALID, "best_of", "%u answers to choose %u from (n): it is at least as many", c->best_of, c->n);
    if (c->best_of > c->n && c->stream)
        return api_refuse(r->e, ERR_UNSUPPORTED, "best_of", "is only for answers that do not stream: which is the best one is known at the end");
    s->prompt_text = c->with_prompt;
    s->prompt_scores = c->with_prompt && s->logprobs;
    c->hides_logprobs = c->best_of > c->n && !s->logprobs;
    s->logprobs = s->logprobs || c->hides_logprobs;
    return repeat_prompts(r, c->best_of > c->n ? c->best_of : c->n);
}

int api_read_encoding_format(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_string(v))
        return api_refuse_type(r, path, "\"float\" or \"base64\"", v);
    r->call->base64 = str_is(api_json_str(v), "base64");
    if (!r->call->base64 && !str_is(api_json_str(v), "float"))
        return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is not one of \"float\", \"base64\"", UTF8_HEAD(json_string_value(v), 40));
    return 0;
}
