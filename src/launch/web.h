/* HTTP calls to an engine (Ray's Jobs REST, the API of Kubernetes), by libcurl on the loop.
 *
 * Used by the launch backends only; traffic of clients and workers goes through http/. libcurl is
 * loaded when the first web is opened (models/curl.h), so the program links nothing more. The happy
 * path is: web_open -> web_send -> on_part for a stream -> on_done. It can fail by: no libcurl
 * (web_open fails); no connection, an untrusted certificate, a deadline, an answer that is too
 * large (on_done has a fault). A status of 4xx or 5xx is an answer: web_refused() puts the engine's
 * own words into a fault. One thread, the loop's. Callbacks come from the loop, never from within
 * the call that set them up. */
#ifndef MANTA_LAUNCH_WEB_H
#define MANTA_LAUNCH_WEB_H

#include <stdint.h>

#include "base/err.h"
#include "net/net.h"

enum {
    /* of an answer, unless the request sets another; pieces of a stream do not count */
    WEB_ANSWER_BYTES_MAX = 4 << 20,
    WEB_CONNECT_MS = 10000,
    WEB_CALL_MS = 30000,            /* from sending to the last byte, unless the request sets another */
    WEB_BEARER_BYTES_MAX = 16384,
    WEB_WAIT_S_MAX = 300,           /* limit of Retry-After; more is a mistake, or a wrong clock */
};

/* All borrowed for web_open() only. */
struct web_config {
    const char *base;        /* "http://10.0.0.1:8265"; a slash at its end is ignored */
    const char *bearer;      /* token for Authorization: Bearer; NULL or "": none */
    const char *bearer_file; /* read again for each call, since such tokens are renewed; NULL: none */
    const char *ca_file;     /* certificate authorities; NULL: SSL_CERT_FILE, else the system's */
    const char *cert_file, *key_file; /* client certificate and its key, PEM; NULL: none */
    bool trust_anybody;      /* do not verify the server's certificate */
};

struct web;
/* Sends nothing yet. ERR_INVALID: base is no http:// or https:// address; ERR_UNSUPPORTED: no
 * libcurl. */
int web_open(struct net_loop *l, const struct web_config *cfg, struct web **out, struct fault *f);
/* Ends calls in flight without a callback. May be called from a callback. NULL is allowed. */
void web_free(struct web *w);

struct web_answer {
    int status;         /* 200 …; 0: no answer, see fault */
    struct str body;    /* borrowed for the call; of a stream: only the body of an error status */
    uint32_t wait_s;    /* Retry-After, at most WEB_WAIT_S_MAX; 0: none */
    struct fault fault; /* err 0: a whole answer came, whatever its status */
};

/* Borrowed for web_send() only, except body: until on_done. */
struct web_request {
    const char *method;         /* "GET" */
    const char *path;           /* "/api/jobs/"; begins with a slash; may have a query */
    const char *content_type;   /* NULL: application/json if there is a body */
    struct str body;
    size_t answer_bytes_max;    /* 0: WEB_ANSWER_BYTES_MAX */
    uint32_t timeout_ms;        /* 0: WEB_CALL_MS; UINT32_MAX: none, for a watch */
    uint32_t silence_ms;        /* a stream that is silent for this long has failed; 0: no limit */
    /* Pieces of a 2xx answer as they come; NULL: the body is collected for on_done. */
    void (*on_part)(struct str bytes, void *user_data);
    void (*on_done)(const struct web_answer *a, void *user_data); /* once, last */
    void *user_data;
};

struct web_call;
/* Starts a call. The web owns it; it is valid until on_done or web_cancel(). */
struct web_call *web_send(struct web *w, const struct web_request *r);
/* Ends a call without a callback. May be called from a callback, including its own on_part. */
void web_cancel(struct web_call *c);

/* The error number for an HTTP status of an engine. */
int web_err(int status);
/* Returns 0 for a 2xx answer. Else sets f to "cannot ACTION: " and the reason: libcurl's, or the
 * status and the engine's own words, taken from the member "message", "error", "msg" or "detail" of
 * a JSON body, or from its beginning. 401: ERR_AUTH, 403: ERR_FORBIDDEN, 404: ERR_NOT_FOUND, 409:
 * ERR_IN_USE, 422 and 400: ERR_INVALID, 429: ERR_BUSY, other 4xx: ERR_FAILED, 5xx: ERR_UNAVAILABLE.
 * f->wait_s: its Retry-After. */
int web_refused(const struct web_answer *a, const char *action, struct fault *f);

#endif
