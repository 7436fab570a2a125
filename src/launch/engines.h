/* The engines' function tables, each defined in a file of its name. Private to engines.c and those
 * files. */
#ifndef MANTA_LAUNCH_ENGINES_H
#define MANTA_LAUNCH_ENGINES_H

#include "launch/launcher.h"

extern const struct launcher_ops launch_local, launch_compose, launch_plug, launch_ray, launch_slurm;
extern const struct launcher_ops launch_kubernetes;

#endif
