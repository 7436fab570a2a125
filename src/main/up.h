/* `manta up`: run head and workers as children of this process, then the prompt. */
#ifndef MANTA_MAIN_UP_H
#define MANTA_MAIN_UP_H

#include "settings/settings.h"

/* Returns the exit status when all children have ended. */
int up_main(const struct settings *s);

#endif
