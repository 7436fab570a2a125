/* `manta bench` against the cluster that runs: how fast it answers one client, and several at once. */
#ifndef MANTA_LAB_BENCH_HERE_H
#define MANTA_LAB_BENCH_HERE_H

#include "settings/settings.h"

/* `key` opens the heads that run; empty: none is needed. Returns the exit status. */
int bench_here_main(const struct settings *s, const char *key);

#endif
