/* Workers on an engine: `manta launcher`, `manta up --on ENGINE`, `manta down`. */
#ifndef MANTA_MAIN_ENGINE_H
#define MANTA_MAIN_ENGINE_H

#include <stdbool.h>

#include "launch/launcher.h"
#include "main/children.h"
#include "settings/settings.h"

/* What an engine is told, made of the settings. */
struct engine {
    const struct launcher_ops *ops;
    struct launcher_config cfg;
    struct children children;
    const char *options[SETTING_ITEMS_MAX + 2]; /* of --set, and --address as one of them */
    char address[520];
    char program[512];
};

/* `head`: where workers are to dial, unless --worker-head says otherwise; own_token: as children_env. ERR_USAGE with f. In any case the caller
 * calls engine_fini. */
int engine_init(struct engine *e, const struct settings *s, const char *head, bool own_token, struct fault *f);
void engine_fini(struct engine *e);
/* ERR_IN_USE: somebody on this machine runs a cluster of that name on that engine. Two would take each other's workers for their own. */
int engine_check_alone(const struct engine *e, struct fault *f);
/* `--on help`: true, and the engines with their options are printed. */
bool engine_help(const struct settings *s);
/* What cannot be done is said once: "error: …". Returns the exit status. */
int engine_fail(const struct fault *f);

/* Each returns the exit status. */
int launcher_main(const struct settings *s);
int up_on_main(const struct settings *s); /* --on is not local */
int down_main(const struct settings *s);

#endif
