/* One client's request and the state of its answer. Private to the room. */
#ifndef MANTA_HEAD_CALL_H
#define MANTA_HEAD_CALL_H

#include "api/dialect.h"
#include "head/state.h"

/* ---- backlog.c: the part of an answer that cannot be sent yet ---- */
struct backlog {
    struct buf text;
    struct buf ids, logprobs;         /* int32_t, float; one per token, when wanted */
    struct buf top_ids, top_logprobs; /* likewise; the same number for every token */
    struct buf lengths, pieces;       /* uint32_t per piece; the pieces' bytes, concatenated */
    struct buf parts;                 /* struct part; the composition of the text */
};
/* Makes an empty backlog. */
void backlog_init(struct backlog *k);
/* Empties a backlog and frees its memory. */
void backlog_fini(struct backlog *k);
/* Returns the memory a backlog holds. */
size_t backlog_bytes(const struct backlog *k);
/* Appends an effect's text and parts. with_ids: also its tokens, and their log-probabilities if
 * present. Returns false if a buffer would exceed REPLY_TEXT_BYTES_MAX. */
bool backlog_add(struct backlog *k, const struct fx *fx, bool with_ids);
/* Points `out` to the backlog. The caller frees the result, an array that `out` refers to. */
struct str *backlog_show(const struct backlog *k, struct api_choice *out);
/* Returns the blocks of the backlog; the caller frees them. */
struct api_block *backlog_blocks(const struct backlog *k, uint32_t *out_n);
/* Appends the text without reasoning and tool calls. */
void backlog_text(const struct backlog *k, struct buf *out);

/* ---- held.c: output for a slow reader, in portions; each portion is sent as one event ---- */
enum { PORTION_BYTES = 32 << 10 }; /* a portion of this size is closed: writing its event takes a few milliseconds */

struct portion {
    struct portion *next;          /* owned; the next portion */
    struct backlog backlog;
    uint32_t heard;                /* tokens that the client has after this portion */
};

struct held {
    struct portion *first, *last;  /* owned, borrowed; NULL: empty */
    size_t bytes;                  /* memory of all portions */
    size_t longest_bytes;          /* sum over the portions of their longest part */
};
/* True if nothing is held. */
static inline bool held_is_empty(const struct held *h)
{
    return h->first == NULL;
}
/* Adds a piece, after which the client has `heard` tokens. Returns false if more than
 * REPLY_TEXT_BYTES_MAX would be held. */
bool held_add(struct held *h, const struct fx *fx, bool with_ids, uint32_t heard);
/* Drops the first portion. */
void held_drop(struct held *h);
/* Drops all portions. */
void held_fini(struct held *h);

/* One branch of a call: the answer of one actor. */
struct branch {
    struct api_response response;  /* model, node, address and text point into this struct: see below */
    struct backlog whole;             /* the answer, if it is needed at the end */
    float *vector;                 /* owned; embeddings */
    uint32_t vector_n;
    struct held held;              /* not sent yet, because the client reads slowly */
    int32_t *prompt_ids;           /* owned; if the client asked for them */
    uint32_t prompt_ids_n;
    char *model, *node, *address;  /* owned */
    char *stop;                    /* owned; the stop string that ended the answer, or NULL */
    bool breaks_line;              /* the answer contains a line feed */
    uint32_t chars;                /* characters sent: the text offset of the next log-probabilities */
    uint32_t heard, sent;          /* tokens received; tokens sent to the client */
    uint64_t begun_us, done_us;    /* end of its prefill, here or on another head; end of the branch; 0: not yet */
    uint32_t before;               /* tokens that another head had received by begun_us */
    float prompt_ms;               /* duration of its prefill */
    uint32_t mute;                 /* tokens that the client already has, from another head or an earlier run: kept, not sent */
    uint32_t steps;                /* of a stream: events sent since its last token, as in struct api_place */
    uint32_t skip;                 /* that many of the next events are not sent again: the client has them */
    bool started_sent;             /* the dialect's `started` event was sent */
    bool comes_back;               /* `steps` is the client's claim: the events are counted again as they are rewritten */
    bool opened, closed, over;     /* of a stream: its opening, its first closing event, all closing events were sent */
    struct api_in_block block;     /* of a stream: its current block … */
    struct api_in_block told;      /* … and the block after its last complete token */
    bool counts_blocks;            /* `block` is counted from the beginning of the answer, although the client has this part */
    bool done;
};

