/* `manta chaos`: streams on a cluster of this machine whose workers and heads are killed, frozen and asked to leave; each is
 * compared with its undisturbed twin. */
#ifndef MANTA_LAB_CHAOS_H
#define MANTA_LAB_CHAOS_H

#include "settings/settings.h"

/* Returns the exit status: 0 when nothing was lost, doubled or malformed and, with --exact, nothing changed; else 1; 2 for
 * wrong usage. */
int chaos_main(const struct settings *s);

#endif
