/* llama-server's "generation_settings", which /completion repeats from its request, and "response_fields",
 * which selects members of its answer.
 *
 * Both travel in call.echo, as members of an object: so another head ends the stream with the same
 * event. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/llama.h"
#include "api/refuse.h"

#define SETTINGS "\"generation_settings\":"
#define LIMIT "{\"n_predict\":"
#define FIELDS ",\"response_fields\":"

int api_read_response_fields(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of strings", v);
    if (json_array_size(v) > API_RESPONSE_FIELDS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "names %zu members, at most %d are taken", json_array_size(v), API_RESPONSE_FIELDS_MAX);
    for (size_t i = 0; i < json_array_size(v); i++) {
        char at[API_PATH_BYTES];
        struct str name;
        api_path(at, "%s[%zu]", path, i);
        int err = api_read_text(r, at, json_array_get(v, i), API_FIELD_BYTES_MAX, &name);
        if (err)
            return err;
    }
    return 0;
}

static void put_float(struct jout *j, const char *key, float v)
{
    jout_key(j, key);
    jout_float(j, v);
}

static void put_filters(struct jout *j, const struct sampling *s)
{
    put_float(j, "temperature", s->temperature);
    put_float(j, "dynatemp_range", s->dynatemp_range);
    put_float(j, "dynatemp_exponent", s->dynatemp_exponent);
    jout_put_int(j, "top_k", s->top_k);
    put_float(j, "top_p", s->top_p);
    put_float(j, "min_p", s->min_p);
    put_float(j, "top_n_sigma", s->top_n_sigma);
    put_float(j, "xtc_probability", s->xtc_probability);
    put_float(j, "xtc_threshold", s->xtc_threshold);
    put_float(j, "typical_p", s->typical_p);
    jout_put_int(j, "repeat_last_n", s->penalty_last_n);
    put_float(j, "repeat_penalty", s->repeat_penalty);
    put_float(j, "presence_penalty", s->presence_penalty);
    put_float(j, "frequency_penalty", s->frequency_penalty);
    put_float(j, "dry_multiplier", s->dry_multiplier);
    put_float(j, "dry_base", s->dry_base);
    jout_put_int(j, "dry_allowed_length", s->dry_allowed_length);
    jout_put_int(j, "dry_penalty_last_n", s->dry_last_n);
    jout_put_uint(j, "mirostat", s->mirostat);
    put_float(j, "mirostat_tau", s->mirostat_tau);
    put_float(j, "mirostat_eta", s->mirostat_eta);
    jout_put_uint(j, "min_keep", s->min_keep);
}

/* Writes features that manta lacks, with the values that mean "off". */
static void put_lacking(struct jout *j)
{
    put_float(j, "adaptive_target", -1);
    put_float(j, "adaptive_decay", 0.9f);
    jout_key(j, "lora");
    jout_array(j);
    jout_array_end(j);
}

static void put_lists(struct jout *j, const struct request *q)
{
    jout_key(j, "stop");
    jout_array(j);
    for (uint32_t i = 0; i < q->stops_n; i++)
        jout_str(j, q->stops[i]);
    jout_array_end(j);
    jout_key(j, "logit_bias");
    jout_array(j);
    for (uint32_t i = 0; i < q->biases_n; i++) {
        jout_object(j);
        put_float(j, "bias", q->biases[i].bias);
        if (q->biases[i].text.n > 0)
            jout_put_str(j, "text", q->biases[i].text); /* a head does not know its tokens */
        else
            jout_put_int(j, "token", q->biases[i].token);
        jout_object_end(j);
    }
    jout_array_end(j);
}

/* Writes the request's settings in llama-server's format, as an object. */
static void put_settings(struct jout *j, const struct api_call *c)
{
    const struct sampling *s = &c->request.sampling;
    jout_object(j);
    jout_put_int(j, "n_predict", s->max_tokens > 0 ? (int64_t)s->max_tokens : -1);
    jout_put_int(j, "max_tokens", s->max_tokens > 0 ? (int64_t)s->max_tokens : -1);
    jout_put_uint(j, "seed", c->seed_given ? s->seed : UINT32_MAX); /* llama-server's "random" */
    put_filters(j, s);
    put_lacking(j);
    put_lists(j, &c->request);
    jout_put_bool(j, "ignore_eos", s->ignore_eos != 0);
    jout_put_bool(j, "stream", c->stream);
    jout_put_uint(j, "n_probs", s->logprobs ? s->top_logprobs : 0);
    jout_put_bool(j, "timings_per_token", c->timings);
    jout_object_end(j);
}

