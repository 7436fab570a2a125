/* `manta chaos`: kill, freeze and drain workers and heads of a cluster on this machine while it
 * answers, and compare each stream with its undisturbed twin. */
#ifndef MANTA_LAB_CHAOS_H
#define MANTA_LAB_CHAOS_H

#include "settings/settings.h"

/* Returns the exit status: 0 when nothing was lost, duplicated or malformed and, with --exact,
 * nothing changed; 2 for wrong usage; else 1. */
int chaos_main(const struct settings *s);

#endif