enum { CALL_FINGERPRINT_BYTES = 32 };

struct call {
    struct asker asker;            /* first: the request's user data points here */
    struct writing *writing;       /* the desk writes the answer, or will; NULL: no */
    struct id_node node;           /* in program->calls */
    struct list doomed;            /* in program->doomed */
    struct http_request *r;        /* NULL once answered, or once the client is gone */
    struct api_call api;
    struct api_head head;
    char fingerprint[CALL_FINGERPRINT_BYTES]; /* head.fingerprint points here; empty: no actor has started */
    char *model;                   /* owned; as named by the client */
    struct account *account;       /* owned; the record so far; NULL: none yet, or no room for one */
    struct branch *branches;       /* owned */
    uint32_t branches_n;           /* known so far */
    uint64_t started_us;
    uint64_t stream;               /* the answer's name for its client */
    struct seal_stream sealed;     /* the answer's name for workers, and the proof of ownership */
    uint64_t owner;                /* struct owner: the owner's id … */
    bool admin;                    /* … who may see the nodes' addresses */
    uint32_t total;                /* number of branches, as far as known */
    struct api_stream_id *from;    /* owned; the client's place, of a stream that was or is sought on the workers. NULL:
                                    * the stream started here */
    bool has_body;                 /* the client sent its request: if no worker has the stream, the call can start anew */
    struct request *brought;       /* owned; the request that api.request points into, for a has_body call of the
                                    * replaced head; else NULL */
    struct request *texts;         /* owned; only inputs: those that the answer repeats; NULL: none */
    bool again;                    /* on the doomed list, to be started anew */
    bool computed_again;           /* started anew, although its client already has a part of the answer */
    bool exact;                    /* computed_again: on an actor that reproduces the same bits */
    bool ended_sent;               /* another head has sent everything but [DONE] */
    bool ended;                    /* the brain has dropped the call; the held output and the end leave as the client reads */
    bool scale;                    /* a scale command: its end is the answer */
    struct api_availability *availability; /* owned; not NULL: a command that changes a worker's availability; its end is the answer */
    uint8_t availability_to;      /* enum wire_availabilities */
    bool streaming;                /* the response header is sent */
    bool begun;                    /* the answer has begun, here or on another head */
    char *echo;                    /* owned; head.echo points here */
    char *tenant;                  /* owned; as named by the key or a header */
    char *client_id;               /* owned; the X-Request-Id that the client sent, or NULL */
    struct fault doom;             /* the reason, when on the doomed list */
    uint64_t bytes;                /* counted in program->answer_bytes */
    char param[24];                /* the request field that `doom` is about; empty: none */
};

enum {
    CALL_NAME_BYTES = API_NAME_BYTES,
    CLIENT_ID_BYTES_MAX = 128, /* longer ids are dropped: requests cannot be looked up by them */
};
/* Finds a call by the brain's number. NULL: the call has ended. */
struct call *call_find(struct head_program *p, uint64_t id);
/* Gives the call to the brain, which may answer at once, and frees the parts that the brain has
 * copied. */
