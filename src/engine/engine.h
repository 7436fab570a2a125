/* What a model can do, seen from C: load it, turn text into tokens, run rows, draw the next token.
 *
 * An engine is a module behind one table of functions. `llama` (manta-engine-llama.so, the only code that knows
 * libllama) is loaded with dlopen by the worker; `echo` (a scripted, seeded fake) is part of the program, so that
 * everything above is tested without a model. One thread at a time may use an engine, but for what turns text into tokens
 * (render, tokenize), and a guide for its answer: other threads may do that meanwhile. Loads may run side by side.
 * What to run when is not decided here but in batcher.h. */
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
    ENGINE_ABI = 13,
    ENGINE_SLOTS_MAX = 64,
    ENGINE_WIDTH_MAX = 8192, /* numbers in a vector */
    ENGINE_TOKEN_BYTES_MAX = 8192, /* of a token's text in an answer; the rest of a longer one is left out */
    ENGINE_SETUP_BYTES = 64,
};

/* Name of the symbol a module exports: const struct engine_ops *manta_engine(void). */
#define ENGINE_SYMBOL "manta_engine"

enum engine_kv { ENGINE_KV_F16 = 0, ENGINE_KV_Q8_0 = 1, ENGINE_KV_F32 = 2 }; /* f32: without flash attention */

struct engine; /* a loaded model with its context; opaque, one per actor */

/* What to load and how. */
struct engine_load {
    const char *path;         /* model file; for echo: the script, see echo.h */
    uint32_t slots;           /* sequences, 1 … ENGINE_SLOTS_MAX; an engine that keeps nothing between calls may have more */
    uint32_t context;         /* tokens per slot; 0: chosen to fit memory_bytes, at most the model's own */
    uint32_t threads;         /* compute threads */
    uint8_t kv;               /* enum engine_kv */
    bool exact;               /* a row's bits depend on nothing but its text: measured at load, or refused (ARCHITECTURE.md, "Exactness") */
    const char *setup;        /* exact: info.setup of an earlier load of the same file, which is taken without measuring it again;
                               * "": the first that comes to mind, unmeasured; NULL: measure */
    bool repack;              /* let the CPU backend repack weights (faster for Q4_0, but not shared between workers) */
    uint64_t memory_bytes;    /* limit for weights + KV + compute; 0: none */
    uint64_t advised_bytes;   /* what --memory would have to be for it to fit, for the advice of a refusal: whoever sets the limit
                               * may hold more beside the model. 0: what the model needs */
};

/* What such a load needs; computed from the file before anything is loaded. */
struct engine_needs {
    uint64_t weights_bytes; /* mapped */
    uint64_t repack_bytes;  /* private copy of repacked weights */
    uint64_t kv_bytes;      /* for the context chosen */
    uint64_t compute_bytes; /* estimate of the compute buffers */
    uint32_t context;       /* tokens per slot that were chosen */
    uint8_t kind;           /* what it will be: REQUEST_CHAT or REQUEST_EMBED */
};

/* What was loaded. */
struct engine_info {
    uint8_t kind;            /* REQUEST_CHAT or REQUEST_EMBED */
    bool has_template;       /* the file carries a chat template */
    uint32_t slots;
    uint32_t context;        /* tokens per slot */
    uint32_t vocab;          /* tokens in the vocabulary */
    uint32_t token_bytes_max; /* no token stands for more bytes of a text; 0: one may stand for any number */
    uint32_t batch_rows_max; /* rows one decode call takes */
    uint32_t wants_max;      /* … of which so many of one sequence may be wanted; at least 1 */
    uint32_t width;          /* numbers in a vector, for REQUEST_EMBED; at most ENGINE_WIDTH_MAX */
    bool ranks;              /* REQUEST_EMBED: its vectors say how well a text answers a question: request_ranks() */
    uint32_t chunk_rows;     /* a prompt's rows are cheapest in multiples of this; 0 or 1: any number */
    struct engine_needs memory; /* as measured after loading, where the engine can tell */
    char describe[96];       /* "llama 135M Q4_1" */
    char setup[ENGINE_SETUP_BYTES]; /* exact: how it computes, "cache=q8_0 weights=file kernels=steady"; equal ones give equal bits
                                     * with the same file, version and features. Empty: nothing is promised */
    uint32_t setup_ms;       /* what finding it took; 0: it was not measured */
};

