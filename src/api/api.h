/* JSON of several APIs <-> manta's own structs. No sockets, no cluster state: text in, structs out, and back.
 * Each API's format is a table of functions, api/dialect.h.
 *
 * Parsing is strict about types and ranges (the error names the field, the value and the range), and ignores
 * unknown fields, which real clients send. An api_call owns everything that it points to. */
#ifndef MANTA_API_API_H
#define MANTA_API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/part.h"
#include "base/request.h"

enum api_shape {
    API_CHAT = 1,        /* POST /v1/chat/completions */
    API_COMPLETION,      /* POST /v1/completions */
    API_PROCESS_PROMPT,  /* POST /manta/process_prompt */
    API_EMBEDDINGS,      /* POST /v1/embeddings: request.inputs */
    API_MESSAGES,        /* POST /v1/messages: Anthropic's */
    API_RESPONSES,       /* POST /v1/responses: OpenAI's */
    API_COUNT,           /* POST /v1/messages/count_tokens: Anthropic's */
    API_LLAMA,           /* POST /completion: llama-server's */
    API_TOKENIZE,        /* POST /tokenize, /detokenize, /apply-template: likewise */
    API_DETOKENIZE,
    API_TEMPLATE,
    API_OLLAMA_CHAT,     /* POST /api/chat: Ollama's, and the next three */
    API_OLLAMA_GENERATE, /* POST /api/generate */
    API_OLLAMA_EMBED,    /* POST /api/embed, /api/embeddings */
    API_OLLAMA_EMBEDDINGS,
    API_INFILL,          /* POST /infill: llama-server's */
    API_RERANK,          /* POST /v1/rerank: Jina's, and TEI's */
    API_CHAT_COUNT,      /* POST /v1/chat/completions/input_tokens */
    API_RESPONSES_COUNT, /* POST /v1/responses/input_tokens: OpenAI's */
    API_SHAPE_LAST = API_RESPONSES_COUNT,
};

enum api_final { API_FINAL_FIRST = 0, API_FINAL_BEST, API_FINAL_VOTE };

enum {
    API_BODY_BYTES_MAX = 16 << 20,
    API_JSON_DEPTH_MAX = 64,
    API_JSON_WEIGHT_MAX = 327680, /* weighted JSON values per body: bounds the memory of the parsed tree */
    API_N_MAX = 16,              /* "n" */
    API_BEST_OF_MAX = 20,        /* "best_of": OpenAI's limit */
    API_STEPS_MAX = 2047,        /* events of one answer between two tokens */
    API_BRANCHES_MAX = 64,       /* answers of one stream that an event id can describe: head_config.fanout_max */
    API_ACTORS_MAX = 4096,       /* "actors"; the head's own limit is lower (head_config.fanout_max) */
    API_LAST_N_MAX = 65536,      /* "repeat_last_n" */
    API_TIMEOUT_S_MAX = 86400,   /* "timeout_s" */
    API_ECHO_BYTES_MAX = 12 << 10,
    API_TOOLS_MAX = 512,         /* tools of a request */
    API_TOOL_NAME_BYTES_MAX = 128,
    API_CALL_ID_BYTES_MAX = 256, /* the id of a call, which the client returns */
    API_CALLS_MAX = 1024,        /* calls of one message */
    API_GAP_FILES_MAX = 256,     /* "input_extra" of /infill */
    API_FIELD_BYTES_MAX = 256,   /* model names, user, ids */
    API_COMPLETION_TOKENS = 16,  /* default max_tokens of /v1/completions, as in OpenAI's API */
    API_DIMENSIONS_MAX = 65536,  /* "dimensions"; models have fewer */
    API_PROCESS_PROMPT_TOKENS = 256, /* the default for process_prompt; a chat continues until the context is full */
};

/* An input item that refers to an item of an earlier response. */
struct api_reference {
    uint32_t turn;               /* index in the request; without content until api_call_refer() */
    uint64_t response;
};

