/* Run the head: one port for API, status, metrics and worker links. The brain (brain/) decides,
 * this room acts.
 *
 * head_main() owns its loop and returns the process's exit status; main/ calls it once. */
#ifndef MANTA_HEAD_SERVE_H
#define MANTA_HEAD_SERVE_H

#include <stdint.h>

#include "brain/head.h"

struct head_options {
    const char *host;           /* address to listen on */
    uint16_t port;              /* 0: any; the log names it */
    const char *api_key;        /* empty: clients need no key; several and names: see keys.h */
    const char *join_token;     /* workers bring it; empty: this user's token (os/secret.h) */
    const char *version;        /* manta's */
    const char *const *allow_origins, *const *allow_hosts; /* as in web.h; borrowed */
    uint32_t allow_origins_n, allow_hosts_n;
    bool replace;               /* replace the head that runs at this address, and take over its clients */
    bool keep_billing;          /* keep the billing line in agents' system prompts (api_drop_billing()) */
    bool share_prefix;          /* tenants share cached prompts */
    bool log_requests;    /* log a line per request */
    bool launched;              /* by `manta up`, which ends with it */
    uint32_t drain_grace_s;     /* after SIGTERM: time for running requests to end */
    uint64_t answer_bytes_max;  /* limit of unsent answers, all together */
    void (*on_started)(void);   /* after it listens, and after a handoff is complete; or NULL */
    struct head_config brain;   /* limits and balance; this room fills in seed, token and version */
};

/* Runs a head until it is stopped. Returns the process's exit status. */
int head_main(const struct head_options *o);

#endif
