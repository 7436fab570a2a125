/* Shared by the files of the engine "compose": the containers of a project. */
#ifndef MANTA_LAUNCH_COMPOSE_H
#define MANTA_LAUNCH_COMPOSE_H

#include "launch/launcher.h"

struct container {
    unsigned long number;      /* Compose's number */
    bool ours;
    char id[16], state[24], status[120], service[64], name[128];
};

/* Parses all containers of the project, ordered by number. The caller frees *out. */
size_t compose_read_containers(const char *text, struct container **out);
/* The state that a launcher sees for this container. */
enum launcher_state compose_state_of(const struct container *k);

#endif
