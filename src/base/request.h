/* A client's request to a model: the one struct that api/ fills, brain/ routes, wire/ carries and
 * engine/ obeys.
 *
 * All text is borrowed. request_clone() copies everything into one owned block. */
#ifndef MANTA_BASE_REQUEST_H
#define MANTA_BASE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum request_kind {
    REQUEST_CHAT = 1,  /* turns, rendered by the model's chat template */
    REQUEST_TEXT = 2,  /* text, completed as is */
    REQUEST_EMBED = 3, /* text, answered by a vector */
};

/* Turns of a request other than a chat:
 *     REQUEST_TEXT: the surroundings of a gap that the answer fills; the text is the answer's beginning. Roles: "prefix",
 *     "suffix", and "file" for other files, with `extra` as their names.
 *     REQUEST_EMBED: one turn of the role "query". The vector is one number: how well the text answers the query. */

/* How an answer ended. Sent on the wire: only add at the end. */
enum finish {
    FINISH_NONE = 0,
    FINISH_STOP = 1,   /* end-of-text token or a stop string */
    FINISH_LENGTH = 2, /* max_tokens or the context was reached */
    FINISH_CANCELLED = 3,
    FINISH_ERROR = 4,
    FINISH_TOOLS = 5,  /* as FINISH_STOP, when the answer calls tools (base/part.h) */
};

struct turn {
    struct str role;    /* "system", "user", "assistant", "tool" */
    struct str content; /* UTF-8 */
    struct str extra;   /* empty, or further fields as a JSON object: "tool_calls" (as in OpenAI's chat, arguments as
                           text), "tool_call_id", "name", "reasoning_content" */
};

/* The form that an answer must have. Sent on the wire: only add at the end. */
enum request_form {
    FORM_FREE = 0,
    FORM_JSON = 1,    /* any JSON object */
    FORM_SCHEMA = 2,  /* JSON that a JSON schema allows */
    FORM_GRAMMAR = 3, /* a text that a GBNF grammar allows */
    FORM_REGEX = 4,   /* a text that a regular expression matches as a whole */
    FORM_KINDS,
};

enum tool_choice {
    TOOLS_AUTO = 0,     /* the model decides */
    TOOLS_NONE = 1,     /* the model sees them and must not call any */
    TOOLS_REQUIRED = 2, /* the model must call at least one; to force a certain tool, `tools` holds only that one */
    TOOL_CHOICES,
};

/* The number of tool calls an answer may have. Sent on the wire: only add at the end. */
enum tool_calls {
    TOOL_CALLS_OWN = 0, /* one, or several where the model's template supports several */
    TOOL_CALLS_ONE = 1,
    TOOL_CALLS_MANY = 2,
    TOOL_CALLS_KINDS,
};

struct logit_bias {
    int32_t token;
    float bias;      /* -100 … 100, or minus infinity; added to the logit */
    struct str text; /* not empty: each token of this text, instead of `token` */
};

/* Sampling parameters, named as in the OpenAI API or llama-server. sampling_default() fills
 * them. */
