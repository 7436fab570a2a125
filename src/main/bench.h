/* `manta bench --compare-balance`: each strategy on clusters of this machine, side by side. */
#ifndef MANTA_MAIN_BENCH_H
#define MANTA_MAIN_BENCH_H

#include "main/settings.h"

/* Returns the exit status; 1 when a cluster did not come up or a prompt failed. */
int bench_main(const struct settings *s);

#endif
