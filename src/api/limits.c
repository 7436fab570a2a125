/* Read fields that bound or steer an answer: max_tokens, seed, stop strings, logit biases,
 * fan-out. */
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"

int api_read_max_tokens(struct api_reader *r, const char *path, const json_t *v)
{
    int64_t n;
    if (json_is_integer(v) && json_integer_value(v) == -1) { /* llama-server's "no limit" */
        r->call->request.sampling.max_tokens = 0;
        return 0;
    }
    bool may_be_none = r->call->request.kind == REQUEST_TEXT; /* 0 computes the prompt only; "echo" returns its text */
    int err = api_read_integer(r, path, v, may_be_none ? 0 : 1, INT32_MAX, &n);
    if (!err) {
        r->call->request.sampling.max_tokens = (uint32_t)n;
        r->call->request.sampling.prompt_only = n == 0 ? PROMPT_SCORED : PROMPT_AND_ANSWER;
    }
    return err;
}

int api_read_top_k(struct api_reader *r, const char *path, const json_t *v)
{
    int64_t n;
    int err = api_read_integer(r, path, v, -1, INT32_MAX, &n);
    if (!err)
        r->call->request.sampling.top_k = n < 0 ? 0 : (int32_t)n;
    return err;
}

int api_read_seed(struct api_reader *r, const char *path, const json_t *v)
{
    int64_t n;
    int err = api_read_integer(r, path, v, INT64_MIN, INT64_MAX, &n);
    if (err)
        return err;
    if (n == -1) /* llama-server's "random" */
        return 0;
    r->call->request.sampling.seed = (uint64_t)n;
    r->call->seed_given = true;
    return 0;
}

static int read_stop_string(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    struct str s;
    int err = api_read_text(r, path, v, REQUEST_STOP_BYTES_MAX, &s);
    if (!err && s.n > 0) /* an empty string would end every answer at once; clients mean "none" */
        q->stops[q->stops_n++] = s;
    return err;
}

int api_read_stop(struct api_reader *r, const char *path, const json_t *v)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > REQUEST_STOPS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu strings, at most %d are taken", n, REQUEST_STOPS_MAX);
    r->call->request.stops = api_arena_alloc(r->arena, n * sizeof(struct str));
    if (json_is_string(v))
        return read_stop_string(r, path, v);
    if (!json_is_array(v))
        return api_refuse_type(r, path, "a string or an array of strings", v);
    for (size_t i = 0; i < n; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        int err = read_stop_string(r, at, json_array_get(v, i));
        if (err)
            return err;
    }
    return 0;
}

/* Adds one pair, of a text unless that is empty; the bias `false` means never, as in llama-server. */
static int add_bias(struct api_reader *r, const char *path, int64_t token, struct str text, const json_t *v)
{
    struct request *q = &r->call->request;
    double bias = -INFINITY;
    int err = json_is_false(v) ? 0 : api_read_number(r, path, v, -100, 100, &bias);
    if (!err)
        q->biases[q->biases_n++] = (struct logit_bias){.token = (int32_t)token, .bias = (float)bias, .text = api_arena_str(r->arena, text)};
    return err;
}

static int add_text_bias(struct api_reader *r, const char *path, struct str text, const json_t *v)
{
    if (text.n == 0)
        return api_refuse(r->e, ERR_INVALID, path, "has an empty text: expected a token id or a text");
    if (text.n > REQUEST_BIAS_BYTES_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has a text of %zu bytes, at most %d are taken", text.n, REQUEST_BIAS_BYTES_MAX);
    return add_bias(r, path, 0, text, v);
}

/* A key that is a number is a token id; any other one is a text. */
static int read_bias_key(struct api_reader *r, const char *path, const char *key, const json_t *v)
{
    char *end = NULL, at[API_PATH_BYTES];
    long long token = strtoll(key, &end, 10);
    api_path(at, "%s['%.*s']", path, UTF8_HEAD(key, 40));
    if (*end != '\0' || end == key)
        return add_text_bias(r, at, str_of(key), v);
    if (*key < '0' || *key > '9' || token > INT32_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is not a token id", UTF8_HEAD(key, 40));
    api_path(at, "%s[%lld]", path, token);
    return add_bias(r, at, token, str_n(NULL, 0), v);
}

static int read_bias_pair(struct api_reader *r, const char *path, const json_t *pair)
{
    const json_t *of = json_array_get(pair, 0), *v = json_array_get(pair, 1);
    int64_t token;
    if (json_array_size(pair) != 2)
        return api_refuse_type(r, path, "a pair of a token id, or a text, and its bias", pair);
    if (json_is_string(of))
        return add_text_bias(r, path, api_json_str(of), v);
    int err = api_read_integer(r, path, of, 0, INT32_MAX, &token);
    return err ? err : add_bias(r, path, token, str_n(NULL, 0), v);
}

int api_read_logit_bias(struct api_reader *r, const char *path, const json_t *v)
{
    int err = 0;
    size_t n = json_is_array(v) ? json_array_size(v) : json_object_size(v);
    if (!json_is_array(v) && !json_is_object(v))
        return api_refuse_type(r, path, "an object of token ids, or texts, and biases", v);
    if (n > REQUEST_BIASES_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu biases, at most %d are taken", n, REQUEST_BIASES_MAX);
    r->call->request.biases = api_arena_alloc(r->arena, n * sizeof(struct logit_bias));
    for (size_t i = 0; json_is_array(v) && i < n && err == 0; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        err = read_bias_pair(r, at, json_array_get(v, i));
    }
    for (void *at = json_object_iter((json_t *)v); at != NULL && err == 0; at = json_object_iter_next((json_t *)v, at))
        err = read_bias_key(r, path, json_object_iter_key(at), json_object_iter_value(at));
    return err;
}

int api_read_actors(struct api_reader *r, const char *path, const json_t *v)
{
    int64_t n;
    if (json_is_string(v) && str_is(api_json_str(v), "all")) {
        r->call->n = 0;
        return 0;
    }
    if (!json_is_number(v))
        return api_refuse_type(r, path, "a number or \"all\"", v);
    int err = api_read_integer(r, path, v, 1, API_ACTORS_MAX, &n);
    if (!err)
        r->call->n = (uint32_t)n;
    return err;
}

int api_read_final(struct api_reader *r, const char *path, const json_t *v)
{
    static const char *const words[] = {
        [API_FINAL_FIRST] = "first", [API_FINAL_BEST] = "best", [API_FINAL_VOTE] = "vote"};
    if (!json_is_string(v))
        return api_refuse_type(r, path, "\"first\", \"best\" or \"vote\"", v);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_is(api_json_str(v), words[i])) {
            r->call->final = (enum api_final)i;
            return 0;
        }
    }
    return api_refuse(r->e, ERR_INVALID, path, "'%.*s' is not one of \"first\", \"best\", \"vote\"",
                      UTF8_HEAD(json_string_value(v), 40));
}

int api_read_timeout(struct api_reader *r, const char *path, const json_t *v)
{
    double seconds;
    int err = api_read_number(r, path, v, 0.001, API_TIMEOUT_S_MAX, &seconds);
    if (!err)
        r->call->timeout_ms = (uint32_t)(seconds * 1000);
    return err;
}
