/* Define the interface of an engine: load a model, tokenize text, run rows, draw the next token.
 *
 * An engine is a module behind one table of functions. The worker loads `llama`
 * (manta-engine-llama.so, the only code that knows libllama) with dlopen; `echo` (a scripted,
 * seeded fake) is part of the program, so that everything above the engine is tested without a
 * model. Only one thread at a time may use an engine, with two exceptions: other threads may
 * meanwhile turn text into tokens (render, tokenize) and make guides. Several loads may run in
 * parallel. Scheduling is the batcher's task (batcher.h). */
#ifndef MANTA_ENGINE_ENGINE_H
#define MANTA_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/part.h"
#include "base/request.h"

enum {
    ENGINE_ABI = 16,
    ENGINE_SLOTS_MAX = 64,
    ENGINE_WIDTH_MAX = 8192, /* numbers in a vector */
    ENGINE_TOKEN_BYTES_MAX = 8192, /* of a token's text in an answer; longer texts are truncated */
    ENGINE_SETUP_BYTES = 64,
};

/* Name of the symbol a module exports: const struct engine_ops *manta_engine(void). */
#define ENGINE_SYMBOL "manta_engine"

enum engine_kv { ENGINE_KV_F16 = 0, ENGINE_KV_Q8_0 = 1, ENGINE_KV_F32 = 2 }; /* f32: without flash attention */

struct engine; /* a loaded model with its context; opaque, one per actor */

/* What to load and how. */
struct engine_load {
    const char *path;         /* model file; for echo: the script, see echo.h */
    uint32_t slots;           /* sequences, 1 … ENGINE_SLOTS_MAX; an engine that keeps nothing between calls may provide more */
    uint32_t context;         /* tokens per slot; 0: as many as fit memory_bytes, up to the model's own context */
    uint32_t threads;         /* compute threads */
    uint8_t kv;               /* enum engine_kv */
    bool exact;               /* a row's bits depend only on its text: verified at load, else refused (ARCHITECTURE.md, "Exactness") */
    const char *setup;        /* exact: info.setup of an earlier load of the same file, used without measuring again;
                               * "": the first candidate, unmeasured; NULL: measure */
    bool repack;              /* let the CPU backend repack weights (faster for Q4_0, but not shared between workers) */
    uint64_t memory_bytes;    /* limit for weights + KV + compute; 0: none */
    const char *chat_template; /* Jinja, in place of the one in the file; borrowed for the load; NULL: the file's own */
    uint64_t advised_bytes;   /* the value of --memory that a refusal recommends; it may exceed the model's needs
                               * because the caller counts other memory against the limit. 0: what the model needs */
};

/* Memory that a load needs; computed from the file before anything is loaded. */
struct engine_needs {
    uint64_t weights_bytes; /* mapped */
    uint64_t repack_bytes;  /* private copy of repacked weights */
    uint64_t kv_bytes;      /* for the context chosen */
    uint64_t compute_bytes; /* estimate of the compute buffers */
    uint32_t context;       /* tokens per slot that were chosen */
    uint8_t kind;           /* kind of model: REQUEST_CHAT or REQUEST_EMBED */
    bool ranks;             /* as in struct engine_info */
};
/* Returns the memory that a model needs in all. */
static inline uint64_t engine_needs_bytes(const struct engine_needs *n)
{
    return n->weights_bytes + n->repack_bytes + n->kv_bytes + n->compute_bytes;
}

/* Properties of a loaded model. */
struct engine_info {
    uint8_t kind;            /* REQUEST_CHAT or REQUEST_EMBED */
    bool has_template;       /* the file carries a chat template, or another one was given */
    uint32_t slots;
    uint32_t context;        /* tokens per slot */
    uint32_t vocab;          /* tokens in the vocabulary */
    uint32_t token_bytes_max; /* the most bytes of text that one token stands for; 0: no bound */
    uint32_t batch_rows_max; /* maximum rows of one decode call */
    uint32_t wants_max;      /* how many rows of one sequence may be wanted per call; at least 1 */
    uint32_t width;          /* numbers in a vector, for REQUEST_EMBED; at most ENGINE_WIDTH_MAX */
    bool ranks;              /* REQUEST_EMBED: its vectors score how well a text answers a question: request_ranks() */
    uint32_t chunk_rows;     /* prompt rows are cheapest in multiples of this; 0 or 1: any number */
    struct engine_needs memory; /* measured after loading, where the engine can measure it */
    char describe[96];       /* "llama 135M Q4_1" */
    char family[48], quantization[24]; /* of the file: "llama", "Q4_K_M" */
    uint64_t parameters;     /* of the model; 0: not known */
    char setup[ENGINE_SETUP_BYTES]; /* exact: how it computes, "cache=q8_0 weights=file kernels=steady"; equal setups
                                     * give equal bits with the same file, version and features. Empty: no guarantee */
    uint32_t setup_ms;       /* time spent finding it; 0: it was not measured */
};

