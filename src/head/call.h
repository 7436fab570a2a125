/* One client's request and what has come of it so far. Private to the room. */
#ifndef MANTA_HEAD_CALL_H
#define MANTA_HEAD_CALL_H

#include "api/dialect.h"
#include "head/state.h"

/* ---- backlog.c: a part of an answer that cannot be sent yet ---- */
struct backlog {
    struct buf text;
    struct buf ids, logprobs;         /* int32_t, float; per token, when wanted */
    struct buf top_ids, top_logprobs; /* same, per token the same number */
    struct buf lengths, pieces;       /* uint32_t per piece; the pieces' bytes, one behind the other */
    struct buf parts;                 /* struct part; what the text is made of */
};
/* An empty one. */
void backlog_init(struct backlog *k);
/* Empties it, and frees what it holds. */
void backlog_fini(struct backlog *k);
/* Memory it takes. */
size_t backlog_bytes(const struct backlog *k);
/* False: it would hold more than REPLY_TEXT_BYTES_MAX. with_ids: the tokens, too; with their log-probabilities where
 * these came along. */
bool backlog_add(struct backlog *k, const struct fx *fx, bool with_ids);
/* Points the choice to the backlog. The caller frees the result, which is part of it. */
struct str *backlog_show(const struct backlog *k, struct api_choice *out);
/* The blocks that it consists of; the caller frees them. */
struct api_block *backlog_blocks(const struct backlog *k, uint32_t *out_n);
/* The text without reasoning and calls; appended. */
void backlog_text(const struct backlog *k, struct buf *out);

/* ---- held.c: what a slow reader left waiting, in portions, each of which leaves as one event ---- */
enum { PORTION_BYTES = 32 << 10 }; /* a portion takes nothing more from here on: its event is written in a few milliseconds */

struct portion {
    struct portion *next;          /* owned; the one after it */
    struct backlog backlog;
    uint32_t heard;                /* tokens that the client has once it has this portion */
};

struct held {
    struct portion *first, *last;  /* owned, borrowed; NULL: nothing waits */
    size_t bytes;                  /* memory of all of them */
    size_t longest_bytes;          /* of each portion the longest of its parts, all together */
};
/* Nothing waits. */
static inline bool held_is_empty(const struct held *h)
{
    return h->first == NULL;
}
/* Adds a piece, after which the client has `heard` tokens. False: more would wait than REPLY_TEXT_BYTES_MAX. */
bool held_add(struct held *h, const struct fx *fx, bool with_ids, uint32_t heard);
/* Forgets the first portion. */
void held_drop(struct held *h);
/* Forgets all portions. */
void held_fini(struct held *h);

/* One run of the prompt: an actor's answer. */
struct branch {
    struct api_response response;  /* model, node, address, text are owned by this struct: see below */
    struct backlog whole;             /* the answer, when it is needed at the end */
    float *vector;                 /* owned; embeddings */
    uint32_t vector_n;
    struct held held;              /* not sent yet, because the client reads slowly */
    int32_t *prompt_ids;           /* owned; when asked for */
    uint32_t prompt_ids_n;
    char *model, *node, *address;  /* owned */
    char *stop;                    /* owned; the stop string that ended it, or NULL */
    bool breaks_line;              /* there was a line feed in it */
    uint32_t chars;                /* characters sent: where the next piece of log-probabilities begins */
    uint32_t heard, sent;          /* tokens: that have come; that the client has been sent */
    uint64_t begun_us, done_us;    /* its prompt was computed, here or elsewhere; it ended; 0: not yet */
    uint32_t before;               /* tokens that another head had delivered by begun_us */
    float prompt_ms;               /* what its prompt took */
    uint32_t mute;                 /* the client has so many from another head, or of a run before: they are kept, not sent */
    uint32_t steps;                /* of a stream: events sent since its last token, as struct api_place has them */
    uint32_t skip;                 /* the client has so many of the next ones: they are not sent again */
    bool started_sent;             /* a dialect with `started`: that it begins */
    bool comes_back;               /* `steps` is what the client said it has: they are counted anew as they are written again */
    bool opened, closed, over;     /* of a stream: its opening, the first of its closing events, and all of them were sent */
    struct api_in_block block;     /* of a stream: that it is in … */
    struct api_in_block told;      /* … once its last token had been told whole */
    bool counts_blocks;            /* the client has this part of it, and it comes from its beginning */
    bool done;
};

enum { CALL_FINGERPRINT_BYTES = 32 };