/* One row of a batch. */
struct engine_row {
    int32_t token;
    int32_t position; /* in its sequence, from 0 */
    uint32_t seq;     /* slot */
    bool want;        /* its logits will be drawn from */
};

/* What a call that turns text into tokens may take. Such calls do what a file and a client tell them to: a template may
 * loop, a tokenizer may need hundreds of bytes for each byte of a text. An engine that cannot hold a bound ignores it. */
struct engine_bounds {
    uint64_t memory_bytes;        /* held at once, beside the result; 0: any */
    uint32_t cpu_ms;              /* of this thread's processor time; 0: any */
    bool (*stopped)(void *user_data); /* asked now and then: true ends the call with ERR_CANCELLED; NULL: never */
    void *user_data;
};

enum engine_how {
    ENGINE_CONTROL = 1, /* control tokens in the text are parsed, as a rendered template needs */
    ENGINE_BARE = 4,    /* no token is put before the text, whatever the model wants */
    ENGINE_CLOSE = 2,   /* the token that closes a text is added, where the model wants one: for vectors. A prompt stays open */
};

/* Tokens that a vocabulary may have for a use. */
enum engine_mark {
    MARK_BEGIN,      /* before a text, where the model wants one */
    MARK_END,        /* behind each text of a pair, likewise */
    MARK_BETWEEN,    /* between the texts of a pair, likewise */
    MARK_FIM_PREFIX, /* before what comes before a gap … */
    MARK_FIM_SUFFIX, /* … before what comes after it … */
    MARK_FIM_MIDDLE, /* … and before what is in it */
    MARK_FIM_REPO,   /* before the name of what several files belong to */
    MARK_FIM_FILE,   /* before the name of a file */
};

/* A growing list of token ids. */
struct engine_tokens {
    int32_t *p; /* owned by the caller, from malloc() */
    uint32_t n, cap;
};

/* A text that is to become a vector. */
struct engine_text {
    const int32_t *tokens; /* borrowed */
    uint32_t n;            /* 1 … info.context */
};

/* A token that could have been drawn. */
struct engine_likely {
    int32_t token;
    float logprob; /* as *out_logprob of sampler_draw */
};

struct engine_sampler; /* penalties and filters of one stream; opaque */
struct engine_guide;   /* holds one answer to its form, or to its tools, and cuts it into parts; opaque */

/* A piece of an answer, cut into parts. */
struct engine_cut {
    struct str text;          /* that the parts are made of; borrowed from the guide until it cuts again */
    const struct part *parts; /* the same */
    uint32_t parts_n;         /* 0: there is nothing to tell yet */
    bool calls;               /* the answer calls tools, and each call so far is whole */
    bool over;                /* it may call no other, and ends here */
};

/* Called now and then while loading, 0 … 1; returning false stops the load with ERR_CANCELLED. */
typedef bool engine_progress_fn(float progress, void *user_data);

struct engine_ops {
    uint32_t abi;        /* ENGINE_ABI */
    const char *name;    /* "llama", "echo" */
    const char *version; /* of the library behind */

    /* CPU feature set that decides the bits of a result, e.g. "AVX512,AVX2,F16C"; static. */
    const char *(*features)(void);
    /* Compares what the load would need with load->memory_bytes. ERR_MODEL: not a usable model file; ERR_MEMORY: does
     * not fit. Both say the numbers in f. *out is filled as far as known also on ERR_MEMORY. */
    int (*probe)(const struct engine_load *load, struct engine_needs *out, struct fault *f);
    int (*load)(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
                struct fault *f);
    void (*free)(struct engine *e); /* NULL is fine */
    const struct engine_info *(*info)(const struct engine *e);

