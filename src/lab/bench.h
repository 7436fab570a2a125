/* `manta bench --compare-balance`: each strategy on clusters of this machine, side by side. */
#ifndef MANTA_LAB_BENCH_H
#define MANTA_LAB_BENCH_H

#include "settings/settings.h"

/* `key` opens the heads that run; empty: none is needed. Returns the exit status; 1 when a cluster did not come up or a prompt failed. */
int bench_main(const struct settings *s, const char *key);

#endif