struct sampling {
    float temperature;       /* 0: greedy; 0 … 5 */
    float top_p;             /* 1: off; 0 < p <= 1 */
    float min_p;             /* 0: off; 0 … 1 */
    int32_t top_k;           /* 0: off */
    float repeat_penalty;    /* 1: off */
    float presence_penalty;  /* 0: off; -2 … 2 */
    float frequency_penalty; /* 0: off; -2 … 2 */
    int32_t penalty_last_n;  /* tokens the penalties look back on; -1: the whole context */
    uint64_t seed;           /* key of the counter-based draws; the head picks one when the client gave none */
    uint32_t max_tokens;     /* 0: until the context is full */
    uint8_t ignore_eos;      /* 1: continue past the end-of-text token (benchmarks) */
    uint8_t logprobs;        /* 1: report the log-probability of each token, and its bytes */
    uint8_t top_logprobs;    /* … and this many of the most likely tokens at its place; at most
                                REQUEST_TOP_LOGPROBS_MAX */
    uint8_t prompt_ids;      /* 1: report the prompt's token ids */
    uint8_t prompt_only;     /* enum prompt_only: the prompt is processed without an answer */
    uint8_t prompt_text;     /* 1: report the prompt as text */
    uint8_t prompt_scores;   /* 1: report the prompt's tokens one by one, with their bytes, and with the
                                log-probabilities that `logprobs` asks for where they are computed */
    uint8_t bare;            /* REQUEST_TEXT: bits of enum bare */
    uint8_t fresh;           /* 1: compute the whole prompt, whatever a cache holds of it */
    uint8_t progress;        /* 1: report how far the prompt is */
    uint8_t drawn_probs;     /* 1: log-probabilities are those of the draw, after penalties, filters and temperature */
    float typical_p;         /* 1: off; 0 … 1 */
    float top_n_sigma;       /* 0 or less: off */
    float xtc_probability;   /* 0: off; 0 … 1 */
    float xtc_threshold;     /* above 0.5: off */
    float dynatemp_range;    /* 0: off */
    float dynatemp_exponent;
    float dry_multiplier;    /* 0: off */
    float dry_base;
    int32_t dry_allowed_length;
    int32_t dry_last_n;      /* window in tokens; -1: the whole context, 0: off */
    uint32_t min_keep;       /* minimum of candidates that a filter leaves; 0: one */
    uint32_t mirostat;       /* 1, 2: this version instead of all filters and penalties; 0: off */
    float mirostat_tau;      /* surprise to aim at, in bits */
    float mirostat_eta;      /* learning rate */
    uint64_t order;          /* of the filters: four bits each, an enum sampler, the first in the lowest bits; 0:
                                llama-server's order */
};

/* Bits. Sent on the wire: only add. */
enum bare {
    BARE_BEGIN = 1, /* omit the token that the model expects before a text */
    BARE_TEXT = 2,  /* read the names of control tokens as plain text */
    BARE_ALL = 3,
};

/* Sent on the wire: only add at the end. */
enum prompt_only {
    PROMPT_AND_ANSWER = 0,
    PROMPT_COUNTED = 1,  /* tokenize the prompt, compute nothing */
    PROMPT_SCORED = 2,   /* compute the prompt */
    PROMPT_ONLY_KINDS,
};

/* The filters that narrow down the tokens that may be drawn. Sent on the wire: only add at the
 * end. */
enum sampler {
    SAMPLER_NONE = 0,
    SAMPLER_PENALTIES,
    SAMPLER_DRY,
    SAMPLER_TOP_N_SIGMA,
    SAMPLER_TOP_K,
    SAMPLER_TYPICAL_P,
    SAMPLER_TOP_P,
    SAMPLER_MIN_P,
    SAMPLER_XTC,
    SAMPLER_TEMPERATURE,
    SAMPLERS,
};

/* One of several inputs of a REQUEST_EMBED or REQUEST_TEXT: text, or token ids used as they are, or
 * both in turn. Then input_mark() stands among the ids for the next bytes of the text. */
struct input {
    struct str text;
    const int32_t *tokens;
    uint32_t tokens_n;          /* 0: use the text */
};

/* Returns the negative number that represents a text of `bytes` bytes among token ids. */
static inline int32_t input_mark(size_t bytes)
{
    return (int32_t)(-1 - (int64_t)bytes);
}
/* Returns the length of the text that a negative number among token ids represents. */
static inline size_t input_marked(int32_t mark)
{
    return (size_t)(-1 - (int64_t)mark);
}

