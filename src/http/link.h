/* The transport under the server: a connection of net/, or bytes in memory
 * (tests/unit/http_loopback.h) for tests and fuzzing. */
#ifndef MANTA_HTTP_LINK_H
#define MANTA_HTTP_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Each works as the net_conn_ function of that name. http_conn_closed() follows close and abort,
 * later, never from within. */
struct link_calls {
    int (*write)(void *link, struct str bytes);
    size_t (*pending)(const void *link);
    void (*pause)(void *link);
    void (*resume)(void *link);
    void (*close)(void *link);
    void (*abort)(void *link);
    uint64_t (*origin)(const void *link);
    int (*descriptor)(const void *link);
};

#endif
