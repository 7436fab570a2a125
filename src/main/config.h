/* `manta config`: the settings as they are in effect, and where each comes from. */
#ifndef MANTA_MAIN_CONFIG_H
#define MANTA_MAIN_CONFIG_H

#include "settings/settings.h"

/* Secrets are not shown, only that they are set. Returns the exit status. */
int config_main(const struct settings *s);

#endif
