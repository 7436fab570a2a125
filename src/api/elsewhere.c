/* Refuse fields of one dialect in the body of another.
 *
 * A client that sends OpenAI's "stop" to Anthropic's endpoint, or "temperature" beside Ollama's
 * "options", means it: an answer without it would be another one. Values that request nothing are
 * accepted, as in lacking.c. */
#include "api/readers.h"

#define CHAT FIELD_FOR(API_CHAT)
#define TEMPLATE FIELD_FOR(API_TEMPLATE)
#define TEXT (FIELD_FOR(API_COMPLETION) | FIELD_FOR(API_LLAMA) | FIELD_FOR(API_INFILL))
#define ASK FIELD_FOR(API_PROCESS_PROMPT)
#define OWN (CHAT | TEXT | ASK)
#define MESSAGES (FIELD_FOR(API_MESSAGES) | FIELD_FOR(API_COUNT))
#define RESPONSES FIELD_FOR(API_RESPONSES)
#define OLLAMA_CHAT FIELD_FOR(API_OLLAMA_CHAT)
#define GENERATE FIELD_FOR(API_OLLAMA_GENERATE)
#define OLLAMA (OLLAMA_CHAT | GENERATE)
#define OLLAMA_EMBED (FIELD_FOR(API_OLLAMA_EMBED) | FIELD_FOR(API_OLLAMA_EMBEDDINGS))
#define OTHERS (MESSAGES | RESPONSES | OLLAMA) /* dialects with a table of their own */

#define AT_CHAT "POST /v1/chat/completions has it"
#define IN_OPTIONS "send it in options"

