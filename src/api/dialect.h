/* A dialect: one API's way to ask and to answer, as a table of functions. The head program knows no other way to a client's words.
 *
 * A stream is a row of numbered events:
 *
 *     for each answer:  opening …  { begin …  piece piece …  end … }  closing …       { }: each block of it
 *     for the call:     ending (if there is one), then `last`, which has no number
 *
 * The number of an event is the client's place when it has it (struct api_place): the tokens of the answer so far, and how many
 * events came since the last token. Nothing else goes into it, so an event has the same number at every head, whoever computes
 * the answer; a client that names the last one it has gets the rest. What stands between pieces is written step by step, because
 * a client may have some of it. Where one token tells of several parts (base/part.h), all but the last of their pieces stand there, too.
 *
 * All writers append whole events, or one JSON text, to `out`, and are called from the loop; `ending` and `answer` also from the
 * desk's thread: they touch what they are given, and nothing else. */
#ifndef MANTA_API_DIALECT_H
#define MANTA_API_DIALECT_H

#include "api/api.h"

/* What an event of a stream may tell. */
struct api_event {
    const struct api_head *head;
    struct api_choice choice;         /* a piece; else its index alone, closing: also finish */
    struct api_place place;           /* of the client, once it has the event */
    uint32_t step;                    /* which of the events between two pieces */
    struct api_usage usage;           /* what is known by now */
    struct api_block block;           /* begin, piece, end: that it belongs to. Its text is there at the end, in a dialect with `repeats` */
};

/* Writes the event number ev->step, from 0, of those that stand at one place of a stream; false: there are no more. */
typedef bool api_step_fn(struct buf *out, const struct api_event *ev);

/* A whole answer, with all that some dialect tells of it. */
struct api_whole {
    const struct api_head *head;
    const struct api_call *call;      /* how it was asked for; its texts are gone */
    const struct api_choice *choices; /* one per answer */
    const struct api_response *responses; /* the same, with who gave them */
    const struct api_vector *vectors; /* embeddings */
    uint32_t n;                       /* of each */
    struct api_usage usage;           /* of all together */
    struct api_cluster cluster;
    struct api_place place;           /* ending: as in struct api_event */
};

struct api_dialect {
    const char *id_prefix;   /* of an answer's name, "chatcmpl-": what x-request-id and the body call it */
    const char *id_header;   /* header line for the name; NULL: x-request-id alone */
    bool streams;            /* its answers can be streamed and resumed */
    bool lines;              /* … as a JSON object a line: without numbers and comments, for which such a stream has no place */
    bool repeats;            /* the end of a stream is made of all of it: text is kept, a stream that is resumed is read from its beginning */
    bool partial;            /* one of several answers may fail without the others */
    bool vectors;            /* it answers with vectors */
    bool tells_times;        /* the end of a stream says how long it took, whoever asked for that */
    bool tells_ids;          /* pieces of its streams have their token ids, also those without text */
    bool counts_chars;       /* log-probabilities tell where they are in the text: places have characters */

    /* As api_parse(). */
    int (*parse)(struct str body, struct api_call *out, struct api_error *e);

    /* ---- a stream; a function that the dialect does not need is NULL ---- */
    api_step_fn *opening;        /* before all else of an answer: when its prompt is computed, … */
    bool opens_early;            /* … or before that, when it waits */
    api_step_fn *begin, *end;    /* of a block of the answer; without them the name of a tool is a piece */
    void (*piece)(struct buf *out, const struct api_event *ev);
    api_step_fn *closing;        /* it has ended, ev->choice.finish says how */
    /* One event of all answers; false: none is due, and nothing was written. */
    bool (*ending)(struct buf *out, const struct api_whole *w);
    void (*last)(struct buf *out);
    /* An actor begins an answer: not numbered. */
    void (*started)(struct buf *out, const struct api_head *h, uint32_t index, const struct api_response *who);
    /* It waits, `text` says for what: what the dialect's clients take for a sign of life. Not numbered. */
    void (*idle)(struct buf *out, const struct api_event *ev, struct str text);
    /* The prompt of ev->choice.index is so far. Not numbered. NULL: nobody is told. */
    void (*progress)(struct buf *out, const struct api_event *ev, const struct api_progress *progress);
    /* It failed: nothing follows. */
    void (*fault)(struct buf *out, const struct api_event *ev, const struct fault *f);

    /* ---- JSON texts ---- */
    void (*answer)(struct buf *out, const struct api_whole *w);
    void (*error)(struct buf *out, const struct api_error *e, struct str request_id);
    void (*models)(struct buf *out, const struct api_model *models, size_t n);
    void (*model)(struct buf *out, const struct api_model *m);
};

/* The one of that shape. */
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
