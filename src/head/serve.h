/* The head program: one port for API, status, metrics and worker links; the brain in brain/ decides, this room acts.
 *
 * head_main() owns its loop and returns the process's exit status; main/ calls it once. */
#ifndef MANTA_HEAD_SERVE_H
#define MANTA_HEAD_SERVE_H

#include <stdint.h>

#include "brain/head.h"

struct head_options {
    const char *host;           /* address to listen on */
    uint16_t port;              /* 0: any; the log says which */
    const char *api_key;        /* empty: nobody is asked for one; several and names: see keys.h */
    const char *join_token;     /* that workers bring; empty: that of this user (sys/secret.h) */
    const char *version;        /* manta's */
    const char *const *allow_origins, *const *allow_hosts; /* as in web.h; borrowed */
    uint32_t allow_origins_n, allow_hosts_n;
    bool replace;               /* take the place of the head that runs at this address, with its clients */
    bool keep_billing;          /* the line for the bill in agents' system prompts stays there (api_drop_billing()) */
    bool share_prefix;          /* tenants use each other's cached prompts */
    bool log_requests;    /* a line for each */
    bool launched;              /* by `manta up`, which ends with it */
    uint32_t drain_grace_s;     /* after SIGTERM: for what runs to end */
    uint64_t answer_bytes_max;  /* of answers that are not sent yet, all together */
    void (*on_started)(void);   /* once it listens, and has what it was to take; or NULL */
    struct head_config brain;   /* limits and balance; the seed, the token and the version are filled in here */
};

/* Runs a head until it is stopped. The exit status of the process. */
int head_main(const struct head_options *o);

#endif
