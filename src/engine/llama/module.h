/* Declare the loaded model, and the functions that the files of this module share.
 *
 * Only this folder includes llama.h. Everything here runs on the actor's one engine thread, except
 * that several models may be loaded in parallel, and that other threads may render and tokenize
 * (text.c) with a loaded model. */
#ifndef MANTA_ENGINE_LLAMA_MODULE_H
#define MANTA_ENGINE_LLAMA_MODULE_H

#include <llama.h>

#include "engine/engine.h"
#include "engine/llama/join.h"
#include "engine/llama/llama_log.h"

enum {
    BATCH_ROWS_MAX = 512, /* rows of one decode call; also libllama's micro-batch, so that a long chunk is not split.
                           * For an embedding model, a call has as many rows as its context, if that is more (load.c) */
    CELLS_STEP = 256,     /* libllama rounds a sequence's cells up to this */
    TILE_ROWS = 64,       /* ggml's flash attention works in tiles from this many rows on, with f16 and f32 KV */
    WORDS_BYTES_MAX = 2048, /* of a library's error message; struct fault is smaller, and cuts out the middle */
};

struct bridge_template; /* bridge.h: the parsed chat template */

struct engine {
    struct engine_info info;
    struct llama_model *model;       /* owned */
    struct llama_context *ctx;       /* owned */
    const struct llama_vocab *vocab; /* borrowed from model */
    llama_memory_t memory;           /* borrowed from ctx; NULL for encoders */
    ggml_threadpool_t pool;          /* owned; NULL if ggml has none */
    int copied;                      /* enum guard_copy: result of the last failed copy of a sequence; the next decode reports it */
    bool exact;
    bool steady;                     /* its threads compute steadily (kernels.h) */
    struct llama_batch batch;        /* owned; room for info.batch_rows_max rows */
    struct join join;                /* learned cost of running slots together or apart */
    float **row_logits;              /* owned; per row of the last decode; NULL if it was not wanted */
    float *kept;                     /* owned; logits of rows whose libllama call was not the last of a decode */
    uint32_t kept_rows;              /* capacity of `kept`, in rows */
    int32_t *ends;                   /* owned; the tokens that end an answer */
    uint32_t ends_n;
    uint32_t stack_each;             /* bytes of stack per character of a long word when tokenizing; 0: negligible */
    struct bridge_template *template; /* owned; NULL if the file has none, or one that cannot be used */
    struct fault template_fault;     /* why the template cannot be used */
};

/* Receiver of the progress of a load. */
struct load_progress {
    engine_progress_fn *progress; /* may be NULL */
    void *user_data;
    bool stopped; /* progress() has returned false */
};

/* probe.c, load.c */
/* engine_ops.probe: the needs of the file, read and checked without loading it. */
int probe_file(const struct engine_load *load, struct engine_needs *out, struct fault *f);
/* engine_ops.load: checks, loads and tests the model; the caller owns *out. */
int load_model(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
               struct fault *f);
/* NULL is allowed. */
void unload_model(struct engine *e);
/* Sets the number of compute threads from now on. */
void load_set_threads(struct engine *e, uint32_t threads);
/* Makes threads for a context, which needs them as long as it computes. Returns NULL if ggml has
 * none. */
ggml_threadpool_t load_pool_new(uint32_t threads);
void load_pool_free(ggml_threadpool_t pool); /* NULL is allowed */
/* Loads only the weights, and checks that we can use the model. */
int load_weights(struct engine *e, const struct engine_load *load, bool repack, struct load_progress *l, struct fault *f);
enum { SCORED_ROWS = 8 }; /* rows of one call of a prompt whose tokens are scored */
/* Returns the maximum number of rows per call whose logits are wanted: one per stream, or
 * SCORED_ROWS. */
uint32_t load_wants(uint32_t slots);
/* Returns the parameters of a context for that load. */
struct llama_context_params load_context_params(const struct engine_load *load, uint32_t context, bool embedder);
/* Returns the type of the KV cache's cells. */
enum ggml_type kv_type(const struct engine_load *load);

/* pages.c: tells the kernel that the mapped pages of a file need not stay resident. */
void pages_let_go(const char *path);

