/* JSON in the shapes of several APIs <-> manta's own structs. No sockets, no cluster state: text in, structs out, and back. What
 * an API's shape is like is a table, api/dialect.h.
 *
 * Parsing is strict about types and ranges (the error names the field, the value and the range) and relaxed about
 * unknown fields, which real clients send. Everything an api_call points to is owned by it. */
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
    API_JSON_WEIGHT_MAX = 327680, /* values in one body, larger ones counted several times: bounds what a parsed tree takes */
    API_N_MAX = 16,              /* "n" */
    API_BEST_OF_MAX = 20,        /* "best_of", as OpenAI has it */
    API_STEPS_MAX = 2047,        /* events of one answer between two tokens */
    API_BRANCHES_MAX = 64,       /* answers of one stream that an event id tells of: head_config.fanout_max */
    API_ACTORS_MAX = 4096,       /* "actors"; the head has a lower limit of its own (head_config.fanout_max) */
    API_LAST_N_MAX = 65536,      /* "repeat_last_n" */
    API_TIMEOUT_S_MAX = 86400,   /* "timeout_s" */
    API_ECHO_BYTES_MAX = 12 << 10,
    API_TOOLS_MAX = 512,         /* tools of a request */
    API_TOOL_NAME_BYTES_MAX = 128,
    API_CALL_ID_BYTES_MAX = 256, /* id of a call, as a client gives it back */
    API_CALLS_MAX = 1024,        /* calls of one message */
    API_GAP_FILES_MAX = 256,     /* "input_extra" of /infill */
    API_FIELD_BYTES_MAX = 256,   /* model names, user, ids */
    API_COMPLETION_TOKENS = 16,  /* max_tokens of /v1/completions when not given, as OpenAI has it */
    API_DIMENSIONS_MAX = 65536,  /* "dimensions"; a model has fewer */
    API_PROCESS_PROMPT_TOKENS = 256, /* same, of process_prompt; a chat continues until the context is full */
};

/* An item of the input is one of an earlier response. */
struct api_reference {
    uint32_t turn;               /* of the request: without content until api_call_refer() */
    uint64_t response;
};

/* A parsed request. api_call_fini() frees what it owns. */
struct api_call {
    enum api_shape shape;
    struct request request;
    bool stream;
    bool include_usage;          /* stream_options.include_usage */
    bool timings;                /* timings_per_token: every event of the stream tells how long it took */
    uint32_t n;                  /* answers to be made; process_prompt: actors, 0 = all */
    uint32_t best_of;            /* completions; 0: not given */
    bool many;                   /* completions: of several prompts, each with … */
    uint32_t each;               /* … so many answers (0: all are of one prompt) … */
    uint32_t shown;              /* … of which the best so many are shown: "best_of" and "n" */
    bool hides_logprobs;         /* they were asked for only to choose by */
    bool with_prompt;            /* completions: "echo" */
    bool with_tokens;            /* /completion: "return_tokens" */
    bool with_pieces, with_special; /* tokenize: "with_pieces", "add_special" */
    bool spread;                 /* process_prompt: on different actors */
    bool seed_given;             /* false: request.sampling.seed is 0, draw one */
    enum api_final final;        /* process_prompt */
    bool base64;                 /* embeddings: encoding_format; rerank: TEI's list is wanted */
    uint32_t dimensions;         /* embeddings: numbers of a vector to send; rerank: results; 0: all */
    char form_field[24];         /* name of the field that request.form is from; empty: none */
    uint32_t timeout_ms;         /* 0: default; process_prompt "timeout_s" */
    bool store;                  /* responses: its answer is kept, to be asked for and gone on from */
    bool instructed;             /* responses: the first turn holds its instructions, which are of this call alone */
    uint64_t previous;           /* responses: the answer that it continues; 0: none */
    struct api_reference *refs;  /* responses: turns that stand for those of other answers (api_call_refer()) */
    uint32_t refs_n;
    struct str echo;             /* responses: members of a JSON object that the answer repeats; at most API_ECHO_BYTES_MAX */
    void *owned;                 /* private */
};

