/* Refuse fields of other servers that manta lacks.
 *
 * A client that sends such a field to change its answer would mistake any answer for the requested
 * one, so the field is refused by name. A value that requests nothing (the default of the server
 * that has the field) is accepted: SDKs send those. */
#include <stdlib.h>

#include "api/readers.h"
#include "api/refuse.h"

#define CHAT FIELD_FOR(API_CHAT)
#define LLAMA (FIELD_FOR(API_LLAMA) | FIELD_FOR(API_INFILL))
#define TEXT (FIELD_FOR(API_COMPLETION) | LLAMA)
#define ASK FIELD_FOR(API_PROCESS_PROMPT)
#define EMBED FIELD_FOR(API_EMBEDDINGS)
#define ALL (CHAT | TEXT | ASK)

static const struct api_lacking table[] = {
    /* what the answer may say */
    {"grammar_lazy", ALL, "false", "a grammar holds from the first token on"},
    {"format", ALL, "", "send response_format"},
    {"min_tokens", ALL, "0", NULL},
    {"stop_token_ids", ALL, "", "stop takes strings"},
    {"stop_regex", ALL, "", "stop takes strings"},
    {"ebnf", ALL, "", "grammar takes GBNF"},
    {"bad_words", ALL, "", "logit_bias takes texts, and the bias false means never"},
    {"allowed_token_ids", ALL, "", "logit_bias takes token ids"},
    {"n_indent", ALL, "0", NULL},
    {"t_max_predict_ms", ALL, "0|-1", "max_tokens bounds an answer"},
    {"t_max_prompt_ms", ALL, "0|-1", NULL},

    /* sampling */
    {"top_a", ALL, "0", NULL},
    {"tfs_z", ALL, "1", NULL},
    {"adaptive_target", ALL, "-1", NULL},
    {"adaptive_decay", ALL, "0.9", NULL},
    {"use_beam_search", ALL, "false", NULL},
    {"length_penalty", ALL, "1", NULL},
    {"early_stopping", ALL, "false", NULL},
    {"logits_processors", ALL, "", NULL},
    {"custom_logit_processor", ALL, "", NULL},

    /* prompt and template */
    {"add_generation_prompt", TEXT | ASK, "true", NULL},
    {"continue_final_message", TEXT | ASK, "false", "POST /v1/completions continues a text"},
    {"chat_template", ALL, "", "a worker's --chat-template is used, or the model's own template"},
    {"chat_template_kwargs", TEXT | ASK, "", NULL},
    {"documents", ALL, "", "put them into a message"},
    {"generation_prompt", ALL, "", NULL},
    {"add_special_tokens", ALL, "false", NULL},
    {"truncate_prompt_tokens", ALL | EMBED, "", "a text that is too long is an error here, never cut"},
    {"prompt_truncate_len", ALL, "", "a prompt that is too long is an error here, never cut"},
    {"safe_prompt", ALL, "false", "send it as a message of the role system"},
    {"prompt_mode", ALL, "", "send reasoning_effort"},
    {"reasoning", ALL, "", NULL},
    {"reasoning_effort", TEXT | ASK, "\"none\"", NULL},
    {"reasoning_format", TEXT | ASK, "\"none\"|\"auto\"", NULL},
    {"reasoning_budget", ALL, "-1|0", NULL},
    {"thinking", ALL, "", NULL},
    {"thinking_budget_tokens", ALL, "-1|0", NULL},
    {"thinking_budget", ALL, "", NULL},
    {"thinking_token_budget", ALL, "", NULL},
    {"thinking_forced_open", ALL, "false", NULL},
    {"enable_thinking", TEXT | ASK, "false", NULL},
    {"think", ALL, "false", NULL},
    {"system", ALL, "", "send it as a message of the role system"},
    {"template", ALL, "", "the model's own template is used"},
    {"raw", ALL, "false", "POST /v1/completions takes a prompt as it is"},
    {"context", ALL, "", NULL},
    {"options", ALL | EMBED, "", "its fields belong into the body itself here"},
    {"images", ALL, "", NULL},
    {"image_data", ALL, "", NULL},
    {"mm_processor_kwargs", ALL, "", NULL},
    {"audio", ALL, "", NULL},
    {"modalities", ALL, "[\"text\"]", NULL},
    {"moderation", ALL, "", "nothing is moderated here"},
    {"lora", ALL, "", NULL},
    {"lora_path", ALL, "", NULL},
    {"cache_prompt", ASK, "true", "a slot reuses what it holds of a prompt"},

    /* tools */
    {"tool_choice", ASK, "\"none\"|\"auto\"", NULL},
    {"function_call", CHAT | ASK, "\"none\"|\"auto\"", NULL},
    {"tools", ASK | TEXT, "", NULL},
    {"tool_prompt", ALL, "", "put it into a message"},
    {"web_search_options", ALL, "", NULL},
    {"search_parameters", ALL, "", NULL},
    {"enable_search", ALL, "false", NULL},
    {"data_sources", ALL, "", "put what they say into a message"},

    /* reported data */
    {"post_sampling_probs", ALL & ~LLAMA, "false", NULL},
    {"prompt_logprobs", ALL, "", NULL},
    {"logprobs", ASK, "false|0", NULL},
    {"top_logprobs", ASK | TEXT, "0", "logprobs takes a number in /v1/completions"},
    {"include_stop_str_in_output", ALL, "false", NULL},
    {"no_stop_trim", ALL, "false", NULL},
    {"skip_special_tokens", ALL, "true", NULL},
    {"spaces_between_special_tokens", ALL, "true", NULL},
    {"detokenize", ALL, "true", NULL},
    {"return_tokens", ALL & ~LLAMA, "false", "return_token_ids gives the ids"},
    {"return_tokens_as_token_ids", ALL, "false", "return_token_ids gives the ids"},
    {"return_token_ids", ASK, "false", NULL},
    {"return_progress", ASK, "false", NULL},
    {"timings_per_token", ASK, "false", "each response has its processing_time_s"},
    {"response_fields", ALL & ~LLAMA, "", NULL},
    {"verbose", ALL, "false", "POST /apply-template gives the prompt of a chat"},
    {"echo", CHAT | ASK, "false", NULL},
    {"suffix", CHAT | ASK, "", "POST /v1/completions fills a gap"},
    {"suffix", FIELD_FOR(API_INFILL), "", "input_suffix is what comes after the gap"},
    {"best_of", CHAT, "1", "use n"},
    {"n", ASK, "1", "actors says how many answer"},

    /* embeddings */
    {"embd_normalize", EMBED, "2", "vectors have length 1"},
    {"normalize", EMBED, "true", "vectors have length 1"},
    {"pooling", EMBED, "", "the model's own pooling is used"},
    {"truncate", EMBED, "false", "a text that is too long is an error here, never cut"},
    {"truncation", EMBED, "false", "a text that is too long is an error here, never cut"},
    {"output_dimension", EMBED, "", "send dimensions"},
    {"output_dtype", EMBED, "\"float\"", "vectors are of floats"},
    {"embedding_type", EMBED, "\"float\"", "vectors are of floats; encoding_format says how they are written"},
    {"embedding_types", EMBED, "[\"float\"]", "vectors are of floats; encoding_format says how they are written"},
    {"task", EMBED, "", "put the model's prefix into the text"},
    {"input_type", EMBED, "", "put the model's prefix into the text"},
    {"prompt_name", EMBED, "", "put the model's prefix into the text"},
    {"instruction", EMBED, "", "put it into the text"},
    {"late_chunking", EMBED, "false", NULL},
};

