/* A dialect: the request and response format of one API, as a table of functions. The head knows
 * clients' formats only through this table.
 *
 * A stream is a row of numbered events:
 *
 *     for each answer:  opening …  { begin …  piece piece …  end … }  closing …       { }: each block of it
 *     for the call:     ending (if there is one), then `last`, which has no number
 *
 * An event's number is the client's place after the event (struct api_place): the tokens of the
 * answer so far, and the events since the last token. Nothing else determines it, so an event has
 * the same number on every head, whichever actor computes the answer; a client that sends its last
 * number gets the rest. Events between pieces are written step by step, because a client may have
 * some of them. If one token has several parts (base/part.h), all their pieces but the last are
 * such steps, too.
 *
 * All writers append whole events, or one JSON text, to `out`. They run on the loop; `ending`,
 * `last` and `answer` also run on the desk's thread, and touch only their arguments. */
#ifndef MANTA_API_DIALECT_H
#define MANTA_API_DIALECT_H

#include "api/api.h"

/* The data of one stream event. */
struct api_event {
    const struct api_head *head;
    struct api_choice choice;         /* a piece; else only its index; closing: also finish */
    struct api_place place;           /* of the client, after the event */
    uint32_t step;                    /* index among the events between two pieces */
    struct api_usage usage;           /* as known so far */
    struct api_block block;           /* begin, piece, end: its block; with `repeats`, `end` has all of its text */
};

/* Writes event ev->step, counted from 0, of the events at one place of a stream. False: there are no
 * more. */
typedef bool api_step_fn(struct buf *out, const struct api_event *ev);

/* A whole answer, with everything that a dialect may report. */
struct api_whole {
    const struct api_head *head;
    const struct api_call *call;      /* the parsed request; its texts are freed */
    const struct api_choice *choices; /* one per answer */
    const struct api_response *responses; /* the same, with their actors */
    const struct api_vector *vectors; /* embeddings */
    const struct input *inputs;       /* rerank with call->with_prompt: the texts */
    uint32_t n;                       /* of each */
    struct api_usage usage;           /* of all together */
    struct api_cluster cluster;
    struct api_place place;           /* ending: as in struct api_event */
};

struct api_dialect {
    const char *id_prefix;   /* of an answer's name, "chatcmpl-", in x-request-id and in the body */
    const char *id_header;   /* additional header with the name; NULL: only x-request-id */
    bool streams;            /* answers can be streamed and resumed */
    bool lines;              /* … as one JSON object per line, which has no room for numbers and comments */
    bool repeats;            /* the end of a stream repeats all of it: text is kept, and a resumed stream is read from its beginning */
    bool partial;            /* one of several answers may fail without the others */
    bool vectors;            /* answers with vectors */
    bool tells_times;        /* the end of a stream always has timings */
    bool tells_ids;          /* pieces have token ids, also pieces without text */
    bool counts_chars;       /* log-probabilities have text offsets: places count characters */

    /* As api_parse(). */
    int (*parse)(struct str body, struct api_call *out, struct api_error *e);

    /* ---- a stream; NULL: the dialect does not need the function ---- */
    api_step_fn *opening;        /* first events of an answer: after its prefill, … */
    bool opens_early;            /* … or earlier, while it waits */
    api_step_fn *begin, *end;    /* of a block; without them a tool's name is a piece */
    void (*piece)(struct buf *out, const struct api_event *ev);
    api_step_fn *closing;        /* the answer has ended, as ev->choice.finish says */
    /* One event for all answers. False: none is due, and nothing was written. */
    bool (*ending)(struct buf *out, const struct api_whole *w);
    void (*last)(struct buf *out);
    /* An actor starts an answer. Not numbered. */
    void (*started)(struct buf *out, const struct api_head *h, uint32_t index, const struct api_response *who);
    /* The stream waits; `text` says for what. Writes a sign of life for the dialect's clients. Not
     * numbered. */
    void (*idle)(struct buf *out, const struct api_event *ev, struct str text);
    /* Progress of the prompt of ev->choice.index. Not numbered. NULL: not reported. */
    void (*progress)(struct buf *out, const struct api_event *ev, const struct api_progress *progress);
    /* The answer failed: no event follows. */
    void (*fault)(struct buf *out, const struct api_event *ev, const struct fault *f);

    /* ---- JSON texts ---- */
    void (*answer)(struct buf *out, const struct api_whole *w);
    void (*error)(struct buf *out, const struct api_error *e, struct str request_id);
    void (*models)(struct buf *out, const struct api_model *models, size_t n);
    void (*model)(struct buf *out, const struct api_model *m);
};

/* Returns the dialect of a shape. */
const struct api_dialect *api_dialect(enum api_shape shape);

/* One file each. */
extern const struct api_dialect api_dialect_chat, api_dialect_completion; /* openai.c */
extern const struct api_dialect api_dialect_process_prompt;               /* manta.c */
extern const struct api_dialect api_dialect_embeddings;                   /* vectors.c */
extern const struct api_dialect api_dialect_messages, api_dialect_count;  /* anthropic.c */
extern const struct api_dialect api_dialect_responses;                    /* responses.c */
extern const struct api_dialect api_dialect_ollama_chat, api_dialect_ollama_generate, api_dialect_ollama_embed, api_dialect_ollama_embeddings; /* ollama.c */
extern const struct api_dialect api_dialect_llama, api_dialect_tokenize, api_dialect_detokenize, api_dialect_template; /* llama.c */
extern const struct api_dialect api_dialect_infill;                       /* llama.c */
extern const struct api_dialect api_dialect_rerank;                       /* rerank.c */
extern const struct api_dialect api_dialect_chat_count, api_dialect_responses_count; /* counts.c */

#endif