/* The error's body parts; status is err_http(fault.err). The text begins with the field: "temperature: 7 is out of range, 0 … 5". */
struct api_error {
    struct fault fault;
    char param[64];              /* "messages[2].content"; empty: none */
    const char *code;            /* "model_not_found", …; static; NULL: the one of the error's number, if it has one */
};

/* ERR_INVALID (400), ERR_UNSUPPORTED (a field asks for what manta lacks), … with `e` filled; *out untouched then. */
int api_parse(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e);
/* Leaves out the changing line with which Claude Code begins its system prompt, "x-anthropic-billing-header: ...": it would spoil prefix caches. */
void api_drop_billing(struct api_call *c);
/* Frees what it owns; its texts are gone then. */
void api_call_fini(struct api_call *c);
/* Frees the request's texts, which somebody else has a copy of by now; numbers, also of what there was, stay. */
void api_call_forget(struct api_call *c);

/* {"error":{"message","type","param","code"}} */
void api_write_error(struct buf *out, const struct api_error *e);
/* A fault as an error of OpenAI's shape. */
void api_write_fault(struct buf *out, const struct fault *f);

/* The name of an answer: "chatcmpl-<16 hex>". */
enum { API_NAME_BYTES = 40 };
/* "chatcmpl-…": the name of an answer, in `out`. */
struct str api_name(const char *prefix, uint64_t id, char out[API_NAME_BYTES]);

/* All writers append to out; out's maximum bounds them: check out->overflowed once at the end. */

/* What stays the same in all chunks of an answer. */
struct api_head {
    enum api_shape shape;
    uint64_t id;                 /* api_name() with the dialect's prefix */
    int64_t created;             /* unix seconds */
    struct str model;            /* name as registered */
    bool include_usage;
    const int32_t *prompt_ids;   /* whole answers: the prompt's token ids; NULL unless asked for */
    uint32_t prompt_ids_n;
    struct str echo;             /* as in api_call */
    struct str fingerprint;      /* "system_fingerprint": what must be equal for equal answers; empty: "manta" */
};
/* How long an answer took, so far. */
struct api_timings {
    uint32_t cached, prompt, predicted; /* tokens: of the prompt, found in the cache and computed; of the answer */
    uint32_t steps;              /* predicted, but for the first token, which comes with the last of the prompt */
    double prompt_ms, predicted_ms;
    double total_ms;             /* from the request to the end; 0: it has not ended */
};
/* How far the prompt of an answer is: tokens that it has, of them cached, and cached or computed by now. */
struct api_progress {
    uint32_t total, cached, done;
    double ms;                   /* since the first of them was computed */
};
struct api_usage {
    uint32_t prompt_tokens, cached_tokens, completion_tokens;
    uint32_t reasoning_tokens;   /* of the answer's */
    const struct api_timings *timings; /* NULL: they are not told */
};
/* A block of an answer: text, reasoning, or one call of a tool. */
struct api_block {
    uint8_t kind;                /* PART_TEXT, PART_REASONING; PART_TOOL_ARGUMENTS: a call */
    uint32_t call;               /* number of the call in the answer */
    uint32_t index;              /* of the block in the answer */
    struct str name;             /* of the tool */
    struct str text;             /* arguments are one JSON object, unless the answer was cut off */
};
/* An answer, or the next piece of it. */
struct api_choice {
    uint32_t index;
    struct str text;             /* of a whole answer: without reasoning and calls */
    uint8_t kind;                /* enum part_kind, of a piece; PART_TOOL_NAME only in dialects without `begin` */
    uint32_t call;               /* of a piece of a call: its number */
    const struct api_block *blocks; /* of a whole answer: that it consists of */
    uint32_t blocks_n;
    uint8_t finish;              /* enum finish; FINISH_NONE while it continues */
    struct str stop;             /* with a finish: the stop string that ended it; empty: none */
    bool breaks_line;            /* with a finish: there is a line feed in the text, as far as this head has seen it */
    const int32_t *ids;          /* for logprobs; NULL: none */
    const float *logprobs;
    const int32_t *top_ids;      /* per token `top_n` most likely ones, the likeliest first; below 0: there are no more */
    const float *top_logprobs;   /* of these */
    uint32_t top_n;
    const struct str *pieces;    /* bytes of each token followed by those of its top_n likely ones, where known; NULL: a
                                    single token is taken to be `text`, of several each is named "token_id:<id>" */
    uint32_t tokens_n;           /* of ids, logprobs */
    bool with_ids;               /* show the ids: return_token_ids */
    bool drawn_probs;            /* logprobs are those of the draw: llama-server tells them as probabilities */
    bool with_prompt;            /* the first tokens are those of the prompt: the very first has no log-probability */
    uint32_t text_offset;        /* completions' logprobs: characters of the answer before `text` */
    const struct api_timings *timings; /* of this answer so far; NULL: they are not told */
};
/* One SSE event, "data: {…}\n\n". */
void api_write_chunk(struct buf *out, const struct api_head *h, const struct api_choice *c);
/* The event that comes before all others of a chat's choice: the role, and no text yet. */
void api_write_role_chunk(struct buf *out, const struct api_head *h, uint32_t index);
/* The chunk with the usage of all answers, behind the last of them. */
void api_write_usage_chunk(struct buf *out, const struct api_head *h, const struct api_usage *u);
void api_write_sse_error(struct buf *out, const struct fault *f); /* data: {"error":…} */
void api_write_sse_done(struct buf *out);                         /* data: [DONE] */
/* A line that every SSE client skips (": text"): keep-alive, place in the queue. Line breaks become spaces. No empty line
 * follows: where an event had an id, clients (openai-python among them) would take one for another event. */
