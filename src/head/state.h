/* The head program's own struct, shared by the files of this room and nobody else. */
#ifndef MANTA_HEAD_STATE_H
#define MANTA_HEAD_STATE_H

#include "api/api.h"
#include "base/idtab.h"
#include "base/rng.h"
#include "brain/head.h"
#include "head/histogram.h"
#include "head/keys.h"
#include "head/serve.h"
#include "head/web.h"
#include "http/http.h"
#include "net/net.h"
#include "os/secret.h"
#include "wire/wire.h"

enum {
    REPLY_TEXT_BYTES_MAX = 8 << 20,   /* text of one branch that is kept: whole answers, slow readers */
    REPLY_JSON_BYTES_MAX = 31 << 20,  /* one answer as JSON: with its head it must fit NET_PENDING_BYTES_MAX */
    HEAD_PENDING_BYTES_MAX = 64 << 20, /* unsent bytes of all connections */
    HEAD_LINKS_BYTES_MAX = 64 << 20,  /* frames that are not whole yet, of all links … */
    LINK_OWN_BYTES = 4 << 10,         /* … but a link may always hold so much of one */
    KEEP_ALIVE_MS = 2000,             /* a stream that waits this long for its first token is told what for, in a comment */
    KEEP_ALIVE_STRANDED_MS = 12000,   /* the same where no actor is in sight: until then an error may still have its status */
};

/* What the user data of an open request points to: the first member of whatever waits to answer it. */
enum asker_kind { ASKER_CALL = 0, ASKER_PAGE, ASKER_READING, ASKER_WATCHER };
struct asker {
    uint8_t kind; /* enum asker_kind */
};

struct call;
struct watch;
struct head_program {
    const struct head_options *o;
    struct keys keys;
    struct web web;               /* which pages may use it, and by which names it is called */
    char join_token[SECRET_BYTES + 1]; /* where none was given */
    struct seal seal;             /* of those who bring no key, where none is asked for */
    struct net_loop *loop;
    struct net_timer *timer;      /* head_deadline() */
    struct net_timer *keep_alive;
    struct http_server *server;
    struct net_fdpass_listener *listener;  /* where another head may ask for this one's place; NULL: nowhere */
    bool handed;                  /* … and one got it: nothing of the clients is ours any more */
    struct head *brain;
    struct effects fx;
    struct idtab links;           /* struct link */
    struct idtab calls;           /* struct call */
    uint64_t next_link, next_call;
    uint64_t kept_alive;          /* calls_keep_alive() has come so far */
    struct rng seeds;             /* for requests that bring none */
    struct buf frame;             /* one frame being written */
    struct buf json;              /* one answer being written */
    struct wire_arena arena;
    struct list pages;            /* page.link: asked for and not answered yet */
    struct net_timer *page_turn;
    struct watch *watch;          /* owned; watch.c */
    uint64_t tokens_told;         /* of all answers, as they came */
    struct list desk;             /* desk_item.link: what waits for the other thread */
    bool desk_busy;
    bool trims;                   /* memory is being given back, on another thread */
    struct list accounts;         /* account.link: of requests that ended */
    uint32_t accounts_n;          /* these, and those of requests that run */
    struct list doomed;           /* calls to be ended after this round of effects */
    struct list stored;           /* stored.c: answers that are kept by name, … */
    uint64_t stored_bytes;        /* … what they take, … */
    uint32_t stored_n;            /* … and how many there are */
    uint64_t answer_bytes;        /* what calls keep of answers: call.bytes, together */
    uint64_t link_bytes;          /* link.bytes, together */
    uint64_t memory_peak;         /* the most of what memory.c counts, since it last gave memory back */
    struct histogram ttft, e2e, queue; /* seconds */
    uint64_t started_us;
    int64_t started_unix_s;
    char started_line[64];        /* the same as a header line, which llama-server's clients look at */
    bool feeding;                 /* an event is being handled: no second one within it */
    bool leaving;                 /* asked to stop: takes no new prompts, ends when none is left, or when: */
    struct net_timer *leave;
    bool stopping;                /* the loop is being taken down */
    /* What lies above those who ask for it: serve.c's, and calls.c's call_written(). */
    void (*feed)(struct head_program *p, struct head_event ev);
    void (*written)(struct head_program *p, struct call *c, struct buf *text);
};

/* Hands an event to the brain and carries out the effects. now_us is filled in. */
static inline void head_feed(struct head_program *p, struct head_event ev)
{
    p->feed(p, ev);
}

/* ---- links.c: those who dialled ---- */
/* A worker or launcher has dialled: its connection becomes a link. */
void link_accept(struct head_program *p, struct http_request *r);
/* Nothing happens where the link is gone. */
void link_send(struct head_program *p, uint64_t link, const struct wire_msg *msg);
/* After what was sent. */
void link_close(struct head_program *p, uint64_t link);

/* ---- calls.c: clients waiting for answers ---- */
/* A client asks: its body is read, and the call goes to the brain. */
void call_begin(struct head_program *p, struct http_request *r, enum api_shape shape);
/* GET of a stream: from a place of it on. */
void call_begin_resume(struct head_program *p, struct http_request *r, const struct api_stream_id *from);
/* POST /manta/scale. */
void call_begin_scale(struct head_program *p, struct http_request *r, const struct api_scale *what);
/* POST /manta/drain, cordon and uncordon. */
void call_begin_duty(struct head_program *p, struct http_request *r, uint8_t duty, const struct api_duty *what);
/* Its client has gone; harmless for a request of no call. */
void call_gone(struct head_program *p, struct http_request *r);
/* Its client reads again. */
void call_drained(struct head_program *p, struct http_request *r);
/* An effect of the brain about a call. */
void call_effect(struct head_program *p, const struct fx *fx);
/* Ends the calls on p->doomed. */
void calls_reap(struct head_program *p);
/* Comment lines for streams that still wait. False: the turn was spent, and it resumes when called again. */
bool calls_keep_alive(struct head_program *p);

