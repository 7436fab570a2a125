/* Wait for orphans: the kernel makes the first process of a container (PID 1) the parent of every
 * process there whose parent has ended. Another process has none. */
#ifndef MANTA_NET_ORPHANS_H
#define MANTA_NET_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/list.h"
#include "net/net.h"

/* Called around a thread's own fork and waitpid(): meanwhile no orphan is waited for, since it could
 * be that child. Several threads may do so at once. */
void orphans_not_mine(bool begins);

/* ---- private to the room ---- */

/* A child that the loop waits for. */
struct orphans_child {
    struct list link;
    pid_t pid;
};
/* Waits for orphans as they end, until the loop is freed. */
void orphans_watch(struct net_loop *l);
/* Called before and after the start of a child, so that nothing is taken for an orphan meanwhile.
 * pid 0: the start failed. */
void orphans_starts(void);
void orphans_started(struct orphans_child *c, pid_t pid);
/* Called once a child was waited for; until then its end may hide those of orphans. */
void orphans_ended(struct orphans_child *c);

#endif