void api_write_sse_comment(struct buf *out, struct str text);
/* The whole answer of a call that does not stream. */
void api_write_answer(struct buf *out, const struct api_head *h, const struct api_choice *choices, uint32_t choices_n,
                      const struct api_usage *u);
/* "stop", "length", …; NULL for FINISH_NONE. Static. */
const char *api_finish_name(uint8_t finish);

/* ---- event ids: how far a client has come in a stream ---- */
/* The block that a stream is in. */
struct api_in_block {
    uint32_t n;                  /* blocks that have begun; 0: none */
    uint8_t kind;                /* of the last one, as in api_block */
    uint32_t call;
};
struct api_place {
    uint32_t tokens;             /* of the answer, delivered */
    uint32_t chars;              /* of it, where the next piece of log-probabilities must know them; else 0 */
    bool done;                   /* its last token and the first of its closing events were sent */
    uint32_t steps;              /* events since the last token; done: closing ones, at least 1 */
    struct api_in_block block;   /* once that token has been told whole; n 0: one of text, if there are tokens */
};
struct api_stream_id {
    uint64_t stream;             /* its name; never 0 */
    bool whole;                  /* the stream ends with something made of all of it */
    bool ended;                  /* all but [DONE] was sent */
    uint32_t n;                  /* branches; 0: a name alone */
    struct api_place at[API_BRANCHES_MAX];
};
/* As after "id: ". */
void api_write_stream_id(struct buf *out, const struct api_stream_id *id);
/* An event's id, or an answer's id ("chatcmpl-<16 hex>") for a stream from its beginning. ERR_INVALID with f. */
int api_parse_stream_id(struct str text, struct api_stream_id *out, struct fault *f);

/* ---- POST /v1/embeddings ---- */
struct api_vector {
    const float *p;              /* of length 1 */
    uint32_t n;
    const int32_t *ids;          /* token ids of its text; NULL unless asked for */
    uint32_t ids_n;
};
/* The whole answer. `dimensions` as in api_call: only so many numbers of each vector, which are brought back to length
 * 1; it MUST NOT be more than a vector has. */
void api_write_embeddings(struct buf *out, const struct api_head *h, const struct api_vector *vectors, uint32_t n,
                          uint32_t dimensions, bool base64, const struct api_usage *u);

