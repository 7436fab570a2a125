/* Which web pages may use this head, and by which names it may be called.
 *
 * A browser runs the pages of strangers on its user's machine and sends their requests anywhere, loopback included. Origin
 * (or Sec-Fetch-Site) says whose page asks. Host says whom the browser believes it asks: a name that belongs to a stranger
 * may resolve to this machine (DNS rebinding), and its pages then are of one origin with the head. Programs that are no
 * browsers send neither header of the first kind, and address the head by a name that their user chose.
 *
 * Pure: headers in, a verdict out. */
#ifndef MANTA_HEAD_WEB_H
#define MANTA_HEAD_WEB_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    WEB_ORIGIN_BYTES_MAX = 300, /* longer ones are foreign: a host name has at most 253 */
    WEB_PREFLIGHT_S = 3600,     /* how long a browser may remember a preflight */
};

struct web_config {
    const char *const *origins; /* --allow-origin: "https://chat.example", "null", "*", "loopback" (always there), "none" */
    const char *const *hosts;   /* --allow-host: names; "*": any */
    uint32_t origins_n, hosts_n;
    const char *own_host;       /* this machine's name */
    const char *listen_host;    /* what --host says */
    bool keyed;                 /* clients need an API key, which a rebound page does not have: any Host will do */
};

struct web {
    char (*origins)[WEB_ORIGIN_BYTES_MAX]; /* owned; in the form that browsers send */
    char (*hosts)[WEB_ORIGIN_BYTES_MAX];   /* owned; in lower case, without a dot at the end */
    uint32_t origins_n, hosts_n;
    bool any_origin, no_loopback, any_host;
};

/* The headers of a request that tell who asks whom; empty where it has none. */
struct web_request {
    struct str method;
    struct str authority, host;    /* of an absolute target, of the Host header */
    struct str origin, site, mode, dest; /* Origin, Sec-Fetch-Site, -Mode, -Dest */
};

/* ERR_USAGE with f: an item that is no origin, or no host name. */
int web_init(struct web *w, const struct web_config *cfg, struct fault *f);
/* Frees it. */
void web_fini(struct web *w);
/* ERR_FORBIDDEN with f: another name than this head's. */
int web_check_host(const struct web *w, const struct web_request *r, struct fault *f);
/* ERR_FORBIDDEN with f: it comes from a page that may not use this head. */
int web_check_page(const struct web *w, const struct web_request *r, struct fault *f);
/* The answer's header lines for a request that passed both: with an Origin, that its page may read the answer. */
void web_lines(const struct web *w, const struct web_request *r, struct buf *out);
/* More lines for the answer to a preflight. `asked` is Access-Control-Request-Headers; private_network: the browser asks
 * whether a public page may reach this private address. */
void web_preflight_lines(struct str asked, bool private_network, struct buf *out);

#endif