struct call {
    struct asker asker;            /* first: what the request's user data points to */
    struct writing *writing;       /* its answer is being written at the desk, or waits for that; NULL: not so */
    struct id_node node;           /* in program->calls */
    struct list doomed;            /* in program->doomed */
    struct http_request *r;        /* NULL once answered or gone */
    struct api_call api;
    struct api_head head;
    char fingerprint[CALL_FINGERPRINT_BYTES]; /* head.fingerprint points to it; empty: nobody has begun it */
    char *model;                   /* owned; as the client named it */
    struct account *account;       /* owned; what became of it so far; NULL: nothing yet, or there is no room for it */
    struct branch *branches;       /* owned */
    uint32_t branches_n;           /* known so far */
    uint64_t started_us;
    uint64_t stream;               /* the answer's name for its client */
    struct seal_stream sealed;     /* what workers call it, and the proof of whose it is */
    uint64_t owner;                /* struct owner: whose it is … */
    bool admin;                    /* … who sees nodes' addresses */
    uint32_t total;                /* branches there will be, as far as is known */
    struct api_stream_id *from;    /* owned; while workers are asked for it, or it was found: where its client is. NULL: it begins here */
    bool has_body;                 /* it brought its request again: when nobody has the stream, it begins anew */
    struct request *brought;       /* owned; has_body, of a head whose place this one took: what api.request points into; else NULL */
    bool again;                    /* on the doomed list: it begins anew */
    bool computed_again;           /* it began anew, and its client has a part of it already */
    bool exact;                    /* computed_again: by an actor where that gives the same bits */
    bool ended_sent;               /* all but [DONE] was sent, by another head */
    bool ended;                    /* the brain has forgotten it: what is held, and the end behind that, leaves as its client reads */
    bool scale;                    /* a scale command: the end is the answer */
    struct api_duty *duty;         /* owned; not NULL: a worker was asked to change its duty, the end is the answer */
    uint8_t duty_to;               /* enum wire_duties */
    bool streaming;                /* the stream's head is sent */
    bool begun;                    /* something of the answer has come */
    char *echo;                    /* owned; head.echo points to it */
    char *tenant;                  /* owned; what the request says of it */
    char *client_id;               /* owned; the X-Request-Id that the client sent, or NULL */
    struct fault doom;             /* why, when on the doomed list */
    uint64_t bytes;                /* counted in program->answer_bytes */
    char param[24];                /* field of the request that doom is about; empty: none */
};

enum {
    CALL_NAME_BYTES = API_NAME_BYTES,
    CLIENT_ID_BYTES_MAX = 128, /* longer ones are not kept: their requests cannot be asked for by them */
};
/* Whose it is; its stream has its name. */
void call_own(struct call *c, const struct owner *who);
/* By the brain's number; NULL: it has ended. */
struct call *call_find(struct head_program *p, uint64_t id);
/* Gives it to the brain, which may answer at once; what the brain has its own copy of is forgotten. */
void call_prompt(struct head_program *p, struct call *c);
/* Nobody has its stream any more, and its client brought the request. */
bool call_may_be_computed_again(const struct call *c);
/* Frees what a branch holds. */
void call_branch_fini(struct branch *b);
/* A call for that request, with nothing but its time. */
struct call *call_new(struct head_program *p, struct http_request *r);
/* The body was read: `err`, or *api, which is used up. */
typedef void reading_done_fn(struct head_program *p, struct http_request *r, enum api_shape shape, int err, struct api_call *api, struct api_error *e);
/* reading.c: reads a large body at the desk. */
void reading_begin(struct head_program *p, struct http_request *r, enum api_shape shape, reading_done_fn *on_read);
/* The client of a body that is being read has gone: nobody is answered. */
void reading_gone(struct asker *asker);
/* Asks workers for what comes after these places. */
void call_resume(struct head_program *p, struct call *c, const struct api_stream_id *from);
/* Its client has nothing of the stream and brought its request: when nobody has it, this is a request like any other. */
bool call_may_begin_anew(const struct call *c);
/* Its client has so much of each branch from another head. `again`: all of it will come once more. */
void call_places(struct call *c, const struct api_stream_id *from, bool again);
/* The answer's x-request-id. */
void call_name(const struct call *c, char out[API_NAME_BYTES]);

/* How its client asks and is answered. A command (scale, drain, ...) has no shape; its errors have OpenAI's. */
static inline const struct api_dialect *call_dialect(const struct call *c)
{
    return api_dialect(c->api.shape != 0 ? c->api.shape : API_CHAT);
}

/* True when the client wants to know the tokens of an answer, not just its text. */
static inline bool call_wants_ids(const struct call *c)
{
    return c->api.request.sampling.logprobs != 0 || c->api.request.sampling.prompt_ids != 0 || c->api.with_tokens;
}

/* True when the pieces of its stream tell of tokens, also of those that have no text yet. */
static inline bool call_streams_ids(const struct call *c)
{
    return c->api.request.sampling.logprobs != 0 || call_dialect(c)->tells_ids;
}

/* True when whole texts are needed at the end. */
static inline bool call_keeps_text(const struct call *c)
{
    return !c->api.stream || call_dialect(c)->repeats;
}

/* The branch of that number; there are at most as many as the brain's fan-out allows. */
struct branch *call_branch(struct call *c, uint32_t index);
/* It has ended, or never began. */
void call_free(struct head_program *p, struct call *c);
/* For head_program.written: a large answer was written at the desk, and is sent if somebody is still there; the call is over. */
void call_written(struct head_program *p, struct call *c, struct buf *text);