static const struct api_lacking table[] = {
    /* how long an answer may be, and where it ends */
    {"n_predict", MESSAGES, "-1", "send max_tokens"},
    {"n_predict", RESPONSES, "-1", "send max_output_tokens"},
    {"n_predict", OLLAMA, "-1", "send options.num_predict"},
    {"num_predict", OWN | MESSAGES, "-1", "send max_tokens"},
    {"num_predict", RESPONSES, "-1", "send max_output_tokens"},
    {"num_predict", OLLAMA, "", IN_OPTIONS},
    {"max_tokens", OLLAMA, "", "send options.num_predict"},
    {"max_completion_tokens", MESSAGES, "", "send max_tokens"},
    {"max_completion_tokens", RESPONSES, "", "send max_output_tokens"},
    {"max_completion_tokens", OLLAMA, "", "send options.num_predict"},
    {"max_output_tokens", OWN | MESSAGES, "", "send max_tokens"},
    {"max_output_tokens", OLLAMA, "", "send options.num_predict"},
    {"min_tokens", OTHERS, "0", NULL},
    {"ignore_eos", OTHERS, "false", AT_CHAT},
    {"stop", MESSAGES, "", "send stop_sequences"},
    {"stop", OLLAMA, "", IN_OPTIONS},
    {"stop_sequences", OWN, "", "send stop"},
    {"stop_sequences", RESPONSES, "", "POST /v1/chat/completions has stop"},
    {"stop_sequences", OLLAMA, "", "send options.stop"},
    {"stop_token_ids", OTHERS, "", NULL},

    /* sampling */
    {"temperature", OLLAMA, "", IN_OPTIONS},
    {"top_p", OLLAMA, "", IN_OPTIONS},
    {"top_k", OLLAMA, "", IN_OPTIONS},
    {"min_p", OLLAMA, "", IN_OPTIONS},
    {"seed", OLLAMA, "", IN_OPTIONS},
    {"random_seed", MESSAGES | RESPONSES, "", "send seed"},
    {"random_seed", OLLAMA, "", "send options.seed"},
    {"typical_p", OLLAMA, "", IN_OPTIONS},
    {"typical_p", MESSAGES | RESPONSES, "1", AT_CHAT},
    {"typ_p", OTHERS, "1", AT_CHAT},
    {"repeat_penalty", OLLAMA, "", IN_OPTIONS},
    {"repeat_penalty", MESSAGES | RESPONSES, "1", AT_CHAT},
    {"repetition_penalty", OTHERS, "1", AT_CHAT},
    {"presence_penalty", OLLAMA, "", IN_OPTIONS},
    {"presence_penalty", MESSAGES | RESPONSES, "0", AT_CHAT},
    {"frequency_penalty", OLLAMA, "", IN_OPTIONS},
    {"frequency_penalty", MESSAGES | RESPONSES, "0", AT_CHAT},
    {"top_n_sigma", OTHERS, "-1", AT_CHAT},
    {"xtc_probability", OTHERS, "0", AT_CHAT},
    {"dynatemp_range", OTHERS, "0", AT_CHAT},
    {"dry_multiplier", OTHERS, "0", AT_CHAT},
    {"min_keep", OTHERS, "0", AT_CHAT},
    {"samplers", OTHERS, "", AT_CHAT},
    {"logit_bias", OTHERS, "", AT_CHAT},
    {"mirostat", OLLAMA, "", IN_OPTIONS},
    {"mirostat", MESSAGES | RESPONSES, "0", AT_CHAT},
    {"top_a", OTHERS, "0", NULL},
    {"tfs_z", OTHERS, "1", NULL},
    {"bad_words", OTHERS, "", NULL},
    {"allowed_token_ids", OTHERS, "", NULL},

    /* what the answer may say */
    {"grammar", OTHERS, "", AT_CHAT},
    {"guided_grammar", OTHERS, "", AT_CHAT},
    {"guided_regex", OTHERS, "", AT_CHAT},
    {"regex", OTHERS, "", AT_CHAT},
    {"guided_choice", OTHERS, "", AT_CHAT},
    {"structured_outputs", OTHERS, "", AT_CHAT},
    {"json_schema", MESSAGES, "", "send output_config.format"},
    {"json_schema", RESPONSES, "", "send text.format"},
    {"json_schema", OLLAMA, "", "send format"},
    {"guided_json", MESSAGES, "", "send output_config.format"},
    {"guided_json", RESPONSES, "", "send text.format"},
    {"guided_json", OLLAMA, "", "send format"},
    {"response_format", MESSAGES, "", "send output_config.format"},
    {"response_format", RESPONSES, "", "send text.format"},
    {"response_format", OLLAMA, "", "send format"},
    {"format", MESSAGES, "", "send output_config.format"},
    {"format", RESPONSES, "", "send text.format"},
    {"output_config", OWN, "", "send response_format"},
    {"output_config", RESPONSES, "", "send text.format"},
    {"output_config", OLLAMA, "", "send format"},
    {"text", CHAT, "", "send response_format"},

    /* the prompt */
    {"messages", TEXT, "", "POST /v1/chat/completions takes a conversation"},
    {"messages", GENERATE, "", "send the conversation to POST /api/chat"},
    {"prompt", CHAT | TEMPLATE | MESSAGES | OLLAMA_CHAT, "", "its text belongs into messages"},
    {"input", CHAT | TEMPLATE | MESSAGES | OLLAMA_CHAT, "", "its text belongs into messages"},
    {"input", TEXT | ASK | GENERATE, "", "send it as prompt"},
    {"instructions", CHAT | TEMPLATE | OLLAMA_CHAT, "", "send it as a message of the role system"},
    {"instructions", MESSAGES | GENERATE, "", "send it as system"},
    {"instructions", TEXT | ASK, "", "put it into the prompt"},
    {"system", RESPONSES, "", "send it as instructions"},
    {"system", OLLAMA_CHAT | TEMPLATE, "", "send it as a message of the role system"},
    {"previous_response_id", OWN | MESSAGES | OLLAMA, "", "POST /v1/responses has it"},
    {"conversation", OWN | MESSAGES | OLLAMA, "", "send the conversation itself"},
    {"background", OWN | MESSAGES | OLLAMA, "false", "stream, and resume with Last-Event-ID"},
    {"options", MESSAGES | RESPONSES, "", "its fields belong into the body itself here"},
    {"context", MESSAGES | RESPONSES | OLLAMA_CHAT | TEMPLATE, "", "send the conversation itself"},
    {"suffix", MESSAGES | RESPONSES | OLLAMA_CHAT, "", "POST /v1/completions fills a gap"},
    {"raw", MESSAGES | RESPONSES | OLLAMA_CHAT | TEMPLATE, "false", "POST /v1/completions takes a prompt as it is"},
    {"images", MESSAGES | RESPONSES | TEMPLATE, "", NULL},
    {"documents", OTHERS | TEMPLATE, "", "put them into a message"},
    {"template", MESSAGES | RESPONSES | TEMPLATE, "", "the model's own template is used"},
    {"chat_template", OTHERS | TEMPLATE, "", "a worker's --chat-template is used, or the model's own template"},
    {"chat_template_kwargs", MESSAGES | OLLAMA, "", AT_CHAT},
    {"add_generation_prompt", OTHERS, "true", AT_CHAT},
    {"continue_final_message", OTHERS, "false", "a conversation that ends with an assistant's message is continued"},

    /* reasoning and tools */
    {"reasoning_effort", MESSAGES, "", "send thinking"},
    {"reasoning_effort", RESPONSES, "", "send reasoning.effort"},
    {"reasoning_effort", OLLAMA, "", "send think"},
    {"enable_thinking", MESSAGES, "", "send thinking"},
    {"enable_thinking", RESPONSES, "", "send reasoning.effort"},
    {"enable_thinking", OLLAMA, "", "send think"},
    {"reasoning", MESSAGES, "", "send thinking"},
    {"reasoning", OLLAMA, "", "send think"},
    {"reasoning", TEMPLATE, "", "send reasoning_effort"},
    {"think", MESSAGES, "", "send thinking"},
    {"think", RESPONSES, "", "send reasoning.effort"},
    {"think", TEMPLATE, "", "send enable_thinking"},
    {"thinking", RESPONSES, "", "send reasoning.effort"},
    {"thinking", OLLAMA, "", "send think"},
    {"thinking", TEMPLATE, "", "send enable_thinking"},
    {"tools", GENERATE, "", "POST /api/chat has them"},
    {"tool_choice", OLLAMA, "\"auto\"", AT_CHAT},
    {"functions", OTHERS, "", "send them as tools"},
    {"functions", TEXT | ASK, "", "POST /v1/chat/completions has tools"},
    {"function_call", OTHERS, "\"none\"|\"auto\"", "send tool_choice"},

    /* answers: how many, and what is reported of them */
    {"n", MESSAGES | OLLAMA, "1", AT_CHAT},
    {"n_cmpl", OTHERS | ASK, "1", "POST /v1/chat/completions has n"},
    {"best_of", OTHERS | ASK, "1", "POST /v1/completions has it"},
    {"actors", CHAT | TEXT | OTHERS, "1", "POST /manta/process_prompt has it"},
    {"final", CHAT | TEXT | OTHERS, "\"first\"", "POST /manta/process_prompt has it"},
    {"timeout_s", CHAT | TEXT | OTHERS, "", "POST /manta/process_prompt has it"},
    {"logprobs", MESSAGES | RESPONSES, "false|0", AT_CHAT},
    {"top_logprobs", MESSAGES, "0", AT_CHAT},
    {"n_probs", OTHERS | ASK, "0", "POST /v1/chat/completions has logprobs"},
    {"prompt_logprobs", OTHERS, "", NULL},
    {"echo", OTHERS, "false", "POST /v1/completions has it"},
    {"return_token_ids", OTHERS, "false", AT_CHAT},
    {"return_tokens", OTHERS, "false", "POST /completion has it"},
    {"response_fields", OTHERS, "", "POST /completion has it"},
    {"dimensions", FIELD_FOR(API_OLLAMA_EMBEDDINGS), "", "POST /api/embed has it"},
    {"encoding_format", OLLAMA_EMBED, "\"float\"", "POST /v1/embeddings has it"},
};

int api_refuse_elsewhere(struct api_reader *r)
{
    return api_refuse_lacking_of(r, table, sizeof table / sizeof table[0]);
}
