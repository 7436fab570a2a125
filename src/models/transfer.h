/* One GET over HTTP or HTTPS, with its redirects. Private to the room.
 *
 * The happy path: the hub answers 302 with the file's size and digest -> the storage host answers
 * 200 or 206 -> on_head checks the announcement -> on_body gets the bytes. It can fail by: no
 * connection, no trust, a connection that breaks or crawls, too many redirects, or a redirect that
 * gives up encryption; `again` says whether another try may help. An answer of any status is no
 * failure here: the caller reads head.status. */
#ifndef MANTA_MODELS_TRANSFER_H
#define MANTA_MODELS_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
    TRANSFER_REDIRECTS_MAX = 8,
    TRANSFER_CONNECT_S = 15,
    TRANSFER_SLOW_BYTES = 1024, /* per second; slower than this for stall_s is a stall */
    TRANSFER_URL_BYTES = 8192,  /* storage addresses are signed, and long */
};

#define TRANSFER_UNKNOWN UINT64_MAX /* a size that is unknown */

struct transfer_head {
    int status;
    char type[64];          /* Content-Type up to the ; and in lower case */
    char etag[256];         /* of the answer with the body; empty: none */
    uint64_t length;        /* Content-Length, or TRANSFER_UNKNOWN */
    uint64_t range_start;   /* of a 206: where its bytes begin, or TRANSFER_UNKNOWN */
    uint64_t range_total;   /* of a 206 or 416: size of the whole, or TRANSFER_UNKNOWN */
    uint32_t retry_after_s; /* 0: not given */
    char message[400];      /* the hub's X-Error-Message, printable characters only, cut to fit */
    /* Only from the first host, the hub itself: */
    uint64_t linked_size;   /* X-Linked-Size, or TRANSFER_UNKNOWN */
    char linked_sha256[65]; /* X-Linked-Etag if it is a SHA-256; empty: not given */
};

struct transfer {
    const char *url;
    const char *token;    /* NULL or empty: none. Sent to url's own scheme, host and port only */
    const char *if_range; /* NULL, or the ETag of the bytes before `from` */
    uint64_t from;        /* first byte wanted; 0: all, without a Range */
    uint32_t stall_s;
    /* Called once, before any byte of the body. Its error ends the transfer; f is the
     * transfer's. */
    int (*on_head)(const struct transfer_head *head, void *user_data, struct fault *f);
    /* Receives the bytes of a 200 or 206. */
    int (*on_body)(const void *p, size_t n, void *user_data, struct fault *f);
    void *user_data;
    /* results */
    struct transfer_head head;
    bool again; /* after an error: worth another try */
};
/* Parses one line of an answer's head, with or without its line end; `hub`: from the first host.
 * Pure. */
void transfer_header(struct transfer_head *h, struct str line, bool hub);
/* Runs the transfer; blocks. Returns ERR_NET, ERR_TIMEOUT, ERR_PROTOCOL, ERR_UNSUPPORTED (no
 * libcurl), or the error of a callback. Call while the process has one thread. */
int transfer_run(struct transfer *t, struct fault *f);

struct transfer_text {
    char text[240];
};
/* Returns whether both URLs have one scheme, host and port. */
bool transfer_same_host(const char *a, const char *b);
/* Returns the URL without the part behind the ?, which may be a secret. */
struct transfer_text transfer_show(const char *url);

#endif