void call_prompt(struct head_program *p, struct call *c);
/* True if the client sent the request again and it can be the one that began the lost stream. */
bool call_may_be_computed_again(const struct call *c);
/* Keeps a copy of r's inputs if the answer repeats them. */
void call_keep_texts(struct head_program *p, struct call *c, const struct request *r);
/* Frees a branch's memory. */
void call_branch_fini(struct branch *b);
/* Makes a call for a request, with only its start time set. */
struct call *call_new(struct head_program *p, struct http_request *r);
/* Called after the body was read, with `err` and `e`, or with *api, which the callee consumes. */
typedef void reading_done_fn(struct head_program *p, struct http_request *r, enum api_shape shape, int err, struct api_call *api, struct api_error *e);
/* reading.c: parses a large body at the desk. */
void reading_begin(struct head_program *p, struct http_request *r, enum api_shape shape, reading_done_fn *on_read);
/* The client disconnected while its body was parsed: no answer is sent. */
void reading_gone(struct asker *asker);
/* Asks workers for the stream's output after the places in `from`. */
void call_resume(struct head_program *p, struct call *c, const struct api_stream_id *from);
/* True if the client has nothing of the stream and sent its request: if no worker has the stream,
 * the request is served as a new one. */
bool call_may_begin_anew(const struct call *c);
/* Sets how much of each branch the client has from another head. `again`: the branches are computed
 * from their beginning. */
void call_places(struct call *c, const struct api_stream_id *from, bool again);
/* The answer's id, as in x-request-id. */
void call_name(const struct call *c, char out[API_NAME_BYTES]);

/* Returns the dialect of the client. A command (scale, drain, ...) has no shape; its errors have
 * OpenAI's. */
static inline const struct api_dialect *call_dialect(const struct call *c)
{
    return api_dialect(c->api.shape != 0 ? c->api.shape : API_CHAT);
}

/* True if the client wants an answer's tokens, not only its text. */
static inline bool call_wants_ids(const struct call *c)
{
    return c->api.request.sampling.logprobs != 0 || c->api.request.sampling.prompt_ids != 0 || c->api.with_tokens;
}

/* True if stream events name tokens, including tokens without text so far. */
static inline bool call_streams_ids(const struct call *c)
{
    return c->api.request.sampling.logprobs != 0 || call_dialect(c)->tells_ids;
}

/* True if the whole text is needed at the end. */
static inline bool call_keeps_text(const struct call *c)
{
    return !c->api.stream || call_dialect(c)->repeats;
}

/* Returns a branch by its number, and adds it if necessary. The brain's fan-out limit bounds the
 * number. */
struct branch *call_branch(struct call *c, uint32_t index);
/* Frees a call that has ended or never began. */
void call_free(struct head_program *p, struct call *c);
/* For head_program.written: sends a large answer that the desk has written, if the client is still
 * there, and frees the call. */
void call_written(struct head_program *p, struct call *c, struct buf *text);

enum { NOTE_BYTES = 22, NOTE_BYTES_MAX = NOTE_BYTES + API_ECHO_BYTES_MAX };
/* Appends the facts about the client's request that another head needs to continue its stream. */
void note_write(struct buf *out, const struct call *c);
/* Reads such a note into the call. Returns false if the note is invalid. */
bool note_read(struct str note, struct call *c);

/* ---- timings.c: durations of answers ---- */
/* Timings of one answer so far. The actor reports the prefill time; the head measures the decode
 * time, which therefore includes failovers. */
struct api_timings timings_of(const struct branch *b, uint64_t now_us);
/* Sums the timings of several answers that have all ended. Each prompt counts: it was computed, or
 * found in a cache. */
struct api_timings timings_of_all(const struct call *c);

/* ---- fingerprint.c: answers with equal fingerprints are equal; only exact actors have one ---- */
/* Records that an actor contributed to the answer. */
void call_fingerprint(struct head_program *p, struct call *c, uint32_t actor);

/* ---- stream.c: events of a stream; all functions append to p->json ---- */
/* Writes the client's place after the next event. `ended`: no numbered event follows. */
void stream_id(struct head_program *p, const struct call *c, bool ended);
/* Writes the events that open a branch, once. */
void stream_opening(struct head_program *p, struct call *c, uint32_t index);
/* Writes a piece, after which the client has `heard` tokens. `parts` is the composition of
 * choice.text; none: plain text. */
void stream_piece(struct head_program *p, struct call *c, uint32_t index, struct api_choice choice, const struct part *parts, uint32_t parts_n,
                  uint32_t heard);
