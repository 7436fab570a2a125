/* `manta bench` against the cluster that runs: how fast it answers one client, and several at once. */
#ifndef MANTA_MAIN_BENCH_HERE_H
#define MANTA_MAIN_BENCH_HERE_H

#include "main/settings.h"

/* Returns the exit status. */
int bench_here_main(const struct settings *s);

#endif
