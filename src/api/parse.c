/* Parse a request body into struct api_call: the table-driven parser, and the table of OpenAI's and
 * manta's fields. */
#include "api/dialect.h"
#include "api/field.h"
#include "api/json_in.h"
#include "api/llama.h"
#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"

#define CHAT FIELD_FOR(API_CHAT)
#define LLAMA (FIELD_FOR(API_LLAMA) | FIELD_FOR(API_INFILL))
#define TEXT (FIELD_FOR(API_COMPLETION) | LLAMA)
#define TEMPLATE (CHAT | FIELD_FOR(API_TEMPLATE))
#define ASK FIELD_FOR(API_PROCESS_PROMPT)
#define OPENAI (CHAT | TEXT)
#define ALL (CHAT | TEXT | ASK)
#define EMBED FIELD_FOR(API_EMBEDDINGS)

#define TO(member) .at = offsetof(struct api_call, member)
#define TO_SAMPLING(member) .at = offsetof(struct api_call, request.sampling.member)

/* Read from top to bottom: of two names for one value the lower wins. Fields that other servers
 * have and manta lacks are in lacking.c; all others are ignored. */
static const struct field fields[] = {
    {"model", ALL | TEMPLATE | EMBED, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
    {"messages", TEMPLATE | ASK, FIELD_OTHER, .read = api_read_messages},
    {"prompt", TEXT, FIELD_OTHER, .read = api_read_prompt},
    {"prompt", ASK, FIELD_OTHER, .read = api_read_question},
    {"input", EMBED, FIELD_OTHER, .read = api_read_input},
    {"encoding_format", EMBED, FIELD_OTHER, .read = api_read_encoding_format},
    {"dimensions", EMBED, FIELD_COUNT, 1, API_DIMENSIONS_MAX, TO(dimensions)},
    {"stream", ALL, FIELD_BOOL, TO(stream)},
    {"stream_options", OPENAI, FIELD_OTHER, .read = api_read_stream_options},
    {"timings_per_token", OPENAI, FIELD_BOOL, TO(timings)},
    {"return_progress", OPENAI, FIELD_FLAG, TO_SAMPLING(progress)},
    {"cache_prompt", OPENAI, FIELD_OTHER, .read = api_read_cache_prompt},
    {"post_sampling_probs", LLAMA, FIELD_FLAG, TO_SAMPLING(drawn_probs)},
    {"return_tokens", LLAMA, FIELD_BOOL, TO(with_tokens)},
    {"response_fields", LLAMA, FIELD_OTHER, .read = api_read_response_fields},
    {"n_cmpl", OPENAI, FIELD_COUNT, 1, API_N_MAX, TO(n)},
    {"n", OPENAI, FIELD_COUNT, 1, API_N_MAX, TO(n)},

    {"n_predict", ALL, FIELD_OTHER, .read = api_read_max_tokens},
    {"max_tokens", ALL, FIELD_OTHER, .read = api_read_max_tokens},
    {"max_completion_tokens", ALL, FIELD_OTHER, .read = api_read_max_tokens},
    {"stop", ALL, FIELD_OTHER, .read = api_read_stop},
    {"ignore_eos", ALL, FIELD_FLAG, TO_SAMPLING(ignore_eos)},

    {"temperature", ALL, FIELD_FLOAT, 0, 5, TO_SAMPLING(temperature)},
    {"top_p", ALL, FIELD_FLOAT, 0, 1, TO_SAMPLING(top_p)},
    {"min_p", ALL, FIELD_FLOAT, 0, 1, TO_SAMPLING(min_p)},
    {"top_k", ALL, FIELD_OTHER, .read = api_read_top_k},
    {"repetition_penalty", ALL, FIELD_FLOAT, 0.01, 10, TO_SAMPLING(repeat_penalty)},
    {"repeat_penalty", ALL, FIELD_FLOAT, 0.01, 10, TO_SAMPLING(repeat_penalty)},
    {"presence_penalty", ALL, FIELD_FLOAT, -2, 2, TO_SAMPLING(presence_penalty)},
    {"frequency_penalty", ALL, FIELD_FLOAT, -2, 2, TO_SAMPLING(frequency_penalty)},
    {"repeat_last_n", ALL, FIELD_INT, -1, API_LAST_N_MAX, TO_SAMPLING(penalty_last_n)},
    {"typical_p", ALL, FIELD_FLOAT, 0, 1, TO_SAMPLING(typical_p)},
    {"typ_p", ALL, FIELD_FLOAT, 0, 1, TO_SAMPLING(typical_p)},
    {"top_n_sigma", ALL, FIELD_FLOAT, -1, 100, TO_SAMPLING(top_n_sigma)},
    {"xtc_probability", ALL, FIELD_FLOAT, 0, 1, TO_SAMPLING(xtc_probability)},
    {"xtc_threshold", ALL, FIELD_FLOAT, 0, 1, TO_SAMPLING(xtc_threshold)},
    {"dynatemp_range", ALL, FIELD_FLOAT, 0, 5, TO_SAMPLING(dynatemp_range)},
    {"dynatemp_exponent", ALL, FIELD_FLOAT, 0, 100, TO_SAMPLING(dynatemp_exponent)},
    {"dry_multiplier", ALL, FIELD_FLOAT, 0, 100, TO_SAMPLING(dry_multiplier)},
    {"dry_base", ALL, FIELD_FLOAT, 1, 100, TO_SAMPLING(dry_base)},
    {"dry_allowed_length", ALL, FIELD_INT, 0, API_LAST_N_MAX, TO_SAMPLING(dry_allowed_length)},
    {"dry_penalty_last_n", ALL, FIELD_INT, -1, API_LAST_N_MAX, TO_SAMPLING(dry_last_n)},
    {"dry_sequence_breakers", ALL, FIELD_OTHER, .read = api_read_breakers},
    {"mirostat", ALL, FIELD_COUNT, 0, MIROSTAT_VERSIONS, TO_SAMPLING(mirostat)},
    {"mirostat_tau", ALL, FIELD_FLOAT, 0, 100, TO_SAMPLING(mirostat_tau)},
    {"mirostat_eta", ALL, FIELD_FLOAT, 0, 10, TO_SAMPLING(mirostat_eta)},
    {"min_keep", ALL, FIELD_COUNT, 0, API_LAST_N_MAX, TO_SAMPLING(min_keep)},
    {"samplers", ALL, FIELD_OTHER, .read = api_read_samplers},
    {"random_seed", ALL, FIELD_OTHER, .read = api_read_seed}, /* Mistral's */
    {"seed", ALL, FIELD_OTHER, .read = api_read_seed},
    {"logit_bias", ALL, FIELD_OTHER, .read = api_read_logit_bias},

    {"n_probs", OPENAI, FIELD_OTHER, .read = api_read_n_probs},
    {"logprobs", CHAT, FIELD_FLAG, TO_SAMPLING(logprobs)},
    {"logprobs", TEXT, FIELD_OTHER, .read = api_read_logprobs_count},
    {"top_logprobs", CHAT, FIELD_OTHER, .read = api_read_top_logprobs},
    {"return_token_ids", OPENAI | EMBED, FIELD_FLAG, TO_SAMPLING(prompt_ids)},

    {"user", ALL | EMBED, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.affinity)},
    {"prompt_cache_options", CHAT, FIELD_OTHER, .read = api_read_prompt_cache_options},
    {"prompt_cache_key", ALL, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.affinity)},

    {"priority", ALL | EMBED, FIELD_INT, -REQUEST_PRIORITY_MAX, REQUEST_PRIORITY_MAX, TO(request.priority)},

    {"actors", ASK, FIELD_OTHER, .read = api_read_actors},
    {"final", ASK, FIELD_OTHER, .read = api_read_final},
    {"timeout_s", ASK | EMBED, FIELD_OTHER, .read = api_read_timeout},

    {"grammar", ALL, FIELD_OTHER, .read = api_read_grammar},
    {"guided_grammar", ALL, FIELD_OTHER, .read = api_read_grammar},
    {"json_schema", ALL, FIELD_OTHER, .read = api_read_json_schema},
    {"guided_json", ALL, FIELD_OTHER, .read = api_read_json_schema},
    {"guided_regex", ALL, FIELD_OTHER, .read = api_read_regex},
    {"regex", ALL, FIELD_OTHER, .read = api_read_regex}, /* SGLang's */
    {"guided_choice", ALL, FIELD_OTHER, .read = api_read_choice},
    {"structured_outputs", ALL, FIELD_OTHER, .read = api_read_structured_outputs},
    {"response_format", ALL, FIELD_OTHER, .read = api_read_response_format},
    {"tools", TEMPLATE, FIELD_OTHER, .read = api_read_tools},
    {"tool_choice", TEMPLATE, FIELD_OTHER, .read = api_read_tool_choice},
    {"parallel_tool_calls", TEMPLATE, FIELD_OTHER, .read = api_read_parallel_tool_calls},
    {"functions", CHAT, FIELD_OTHER, .read = api_read_functions},
    {"reasoning_format", CHAT, FIELD_OTHER, .read = api_read_reasoning_format},
    {"chat_template_kwargs", TEMPLATE, FIELD_OTHER, .read = api_read_template_args},
    {"enable_thinking", TEMPLATE, FIELD_OTHER, .read = api_read_enable_thinking},
    {"reasoning_effort", TEMPLATE, FIELD_OTHER, .read = api_read_reasoning_effort},
    {"continue_final_message", TEMPLATE, FIELD_OTHER, .read = api_read_continue},
    {"add_generation_prompt", TEMPLATE, FIELD_OTHER, .read = api_read_generation_prompt},
    {"suffix", TEXT & ~FIELD_FOR(API_INFILL), FIELD_OTHER, .read = api_read_suffix},
    {"input_extra", FIELD_FOR(API_INFILL), FIELD_OTHER, .read = api_read_input_extra},
    {"input_prefix", FIELD_FOR(API_INFILL), FIELD_OTHER, .read = api_read_input_prefix},
    {"input_suffix", FIELD_FOR(API_INFILL), FIELD_OTHER, .read = api_read_input_suffix},
    {"echo", TEXT, FIELD_BOOL, TO(with_prompt)},
    {"best_of", TEXT, FIELD_COUNT, 1, API_BEST_OF_MAX, TO(best_of)},
};

