/* What the files of the engine "compose" share: the containers of a project. */
#ifndef MANTA_LAUNCH_COMPOSE_H
#define MANTA_LAUNCH_COMPOSE_H

#include "launch/launcher.h"

struct container {
    unsigned long number;      /* Compose's */
    bool ours;
    char id[16], state[24], status[120], service[64], name[128];
};

/* All of the project, by number; *out is the caller's to free. */
size_t compose_read_containers(const char *text, struct container **out);
/* What the container is to a launcher. */
enum launcher_state compose_state_of(const struct container *k);

#endif
