/* The fields that are more than one number or text: their readers, named in parse.c's table (FIELD_OTHER).
 *
 * Each fills its part of r->call and returns 0, or an error with r->e filled. */
#ifndef MANTA_API_READERS_H
#define MANTA_API_READERS_H

#include "api/field.h"

/* ---- parse.c: how a body is read ---- */
struct api_plan {
    enum api_shape shape;
    const struct field *fields;
    size_t n;
    int (*check)(struct api_reader *r); /* what no single field can say, once all are read */
};
/* As api_parse(), by that plan. */
int api_parse_plan(const struct api_plan *plan, struct str body, struct api_call *out, struct api_error *e);
/* The bodies of OpenAI's chat, completions and embeddings, and of process_prompt: they have one table. */
int api_parse_own(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e);

/* messages.c: who said what */
api_field_fn api_read_messages; /* array of {role, content} -> turns */
api_field_fn api_read_question; /* process_prompt: string -> one user turn */

/* inputs.c: prompts of completions, what to make vectors of, and how to send these */
api_field_fn api_read_prompt;          /* string, strings, token ids, arrays of token ids */
/* What "prompt", "n", "best_of" and "echo" mean together, once all fields are read. */
int api_prompts_end(struct api_reader *r);
api_field_fn api_read_input;           /* string, strings, token ids, arrays of token ids */
api_field_fn api_read_encoding_format; /* "float", "base64" */

/* limits.c: how long, how often, until what */
api_field_fn api_read_max_tokens; /* 1 …, or -1: until the context is full */
api_field_fn api_read_top_k;      /* 0 and -1: off */
api_field_fn api_read_seed;       /* any integer; -1: another one each time, as llama-server has it */
api_field_fn api_read_stop;       /* string or array of strings */
api_field_fn api_read_logit_bias; /* {"42": -100} or [[42, -100]] */
api_field_fn api_read_actors;     /* a number or "all" */
api_field_fn api_read_final;      /* "first", "best", "vote" */
api_field_fn api_read_timeout;    /* seconds */

/* samplers.c: llama-server's samplers beyond the usual ones */
api_field_fn api_read_breakers; /* array of strings, for DRY */
api_field_fn api_read_samplers; /* the order: array of names, or a text of letters */
/* DRY's breakers where the request has none. */
void api_breakers_default(struct api_reader *r);

/* form.c: what the answer must be */
api_field_fn api_read_grammar;            /* GBNF */
api_field_fn api_read_regex;
api_field_fn api_read_choice;             /* array of strings */
api_field_fn api_read_json_schema;        /* object, or its text */
api_field_fn api_read_structured_outputs; /* vLLM's object of the above */
api_field_fn api_read_response_format;    /* OpenAI's */
api_field_fn api_read_format;             /* of Responses and Messages: the schema stands beside the type */

/* extras.c: options of an answer, and what manta does not do: named, so that nobody believes it was done */
api_field_fn api_read_stream_options;
api_field_fn api_read_logprobs_count; /* completions: 0 … 20, OpenAI has 5 */
api_field_fn api_read_n_probs;      /* llama-server's name for the same; 0: off */
api_field_fn api_read_top_logprobs;
api_field_fn api_read_cache_prompt; /* false: whatever a slot holds of it */
api_field_fn api_read_functions;

/* gap.c: what stands around a gap that the answer is to fill */
api_field_fn api_read_suffix;       /* completions: the prompt is what comes before */
api_field_fn api_read_input_prefix; /* /infill, as are the next two */
api_field_fn api_read_input_suffix;
api_field_fn api_read_input_extra;  /* array of {text, filename} */
/* What these mean together with the prompt, once all fields are read. */
int api_gap_end(struct api_reader *r);

/* chat_tools.c: tools as OpenAI's chat has them */
api_field_fn api_read_tools;
api_field_fn api_read_tool_choice; /* "none", "auto", "required", or a function */
api_field_fn api_read_parallel_tool_calls;

/* reasoning.c: what the chat template is told, and what becomes of reasoning */
api_field_fn api_read_reasoning_format; /* "none": it stays in the text */
api_field_fn api_read_template_args;    /* an object */
api_field_fn api_read_enable_thinking;
api_field_fn api_read_reasoning_effort; /* "none", "low", … */
api_field_fn api_read_continue;         /* is the last message, of the assistant, the beginning of the answer? */
api_field_fn api_read_generation_prompt;
/* A variable of the chat template; the value is used up. */
void api_template_arg(struct api_reader *r, const char *name, json_t *value);
/* Once all fields are read. */
int api_template_args_end(struct api_reader *r);

/* lacking.c: fields of other servers that manta lacks. ERR_UNSUPPORTED with the field's name when one asks for something. */
struct api_lacking {
    const char *name;
    unsigned shapes;
    const char *harmless; /* JSON values, with '|' between them. null, "", [] and {} always are */
    const char *instead;  /* NULL, or the way to get the like here */
};
/* Refuses the first field of that table that the body has and manta lacks. 0: there is none. */
int api_refuse_lacking_of(struct api_reader *r, const struct api_lacking *of, size_t n);
/* The same of OpenAI's and manta's fields. */
int api_refuse_lacking(struct api_reader *r);
/* The same for the fields of a message, which is at `path`. */
int api_refuse_lacking_in_message(struct api_reader *r, const char *path, const json_t *message);

#endif