/* A parsed request. api_call_fini() frees what it owns. */
struct api_call {
    enum api_shape shape;
    struct request request;
    bool stream;
    bool include_usage;          /* stream_options.include_usage */
    bool timings;                /* timings_per_token: events with text, and the last one, have timings */
    uint32_t n;                  /* answers to make; process_prompt: actors, 0 = all */
    uint32_t best_of;            /* completions; 0: not given */
    bool many;                   /* completions: several prompts, each with … */
    uint32_t each;               /* … this many answers (0: all answers are to one prompt), … */
    uint32_t shown;              /* … of which this many, the best, are shown: "best_of" and "n" */
    bool hides_logprobs;         /* logprobs were requested only to choose the best answer */
    bool with_prompt;            /* completions: "echo"; rerank: results have their texts */
    bool with_tokens;            /* /completion: "return_tokens" */
    bool with_pieces, with_special; /* tokenize: "with_pieces", "add_special" */
    bool spread;                 /* process_prompt: run on different actors */
    bool seed_given;             /* false: request.sampling.seed is 0, draw one */
    enum api_final final;        /* process_prompt */
    bool base64;                 /* embeddings: encoding_format; rerank: TEI's format of the answer */
    uint32_t dimensions;         /* embeddings: numbers to send per vector; rerank: results; 0: all */
    char form_field[24];         /* the field that request.form came from; empty: none */
    uint32_t timeout_ms;         /* 0: default; process_prompt "timeout_s" */
    bool store;                  /* responses: keep the answer, for later requests */
    bool summary;                /* responses: thoughts are shown as summaries */
    bool instructed;             /* responses: the first turn holds the instructions, which apply to this call only */
    uint64_t previous;           /* responses: the answer that this call continues; 0: none */
    struct api_reference *refs;  /* responses: turns that stand for turns of other answers (api_call_refer()) */
    uint32_t refs_n;
    struct str echo;             /* members of a JSON object that the answer repeats (responses, /completion) */
    void *owned;                 /* private */
};

/* An error with its body's members; its status is err_http(fault.err). The text begins with the
 * field: "temperature: 7 is out of range, 0 … 5". */
struct api_error {
    struct fault fault;
    char param[64];              /* "messages[2].content"; empty: none */
    const char *code;            /* "model_not_found", …; static; NULL: the default code of the error, if any */
};

/* Parses a body. Returns ERR_INVALID (400), ERR_UNSUPPORTED (the field asks for something that
 * manta lacks), …, with `e` filled and *out untouched. */
int api_parse(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e);
/* Drops the line that begins Claude Code's system prompt, "x-anthropic-billing-header: ...": it
 * changes with each request and would defeat prefix caches. */
void api_drop_billing(struct api_call *c);
/* Frees everything that the call owns, including its texts. */
void api_call_fini(struct api_call *c);
/* Frees the request's texts after the brain has copied them; numbers, including counts, stay. */
void api_call_forget(struct api_call *c);

/* Appends {"error":{"message","type","param","code"}}. */
void api_write_error(struct buf *out, const struct api_error *e);
/* Appends a fault as an error of OpenAI's format. */
void api_write_fault(struct buf *out, const struct fault *f);

/* An answer's name: "chatcmpl-<16 hex>". */
enum { API_NAME_BYTES = 40 };
/* Formats an answer's name into `out`: "chatcmpl-…". */
struct str api_name(const char *prefix, uint64_t id, char out[API_NAME_BYTES]);

/* All writers append to `out`, within its maximum: check out->overflowed once at the end. */

