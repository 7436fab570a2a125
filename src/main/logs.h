/* `manta logs`: the log of a cluster that `manta up` started here. */
#ifndef MANTA_MAIN_LOGS_H
#define MANTA_MAIN_LOGS_H

#include "settings/settings.h"

/* Prints the log of the cluster at --port, else of the only one that runs here, else of the last
 * one; `worker` NULL: all lines. With --follow until Ctrl-C. Returns the exit status. */
int logs_main(const struct settings *s, const char *worker);

#endif