void api_make_settings(struct api_reader *r)
{
    const json_t *fields = json_object_get(r->root, "response_fields");
    struct buf text = buf_max(API_ECHO_BYTES_MAX);
    struct jout j = jout_to(&text);
    buf_puts(&text, SETTINGS);
    put_settings(&j, r->call);
    if (json_array_size(fields) > 0) {
        char *list = json_dumps(fields, JSON_COMPACT);
        buf_puts(&text, FIELDS);
        buf_puts(&text, list);
        free(list);
    }
    if (!text.overflowed) /* long lists of biases are not repeated */
        r->call->echo = api_arena_str(r->arena, buf_str(&text));
    buf_fini(&text);
}

static json_t *echo_of(const struct api_head *h)
{
    struct buf text = buf_max(API_ECHO_BYTES_MAX + 2);
    struct api_error e;
    json_t *root = NULL;
    buf_printf(&text, "{%.*s}", STR_ARG(h->echo));
    if (api_json_parse_text(buf_str(&text), &root, &e) != 0)
        root = NULL;
    buf_fini(&text);
    return root;
}

void api_put_echo(struct jout *j, const struct api_head *h)
{
    const char *fields = h->echo.n > 0 ? memmem(h->echo.p, h->echo.n, FIELDS, strlen(FIELDS)) : NULL;
    size_t n = fields != NULL ? (size_t)(fields - h->echo.p) : h->echo.n;
    if (n == 0)
        return;
    buf_puts(j->buf, j->comma ? "," : "");
    buf_add(j->buf, h->echo.p, n);
    j->comma = true;
}

bool api_was_truncated(const struct api_head *h, const struct api_choice *c, uint32_t predicted)
{
    static const char first[] = SETTINGS LIMIT;
    size_t n = strlen(first);
    if (c->finish != FINISH_LENGTH || h->echo.n <= n || memcmp(h->echo.p, first, n) != 0)
        return false;
    long long limit = strtoll(h->echo.p + n, NULL, 10);
    return limit < 0 || predicted < limit;
}

/* Returns the member at "a/b/c", borrowed; NULL: there is none. */
static json_t *member_at(json_t *root, const char *path)
{
    while (root != NULL) {
        size_t n = strcspn(path, "/");
        char name[API_FIELD_BYTES_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        root = json_object_get(root, name);
        if (path[n] == '\0')
            return root;
        path += n + 1;
    }
    return NULL;
}

static json_t *select_from(json_t *answer, const json_t *fields)
{
    json_t *picked = json_object(), *name;
    size_t i;
    json_array_foreach(fields, i, name) {
        json_t *v = json_is_string(name) ? member_at(answer, json_string_value(name)) : NULL;
        if (v != NULL)
            json_object_set(picked, json_string_value(name), v);
    }
    return picked;
}

void api_select_fields(struct buf *out, size_t from, const struct api_head *h)
{
    json_t *echo = h->echo.n > 0 && memmem(h->echo.p, h->echo.n, FIELDS, strlen(FIELDS)) != NULL ? echo_of(h) : NULL;
    const json_t *fields = json_object_get(echo, "response_fields");
    json_t *answer = json_array_size(fields) > 0 && !out->overflowed ? json_loadb(out->p + from, out->n - from, 0, NULL) : NULL;
    if (answer != NULL) {
        json_t *picked = select_from(answer, fields);
        char *text = json_dumps(picked, JSON_COMPACT | JSON_REAL_PRECISION(9));
        out->n = from;
        buf_puts(out, text);
        free(text);
        json_decref(picked);
        json_decref(answer);
    }
    json_decref(echo);
}