/* One row of a batch. */
struct engine_row {
    int32_t token;
    int32_t position; /* in its sequence, from 0 */
    uint32_t seq;     /* slot */
    bool want;        /* its logits will be drawn from */
};

/* Limits for a call that turns text into tokens. Files and clients control such calls: a template
 * may loop, a tokenizer may need hundreds of bytes for each byte of text. An engine that cannot
 * enforce a bound ignores it. */
struct engine_bounds {
    uint64_t memory_bytes;        /* held at once, besides the result; 0: no bound */
    uint32_t cpu_ms;              /* processor time of this thread; 0: no bound */
    bool (*stopped)(void *user_data); /* polled; true ends the call with ERR_CANCELLED. NULL: never */
    void *user_data;
};

enum engine_how {
    ENGINE_CONTROL = 1, /* parse control tokens in the text, as a rendered template needs */
    ENGINE_BARE = 4,    /* put no token before the text, whatever the model wants */
    ENGINE_CLOSE = 2,   /* add the token that closes a text, where the model wants one: for vectors. A prompt stays open */
};

/* Special tokens that a vocabulary may have. */
enum engine_mark {
    MARK_BEGIN,      /* before a text, if the model wants one */
    MARK_END,        /* after each text of a pair, if the model wants one */
    MARK_BETWEEN,    /* between the texts of a pair, if the model wants one */
    MARK_FIM_PREFIX, /* before the text that precedes a gap … */
    MARK_FIM_SUFFIX, /* … before the text that follows it … */
    MARK_FIM_MIDDLE, /* … and before its content */
    MARK_FIM_REPO,   /* before the name of a repository */
    MARK_FIM_FILE,   /* before the name of a file */
};

/* A growing list of token ids. */
struct engine_tokens {
    int32_t *p; /* owned by the caller, from malloc() */
    uint32_t n, cap;
};

/* A text to turn into a vector. */
struct engine_text {
    const int32_t *tokens; /* borrowed */
    uint32_t n;            /* 1 … info.context */
};

/* A candidate token with its probability. */
struct engine_likely {
    int32_t token;
    float logprob; /* as *out_logprob of sampler_draw */
};

struct engine_sampler; /* penalties and filters of one stream; opaque */
struct engine_guide;   /* constrains one answer to its form or tools, and cuts it into parts; opaque */

/* A piece of an answer, cut into parts. */
struct engine_cut {
    struct str text;          /* the text of the parts; borrowed from the guide until its next cut */
    const struct part *parts; /* borrowed as well */
    uint32_t parts_n;         /* 0: nothing to report yet */
    bool calls;               /* the answer calls tools, and each call so far is complete */
    bool over;                /* no further call is allowed: the answer ends here */
};

/* Called repeatedly while loading, with 0 … 1; returning false stops the load with
 * ERR_CANCELLED. */
typedef bool engine_progress_fn(float progress, void *user_data);

struct engine_ops {
    uint32_t abi;        /* ENGINE_ABI */
    const char *name;    /* "llama", "echo" */
    const char *version; /* of the underlying library */

    /* Returns the CPU features that affect the bits of a result, e.g. "AVX512,AVX2,F16C";
     * static. */
    const char *(*features)(void);
    /* Compares the needs of the load with load->memory_bytes. Returns ERR_MODEL if the file is not
     * a usable model, ERR_MEMORY if the model does not fit; f then contains the numbers. On
     * ERR_MEMORY *out is filled as far as known. */
    int (*probe)(const struct engine_load *load, struct engine_needs *out, struct fault *f);
    int (*load)(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
                struct fault *f);
    void (*free)(struct engine *e); /* NULL is allowed */
    const struct engine_info *(*info)(const struct engine *e);

