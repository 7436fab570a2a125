/* `manta config`: the effective settings, and the source of each. */
#ifndef MANTA_MAIN_CONFIG_H
#define MANTA_MAIN_CONFIG_H

#include "settings/settings.h"

/* Prints the settings; of secrets only whether they are set. Returns the exit status. */
int config_main(const struct settings *s);

#endif
