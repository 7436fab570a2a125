/* Decide which web pages may use this head, and by which names it may be addressed.
 *
 * A browser runs untrusted pages on its user's machine and sends their requests anywhere, loopback
 * included. Origin (or Sec-Fetch-Site) names the page's site. Host names the server that the
 * browser believes it talks to: a foreign name may resolve to this machine (DNS rebinding), and its
 * pages then share an origin with the head. Other programs send neither Origin nor Sec-Fetch-Site,
 * and use a name that their user chose.
 *
 * Pure: headers in, a verdict out. */
#ifndef MANTA_HEAD_WEB_H
#define MANTA_HEAD_WEB_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    WEB_ORIGIN_BYTES_MAX = 300, /* longer ones are refused: a host name has at most 253 bytes */
    WEB_PREFLIGHT_S = 3600,     /* how long a browser may cache a preflight */
};

struct web_config {
    const char *const *origins; /* --allow-origin: "https://chat.example", "null", "*", "loopback" (the default), "none" */
    const char *const *hosts;   /* --allow-host: names; "*": any */
    uint32_t origins_n, hosts_n;
    const char *own_host;       /* this machine's name */
    const char *listen_host;    /* the value of --host */
    bool keyed;                 /* clients need an API key, which a rebound page does not have: any Host is accepted */
};

struct web {
    char (*origins)[WEB_ORIGIN_BYTES_MAX]; /* owned; in the form that browsers send */
    char (*hosts)[WEB_ORIGIN_BYTES_MAX];   /* owned; as given, without a dot at the end */
    uint32_t origins_n, hosts_n;
    bool any_origin, no_loopback, any_host;
};

/* The headers that tell who sends a request and to whom; empty if absent. */
struct web_request {
    struct str method;
    struct str authority, host;    /* of an absolute target; of the Host header */
    struct str origin, site, mode, dest; /* Origin, Sec-Fetch-Site, -Mode, -Dest */
};

/* Parses the settings. Returns ERR_USAGE with f set for an invalid origin or host name. */
int web_init(struct web *w, const struct web_config *cfg, struct fault *f);
/* Frees the settings. */
void web_fini(struct web *w);
/* Returns ERR_FORBIDDEN with f set if the request addresses a name that is not this head's. */
int web_check_host(const struct web *w, const struct web_request *r, struct fault *f);
/* Returns ERR_FORBIDDEN with f set if the request comes from a page that may not use this head. */
int web_check_page(const struct web *w, const struct web_request *r, struct fault *f);
/* Writes the response's header lines for a request that passed both checks; with an Origin, they
 * let its page read the response. */
void web_lines(const struct web *w, const struct web_request *r, struct buf *out);
/* Writes more lines for the response to a preflight. `asked` is Access-Control-Request-Headers;
 * private_network: the browser asks whether a public page may access this private address. */
void web_preflight_lines(struct str asked, bool private_network, struct buf *out);

#endif