    /* The prompt of a request as text: the chat template for turns (models without one: the contents joined by
     * newlines). ERR_INVALID with the template's own complaint; or a bound was met: ERR_TIMEOUT, ERR_TOO_LARGE,
     * ERR_CANCELLED. Appends to out. bounds may be NULL: any.
     * *guide: NULL; or, where the request has tools or wants its reasoning apart, what holds the answer (to its form, too) and cuts it,
     * which the caller frees. ERR_TOOLS: they cannot be kept to; ERR_FORM. */
    int (*render)(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct buf *out, struct engine_guide **guide,
                  struct fault *f);
    /* What holds the answer to r->form, which is not FORM_FREE; the caller frees it. ERR_FORM: it is no schema, grammar or
     * expression, or has what cannot be kept to; ERR_CANCELLED. May run on any thread, as may guide_free. NULL: this engine keeps to
     * none. */
    int (*guide_new)(struct engine *e, const struct request *r, const struct engine_bounds *bounds, struct engine_guide **out, struct fault *f);
    void (*guide_free)(struct engine_guide *g); /* NULL is fine */
    /* Tells it of the answer's next token, resumed and drawn ones alike, but not of an end token. ERR_FORM: the token does not fit, or
     * following it takes more than it may; then the answer cannot continue. */
    int (*guide_accept)(struct engine_guide *g, int32_t token, struct fault *f);
    /* Does it cut the answer? Then guide_cut() gets all of its text, piece by piece as tokens bring it, and nothing else of the text
     * is told; where it `ended`, all of it comes out. What comes out after n pieces depends on these alone. ERR_FORM: reading the
     * answer takes more than it may. NULL: guides of this engine do not cut. */
    bool (*guide_cuts)(const struct engine_guide *g);
    int (*guide_cut)(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f);
    /* As `piece`, of a control token that parts are told by and that `piece` has no bytes for; 0: it is none of these. */
    int32_t (*guide_piece)(const struct engine_guide *g, int32_t token, char *out, int32_t cap);
    /* Token ids of text; what *out held is replaced. A beginning-of-text token is added where the model wants one and the
     * text does not have it. `how`: enum engine_how, together. ERR_INVALID: this vocabulary has no tokens for the text; or a
     * bound was met, as for render. */
    int (*tokenize)(struct engine *e, struct str text, unsigned how, const struct engine_bounds *bounds, struct engine_tokens *out,
                    struct fault *f);
    /* Bytes of a token (often not whole UTF-8). Returns how many were written, at most cap; control tokens give 0. */
    int32_t (*piece)(const struct engine *e, int32_t token, char *out, int32_t cap);
    /* The same of a control token: how its vocabulary writes it; 0: it is none. NULL: this engine has no words for them. */
    int32_t (*control)(const struct engine *e, int32_t token, char *out, int32_t cap);
    bool (*is_end)(const struct engine *e, int32_t token); /* end of text or of turn */
    /* The token of that use; below 0: the vocabulary has none. NULL: has none for any. May run on any thread, as may the next. */
    int32_t (*mark)(const struct engine *e, enum engine_mark mark);
    /* How a question and a text become a prompt, with {query} and {document} in their places; empty: the model's file does not say.
     * NULL: never. */
    struct str (*pair_template)(const struct engine *e);