struct request {
    uint8_t kind;               /* enum request_kind */
    struct str model;           /* name the client gave; empty: any */
    struct turn *turns;         /* REQUEST_CHAT; of other kinds: request_fills(), request_ranks() */
    uint32_t turns_n;
    struct str text;            /* REQUEST_TEXT, REQUEST_EMBED */
    const int32_t *tokens;      /* REQUEST_TEXT, REQUEST_EMBED: as of an input: token ids used as they are, and marks of `text` */
    uint32_t tokens_n;
    struct input *inputs;       /* REQUEST_TEXT, REQUEST_EMBED: one job each, with its input as text or tokens; stays
                                   in the head, a worker never sees it */
    uint32_t inputs_n;          /* at most REQUEST_INPUTS_MAX; 0: `text` or `tokens` is the only one */
    struct sampling sampling;
    struct str *stops;          /* stop strings; not part of the answer */
    uint32_t stops_n;           /* at most REQUEST_STOPS_MAX */
    struct logit_bias *biases;
    uint32_t biases_n;          /* at most REQUEST_BIASES_MAX */
    struct str *breakers;       /* texts that end a repetition, for DRY */
    uint32_t breakers_n;        /* at most REQUEST_BREAKERS_MAX */
    uint8_t form;               /* enum request_form: enforced by the sampler, whatever the model */
    struct str form_text;       /* for FORM_SCHEMA, FORM_GRAMMAR, FORM_REGEX; as the client wrote it, at most
                                   REQUEST_FORM_BYTES_MAX */
    struct str tools;           /* REQUEST_CHAT: JSON array of tools as in OpenAI's chat:
                                   {"type":"function","function":{"name", …}}; empty: none */
    uint8_t tool_choice;        /* enum tool_choice */
    uint8_t tool_calls;         /* enum tool_calls */
    uint8_t split_reasoning;    /* 1: reasoning is a separate part; 0: it stays in the text */
    uint8_t continues;          /* REQUEST_CHAT: 1: the last turn is the beginning of the answer */
    uint8_t closed;             /* REQUEST_CHAT: 1: the prompt ends with the last turn, without the beginning of an answer */
    struct str template_args;   /* REQUEST_CHAT: variables of the chat template, a JSON object; empty: none */
    uint64_t scope;             /* tenant's number: only requests of one scope share cached prompts; 0: shared by all
                                   requests with 0 */
    struct str affinity;        /* session key for routing; may be empty */
    struct str tenant;          /* owner of the request, for the fair queue; may be empty. Stays in the head, like
                                   priority */
    int32_t priority;           /* lower comes first: -REQUEST_PRIORITY_MAX … REQUEST_PRIORITY_MAX */
};

enum {
    MIROSTAT_VERSIONS = 2,
    REQUEST_TOP_LOGPROBS_MAX = 20, /* OpenAI's limit */
    REQUEST_STOPS_MAX = 16,
    REQUEST_STOP_BYTES_MAX = 256,
    REQUEST_BIASES_MAX = 1024,
    REQUEST_BIAS_BYTES_MAX = 256,   /* of a bias's text */
    REQUEST_BIAS_TOKENS_MAX = 4096, /* with biases, of all texts together */
    REQUEST_BREAKERS_MAX = 16,
    REQUEST_BREAKER_BYTES_MAX = 40,
    REQUEST_TURNS_MAX = 4096,
    REQUEST_MIXED_TEXTS_MAX = 256, /* texts among the token ids of one prompt */
    REQUEST_PRIORITY_MAX = 100,
    REQUEST_FORM_BYTES_MAX = 256 * 1024,
    REQUEST_TOOLS_BYTES_MAX = 1024 * 1024,
    REQUEST_TEMPLATE_ARGS_BYTES_MAX = 16 * 1024,
    REQUEST_INPUTS_MAX = 2048, /* OpenAI's limit: half of the head's default queue (queue_jobs_max) */
};

/* Returns llama-server's defaults: temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, no
 * penalties over 64 tokens. */
struct sampling sampling_default(void);
/* Returns one heap block with a copy of everything r points to. The caller frees it with free(). */
struct request *request_clone(const struct request *r);
/* Returns the bytes such a clone takes, which the head's memory budget counts. */
size_t request_bytes(const struct request *r);
/* Returns whether the answer may call tools. */
static inline bool request_has_tools(const struct request *r)
{
    return r->tools.n > 0 && r->tool_choice != TOOLS_NONE;
}
/* Returns whether the answer fills a gap between two texts. */
static inline bool request_fills(const struct request *r)
{
    return r->kind == REQUEST_TEXT && r->turns_n > 0;
}
/* Returns whether the request asks how well its text answers a question. */
static inline bool request_ranks(const struct request *r)
{
    return r->kind == REQUEST_EMBED && r->turns_n > 0;
}
/* Returns whether another head, or this one after a restart, may find the answer by its name and
 * continue it. Vectors, answers to several prompts and answers that repeat their prompt cannot
 * be found: they end with their head, or are computed again. */
static inline bool request_can_be_sought(const struct request *r)
{
    return r->kind != REQUEST_EMBED && r->inputs_n == 0 && !r->sampling.prompt_text;
}
/* Returns the bytes of prompt (turns, tools, text, inputs), for estimating tokens. */
size_t request_prompt_bytes(const struct request *r);

#endif