/* ---- routes.c ---- */
/* Finds who answers a request; an error where nobody does. */
void route(struct head_program *p, struct http_request *r);
/* The same before its body is there; true: that is wanted, and nothing is known against the request. */
bool route_head(struct head_program *p, struct http_request *r);
/* Header lines for an error that was found before the request came here: may its page read it? */
void route_error_lines(const struct head_program *p, const struct http_request *r, struct buf *out);
/* ---- reply.c ---- */
struct api_dialect;
/* How whoever sent this request wants to be answered, whatever it asks for. */
const struct api_dialect *reply_dialect(const struct http_request *r);
/* An error in that shape; `lines`: header lines that it has besides. */
void reply_error(struct head_program *p, struct http_request *r, const struct api_error *e, const char *lines);
/* The same of a fault, with the status its code has. */
void reply_fault(struct head_program *p, struct http_request *r, const struct fault *f);
/* The same with the status of the error. */
void reply_api_error(struct head_program *p, struct http_request *r, const struct api_error *e);
/* Sends p->json as the answer, with status 200 and the header lines `extra` (NULL: none) … */
void reply_text(struct head_program *p, struct http_request *r, const char *content_type, const char *extra);
/* … or as JSON. */
void reply_json(struct head_program *p, struct http_request *r, int status, const char *extra);

/* ---- owner.c ---- */
/* The key it came with; NULL: none, or a wrong one. */
struct api_key *owner_key(const struct head_program *p, const struct http_request *r);
/* ERR_USAGE: other machines reach that numeric address, and there is no API key or no join token. */
int check_exposure(const struct head_options *o, const char *address, struct fault *f);
/* Whose a request is. */
struct owner {
    char tenant[HEAD_TENANT_NAME_BYTES_MAX + 1]; /* by name, for the queue and for people; empty: nobody says */
    struct seal seal;
    uint64_t id;                  /* whose streams, list and cache: another one's are not there for it */
    bool admin;                   /* may drain, cordon, scale, and see addresses */
    bool all;                     /* sees everybody's requests */
};
/* ERR_INVALID: a header names a tenant by what is no name. */
int owner_of(struct head_program *p, const struct http_request *r, struct owner *out, struct fault *f);
/* The line of that tenant in status and metrics is shown to it. */
bool owner_sees_tenant(const struct owner *who, struct str name);
/* Makes the seal of those without a key. */
void owner_begin(struct head_program *p);

/* ---- scale.c: how many workers, and why ---- */
struct jout;
/* POST /manta/scale?workers=N, or with a body. */
void on_scale(struct head_program *p, struct http_request *r);
/* The object "scale" of the status. */
void put_scale(struct head_program *p, struct jout *j);
/* Appends its metrics to p->json. */
void write_scale_metrics(struct head_program *p);

/* ---- requests.c ---- */
struct jout;
/* The X-Request-Id that came with it, owned, or NULL. */
char *request_client_id(const struct http_request *r);
/* The header line that gives it back; nothing without one. */
void request_put_client_id(const struct http_request *r, struct buf *lines);
/* The array of tenants that it may see. */
void put_tenants(struct head_program *p, const struct owner *who, struct jout *j);
/* An object with those that it may see, at most REQUESTS_LISTED_MAX. */
void put_requests(struct head_program *p, const struct owner *who, struct jout *j);
/* The one with that x-request-id, the head's or the client's; false when there is none. */
bool write_request(struct head_program *p, struct str name, const struct owner *who);

/* ---- status.c, metrics.c: write into p->json ---- */
/* "ok", "slow", ...: as status and events write it. */
const char *worker_state_name(enum worker_state s);
/* health.c: GET /livez: the loop turns. */
void reply_live(struct head_program *p, struct http_request *r);
/* GET /readyz: a prompt sent now would find an actor, or wake one, and this head takes it. */
void reply_ready(struct head_program *p, struct http_request *r);
/* GET /health: the same in llama-server's words. */
void reply_health(struct head_program *p, struct http_request *r);
/* llama.c: GET /props, of the model that was ready first, as llama-server tells of itself. */
void reply_props(struct head_program *p, struct http_request *r);
/* GET /slots: of all actors. */
void reply_slots(struct head_program *p, struct http_request *r);
/* GET /manta/status. */
void reply_status(struct head_program *p, struct http_request *r, const struct owner *who);
/* GET /manta/actors. */
void reply_actors(struct head_program *p, struct http_request *r, const struct owner *who);
/* ollama.c: what Ollama's clients ask besides: /api/version, … */
void reply_ollama_version(struct head_program *p, struct http_request *r);
/* … POST /api/show, … */
void reply_ollama_show(struct head_program *p, struct http_request *r);
/* … and what would change its files of models: refused, with what does that here. */
void reply_ollama_files(struct head_program *p, struct http_request *r);
/* The list of models in that dialect, into p->json. */
void write_models(struct head_program *p, const struct api_dialect *d);
/* False when there is no such model. */
bool write_model(struct head_program *p, struct str id, const struct api_dialect *d);
/* GET /metrics. */
void reply_metrics(struct head_program *p, struct http_request *r, const struct owner *who);

#endif
