/* The engines of this build. A new one: its table of functions in a file of its own, and a line here. */
#include "launch/engines.h"

const struct launcher_ops *const launcher_engines[] = {
    &launch_local,
    &launch_compose,
    &launch_slurm,
    &launch_kubernetes,
    &launch_plug,
    &launch_ray,
    NULL,
};
