/* The head program's struct, shared by the files of this room only. */
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
    REPLY_TEXT_BYTES_MAX = 8 << 20,   /* kept text of one branch: whole answers, slow readers */
    REPLY_JSON_BYTES_MAX = 31 << 20,  /* one answer as JSON: with its header it must fit NET_PENDING_BYTES_MAX */
    HEAD_PENDING_BYTES_MAX = 64 << 20, /* unsent bytes of all connections */
    HEAD_LINKS_BYTES_MAX = 64 << 20,  /* incomplete frames of all links … */
    LINK_OWN_BYTES = 4 << 10,         /* … but each link may always hold this much */
    KEEP_ALIVE_MS = 2000,             /* a stream that waits this long for its first token is told why, in its dialect */
    KEEP_ALIVE_STRANDED_MS = 12000,   /* the same without any actor in sight: until then an error can still have its own status */
};

/* What the user data of an open request points to: the first member of the struct that will answer
 * it. */
enum asker_kind { ASKER_CALL = 0, ASKER_PAGE, ASKER_READING, ASKER_WATCHER };
struct asker {
    uint8_t kind; /* enum asker_kind */
};

struct call;
struct watch;
struct head_program {
    const struct head_options *o;
    struct keys keys;
    struct web web;               /* pages that may use the head, and the names of the head */
    char join_token[SECRET_BYTES + 1]; /* generated, if none was given */
    struct seal seal;             /* for clients without a key, if no key is required */
    struct net_loop *loop;
    struct net_timer *timer;      /* head_deadline() */
    struct net_timer *keep_alive;
    struct http_server *server;
    struct net_fdpass_listener *listener;  /* where a successor connects; NULL: nowhere */
    bool handed;                  /* … one took over: the clients' connections are no longer ours */
    struct head *brain;
    struct effects fx;
    struct idtab links;           /* struct link */
    struct idtab calls;           /* struct call */
    uint64_t next_link, next_call;
    uint64_t kept_alive;          /* progress of calls_keep_alive() */
    struct rng seeds;             /* for requests without a seed */
    struct buf frame;             /* scratch space for one frame */
    struct buf json;              /* scratch space for one answer */
    struct wire_arena arena;
    struct list pages;            /* page.link: requested and not answered yet */
    struct net_timer *page_turn;
    struct watch *watch;          /* owned; watch.c */
    uint64_t tokens_told;         /* tokens of all answers, as they arrived */
    struct list desk;             /* desk_item.link: waiting for the desk's thread */
    bool desk_busy;
    bool trims;                   /* another thread returns memory to the system */
    struct list accounts;         /* account.link: requests that ended */
    uint32_t accounts_n;          /* these, and those of running requests */
    struct list doomed;           /* calls that end after this round of effects */
    struct list stored;           /* stored.c: stored responses, … */
    uint64_t stored_bytes;        /* … their memory, … */
    uint32_t stored_n;            /* … and their number */
    uint64_t answer_bytes;        /* answers that calls keep: sum of call.bytes */
    uint64_t link_bytes;          /* sum of link.bytes */
    uint64_t memory_peak;         /* highest use that memory.c counted, since it last returned memory */
    struct histogram ttft, e2e, queue; /* seconds */
    uint64_t started_us;
    int64_t started_unix_s;
    char started_line[64];        /* the start time as a header line, for llama-server's clients */
    bool feeding;                 /* an event is being handled: no other event may start */
    bool leaving;                 /* asked to stop: takes no new prompts, ends when none is left or the `leave` timer fires */
    struct net_timer *leave;
    bool stopping;                /* the loop is being closed */
    /* Functions of higher files, for lower ones: serve.c's feed() and calls.c's call_written(). */
    void (*feed)(struct head_program *p, struct head_event ev);
    void (*written)(struct head_program *p, struct call *c, struct buf *text);
};

/* Hands an event to the brain and carries out the effects. Fills in now_us. */
static inline void head_feed(struct head_program *p, struct head_event ev)
{
    p->feed(p, ev);
}

/* ---- links.c: connections of workers and launchers ---- */
/* A worker or launcher has connected: its connection becomes a link. */
void link_accept(struct head_program *p, struct http_request *r);
/* Sends a message. Does nothing if the link is gone. */
void link_send(struct head_program *p, uint64_t link, const struct wire_msg *msg);
/* Closes a link after its output is sent. */
void link_close(struct head_program *p, uint64_t link);

/* ---- calls.c: clients that wait for answers ---- */
/* Reads the body of a client's request, and gives the call to the brain. */
void call_begin(struct head_program *p, struct http_request *r, enum api_shape shape);
/* GET of a stream: continues it after a place. */
void call_begin_resume(struct head_program *p, struct http_request *r, const struct api_stream_id *from);
/* POST /manta/scale. */
void call_begin_scale(struct head_program *p, struct http_request *r, const struct api_scale *what);
/* POST /manta/drain, cordon and uncordon. */
void call_begin_availability(struct head_program *p, struct http_request *r, uint8_t availability, const struct api_availability *what);
/* The client disconnected. Harmless for a request without a call. */
void call_gone(struct head_program *p, struct http_request *r);
/* The client reads again. */
void call_drained(struct head_program *p, struct http_request *r);
/* Handles an effect of the brain on a call. */
void call_effect(struct head_program *p, const struct fx *fx);
/* Ends the calls on p->doomed. */
void calls_reap(struct head_program *p);
/* Tells waiting streams why they wait. False: the turn's time is spent; the next call resumes. */
bool calls_keep_alive(struct head_program *p);