static bool is_empty(const json_t *v)
{
    return json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static bool same(const json_t *v, const char *text, struct str literal)
{
    if (json_is_number(v)) {
        char *end;
        double n = strtod(literal.p, &end);
        return literal.n > 0 && end == literal.p + literal.n && json_number_value(v) == n;
    }
    return str_is(literal, text);
}

/* Larger than any value in the table: skip the comparison. */
static bool is_large(const json_t *v)
{
    return json_string_length(v) > 64 || json_array_size(v) > 64 || json_object_size(v) > 0;
}

static bool is_harmless(const json_t *v, const char *harmless)
{
    bool found = is_empty(v);
    char *text = found || is_large(v) ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    for (const char *at = harmless; !found && text != NULL && *at != '\0';) {
        size_t n = strcspn(at, "|");
        found = same(v, text, str_n(at, n));
        at += n + (at[n] == '|');
    }
    free(text);
    return found;
}

static int refuse(struct api_reader *r, const struct api_lacking *l, const char *path)
{
    if (l->instead != NULL)
        return api_refuse(r->e, ERR_UNSUPPORTED, path, "is not supported: leave it out; %s", l->instead);
    return api_refuse(r->e, ERR_UNSUPPORTED, path, "is not supported: leave it out");
}

int api_refuse_lacking_of(struct api_reader *r, const struct api_lacking *of, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct api_lacking *l = &of[i];
        const json_t *v = (l->shapes & FIELD_FOR(r->call->shape)) != 0 ? json_object_get(r->root, l->name) : NULL;
        if (v != NULL && !is_harmless(v, l->harmless))
            return refuse(r, l, l->name);
    }
    return 0;
}

int api_refuse_lacking(struct api_reader *r)
{
    return api_refuse_lacking_of(r, table, sizeof table / sizeof table[0]);
}

int api_refuse_lacking_in_message(struct api_reader *r, const char *path, const json_t *message)
{
    static const struct api_lacking fields[] = {
        {"reasoning", CHAT, "", "send reasoning_content"}, {"thinking", CHAT, "", "send reasoning_content"},
        {"function_call", CHAT, "", "send tool_calls"},    {"images", CHAT, "", NULL}, {"audio", CHAT, "", NULL},
        {"prefix", CHAT, "false", "a chat that ends with an assistant's message is continued"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json_t *v = json_object_get(message, fields[i].name);
        char at[API_PATH_BYTES];
        api_path(at, "%s.%s", path, fields[i].name);
        if (v != NULL && !is_harmless(v, fields[i].harmless))
            return refuse(r, &fields[i], at);
    }
    return 0;
}