static struct api_call call_default(enum api_shape shape)
{
    struct api_call c = {.shape = shape, .n = 1};
    bool is_text = (FIELD_FOR(shape) & (TEXT | FIELD_FOR(API_TOKENIZE) | FIELD_FOR(API_DETOKENIZE))) != 0;
    bool embeds = shape == API_EMBEDDINGS || shape == API_RERANK || shape == API_OLLAMA_EMBED || shape == API_OLLAMA_EMBEDDINGS;
    c.request.kind = is_text ? REQUEST_TEXT : embeds ? REQUEST_EMBED : REQUEST_CHAT;
    c.request.sampling = sampling_default();
    if (shape == API_COMPLETION)
        c.request.sampling.max_tokens = API_COMPLETION_TOKENS;
    if (shape == API_PROCESS_PROMPT)
        c.request.sampling.max_tokens = API_PROCESS_PROMPT_TOKENS;
    c.spread = shape == API_PROCESS_PROMPT;
    c.request.split_reasoning = shape == API_CHAT || shape == API_MESSAGES || shape == API_RESPONSES;
    return c;
}

/* Checks conditions on several fields. */
static int check_whole(struct api_reader *r)
{
    struct request *q = &r->call->request;
    int err = api_refuse_lacking(r);
    if (err)
        return err;
    if (q->kind == REQUEST_CHAT && q->turns_n == 0) {
        if (r->call->shape == API_PROCESS_PROMPT)
            return api_refuse(r->e, ERR_INVALID, "prompt", "is missing: the text to answer");
        return api_refuse(r->e, ERR_INVALID, "messages", "is missing: an array of {\"role\", \"content\"}");
    }
    bool is_chat = r->call->shape == API_CHAT || r->call->shape == API_TEMPLATE;
    err = is_chat ? api_tools_end(r) : 0;
    if (err == 0 && is_chat)
        err = api_template_args_end(r);
    if (err == 0)
        err = api_samplers_end(r);
    if (err)
        return err;
    if (q->kind == REQUEST_TEXT && ((err = api_gap_end(r)) != 0 || (err = api_prompts_end(r)) != 0))
        return err;
    if (q->kind == REQUEST_EMBED && q->inputs_n == 0)
        return api_refuse(r->e, ERR_INVALID, "input", "is missing: a text, or an array of texts");
    if (q->sampling.prompt_ids && r->call->stream)
        return api_refuse(r->e, ERR_UNSUPPORTED, "return_token_ids", "is only for answers that do not stream");
    if ((FIELD_FOR(r->call->shape) & LLAMA) != 0)
        api_make_settings(r);
    if (r->call->final != API_FINAL_FIRST)
        q->sampling.logprobs = 1; /* "best" compares them, and "vote" breaks ties by them */
    return 0;
}