/* ---- POST /manta/drain, /manta/cordon, /manta/uncordon: {"worker":"NAME"}, drain also "grace_s" and "move" ---- */
enum {
    API_WORKER_BYTES_MAX = 160,  /* a worker's name; heads allow less */
    API_GRACE_S = 30,            /* when not given */
    API_GRACE_S_MAX = 86400,
};
struct api_duty {
    char worker[API_WORKER_BYTES_MAX + 1];
    uint32_t grace_s;
    bool move; /* what runs continues elsewhere at once */
};
/* ERR_INVALID with `e` filled; *out untouched then. `graced`: it may have "grace_s" and "move". */
int api_parse_duty(struct str body, bool graced, struct api_duty *out, struct api_error *e);

/* ---- POST /manta/scale: {"workers":N}, {"policy":"auto","min":A,"max":B}, {"policy":"fixed"} ---- */
enum { API_SCALE_MAX = 256 };    /* workers; heads allow as many */
#define API_SCALE_AS_IS UINT32_MAX /* not given */
struct api_scale {
    bool by_load, names_policy;  /* names_policy false: it is just a number */
    uint32_t workers, min, max;  /* or API_SCALE_AS_IS */
};
/* ERR_INVALID with `e` filled; *out untouched then. */
int api_parse_scale(struct str body, struct api_scale *out, struct api_error *e);

/* ---- GET /v1/models ---- */
struct api_model {
    struct str id;
    int64_t created;             /* unix seconds */
    uint64_t bytes;              /* of its weights; this and the next: 0 and empty where no actor has it now */
    struct str digest;           /* SHA-256 of its file */
    uint32_t context;            /* tokens that a request of it may have, with its answer */
    bool embeds, chats;          /* it makes vectors; it has a chat template */
};
/* OpenAI's list. */
void api_write_models(struct buf *out, const struct api_model *models, size_t n);
/* GET /v1/models/{id} */
void api_write_model(struct buf *out, const struct api_model *m);

/* ---- POST /api/show: Ollama's {"model":"NAME"} ---- */
/* Appends the name. ERR_INVALID with `e` filled: there is none. */
int api_parse_show(struct str body, struct buf *model, struct api_error *e);
/* Without Ollama's ":latest", which a name without a tag means there; a part of `name`. */
struct str api_ollama_model(struct str name);

/* ---- process_prompt: manta's own answer ---- */

/* What one actor made of the prompt. */
struct api_response {
    uint32_t actor;              /* its id; UINT32_MAX: none was reached */
    struct str model, node, address;
    float time_s;                /* from the call to the end of this response */
    struct str text;             /* UTF-8; whatever there was, when it failed */
    uint8_t finish;              /* enum finish */
    struct fault fault;          /* when finish is FINISH_ERROR */
    struct api_usage usage;
    double logprob_sum;          /* over completion_tokens, where logprobs were asked for; for the best-of choice */
};
struct api_cluster {
    uint32_t nodes, actors;      /* in the cluster now */
};
/* Index of the response that counts, or n when none succeeded. first: the least time_s; best: the greatest mean
 * log-probability; vote: the text most of them gave (white space at the ends aside), the best of those. */
size_t api_final_pick(enum api_final rule, const struct api_response *responses, size_t n);
/* {"responses":[…],"final_response","answered_by":{…},"cluster_info":{…}}. `final` is the index that counts, n: none. */
void api_write_process_prompt(struct buf *out, const struct api_head *h, const struct api_response *responses,
                              size_t n, enum api_final rule, size_t final, const struct api_cluster *cluster);
/* Streaming: one `started` event per branch as its actor begins, api_write_chunk() events, the whole answer as an
 * event, then api_write_sse_done(). */
void api_write_prompt_started(struct buf *out, const struct api_head *h, uint32_t index, const struct api_response *who);
/* The last event of a stream of process_prompt: the whole of it. */
void api_write_prompt_event(struct buf *out, const struct api_head *h, const struct api_response *responses, size_t n,
                            enum api_final rule, size_t final, const struct api_cluster *cluster);

#endif
