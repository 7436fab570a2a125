/* Open a connection that speaks another protocol: a GET asks for an upgrade, and 101 hands the
 * connection over.
 *
 * The happy path is: call_start -> 101 -> on_up. It can fail as any call (status 0), or by any
 * other status: then there is an HTTP server, but not the one we look for. Its body is not read. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "http/call.h"
#include "http/conn.h"

struct http_dial {
    struct http_call *call;      /* owns itself; ends in on_up or on_end */
    struct http_dial_config cfg; /* only callbacks and user_data are used after the start */
    int status;                  /* of the answer; 0: none yet */
    bool cancelled;              /* by its owner */
    char wanted[40];             /* the protocol, for the sentence */
};

static void on_up(struct net_conn *link, struct str rest, void *user_data)
{
    struct http_dial *d = user_data;
    d->cfg.on_up(link, rest, d->cfg.user_data);
    free(d);
}

static void on_head(struct http_call *c, int status, void *user_data)
{
    struct http_dial *d = user_data;
    d->status = status;
    http_call_cancel(c); /* not read: the body may take for ever */
}

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct http_dial *d = user_data;
    (void)err;
    char text[200];
    bool refused = d->status != 0 && !d->cancelled;
    if (refused)
        snprintf(text, sizeof text, "%s answered %d %s instead of switching to '%s'", call_where(c), d->status,
                 http_reason(d->status), d->wanted);
    d->cfg.on_fail(refused ? d->status : 0, refused ? text : why, d->cfg.user_data);
    free(d);
}

struct http_dial *http_dial_start(struct net_loop *l, const struct http_dial_config *cfg)
{
    struct http_dial *d = xalloc(sizeof *d);
    d->cfg = *cfg;
    snprintf(d->wanted, sizeof d->wanted, "%s", cfg->protocol);
    d->call = call_start(l, &(struct http_call_config){
        .host = cfg->host, .port = cfg->port, .method = "GET", .path = cfg->path, .headers = cfg->headers,
        .timeout_ms = cfg->timeout_ms, .on_head = on_head, .on_end = on_end, .user_data = d,
    }, cfg->protocol, on_up);
    return d;
}

void http_dial_cancel(struct http_dial *d)
{
    d->cancelled = true;
    http_call_cancel(d->call);
}