    /* Runs the rows. Rows of one sequence follow each other in rising position, directly after what the sequence
     * holds. Rows of many sequences with one row each are computed together, fastest when their slots are neighbours.
     * ERR_FAILED: the context is as before, or the engine must be freed (then f says so). */
    int (*decode)(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f);
    /* Forgets positions >= from of a sequence. */
    void (*seq_trim)(struct engine *e, uint32_t seq, int32_t from);
    /* Makes dst hold the first `upto` positions of src, whatever dst held before. */
    void (*seq_copy)(struct engine *e, uint32_t src, uint32_t dst, int32_t upto);
    /* Bytes that seq_save() would append now, at most; 0: it cannot be saved. NULL where seq_save is. */
    uint64_t (*seq_bytes)(struct engine *e, uint32_t seq);
    /* Appends what a sequence holds to out, in the engine's own form: its cells, not its tokens. ERR_TOO_LARGE: that is more
     * than out may have. NULL: this engine cannot, nor can it load. */
    int (*seq_save)(struct engine *e, uint32_t seq, struct buf *out, struct fault *f);
    /* Makes a sequence hold the n positions that seq_save() wrote, here or in another process with the same model file and
     * kind of cache; what it held before is gone. ERR_INVALID: they do not fit here; then the sequence is empty. */
    int (*seq_load)(struct engine *e, uint32_t seq, struct str state, int32_t n, struct fault *f);

    /* guide: NULL, or borrowed for as long as the sampler is there. */
    struct engine_sampler *(*sampler_new)(struct engine *e, const struct request *r, const struct engine_guide *guide);
    void (*sampler_free)(struct engine_sampler *s);
    /* Tells the sampler of a token that is part of the text: prompt, resumed and drawn ones alike. */
    void (*sampler_accept)(struct engine_sampler *s, int32_t token);
    /* Draws from the logits of batch row `row` of the last decode, with u in [0, 1) as the randomness.
     * *out_logprob: natural logarithm of the token's probability before penalties, filters and temperature; NULL where
     * nobody asked, which saves half of a draw's time. Below 0: none, for the guide lets no token come next, and f says so (ERR_FORM). */
    int32_t (*sampler_draw)(struct engine *e, struct engine_sampler *s, uint32_t row, double u, float *out_logprob, struct fault *f);

    /* The log-probability of that token, as sampler_draw tells it. */
    float (*logprob)(struct engine *e, uint32_t row, int32_t token);
    /* The n most likely tokens of a row that can be drawn from, the likeliest first. Returns how many: n, or the
     * vocabulary. */
    uint32_t (*likely)(struct engine *e, uint32_t row, uint32_t n, struct engine_likely *out);

    /* The token that was drawn last, as the draw saw it: behind penalties, filters and temperature. The n likeliest of those that it drew
     * from, the likeliest first; returns how many there are. NULL: this engine does not tell. */
    uint32_t (*drawn)(const struct engine_sampler *s, int32_t token, uint32_t n, struct engine_likely *out, float *out_logprob);

    /* From the next call on, computes with so many threads, 1 or more; those it has besides end. NULL: this engine cannot. */
    void (*set_threads)(struct engine *e, uint32_t threads);

    /* The pooled embeddings of up to info.slots texts, of length 1 (or, where info.ranks, as they are), for REQUEST_EMBED models; out has
     * room for info.width numbers of each, in their order. Computed in one call: together the texts have at most info.batch_rows_max tokens.
     * ERR_CONTEXT, ERR_FAILED, ERR_UNSUPPORTED. NULL: this engine cannot. */
    int (*embed)(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f);
};

/* The scripted, seeded fake. */
const struct engine_ops *engine_echo(void);
/* The engine of that name: "echo", or the module manta-engine-<name>.so beside the program, then in MANTA_ENGINE_DIR; a
 * name with a '/' is the module's path. A module stays loaded until the process ends. ERR_NOT_FOUND, ERR_FAILED (the
 * loader's reason), ERR_VERSION (another ENGINE_ABI, or no engine). */
int engine_open(const char *name, const struct engine_ops **out, struct fault *f);
/* The same engine, `factor` times as slow in computing: for tests and comparisons with an uneven cluster. `pace`, for tests,
 * names a file whose content is the least number of milliseconds that a call takes, read anew during each call; "": none; it is
 * borrowed for good. The result is static, and there is one per process. */
const struct engine_ops *engine_throttle(const struct engine_ops *ops, uint32_t factor, const char *pace);

#endif
