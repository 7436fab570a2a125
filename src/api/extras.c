/* Read options of an answer's format, and refuse OpenAI's functions.
 *
 * A field that asks for something manta lacks is refused, not ignored: a client that wanted a tool
 * call would take any answer for one. The field's harmless value is accepted; SDKs send it. */
#include "api/json_in.h"
#include "api/readers.h"
#include "api/refuse.h"

int api_read_stream_options(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_object(v))
        return api_refuse_type(r, path, "an object", v);
    const json_t *usage = json_object_get(v, "include_usage");
    if (usage == NULL || json_is_null(usage))
        return 0;
    return api_read_bool(r, "stream_options.include_usage", usage, &r->call->include_usage);
}

int api_read_logprobs_count(struct api_reader *r, const char *path, const json_t *v)
{
    struct sampling *s = &r->call->request.sampling;
    int64_t n;
    if (json_is_boolean(v)) {
        s->logprobs = json_is_true(v) ? 1 : 0;
        return 0;
    }
    int err = api_read_integer(r, path, v, 0, REQUEST_TOP_LOGPROBS_MAX, &n);
    if (!err) {
        s->logprobs = 1; /* also for 0: OpenAI's 0 requests only the chosen token's */
        s->top_logprobs = (uint8_t)n;
    }
    return err;
}

int api_read_n_probs(struct api_reader *r, const char *path, const json_t *v)
{
    int64_t n;
    int err = api_read_integer(r, path, v, 0, REQUEST_TOP_LOGPROBS_MAX, &n);
    if (!err && n > 0) {
        r->call->request.sampling.logprobs = 1;
        r->call->request.sampling.top_logprobs = (uint8_t)n;
    }
    return err;
}

/* Runs after the reader of "logprobs". */
int api_read_top_logprobs(struct api_reader *r, const char *path, const json_t *v)
{
    struct sampling *s = &r->call->request.sampling;
    int64_t n;
    int err = api_read_integer(r, path, v, 0, REQUEST_TOP_LOGPROBS_MAX, &n);
    if (!err && n > 0 && !s->logprobs)
        return api_refuse(r->e, ERR_INVALID, path, "needs \"logprobs\": true beside it");
    if (!err)
        s->top_logprobs = (uint8_t)n;
    return err;
}

int api_read_cache_prompt(struct api_reader *r, const char *path, const json_t *v)
{
    bool may = true;
    int err = api_read_bool(r, path, v, &may);
    if (!err)
        r->call->request.sampling.fresh = !may;
    return err;
}

/* OpenAI's predecessor of tools. */
int api_read_functions(struct api_reader *r, const char *path, const json_t *v)
{
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array", v);
    return json_array_size(v) == 0 ? 0 : api_refuse(r->e, ERR_UNSUPPORTED, path, "are not supported: send them as tools");
}

/* To prewarm a cache is to make no answer, so an answer would surprise the client. */
int api_read_prompt_cache_options(struct api_reader *r, const char *path, const json_t *v)
{
    char at[API_PATH_BYTES];
    api_path(at, "%s.prewarm", path);
    return json_is_true(json_object_get(v, "prewarm")) ? api_refuse(r->e, ERR_UNSUPPORTED, at, "is not supported: leave it out") : 0;
}
