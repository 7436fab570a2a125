/* What the files of this module share: the loaded model, and who does what.
 *
 * Only this folder knows llama.h. Everything here runs on the actor's one engine thread, except that loads of several
 * models may run side by side, and that other threads may render and tokenize (text.c) with a model that is loaded. */
#ifndef MANTA_ENGINE_LLAMA_MODULE_H
#define MANTA_ENGINE_LLAMA_MODULE_H

#include <llama.h>

#include "engine/engine.h"
#include "engine/llama/join.h"
#include "engine/llama/llama_log.h"

enum {
    BATCH_ROWS_MAX = 512, /* rows of one decode call; also libllama's micro-batch, so a long chunk stays whole. Of a model that
                           * makes vectors a call has as many rows as its context, if that is more (load.c) */
    CELLS_STEP = 256,     /* libllama rounds a sequence's cells up to this */
    TILE_ROWS = 64,       /* rows from which ggml's flash attention works in tiles, with f16 and f32 KV */
    WORDS_BYTES_MAX = 2048, /* of somebody else's complaint; a fault holds less, and cuts its middle */
};

struct bridge_template; /* bridge.h: the parsed chat template */

struct engine {
    struct engine_info info;
    struct llama_model *model;       /* owned */
    struct llama_context *ctx;       /* owned */
    const struct llama_vocab *vocab; /* borrowed from model */
    llama_memory_t memory;           /* borrowed from ctx; NULL for encoders */
    ggml_threadpool_t pool;          /* owned; NULL where ggml has none */
    int copied;                      /* enum guard_copy: how the last copy of a sequence went, when it went wrong: the next decode says so */
    bool exact;
    bool steady;                     /* what its threads compute is (kernels.h) */
    struct llama_batch batch;        /* owned; room for info.batch_rows_max rows */
    struct join join;                /* what it costs to run slots together or apart */
    float **row_logits;              /* owned; per row of the last decode, NULL where none was wanted */
    float *kept;                     /* owned; logits of rows whose libllama call was not the last of a decode */
    uint32_t kept_rows;              /* rows that `kept` has room for */
    int32_t *ends;                   /* owned; the tokens that end an answer */
    uint32_t ends_n;
    uint32_t stack_each;             /* bytes of stack that a character of a long word takes to tokenize; 0: none to speak of */
    struct bridge_template *template; /* owned; NULL when the file carries none, or one that cannot be used */
    struct fault template_fault;     /* why the template cannot be used, when it cannot */
};

/* Who wants to hear how far a load is. */
struct load_progress {
    engine_progress_fn *progress; /* may be NULL */
    void *user_data;
    bool stopped; /* progress said no */
};

/* probe.c, load.c */
/* engine_ops.probe: what the file needs, read and checked without loading it. */
int probe_file(const struct engine_load *load, struct engine_needs *out, struct fault *f);
/* engine_ops.load: checks, loads, tries; *out is the caller's. */
int load_model(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
               struct fault *f);
/* NULL is fine. */
void unload_model(struct engine *e);
/* From now on it computes with so many threads. */
void load_set_threads(struct engine *e, uint32_t threads);
/* Threads for a context, which it needs as long as it computes. NULL: ggml has none. */
ggml_threadpool_t load_pool_new(uint32_t threads);
void load_pool_free(ggml_threadpool_t pool); /* NULL is fine */
/* The weights alone, and whether we can do anything with such a model. */
int load_weights(struct engine *e, const struct engine_load *load, bool repack, struct load_progress *l, struct fault *f);
enum { SCORED_ROWS = 8 }; /* of a prompt whose tokens are scored, in one call */
/* Rows of one call that logits are wanted of: one of each stream, or SCORED_ROWS. */
uint32_t load_wants(uint32_t slots);
/* What a context is made with, by what was asked for. */
struct llama_context_params load_context_params(const struct engine_load *load, uint32_t context, bool embedder);
/* Of the cells of the KV cache. */
enum ggml_type kv_type(const struct engine_load *load);

