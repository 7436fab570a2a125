/* Readers of fields that are not a single number or text (FIELD_OTHER), for parse.c's table.
 *
 * Each fills its part of r->call and returns 0, or an error with r->e filled. */
#ifndef MANTA_API_READERS_H
#define MANTA_API_READERS_H

#include "api/field.h"

/* ---- parse.c: the table-driven parser ---- */
struct api_plan {
    enum api_shape shape;
    const struct field *fields;
    size_t n;
    int (*check)(struct api_reader *r); /* checks several fields together, after all are read */
};
/* Parses a body by a plan, as api_parse(). */
int api_parse_plan(const struct api_plan *plan, struct str body, struct api_call *out, struct api_error *e);
/* Parses bodies of OpenAI's chat, completions and embeddings, llama-server's, and process_prompt:
 * they share one table. */
int api_parse_own(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e);

/* messages.c: conversations */
api_field_fn api_read_messages; /* array of {role, content} -> turns */
api_field_fn api_read_question; /* process_prompt: string -> one user turn */

/* inputs.c: prompts of completions, inputs of embeddings, and the format of vectors */
api_field_fn api_read_prompt;          /* string, strings, token ids with strings among them, arrays of these */
api_field_fn api_read_content;         /* the same, of one prompt; an array of strings is one */
/* Applies "prompt", "n", "best_of" and "echo" together, after all fields are read. */
int api_prompts_end(struct api_reader *r);
api_field_fn api_read_input;           /* as api_read_prompt */
api_field_fn api_read_encoding_format; /* "float", "base64" */

/* limits.c: bounds, seeds, stop strings, fan-out */
api_field_fn api_read_max_tokens; /* 1 …, for texts 0 …; -1: until the context is full */
api_field_fn api_read_top_k;      /* 0 and -1: off */
api_field_fn api_read_seed;       /* any integer; -1: random, as in llama-server */
api_field_fn api_read_stop;       /* string or array of strings */
api_field_fn api_read_logit_bias; /* {"42": -100, " cat": 1} or [[42, -100], [" cat", false]] */
api_field_fn api_read_actors;     /* a number or "all" */
api_field_fn api_read_final;      /* "first", "best", "vote" */
api_field_fn api_read_timeout;    /* seconds */

/* samplers.c: llama-server's additional samplers */
api_field_fn api_read_breakers; /* array of strings, for DRY */
api_field_fn api_read_samplers; /* the order: an array of names, or a string of letters */
/* Sets DRY's default breakers if the request has none, and refuses a sampler beside a form that it cannot serve.
 * After api_tools_end(). */
int api_samplers_end(struct api_reader *r);

/* form.c: the required form of an answer */
api_field_fn api_read_grammar;            /* GBNF */
api_field_fn api_read_regex;
api_field_fn api_read_choice;             /* array of strings */
api_field_fn api_read_json_schema;        /* an object, or its text */
api_field_fn api_read_structured_outputs; /* vLLM's object of the above */
api_field_fn api_read_response_format;    /* OpenAI's */
api_field_fn api_read_format;             /* of Responses and Messages: the schema is beside the type */

/* extras.c: options of an answer, and refused functions */
api_field_fn api_read_stream_options;
api_field_fn api_read_logprobs_count; /* completions: 0 … 20; OpenAI's limit is 5 */
api_field_fn api_read_n_probs;      /* llama-server's name of logprobs; 0: off */
api_field_fn api_read_top_logprobs;
api_field_fn api_read_cache_prompt; /* false: ignore the prefix cache */
api_field_fn api_read_functions;
api_field_fn api_read_prompt_cache_options; /* OpenAI's; hints but for "prewarm" */

/* gap.c: texts around a gap that the answer fills */
api_field_fn api_read_suffix;       /* completions: the prompt is the text before the gap */
api_field_fn api_read_input_prefix; /* /infill, as are the next two */
api_field_fn api_read_input_suffix;
api_field_fn api_read_input_extra;  /* array of {text, filename} */
/* Applies these together with the prompt, after all fields are read. */
int api_gap_end(struct api_reader *r);

/* chat_tools.c: tools in OpenAI's chat format */
api_field_fn api_read_tools;
api_field_fn api_read_tool_choice; /* "none", "auto", "required", or a function */
api_field_fn api_read_parallel_tool_calls;

/* responses_turns.c: the input of /v1/responses, a text or items */
api_field_fn api_read_items; /* also reads "instructions", the first turn */

/* anthropic_turns.c: the messages of /v1/messages */
api_field_fn api_read_dialogue; /* also reads "system", the first turn */
/* anthropic_tools.c: its tools, with a schema or a type that stands for one */
api_field_fn api_read_typed_tools;

/* reasoning.c: variables of the chat template, and the handling of reasoning */
api_field_fn api_read_reasoning_format; /* "none": reasoning stays in the text */
api_field_fn api_read_template_args;    /* an object */
api_field_fn api_read_enable_thinking;
api_field_fn api_read_reasoning_effort; /* "none", "low", … */
api_field_fn api_read_continue;         /* whether the answer continues the assistant's last message */
api_field_fn api_read_generation_prompt;
/* Sets a variable of the chat template; consumes the value. */
void api_template_arg(struct api_reader *r, const char *name, json_t *value);
/* Call after all fields are read. */
int api_template_args_end(struct api_reader *r);

/* lacking.c: fields of other servers that manta lacks. Functions return ERR_UNSUPPORTED with the
 * field's name if its value requests something. */
struct api_lacking {
    const char *name;
    unsigned shapes;
    const char *harmless; /* JSON values, separated by '|'. null, "", [] and {} are always harmless */
    const char *instead;  /* NULL, or the alternative */
};
/* Refuses the first field of the table that the body has with a value that is not harmless. 0: there is
 * none. */
int api_refuse_lacking_of(struct api_reader *r, const struct api_lacking *of, size_t n);
/* The same for OpenAI's and manta's fields. */
int api_refuse_lacking(struct api_reader *r);
/* elsewhere.c: the same for fields of other dialects that the call's own lacks. */
int api_refuse_elsewhere(struct api_reader *r);
/* The same for the fields of a message at `path`. */
int api_refuse_lacking_in_message(struct api_reader *r, const char *path, const json_t *message);

#endif