/* The constant part of an answer's chunks. */
struct api_head {
    enum api_shape shape;
    uint64_t id;                 /* api_name() with the dialect's prefix */
    int64_t created;             /* unix seconds */
    struct str model;            /* name as registered */
    bool include_usage;
    const int32_t *prompt_ids;   /* whole answers: the prompt's token ids; NULL unless asked for */
    uint32_t prompt_ids_n;
    struct str echo;             /* as in api_call */
    bool summary;                /* likewise */
    struct str fingerprint;      /* "system_fingerprint": equal fingerprints promise equal answers; empty: "build" */
};
/* Timings of an answer so far. */
struct api_timings {
    uint32_t cached, prompt, predicted; /* tokens: of the prompt, cached and computed; of the answer */
    uint32_t steps;              /* predicted without the first token, which the last step of the prompt yields */
    double prompt_ms, predicted_ms;
    double total_ms;             /* from the request to the end; 0: not ended */
};
/* Progress of an answer's prompt: tokens in all, cached, and cached or computed so far. */
struct api_progress {
    uint32_t total, cached, done;
    double ms;                   /* since the first one was computed */
};
struct api_usage {
    uint32_t prompt_tokens, cached_tokens, completion_tokens;
    uint32_t reasoning_tokens;   /* part of completion_tokens */
    const struct api_timings *timings; /* NULL: not reported */
};
/* A block of an answer: text, reasoning, or one tool call. */
struct api_block {
    uint8_t kind;                /* PART_TEXT, PART_REASONING; PART_TOOL_ARGUMENTS: a call */
    uint32_t call;               /* index of the call in the answer */
    uint32_t index;              /* of the block in the answer */
    struct str name;             /* the tool's */
    struct str text;             /* a call's arguments: one JSON object, unless cut off */
};
/* An answer, or the next piece of it. */
struct api_choice {
    uint32_t index;
    struct str text;             /* of a whole answer: without reasoning and tool calls */
    uint8_t kind;                /* enum part_kind, of a piece; PART_TOOL_NAME only in dialects without `begin` */
    uint32_t call;               /* of a piece of a call: the call's index */
    const struct api_block *blocks; /* of a whole answer: its blocks */
    uint32_t blocks_n;
    uint8_t finish;              /* enum finish; FINISH_NONE: not ended */
    struct str stop;             /* if ended: the stop string that ended the answer; empty: none */
    bool breaks_line;            /* if ended: the text has a line feed, as far as this head has seen it */
    const int32_t *ids;          /* for logprobs; NULL: none */
    const float *logprobs;
    const int32_t *top_ids;      /* `top_n` likeliest tokens per token, likeliest first; negative: no more */
    const float *top_logprobs;   /* of these */
    uint32_t top_n;
    const struct str *pieces;    /* bytes of each token followed by those of its top_n likeliest, if known; NULL: a
                                  * single token is `text`, of several each is named "token_id:<id>" */
    uint32_t tokens_n;           /* of ids, logprobs */
    bool with_ids;               /* show the ids: return_token_ids */
    bool drawn_probs;            /* logprobs are those of the draw: llama-server reports probabilities */
    bool with_prompt;            /* the first tokens are the prompt's: the very first has no log-probability */
    uint32_t text_offset;        /* completions' logprobs: characters of the answer before `text` */
    const struct api_timings *timings; /* of this answer so far; NULL: not reported */
};
/* Appends one SSE event, "data: {…}
 *
 * ". */
void api_write_chunk(struct buf *out, const struct api_head *h, const struct api_choice *c);
/* Appends the first event of a chat's choice: the role, without text. */
void api_write_role_chunk(struct buf *out, const struct api_head *h, uint32_t index);
/* Appends the chunk with the usage of all answers, after the last one. */
void api_write_usage_chunk(struct buf *out, const struct api_head *h, const struct api_usage *u);
void api_write_sse_error(struct buf *out, const struct fault *f); /* data: {"error":…} */
void api_write_sse_done(struct buf *out);                         /* data: [DONE] */
/* Appends a line that SSE clients skip (": text"): keep-alive, place in the queue. Line breaks
 * become spaces. No empty line follows: after an event with an id, some clients (openai-python)
 * would take it for another event. */
void api_write_sse_comment(struct buf *out, struct str text);
/* Appends the whole answer of a call that does not stream. */
void api_write_answer(struct buf *out, const struct api_head *h, const struct api_choice *choices, uint32_t choices_n,
                      const struct api_usage *u);
/* Returns "stop", "length", …, static; NULL for FINISH_NONE. */
const char *api_finish_name(uint8_t finish);

/* ---- event ids: a client's place in a stream ---- */
/* The current block of a stream. */
struct api_in_block {
    uint32_t n;                  /* blocks begun; 0: none */
    uint8_t kind;                /* of the last one, as in api_block */
    uint32_t call;
};
struct api_place {
    uint32_t tokens;             /* of the answer, delivered */
    uint32_t chars;              /* characters of the answer, if log-probabilities need them; else 0 */
    bool done;                   /* its last token and its first closing event were sent */
    uint32_t steps;              /* events since the last token; if done: closing events, at least 1 */
    struct api_in_block block;   /* after that token; n 0: a text block, if there are tokens */
};
struct api_stream_id {
    uint64_t stream;             /* its name; never 0 */
    bool whole;                  /* the end of the stream repeats all of it */
    bool ended;                  /* everything but [DONE] was sent */
    uint32_t n;                  /* branches; 0: only a name */
    struct api_place at[API_BRANCHES_MAX];
};
/* Appends the id, without "id: ". */
void api_write_stream_id(struct buf *out, const struct api_stream_id *id);
/* Parses an event's id, or an answer's id ("chatcmpl-<16 hex>") as the beginning of its stream.
 * Returns ERR_INVALID with f. */
int api_parse_stream_id(struct str text, struct api_stream_id *out, struct fault *f);

/* ---- POST /v1/embeddings ---- */
struct api_vector {
    const float *p;              /* normalised to length 1 */
    uint32_t n;
    const int32_t *ids;          /* token ids of its text; NULL unless requested */
    uint32_t ids_n;
};
/* Appends the whole answer. `dimensions` as in api_call: the first numbers of each vector,
 * normalised again; it MUST NOT exceed the vectors' length. */
