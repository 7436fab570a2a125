/* Rank texts by a question (rerank), in Jina's and TEI's formats, both of which llama-server
 * accepts. */
#include <stdlib.h>

#include "api/answer.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "base/alloc.h"

#define TO(member) .at = offsetof(struct api_call, member)

static int read_document(struct api_reader *r, const char *path, const json_t *v, struct input *out)
{
    const json_t *text = json_is_object(v) ? json_object_get(v, "text") : v;
    if (!json_is_string(text))
        return api_refuse_type(r, path, "a string", v);
    out->text = api_arena_str(r->arena, api_json_str(text));
    return 0;
}

static int read_documents(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    size_t n = json_array_size(v);
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of strings", v);
    if (n == 0 || n > REQUEST_INPUTS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu texts, 1 to %d are taken in one request", n, REQUEST_INPUTS_MAX);
    q->inputs = api_arena_alloc(r->arena, n * sizeof *q->inputs);
    q->inputs_n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        int err = read_document(r, at, json_array_get(v, i), &q->inputs[i]);
        if (err)
            return err;
    }
    return 0;
}

/* TEI's name of "documents"; selects TEI's format of the answer. */
static int read_texts(struct api_reader *r, const char *path, const json_t *v)
{
    r->call->base64 = true;
    return read_documents(r, path, v);
}

static int read_query(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    struct str text;
    int err = api_read_text(r, path, v, API_BODY_BYTES_MAX, &text);
    if (err)
        return err;
    q->turns = api_arena_alloc(r->arena, sizeof *q->turns);
    q->turns[0] = (struct turn){.role = str_of("query"), .content = text};
    q->turns_n = 1;
    return 0;
}

static int check(struct api_reader *r)
{
    const struct request *q = &r->call->request;
    static const struct api_lacking lacking[] = {
        {"truncate", FIELD_FOR(API_RERANK), "false", "a text that is too long is an error here, never cut"},
        {"truncate_prompt_tokens", FIELD_FOR(API_RERANK), "", "a text that is too long is an error here, never cut"},
        {"truncation", FIELD_FOR(API_RERANK), "false", "a text that is too long is an error here, never cut"},
        {"rank_fields", FIELD_FOR(API_RERANK), "[\"text\"]", "only the member \"text\" of a document is read"},
        {"top_k", FIELD_FOR(API_RERANK), "", "send top_n"},
        {"raw_scores", FIELD_FOR(API_RERANK), "true|false", NULL},
        {"max_chunks_per_doc", FIELD_FOR(API_RERANK), "", "a text that is too long is an error here"},
        {"max_tokens_per_doc", FIELD_FOR(API_RERANK), "", "a text that is too long is an error here, never cut"},
    };
    if (q->turns_n == 0)
        return api_refuse(r->e, ERR_INVALID, "query", "is missing: the question that the texts may answer");
    if (q->inputs_n == 0)
        return api_refuse(r->e, ERR_INVALID, "documents", "is missing: an array of texts");
    return api_refuse_lacking_of(r, lacking, sizeof lacking / sizeof lacking[0]);
}

static int parse(struct str body, struct api_call *out, struct api_error *e)
{
    enum { HERE = FIELD_FOR(API_RERANK) };
    static const struct field fields[] = {
        {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
        {"query", HERE, FIELD_OTHER, .read = read_query},
        {"texts", HERE, FIELD_OTHER, .read = read_texts},
        {"documents", HERE, FIELD_OTHER, .read = read_documents},
        {"top_n", HERE, FIELD_COUNT, 1, REQUEST_INPUTS_MAX, TO(dimensions)},
        {"return_documents", HERE, FIELD_BOOL, TO(with_prompt)},
        {"return_text", HERE, FIELD_BOOL, TO(with_prompt)}, /* TEI's name */
        {"user", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.affinity)},
        {"priority", HERE, FIELD_INT, -REQUEST_PRIORITY_MAX, REQUEST_PRIORITY_MAX, TO(request.priority)},
        {"timeout_s", HERE, FIELD_OTHER, .read = api_read_timeout},
    };
    const struct api_plan plan = {.shape = API_RERANK, .fields = fields, .n = sizeof fields / sizeof fields[0], .check = check};
    return api_parse_plan(&plan, body, out, e);
}

/* ---- the answer ---- */

struct ranked {
    uint32_t index;
    float score;
};

/* Sorts by descending score; equal ones by index. */
static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : x->index < y->index ? -1 : 1;
}

/* Writes a result's text: a document as Jina and Cohere do, or a member as TEI does. */
static void put_text(struct jout *j, const struct api_whole *w, uint32_t index)
{
    if (w->inputs == NULL)
        return;
    if (!w->call->base64) {
        jout_key(j, "document");
        jout_object(j);
    }
    jout_put_str(j, "text", w->inputs[index].text);
    if (!w->call->base64)
        jout_object_end(j);
}

static void put_results(struct jout *j, const struct api_whole *w, const char *key)
{
    struct ranked *ranked = xalloc_array(w->n + 1, sizeof *ranked);
    uint32_t most = w->call->dimensions;
    for (uint32_t i = 0; i < w->n; i++)
        ranked[i] = (struct ranked){.index = i, .score = w->vectors[i].n > 0 ? w->vectors[i].p[0] : 0};
    qsort(ranked, w->n, sizeof *ranked, compare);
    jout_array(j);
    for (uint32_t i = 0; i < w->n && (most == 0 || i < most); i++) {
        jout_object(j);
        jout_put_uint(j, "index", ranked[i].index);
        jout_key(j, key);
        jout_float(j, ranked[i].score);
        put_text(j, w, ranked[i].index);
        jout_object_end(j);
    }
    jout_array_end(j);
    free(ranked);
}

static void write_ranks(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    if (w->call->base64) {
        put_results(&j, w, "score");
        return;
    }
    char name[API_NAME_BYTES];
    jout_object(&j);
    jout_put_str(&j, "id", api_name(api_dialect_rerank.id_prefix, w->head->id, name));
    jout_put_str(&j, "model", w->head->model);
    jout_put_cstr(&j, "object", "list");
    jout_key(&j, "results");
    put_results(&j, w, "relevance_score");
    jout_key(&j, "usage");
    jout_object(&j);
    jout_put_uint(&j, "prompt_tokens", w->usage.prompt_tokens);
    jout_put_uint(&j, "total_tokens", w->usage.prompt_tokens);
    jout_object_end(&j);
    jout_object_end(&j);
}

const struct api_dialect api_dialect_rerank = {
    .id_prefix = "rank-", .vectors = true, .parse = parse, .idle = api_write_idle_comment, .fault = api_write_stream_fault,
    .answer = write_ranks, .error = api_write_error_body, .models = api_write_models, .model = api_write_model,
};