    /* Appends the prompt of a request to out as text: the chat template applied to the turns
     * (models without one: the contents joined by newlines). Returns ERR_INVALID with the
     * template's own error, or, if a bound is exceeded, ERR_TIMEOUT, ERR_TOO_LARGE or
     * ERR_CANCELLED. bounds may be NULL.
     * *guide: NULL, or, if the request has tools or wants its reasoning separated, a guide that
     * constrains the answer (to its form, too) and cuts it; the caller frees it. Returns ERR_TOOLS
     * if the tools cannot be enforced, or ERR_FORM. */
    int (*render)(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct buf *out, struct engine_guide **guide,
                  struct fault *f);
    /* Makes the guide for r->form, which is not FORM_FREE; the caller frees it. Returns ERR_FORM if the form
     * is not a valid schema, grammar or expression, or contains something that cannot be enforced;
     * ERR_CANCELLED. May run on any thread, as may guide_free. NULL: this engine enforces no
     * forms. */
    int (*guide_new)(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct engine_guide **out, struct fault *f);
    void (*guide_free)(struct engine_guide *g); /* NULL is allowed */
    /* Advances the guide by the answer's next token, resumed or drawn, but not by an end token. Returns
     * ERR_FORM if the token does not fit, or if following it exceeds a limit; then the answer cannot
     * continue. */
    int (*guide_accept)(struct engine_guide *g, int32_t token, struct fault *f);
    /* Returns whether the guide cuts the answer. If so, guide_cut() receives all text, piece by
     * piece as the tokens arrive, and only its output is reported; with `ended`, it returns
     * everything that is left. The output after n pieces depends only on these pieces. Returns
     * ERR_FORM if parsing the answer exceeds a limit. NULL: guides of this engine do not cut. */
    bool (*guide_cuts)(const struct engine_guide *g);
    int (*guide_cut)(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f);
    /* As `piece`, for a control token that delimits parts and for which `piece` gives no bytes; 0
     * for other tokens. */
    int32_t (*guide_piece)(const struct engine_guide *g, int32_t token, char *out, int32_t cap);
    /* Tokenizes text; replaces the contents of *out. Adds a beginning-of-text token if the model wants one and
     * the text does not have it. `how`: a combination of enum engine_how. Returns ERR_INVALID if the
     * vocabulary has no tokens for the text, or an error for an exceeded bound, as render. */
    int (*tokenize)(struct engine *e, struct str text, unsigned how, const struct engine_bounds *bounds, struct engine_tokens *out,
                    struct fault *f);
    /* Writes the bytes of a token (often not whole UTF-8). Returns the number of bytes written, at
     * most cap; 0 for control tokens. */
    int32_t (*piece)(const struct engine *e, int32_t token, char *out, int32_t cap);
    /* Writes a control token as the vocabulary spells it. Returns 0 if it is not a control token.
     * NULL: this engine has no names for them. */
    int32_t (*control)(const struct engine *e, int32_t token, char *out, int32_t cap);
    bool (*is_end)(const struct engine *e, int32_t token); /* end of text or of turn */
    /* Returns the token for that use, or a negative value if the vocabulary has none. NULL: the
     * engine has no such tokens. May run on any thread, as may pair_template. */
    int32_t (*mark)(const struct engine *e, enum engine_mark mark);
    /* Returns the prompt template for a question and a text, with {query} and {document} in their
     * places; empty if the model file has none. NULL: never. */
    struct str (*pair_template)(const struct engine *e);

    /* Runs the rows. The rows of one sequence have rising positions without gaps and continue
     * directly after what the sequence holds. Rows of many sequences with one row each are computed
     * together, fastest when their slots are neighbours. On ERR_FAILED the context is unchanged, or
     * the engine must be freed (then f says so). */
    int (*decode)(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f);
    /* Discards positions >= from of a sequence. */
    void (*seq_trim)(struct engine *e, uint32_t seq, int32_t from);
    /* Makes dst hold the first `upto` positions of src; its previous contents are discarded. */
    void (*seq_copy)(struct engine *e, uint32_t src, uint32_t dst, int32_t upto);
    /* Returns an upper bound of the bytes that seq_save() would append now; 0: the sequence cannot
     * be saved. NULL if seq_save is NULL. */
    uint64_t (*seq_bytes)(struct engine *e, uint32_t seq);
    /* Appends the state of a sequence to out, in the engine's own format: its cells, not its tokens. Returns
     * ERR_TOO_LARGE if it exceeds out->max. NULL: this engine can neither save nor load. */
    int (*seq_save)(struct engine *e, uint32_t seq, struct buf *out, struct fault *f);
    /* Makes a sequence hold the n positions that seq_save() wrote, in this or another process with
     * the same model file and kind of cache; its previous contents are discarded. Returns
     * ERR_INVALID if the state does not fit here; then the sequence is empty. */
    int (*seq_load)(struct engine *e, uint32_t seq, struct str state, int32_t n, struct fault *f);