int api_parse_plan(const struct api_plan *plan, struct str body, struct api_call *out, struct api_error *e)
{
    json_t *root = NULL;
    int err = api_json_parse(body, &root, e);
    if (err)
        return err;
    struct api_call call = call_default(plan->shape);
    struct api_arena *arena = api_arena_new();
    struct api_reader r = {.call = &call, .arena = arena, .root = root, .e = e};
    err = api_fields_read(&r, plan->fields, plan->n);
    if (!err)
        err = plan->check(&r);
    if (!err)
        err = api_refuse_elsewhere(&r);
    if (call.request.sampling.top_p == 0) /* clients mean "only the best token"; an engine requires p > 0 */
        call.request.sampling.top_p = 1e-6f;
    json_decref(root);
    json_decref(r.tools);
    json_decref(r.only);
    json_decref(r.args);
    if (err) {
        api_arena_free(arena);
        return err;
    }
    call.owned = arena;
    *out = call;
    return 0;
}

int api_parse_own(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e)
{
    const struct api_plan plan = {.shape = shape, .fields = fields, .n = sizeof fields / sizeof fields[0], .check = check_whole};
    return api_parse_plan(&plan, body, out, e);
}

void api_call_forget(struct api_call *c)
{
    struct request *q = &c->request;
    api_arena_free(c->owned);
    c->owned = NULL;
    q->model = q->text = q->affinity = q->form_text = q->tools = q->template_args = c->echo = (struct str){0};
    q->turns = NULL;
    q->tokens = NULL;
    q->inputs = NULL;
    q->stops = NULL;
    q->biases = NULL;
    q->breakers = NULL;
    c->refs = NULL;
    c->refs_n = 0;
}

void api_call_fini(struct api_call *c)
{
    api_arena_free(c->owned);
    *c = (struct api_call){0};
}