void api_write_embeddings(struct buf *out, const struct api_head *h, const struct api_vector *vectors, uint32_t n,
                          uint32_t dimensions, bool base64, const struct api_usage *u);

/* ---- POST /manta/drain, /manta/cordon, /manta/uncordon: {"worker":"NAME"}, drain also "grace_s" and "move" ---- */
enum {
    API_WORKER_BYTES_MAX = 160,  /* a worker's name; heads allow fewer */
    API_GRACE_S = 30,            /* the default */
    API_GRACE_S_MAX = 86400,
};
struct api_availability {
    char worker[API_WORKER_BYTES_MAX + 1];
    uint32_t grace_s;
    bool move; /* running jobs migrate at once */
};
/* Parses a body. Returns ERR_INVALID with `e` filled and *out untouched. `graced`: "grace_s" and
 * "move" are allowed. */
int api_parse_availability(struct str body, bool graced, struct api_availability *out, struct api_error *e);

/* ---- POST /manta/scale: {"workers":N}, {"policy":"auto","min":A,"max":B}, {"policy":"fixed"} ---- */
enum { API_SCALE_MAX = 256 };    /* workers; heads allow the same number */
#define API_SCALE_AS_IS UINT32_MAX /* not given */
struct api_scale {
    bool by_load, names_policy;  /* names_policy false: only a number was given */
    uint32_t workers, min, max;  /* or API_SCALE_AS_IS */
};
/* Parses a body. Returns ERR_INVALID with `e` filled and *out untouched. */
int api_parse_scale(struct str body, struct api_scale *out, struct api_error *e);

/* ---- GET /v1/models ---- */
struct api_model {
    struct str id;
    int64_t created;             /* unix seconds */
    uint64_t bytes;              /* of the weights; this is 0, and the digest empty, if no actor has the model now */
    struct str digest;           /* SHA-256 of the file */
    struct str family, quantization; /* of the file: "llama", "Q4_K_M"; empty, and parameters 0: not known */
    uint64_t parameters;
    uint32_t context;            /* tokens of a request with its answer */
    bool embeds, chats;          /* it makes vectors; it has a chat template */
};
/* Appends OpenAI's list. */
void api_write_models(struct buf *out, const struct api_model *models, size_t n);
/* GET /v1/models/{id} */
void api_write_model(struct buf *out, const struct api_model *m);

/* ---- POST /api/show: Ollama's {"model":"NAME"} ---- */
/* Appends the name. Returns ERR_INVALID with `e` filled if it is missing. */
int api_parse_show(struct str body, struct buf *model, struct api_error *e);

/* ---- process_prompt: manta's own answer ---- */

/* One actor's response to the prompt. */
struct api_response {
    uint32_t actor;              /* its id; UINT32_MAX: no actor was reached */
    struct str model, node, address;
    float time_s;                /* from the call to the end of this response */
    struct str text;             /* UTF-8; partial after a failure */
    uint8_t finish;              /* enum finish */
    struct fault fault;          /* when finish is FINISH_ERROR */
    struct api_usage usage;
    double logprob_sum;          /* over completion_tokens, if logprobs were requested; for the best-of choice */
};
struct api_cluster {
    uint32_t nodes, actors;      /* in the cluster now */
};
/* Returns the index of the response that counts, or n if none succeeded. first: the least time_s;
 * best: the greatest mean log-probability; vote: the most frequent text (ignoring white space at
 * its ends), and of those the best. */
size_t api_final_pick(enum api_final rule, const struct api_response *responses, size_t n);
/* Appends {"responses":[…],"final_response","answered_by":{…},"cluster_info":{…}}. `final` is the
 * index that counts, n: none. */
void api_write_process_prompt(struct buf *out, const struct api_head *h, const struct api_response *responses,
                              size_t n, enum api_final rule, size_t final, const struct api_cluster *cluster);
/* Appends a `started` event. A stream has one per branch, as its actor starts, then
 * api_write_chunk() events, the whole answer as an event, and api_write_sse_done(). */
void api_write_prompt_started(struct buf *out, const struct api_head *h, uint32_t index, const struct api_response *who);
/* Appends the last event of a process_prompt stream: the whole answer. */
void api_write_prompt_event(struct buf *out, const struct api_head *h, const struct api_response *responses, size_t n,
                            enum api_final rule, size_t final, const struct api_cluster *cluster);

#endif