/* ---- note.c ---- */
enum { NOTE_BYTES = 22, NOTE_BYTES_MAX = NOTE_BYTES + API_ECHO_BYTES_MAX };
/* Appends what another head needs to know of the client's request. */
void note_write(struct buf *out, const struct call *c);
/* Fills in what a note tells of the client's request. False: it is no note. */
bool note_read(struct str note, struct call *c);

/* ---- timings.c: how long an answer took ---- */
/* Of one answer by now. What its prompt took is the actor's word; the time of its tokens is ours, so it also has what a failover cost. */
struct api_timings timings_of(const struct branch *b, uint64_t now_us);
/* Of several answers the sums: each prompt was computed, or found in a cache. All of them have ended. */
struct api_timings timings_of_all(const struct call *c);

/* ---- fingerprint.c: answers of equal ones are equal, and only exact ones have one ---- */
/* Takes note that this actor has a part in the answer. */
void call_fingerprint(struct head_program *p, struct call *c, uint32_t actor);

/* ---- stream.c: events; all append to p->json ---- */
/* How far the client is once it has the event that follows. `ended`: then nothing with a number is left. */
void stream_id(struct head_program *p, const struct call *c, bool ended);
/* What comes before all else of a branch, once. */
void stream_opening(struct head_program *p, struct call *c, uint32_t index);
/* With it the client has `heard` tokens. parts: that choice.text is made of; none: text. */
void stream_piece(struct head_program *p, struct call *c, uint32_t index, struct api_choice choice, const struct part *parts, uint32_t parts_n,
                  uint32_t heard);
/* The client has it: notes which block the stream is in behind it. */
void stream_skip(struct branch *b, const struct part *parts, uint32_t parts_n);
/* The branch has ended, and all of it was written. */
void stream_closing(struct head_program *p, struct call *c, uint32_t index);
/* What people may want to know of it, and programs need not: a comment, where its framing has such. */
void stream_comment(struct head_program *p, const struct call *c, struct str text);
/* Its prompt is so far. */
void stream_progress(struct head_program *p, struct call *c, uint32_t index, const struct api_progress *progress);
/* It waits, `text` says for what. */
void stream_waits(struct head_program *p, struct call *c, struct str text);
/* The last event of a stream that failed. */
void stream_fault(struct head_program *p, struct call *c, const struct fault *f);

/* ---- answer.c: what the client is sent ---- */
/* The fault with the request's name, where somebody will want to look for it. */
struct fault call_named_fault(const struct call *c, const struct fault *f);
/* How far the client is. */
void answer_place(const struct call *c, struct api_stream_id *out);
/* That branch's prompt is so far: told in a dialect that has words for it, to who reads what comes. */
void answer_progress(struct head_program *p, struct call *c, const struct fx *fx);
/* An actor begins that branch. */
void answer_started(struct head_program *p, struct call *c, uint32_t index);
/* A branch's prompt: it comes before the answer in a dialect that repeats it. */
void answer_prompt(struct head_program *p, struct call *c, uint32_t index, const struct fx *fx);
/* A piece of a branch's answer, or tokens of its prompt: sent, held back while the client is slow, or kept for the end. */
void answer_piece(struct head_program *p, struct call *c, uint32_t index, const struct fx *fx);
/* It has ended, well or not. */
void answer_branch_done(struct head_program *p, struct call *c, uint32_t index);
/* embeddings.c: a vector has come, or failed to. One that failed fails the call at once: the others would be in vain. */
void answer_vector_done(struct head_program *p, struct call *c, uint32_t index);
/* command.c: answers a command that was carried out; false: it is none. */
bool answer_command(struct head_program *p, struct call *c);
/* What each branch brought. */
struct api_vector *vectors_of(const struct call *c);
/* Sends what was held back, as much as the connection takes now. True: that was the end of it all, and the call is the caller's. */
bool answer_drained(struct head_program *p, struct call *c);
/* It is written: sends it. */
void answer_written(struct head_program *p, struct call *c, struct buf *text);
/* whole.c; also from the desk's thread. */
/* The whole answer, as to a client that does not stream. */
void write_whole(struct buf *out, struct call *c);
/* Writes the whole answer; of a stream the events that end it. */
void write_answer(struct buf *out, struct call *c, const struct api_cluster *cluster);
/* The event of all answers that ends a stream. False: its dialect has none, or none is due. */
bool write_whole_ending(struct buf *out, struct call *c, const struct api_cluster *cluster);
/* What comes behind that. */
void write_whole_last(struct buf *out, const struct call *c);
/* writing.c: a large answer is written at the desk, which frees the call in the end; false: it is small. */
bool writing_begin(struct head_program *p, struct call *c, struct str first, struct api_cluster cluster);
/* Its client has gone. True: the call is the caller's again. */
bool writing_gone(struct call *c);
/* The end of it all; c->r is gone afterwards, or (false) the desk has the call, or its client has yet to read what is held. */
bool answer_end(struct head_program *p, struct call *c);
/* The call failed before or in its stream. */
void answer_fault(struct head_program *p, struct call *c, const struct fault *f, uint32_t retry_after_s);
/* Sends the stream's head if that was not done yet. */
void answer_begin_stream(struct call *c);

#endif
