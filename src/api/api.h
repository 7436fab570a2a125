/* OpenAI-shaped JSON <-> manta's own structs. No sockets, no cluster state: text in, structs out, and back.
 *
 * Parsing is strict about types and ranges (the error names the field, the value and the range) and relaxed about
 * unknown fields, which real clients send. Everything an api_call points to is owned by it. */
#ifndef MANTA_API_API_H
#define MANTA_API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/request.h"

enum api_shape {
    API_CHAT = 1,        /* POST /v1/chat/completions */
    API_COMPLETION,      /* POST /v1/completions */
    API_PROCESS_PROMPT,  /* POST /manta/process_prompt */
};

enum api_final { API_FINAL_FIRST = 0, API_FINAL_BEST, API_FINAL_VOTE };

enum {
    API_JSON_DEPTH_MAX = 64,
    API_N_MAX = 16,              /* "n" */
    API_FIELD_BYTES_MAX = 256,   /* model names, user, ids */
};

/* A parsed request. api_call_fini() frees what it owns. */
struct api_call {
    enum api_shape shape;
    struct request request;
    bool stream;
    bool include_usage;          /* stream_options.include_usage */
    uint32_t n;                  /* answers wanted; process_prompt: actors, 0 = all */
    bool spread;                 /* process_prompt: on different actors */
    enum api_final final;        /* process_prompt */
    uint32_t timeout_ms;         /* 0: default; process_prompt "timeout_s" */
    void *owned;                 /* private */
};

/* The error's body parts; status is err_http(fault.err). */
struct api_error {
    struct fault fault;
    char param[64];              /* "messages[2].content"; empty: none */
    const char *code;            /* "model_not_found", …; static or NULL */
};

/* ERR_INVALID (400), ERR_UNSUPPORTED (a field asks for what manta lacks), … with `e` filled; *out untouched then. */
int api_parse(enum api_shape shape, struct str body, struct api_call *out, struct api_error *e);
void api_call_fini(struct api_call *c);

/* {"error":{"message","type","param","code"}} */
void api_write_error(struct buf *out, const struct api_error *e);
void api_write_fault(struct buf *out, const struct fault *f);
/* JSON string with quotes; invalid UTF-8 becomes U+FFFD. */
void api_write_string(struct buf *out, struct str s);

/* What stays the same in all chunks of an answer. */
struct api_head {
    enum api_shape shape;
    uint64_t id;                 /* printed as "chatcmpl-<16 hex>" / "cmpl-<16 hex>" */
    int64_t created;             /* unix seconds */
    struct str model;            /* name as registered */
    bool include_usage;
};
struct api_usage { uint32_t prompt_tokens, cached_tokens, completion_tokens; };
/* One piece of logprobs per token; texts are the token's own bytes when known. */
struct api_choice {
    uint32_t index;
    struct str text;
    uint8_t finish;              /* enum finish; FINISH_NONE while it goes on */
    const int32_t *ids;          /* for logprobs; NULL: none */
    const float *logprobs;
    uint32_t tokens_n;
};
/* One SSE event, "data: {…}\n\n". `first`: chat's delta carries the role. */
void api_write_chunk(struct buf *out, const struct api_head *h, const struct api_choice *c, bool first);
void api_write_usage_chunk(struct buf *out, const struct api_head *h, const struct api_usage *u);
void api_write_sse_error(struct buf *out, const struct fault *f); /* data: {"error":…} */
void api_write_sse_done(struct buf *out);                         /* data: [DONE] */
/* The whole answer of a call that does not stream. */
void api_write_answer(struct buf *out, const struct api_head *h, const struct api_choice *choices, uint32_t choices_n,
                      const struct api_usage *u);

#endif
