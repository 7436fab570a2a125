/* The inside of the client: the part of a call that dial.c extends. Not for other rooms. */
#ifndef MANTA_HTTP_CALL_H
#define MANTA_HTTP_CALL_H

#include "http/http.h"

/* Called when the server has switched to `protocol`: the callee owns the connection and must
 * net_conn_set() it. The call is freed after the return; on_end is not called. */
typedef void call_up_fn(struct net_conn *link, struct str rest, void *user_data);

/* As http_call_start(); with a protocol, asks for an upgrade to it. */
struct http_call *call_start(struct net_loop *l, const struct http_call_config *cfg, const char *protocol,
                             call_up_fn *up);
/* Returns "127.0.0.1:8470", for sentences. */
const char *call_where(const struct http_call *c);

#endif