/* The client already has these parts: only tracks the block that the stream is in. */
void stream_skip(struct branch *b, const struct part *parts, uint32_t parts_n);
/* Writes the events that end a branch, after all of its text. */
void stream_closing(struct head_program *p, struct call *c, uint32_t index);
/* Writes a comment for people, if the dialect's framing has comments. */
void stream_comment(struct head_program *p, const struct call *c, struct str text);
/* Writes how much of the prompt is computed. */
void stream_progress(struct head_program *p, struct call *c, uint32_t index, const struct api_progress *progress);
/* Writes that the stream waits; `text` says for what. */
void stream_waits(struct head_program *p, struct call *c, struct str text);
/* Writes the last event of a failed stream. */
void stream_fault(struct head_program *p, struct call *c, const struct fault *f);

/* ---- answer.c: the output to the client ---- */
/* Returns the fault with the request's id or field added, for errors that people trace to a
 * request. */
struct fault call_named_fault(const struct call *c, const struct fault *f);
/* Writes the client's place in the stream to *out; of out->at, only the first out->n. */
void answer_place(const struct call *c, struct api_stream_id *out);
/* Sends how much of a branch's prompt is computed, if the dialect reports progress and the client
 * keeps up. */
void answer_progress(struct head_program *p, struct call *c, const struct fx *fx);
/* An actor starts a branch. */
void answer_started(struct head_program *p, struct call *c, uint32_t index);
/* Keeps a branch's prompt, for dialects that repeat it before the answer. */
void answer_prompt(struct head_program *p, struct call *c, uint32_t index, const struct fx *fx);
/* Sends a piece of a branch's answer, holds it for a slow client, or keeps it for the end. Tokens
 * of the prompt are kept. */
void answer_piece(struct head_program *p, struct call *c, uint32_t index, const struct fx *fx);
/* A branch ended, with or without an error. */
void answer_branch_done(struct head_program *p, struct call *c, uint32_t index);
/* embeddings.c: a vector arrived, or failed. One failed vector fails the whole call at once. */
void answer_vector_done(struct head_program *p, struct call *c, uint32_t index);
/* command.c: answers a completed command. False: the call is not a command. */
bool answer_command(struct head_program *p, struct call *c);
/* Returns the vectors of all branches; the caller frees the array. */
struct api_vector *vectors_of(const struct call *c);
/* Sends held output, as much as the connection accepts now. True: the answer is complete, and the
 * caller frees the call. */
bool answer_drained(struct head_program *p, struct call *c);
/* Sends an answer that the desk has written. */
void answer_written(struct head_program *p, struct call *c, struct buf *text);
/* whole.c: these functions also run on the desk's thread. */
/* Writes the whole answer, as for a client that does not stream. */
void write_whole(struct buf *out, struct call *c);
/* Writes the whole answer, or for a stream the events that end it. */
void write_answer(struct buf *out, struct call *c, const struct api_cluster *cluster);
/* Writes the event that ends a stream's last branch. False: the dialect has none, or none is
 * due. */
bool write_whole_ending(struct buf *out, struct call *c, const struct api_cluster *cluster);
/* Writes the end of a stream after that event ([DONE]). */
void write_whole_last(struct buf *out, const struct call *c);
/* writing.c: writes a large answer at the desk, which frees the call at the end. False: the answer
 * is small. */
bool writing_begin(struct head_program *p, struct call *c, struct str first, struct api_cluster cluster);
/* The client disconnected. True: the caller owns the call again. */
bool writing_gone(struct call *c);
/* Ends an answer; c->r is NULL afterwards. False: the desk has the call, or the client has yet to
 * read held output. */
bool answer_end(struct head_program *p, struct call *c);
/* Reports a failure, before the response or within its stream. */
void answer_fault(struct head_program *p, struct call *c, const struct fault *f, uint32_t retry_after_s);
/* Sends the response header of a stream, once. */
void answer_begin_stream(struct call *c);

#endif