/* pages.c: the mapped pages of a file need not be resident any more. */
void pages_let_go(const char *path);

/* text.c */
/* Reads what the vocabulary and the template need; failures of the template stay in the engine. */
void text_open(struct engine *e);
/* Frees that. */
void text_close(struct engine *e);
/* engine_ops.render: a chat as text, and the guide that its tools or form ask for. */
int text_render(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct buf *out, struct engine_guide **guide,
                struct fault *f);
/* engine_ops.tokenize, within the bounds. */
int text_tokenize(struct engine *e, struct str text, unsigned how, const struct engine_bounds *bounds, struct engine_tokens *out,
                  struct fault *f);
/* engine_ops.guide_new for a request that is no chat. */
int text_guide(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct engine_guide **out, struct fault *f);
/* engine_ops.guide_accept. */
int text_guide_accept(struct engine_guide *g, int32_t token, struct fault *f);
/* engine_ops.guide_cuts. */
bool text_guide_cuts(const struct engine_guide *g);
/* engine_ops.guide_cut. */
int text_guide_cut(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f);
/* engine_ops.piece. */
int32_t text_piece(const struct engine *e, int32_t token, char *out, int32_t cap);
/* The token ends an answer. */
bool text_is_end(const struct engine *e, int32_t token);

/* marks.c */
/* engine_ops.mark. */
int32_t marks_token(const struct engine *e, enum engine_mark mark);
/* engine_ops.pair_template. */
struct str marks_pair_template(const struct engine *e);
/* engine_ops.control. */
int32_t marks_control(const struct engine *e, int32_t token, char *out, int32_t cap);

/* depth.c */
/* engine.stack_each, measured. */
uint32_t depth_measure(struct engine *e);
/* ERR_TOO_LARGE: this thread's stack, or the memory allowed, is not enough for that text. */
int depth_check(const struct engine *e, struct str text, const struct engine_bounds *bounds, struct fault *f);

/* batch.c */
/* Allocates what a call needs. */
void batch_open(struct engine *e);
/* Frees that. */
void batch_close(struct engine *e);
/* engine_ops.decode: all rows in one call. */
int batch_decode(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f);
/* Forgets a sequence from that position on. */
void batch_seq_trim(struct engine *e, uint32_t seq, int32_t from);
/* dst holds what src holds up to that position. */
void batch_seq_copy(struct engine *e, uint32_t src, uint32_t dst, int32_t upto);

/* state.c */
/* engine_ops.seq_bytes. */
uint64_t state_bytes(struct engine *e, uint32_t seq);
/* engine_ops.seq_save: the cells of a sequence as bytes. */
int state_save(struct engine *e, uint32_t seq, struct buf *out, struct fault *f);
/* engine_ops.seq_load: the other way; n tokens of them. */
int state_load(struct engine *e, uint32_t seq, struct str state, int32_t n, struct fault *f);

/* embed.c */
/* engine_ops.embed: a vector for each text. */
int batch_embed(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f);

/* sampler.c */
/* engine_ops.sampler_new; guide NULL: any token may come. */
struct engine_sampler *sampler_new(struct engine *e, const struct request *r, const struct engine_guide *guide);
/* NULL is fine. */
void sampler_free(struct engine_sampler *s);
/* The token was drawn: penalties know it. */
void sampler_accept(struct engine_sampler *s, int32_t token);
/* engine_ops.sampler_draw: u in [0, 1) decides among the tokens that may come. */
int32_t sampler_draw(struct engine *e, struct engine_sampler *s, uint32_t row, double u, float *out_logprob, struct fault *f);
/* The log-probability of that token, by that row. */
float sampler_logprob(struct engine *e, uint32_t row, int32_t token);
/* engine_ops.drawn. */
uint32_t sampler_drawn(const struct engine_sampler *s, int32_t token, uint32_t n, struct engine_likely *out, float *out_logprob);
/* The n likeliest tokens of a row, with their log-probabilities; how many there are. */
uint32_t sampler_likely(struct engine *e, uint32_t row, uint32_t n, struct engine_likely *out);

#endif
