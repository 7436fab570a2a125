/* What the children of `manta up`, and the workers of a launcher, are told: command lines and environments, made of our own settings. */
#ifndef MANTA_MAIN_CHILDREN_H
#define MANTA_MAIN_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "settings/settings.h"
#include "os/secret.h"

enum { CHILDREN_ARGS_MAX = 80, CHILDREN_ENV_MAX = 8 };

struct children {
    const struct settings *s;                     /* borrowed */
    const char *head_args[CHILDREN_ARGS_MAX];     /* "head", …; NULL-terminated; so are all of these */
    const char *worker_args[CHILDREN_ARGS_MAX];   /* "worker", "--head", …; without --node and --threads */
    const char *head_env[CHILDREN_ENV_MAX], *worker_env[CHILDREN_ENV_MAX], *prompt_env[CHILDREN_ENV_MAX];
    char *owned[2 * CHILDREN_ARGS_MAX];           /* texts of those arguments */
    size_t owned_n;
    struct buf api_key_env;                       /* all keys: for the head */
    char token[SECRET_BYTES + 1];                 /* where the person gave none */
    char head[300];                               /* what workers dial */
    char token_env[600], own_key_env[600];
};

/* `head`: what workers are to dial. */
void children_args(struct children *c, const struct settings *s, const char *head);
/* After children_args. `own_token`: where nobody gave a token, it is the user's own where there can be one, so that workers started by hand find
 * it, too; else none. */
void children_env(struct children *c, bool own_token);
/* What joins the head brings. */
const char *children_token(const struct children *c);
void children_fini(struct children *c);

#endif