    /* guide: NULL, or borrowed for the lifetime of the sampler. The biases of r have no texts. */
    struct engine_sampler *(*sampler_new)(struct engine *e, const struct request *r, const struct engine_guide *guide);
    void (*sampler_free)(struct engine_sampler *s);
    /* Tells the sampler of a token that is part of the text: prompt, resumed or drawn. */
    void (*sampler_accept)(struct engine_sampler *s, int32_t token);
    /* Draws from the logits of batch row `row` of the last decode, with u in [0, 1) as the
     * randomness. *out_logprob: natural logarithm of the token's probability before penalties,
     * filters and temperature; NULL if it was not requested, which halves the time of a draw.
     * Returns a negative value and sets f (ERR_FORM) if the guide allows no token. */
    int32_t (*sampler_draw)(struct engine *e, struct engine_sampler *s, uint32_t row, double u, float *out_logprob, struct fault *f);

    /* Tells the sampler which token followed a row of the last decode: a token of a resumed answer, after
     * sampler_accept of all of them. Only requests with `mirostat` need it, for each token of the answer in
     * turn. NULL: this engine's draws depend on nothing but the tokens. */
    void (*sampler_replay)(struct engine *e, struct engine_sampler *s, uint32_t row, int32_t token);

    /* Returns the log-probability of that token, computed as in sampler_draw. */
    float (*logprob)(struct engine *e, uint32_t row, int32_t token);
    /* Writes the n most likely tokens of a row whose logits are wanted, most likely first. Returns
     * their number: n, or the vocabulary size if that is smaller. */
    uint32_t (*likely)(struct engine *e, uint32_t row, uint32_t n, struct engine_likely *out);

    /* Describes the last draw after penalties, filters and temperature: *out_logprob of the drawn
     * token, and the n most likely of the candidates, most likely first. Returns the number of
     * candidates written. NULL: this engine cannot tell. */
    uint32_t (*drawn)(const struct engine_sampler *s, int32_t token, uint32_t n, struct engine_likely *out, float *out_logprob);

    /* Sets the number of compute threads, 1 or more, from the next call on; surplus threads end.
     * NULL: this engine cannot. */
    void (*set_threads)(struct engine *e, uint32_t threads);

    /* Computes the pooled embeddings of up to info.slots texts, normalized to length 1 (unless
     * info.ranks), for REQUEST_EMBED models; out has room for info.width numbers per text, in their
     * order. One call: together the texts have at most info.batch_rows_max tokens. Returns
     * ERR_CONTEXT, ERR_FAILED or ERR_UNSUPPORTED. NULL: this engine cannot. */
    int (*embed)(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f);
};

/* Returns the scripted, seeded fake. */
const struct engine_ops *engine_echo(void);
/* Opens the engine of that name: "echo", or the module manta-engine-<name>.so beside the program,
 * then in MANTA_ENGINE_DIR; a name with a '/' is the path of a module. A module stays loaded until
 * the process ends. Returns ERR_NOT_FOUND, ERR_FAILED (with the loader's reason) or ERR_VERSION
 * (another ENGINE_ABI, or not an engine). */
int engine_open(const char *name, const struct engine_ops **out, struct fault *f);
/* Returns the same engine with computing slowed down by `factor`, for tests and comparisons with an
 * uneven cluster. `pace`, for tests, names a file that contains the minimum duration of a call in
 * milliseconds, read repeatedly during each call; "": none; borrowed for the life of the process.
 * The result is static, one per process. */
const struct engine_ops *engine_throttle(const struct engine_ops *ops, uint32_t factor, const char *pace);

#endif
