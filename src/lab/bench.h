/* `manta bench --compare-balance`: compare the balancing strategies on clusters started on this
 * machine. */
#ifndef MANTA_LAB_BENCH_H
#define MANTA_LAB_BENCH_H

#include "settings/settings.h"

/* `key` is the API key of the running heads; empty if they need none. Returns the exit status: 1
 * when a cluster did not come up or a prompt failed. */
int bench_main(const struct settings *s, const char *key);

#endif