/* ---- routes.c ---- */
/* Finds the handler of a request and calls it; replies with an error if there is none. */
void route(struct head_program *p, struct http_request *r);
/* The same before the body has arrived. True: the body is wanted, and the header gives no reason to
 * refuse. */
bool route_head(struct head_program *p, struct http_request *r);
/* Writes the header lines for an error found before routing: may the page read it? */
void route_error_lines(const struct head_program *p, const struct http_request *r, struct buf *out);
/* ---- reply.c ---- */
struct api_dialect;
/* Returns the dialect for errors and lists, by path and headers of the request. */
const struct api_dialect *reply_dialect(const struct http_request *r);
/* Sends an error in that dialect; `lines`: additional header lines. */
void reply_error(struct head_program *p, struct http_request *r, const struct api_error *e, const char *lines);
/* Sends a fault as such an error; its code determines the status. */
void reply_fault(struct head_program *p, struct http_request *r, const struct fault *f);
/* Sends an error in that dialect, without additional header lines. */
void reply_api_error(struct head_program *p, struct http_request *r, const struct api_error *e);
/* Sends p->json with status 200 and the header lines `extra` (NULL: none) … */
void reply_text(struct head_program *p, struct http_request *r, const char *content_type, const char *extra);
/* … or as JSON. */
void reply_json(struct head_program *p, struct http_request *r, int status, const char *extra);

/* ---- owner.c ---- */
/* Returns the key of a request; NULL: none, or a wrong one. */
struct api_key *owner_key(const struct head_program *p, const struct http_request *r);
/* Returns ERR_USAGE if other machines can reach that numeric address and the API key or the join
 * token is missing. */
int check_exposure(const struct head_options *o, const char *address, struct fault *f);
/* The owner of a request. */
struct owner {
    char tenant[HEAD_TENANT_NAME_BYTES_MAX + 1]; /* its name, for the queue and for people; empty: none given */
    struct seal seal;
    uint64_t id;                  /* of its streams, requests and cached prompts, which other owners cannot see */
    bool admin;                   /* may drain, cordon, scale, and see addresses */
    bool all;                     /* sees all tenants' requests */
};
/* Finds a request's owner. Returns ERR_INVALID for a header with an invalid tenant name. */
int owner_of(struct head_program *p, const struct http_request *r, struct owner *out, struct fault *f);
/* True if the owner may see that tenant's line in status and metrics. */
bool owner_sees_tenant(const struct owner *who, struct str name);
/* Makes the seal of clients without a key. */
void owner_begin(struct head_program *p);

/* ---- scale.c: the number of workers, and the reason for it ---- */
struct jout;
/* POST /manta/scale?workers=N, or with a body. */
void on_scale(struct head_program *p, struct http_request *r);
/* The object "scale" of the status. */
void put_scale(struct head_program *p, struct jout *j);
/* Appends its metrics to p->json. */
void write_scale_metrics(struct head_program *p);

/* ---- requests.c ---- */
struct jout;
/* Returns the request's own X-Request-Id, owned, or NULL. */
char *request_client_id(const struct http_request *r);
/* Appends the header line that repeats it, if there is one. */
void request_put_client_id(const struct http_request *r, struct buf *lines);
/* Writes the array of tenants that the owner may see. */
void put_tenants(struct head_program *p, const struct owner *who, struct jout *j);
/* Writes an object with the requests that the owner may see, at most REQUESTS_LISTED_MAX. */
void put_requests(struct head_program *p, const struct owner *who, struct jout *j);
/* Writes the request with that x-request-id, the head's or the client's. False: none. */
bool write_request(struct head_program *p, struct str name, const struct owner *who);

/* ---- status.c, metrics.c: write into p->json ---- */
/* Returns "ok", "slow", ...: the state's name in status and events. */
const char *worker_state_name(enum worker_state s);
/* health.c: GET /livez: the loop runs. */
void reply_live(struct head_program *p, struct http_request *r);
/* GET /readyz: this head takes prompts, and a prompt sent now would find an actor or wake one. */
void reply_ready(struct head_program *p, struct http_request *r);
/* GET /health, in llama-server's format. */
void reply_health(struct head_program *p, struct http_request *r);
/* llama.c: GET /props, of the first ready model, in llama-server's format. */
void reply_props(struct head_program *p, struct http_request *r);
/* GET /slots: of all actors. */
void reply_slots(struct head_program *p, struct http_request *r);
/* GET /manta/status. */
void reply_status(struct head_program *p, struct http_request *r, const struct owner *who);
/* GET /manta/actors. */
void reply_actors(struct head_program *p, struct http_request *r, const struct owner *who);
/* ollama.c: other endpoints of Ollama's clients: /api/version, … */
void reply_ollama_version(struct head_program *p, struct http_request *r);
/* … POST /api/show, … */
void reply_ollama_show(struct head_program *p, struct http_request *r);
/* … and endpoints that would change model files: refused, with the command to use instead. */
void reply_ollama_files(struct head_program *p, struct http_request *r);
/* Writes the list of models in that dialect, into p->json. */
void write_models(struct head_program *p, const struct api_dialect *d);
/* Writes one model. False: there is no such model. */
bool write_model(struct head_program *p, struct str id, const struct api_dialect *d);
/* GET /metrics. */
void reply_metrics(struct head_program *p, struct http_request *r, const struct owner *who);

#endif
