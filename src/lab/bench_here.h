/* `manta bench` against the running cluster: measure its speed for one client, and for several at
 * once. */
#ifndef MANTA_LAB_BENCH_HERE_H
#define MANTA_LAB_BENCH_HERE_H

#include "settings/settings.h"

/* `key` is the API key of the running heads; empty if they need none. Returns the exit status. */
int bench_here_main(const struct settings *s, const char *key);

#endif
