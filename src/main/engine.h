/* Workers on an engine: `manta launcher`, `manta up --on ENGINE`, `manta down`. */
#ifndef MANTA_MAIN_ENGINE_H
#define MANTA_MAIN_ENGINE_H

#include <stdbool.h>

#include "launch/launcher.h"
#include "main/children.h"
#include "settings/settings.h"

/* The configuration for an engine, made from the settings. */
struct engine {
    const struct launcher_ops *ops;
    struct launcher_config cfg;
    struct children children;
    const char *options[SETTING_ITEMS_MAX + 2]; /* --set, and --address as one of them */
    char address[520];
    char program[512];
};

/* `head`: the address that workers dial, unless --worker-head is given; own_token: as in
 * children_env(). Returns ERR_USAGE with f. The caller calls engine_fini() in any case. */
int engine_init(struct engine *e, const struct settings *s, const char *head, bool own_token, struct fault *f);
void engine_fini(struct engine *e);
/* Returns ERR_IN_USE if another process on this machine runs a cluster of that name on that engine:
 * each would take the other's workers for its own. */
int engine_check_alone(const struct engine *e, struct fault *f);
/* `--on help`: prints the engines with their options, and returns true. */
bool engine_help(const struct settings *s);
/* Prints "error: …". Returns the exit status. */
int engine_fail(const struct fault *f);

/* Each returns the exit status. */
int launcher_main(const struct settings *s);
int up_on_main(const struct settings *s); /* --on is not local */
int down_main(const struct settings *s);

#endif
