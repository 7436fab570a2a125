/* manta's dialect: process_prompt, with every actor's response. */
#include "api/answer.h"
#include "api/readers.h"

static const char *const rule_names[] = {
    [API_FINAL_FIRST] = "first", [API_FINAL_BEST] = "best", [API_FINAL_VOTE] = "vote"};

/* Writes the members that name the actor. */
static void put_who(struct jout *j, const struct api_response *r)
{
    jout_key(j, "actor_id");
    if (r->actor != UINT32_MAX)
        jout_uint(j, r->actor);
    else
        jout_null(j);
    jout_put_str(j, "model", r->model);
    jout_put_str(j, "node", r->node);
    jout_put_str(j, "address", r->address);
}

static void put_error(struct jout *j, const struct api_response *r)
{
    jout_key(j, "error");
    if (r->finish != FINISH_ERROR) {
        jout_null(j);
        return;
    }
    jout_object(j);
    jout_put_cstr(j, "message", r->fault.text[0] != '\0' ? r->fault.text : err_text(r->fault.err));
    jout_put_cstr(j, "type", err_api_type(r->fault.err));
    jout_object_end(j);
}

static void write_response(struct jout *j, const struct api_response *r)
{
    uint32_t tokens = r->usage.completion_tokens;
    jout_object(j);
    put_who(j, r);
    jout_put_fixed(j, "processing_time_s", (double)r->time_s, 3);
    jout_put_str(j, "response", r->text);
    jout_key(j, "finish_reason");
    api_write_finish(j, r->finish);
    jout_put_uint(j, "tokens", tokens);
    jout_key(j, "mean_logprob");
    if (tokens > 0 && r->logprob_sum < 0)
        jout_fixed(j, r->logprob_sum / tokens, 6);
    else
        jout_null(j); /* not requested, or nothing was generated */
    jout_key(j, "usage");
    jout_object(j);
    api_write_usage(j, &r->usage);
    jout_object_end(j);
    put_error(j, r);
    jout_object_end(j);
}

static void put_answered_by(struct jout *j, const struct api_response *r)
{
    jout_put_str(j, "final_response", r->text);
    jout_key(j, "answered_by");
    jout_object(j);
    put_who(j, r);
    jout_put_fixed(j, "processing_time_s", (double)r->time_s, 3);
    jout_object_end(j);
}

static void put_cluster(struct jout *j, const struct api_response *responses, size_t n,
                        const struct api_cluster *cluster)
{
    uint64_t successful = 0;
    for (size_t i = 0; i < n; i++)
        successful += api_response_ok(&responses[i]);
    jout_key(j, "cluster_info");
    jout_object(j);
    jout_put_uint(j, "total_nodes", cluster->nodes);
    jout_put_uint(j, "total_actors", cluster->actors);
    jout_put_uint(j, "successful_responses", successful);
    jout_object_end(j);
}

void api_write_process_prompt(struct buf *out, const struct api_head *h, const struct api_response *responses,
                              size_t n, enum api_final rule, size_t final, const struct api_cluster *cluster)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    api_write_head(&j, h, API_MANTA_ID_PREFIX, "manta.process_prompt");
    jout_key(&j, "responses");
    jout_array(&j);
    for (size_t i = 0; i < n; i++)
        write_response(&j, &responses[i]);
    jout_array_end(&j);
    jout_put_cstr(&j, "final", rule_names[rule]);
    if (final < n) {
        put_answered_by(&j, &responses[final]);
    } else {
        jout_put_null(&j, "final_response");
        jout_put_null(&j, "answered_by");
    }
    put_cluster(&j, responses, n, cluster);
    jout_object_end(&j);
}

void api_write_prompt_started(struct buf *out, const struct api_head *h, uint32_t index, const struct api_response *who)
{
    struct jout j = jout_to(out);
    buf_puts(out, "data: ");
    jout_object(&j);
    api_write_head(&j, h, API_MANTA_ID_PREFIX, "manta.process_prompt.started");
    jout_put_uint(&j, "index", index);
    jout_key(&j, "actor");
    jout_object(&j);
    put_who(&j, who);
    jout_object_end(&j);
    jout_object_end(&j);
    buf_puts(out, "\n\n");
}

void api_write_prompt_event(struct buf *out, const struct api_head *h, const struct api_response *responses, size_t n,
                            enum api_final rule, size_t final, const struct api_cluster *cluster)
{
    buf_puts(out, "data: ");
    api_write_process_prompt(out, h, responses, n, rule, final, cluster);
    buf_puts(out, "\n\n");
}

/* ---- the table ---- */

static int parse(struct str body, struct api_call *out, struct api_error *e)
{
    return api_parse_own(API_PROCESS_PROMPT, body, out, e);
}

static size_t final_of(const struct api_whole *w)
{
    return api_final_pick(w->call->final, w->responses, w->n);
}

static bool write_ending(struct buf *out, const struct api_whole *w)
{
    api_write_prompt_event(out, w->head, w->responses, w->n, w->call->final, final_of(w), &w->cluster);
    return true;
}

static void write_whole(struct buf *out, const struct api_whole *w)
{
    api_write_process_prompt(out, w->head, w->responses, w->n, w->call->final, final_of(w), &w->cluster);
}

const struct api_dialect api_dialect_process_prompt = {
    .id_prefix = API_MANTA_ID_PREFIX, .streams = true, .repeats = true, .partial = true, .parse = parse,
    .piece = api_write_piece, .closing = api_write_last_chunk, .started = api_write_prompt_started,
    .ending = write_ending, .last = api_write_sse_done, .idle = api_write_idle_comment, .fault = api_write_stream_fault,
    .answer = write_whole, .error = api_write_error_body, .models = api_write_models, .model = api_write_model,
};
