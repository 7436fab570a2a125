/* HTTP calls to an engine (Ray's Jobs REST, the API of Kubernetes), by libcurl on the loop.
 *
 * Used by the launch backends only: what clients and workers say goes through http/. libcurl is looked up when the first web is
 * opened (models/curl.h), so the program links nothing more. The happy path is: web_open -> web_send -> on_part for a stream ->
 * on_done. It can fail by: no libcurl (web_open says so); no connection, no trust, a deadline, an answer that is too large (on_done has
 * a fault); an answer of 4xx or 5xx is an answer: web_refused() puts the engine's own words into a fault.
 * One thread, the loop's. Callbacks come from the loop, never from within the call that set them up. */
#ifndef MANTA_LAUNCH_WEB_H
#define MANTA_LAUNCH_WEB_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/net.h"

enum {
    WEB_ANSWER_BYTES_MAX = 4 << 20, /* of an answer, unless the request says otherwise; a stream's pieces do not count */
    WEB_CONNECT_MS = 10000,
    WEB_CALL_MS = 30000,            /* from sending to the last byte, unless the request says otherwise */
    WEB_BEARER_BYTES_MAX = 16384,
    WEB_WAIT_S_MAX = 300,           /* an engine may ask for so much patience; more is a mistake, or a clock that is wrong */
};

/* All borrowed for web_open() only. */
struct web_config {
    const char *base;        /* "http://10.0.0.1:8265"; a slash at its end is ignored */
    const char *bearer;      /* token for Authorization: Bearer; NULL or "": none */
    const char *bearer_file; /* read again for each call, since such tokens are renewed; NULL: none */
    const char *ca_file;     /* authorities; NULL: SSL_CERT_FILE, else the system's */
    const char *cert_file, *key_file; /* client certificate and its key, PEM; NULL: none */
    bool trust_anybody;      /* the server's certificate is not looked at */
};

struct web;
/* ERR_INVALID: base is no http:// or https:// address; ERR_UNSUPPORTED: no libcurl. Nothing is sent yet. */
int web_open(struct net_loop *l, const struct web_config *cfg, struct web **out, struct fault *f);
/* Calls in flight end without callback. Also from a callback. NULL is fine. */
void web_free(struct web *w);

struct web_answer {
    int status;         /* 200 …; 0: there was no answer, see fault */
    struct str body;    /* borrowed for the call; of a stream: what an error status came with */
    uint32_t wait_s;    /* its Retry-After, at most WEB_WAIT_S_MAX; 0: none */
    struct fault fault; /* err 0: a whole answer came, whatever its status */
};

/* Borrowed for web_send() only, but body: until on_done. */
struct web_request {
    const char *method;         /* "GET" */
    const char *path;           /* "/api/jobs/"; begins with a slash; may have a query */
    const char *content_type;   /* NULL: application/json where there is a body */
    struct str body;
    size_t answer_bytes_max;    /* 0: WEB_ANSWER_BYTES_MAX */
    uint32_t timeout_ms;        /* 0: WEB_CALL_MS; UINT32_MAX: none, for a watch */
    uint32_t silence_ms;        /* a stream in which nothing comes for so long has failed; 0: no limit */
    /* Pieces of a 2xx answer as they come; NULL: it is collected for on_done. */
    void (*on_part)(struct str bytes, void *user_data);
    void (*on_done)(const struct web_answer *a, void *user_data); /* once, last */
    void *user_data;
};

struct web_call;
/* The call is the web's, and valid until on_done or web_cancel(). */
struct web_call *web_send(struct web *w, const struct web_request *r);
/* No callback follows. Also from a callback, its own on_part included. */
void web_cancel(struct web_call *c);

/* The error that an HTTP status of an engine means. */
int web_err(int status);
/* 0 for a 2xx answer. Else a fault: "cannot ACTION: " and why: what libcurl says, or the status and the engine's own words, taken from the members
 * "message", "error", "msg" or "detail" of a JSON body, or its beginning. 401: ERR_AUTH, 403: ERR_FORBIDDEN, 404: ERR_NOT_FOUND, 409: ERR_IN_USE,
 * 422 and 400: ERR_INVALID, 429: ERR_BUSY, other 4xx: ERR_FAILED, 5xx: ERR_UNAVAILABLE. f->wait_s: its Retry-After. */
int web_refused(const struct web_answer *a, const char *action, struct fault *f);

#endif