/* text.c */
/* Reads the required parts of vocabulary and template. If the file's template cannot be used, each chat fails later; if one given in its
 * place cannot be used, this fails with ERR_USAGE. */
int text_open(struct engine *e, const char *chat_template, struct fault *f);
/* Frees them. */
void text_close(struct engine *e);
/* engine_ops.render: a chat as text, and the guide for its tools or form. */
int text_render(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct buf *out, struct engine_guide **guide,
                struct fault *f);
/* engine_ops.tokenize, within bounds. */
int text_tokenize(struct engine *e, struct str text, unsigned how, const struct engine_bounds *bounds, struct engine_tokens *out,
                  struct fault *f);
/* engine_ops.guide_new, for requests other than chats. */
int text_guide(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct engine_guide **out, struct fault *f);
/* engine_ops.guide_accept. */
int text_guide_accept(struct engine_guide *g, int32_t token, struct fault *f);
/* engine_ops.guide_cuts. */
bool text_guide_cuts(const struct engine_guide *g);
/* engine_ops.guide_cut. */
int text_guide_cut(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f);
/* engine_ops.piece. */
int32_t text_piece(const struct engine *e, int32_t token, char *out, int32_t cap);
/* Returns whether the token ends an answer. */
bool text_is_end(const struct engine *e, int32_t token);

/* marks.c */
/* engine_ops.mark. */
int32_t marks_token(const struct engine *e, enum engine_mark mark);
/* engine_ops.pair_template. */
struct str marks_pair_template(const struct engine *e);
/* engine_ops.control. */
int32_t marks_control(const struct engine *e, int32_t token, char *out, int32_t cap);

/* depth.c */
/* Measures engine.stack_each. */
uint32_t depth_measure(struct engine *e);
/* Returns ERR_TOO_LARGE if this thread's stack, or the allowed memory, is too small to tokenize that
 * text. */
int depth_check(const struct engine *e, struct str text, const struct engine_bounds *bounds, struct fault *f);

/* batch.c */
/* Allocates the buffers of a call. */
void batch_open(struct engine *e);
/* Frees them. */
void batch_close(struct engine *e);
/* engine_ops.decode: all rows in one call. */
int batch_decode(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f);
/* Discards a sequence from that position on. */
void batch_seq_trim(struct engine *e, uint32_t seq, int32_t from);
/* Makes dst hold what src holds before that position. */
void batch_seq_copy(struct engine *e, uint32_t src, uint32_t dst, int32_t upto);

/* state.c */
/* engine_ops.seq_bytes. */
uint64_t state_bytes(struct engine *e, uint32_t seq);
/* engine_ops.seq_save: the cells of a sequence as bytes. */
int state_save(struct engine *e, uint32_t seq, struct buf *out, struct fault *f);
/* engine_ops.seq_load: restores n tokens. */
int state_load(struct engine *e, uint32_t seq, struct str state, int32_t n, struct fault *f);

/* embed.c */
/* engine_ops.embed: one vector per text. */
int batch_embed(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f);

/* sampler.c */
/* engine_ops.sampler_new; guide NULL: any token is allowed. */
struct engine_sampler *sampler_new(struct engine *e, const struct request *r, const struct engine_guide *guide);
/* NULL is allowed. */
void sampler_free(struct engine_sampler *s);
/* Adds a token of the text, for the penalties. */
void sampler_accept(struct engine_sampler *s, int32_t token);
/* engine_ops.sampler_draw: u in [0, 1) decides among the allowed tokens. */
int32_t sampler_draw(struct engine *e, struct engine_sampler *s, uint32_t row, double u, float *out_logprob, struct fault *f);
/* engine_ops.sampler_replay: for Mirostat. */
void sampler_replay(struct engine *e, struct engine_sampler *s, uint32_t row, int32_t token);
/* Returns the log-probability of that token in that row. */
float sampler_logprob(struct engine *e, uint32_t row, int32_t token);
/* engine_ops.drawn. */
uint32_t sampler_drawn(const struct engine_sampler *s, int32_t token, uint32_t n, struct engine_likely *out, float *out_logprob);
/* Writes the n most likely tokens of a row, with their log-probabilities. Returns their number. */
uint32_t sampler_likely(struct engine *e, uint32_t row, uint32_t n, struct engine_likely *out);

#endif
