/* Command lines and environments for the children of `manta up` and the workers of a launcher, made
 * from our own settings. */
#ifndef MANTA_MAIN_CHILDREN_H
#define MANTA_MAIN_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "launch/launch.h"
#include "settings/settings.h"
#include "os/secret.h"

enum { CHILDREN_ARGS_MAX = 80, CHILDREN_ENV_MAX = 8 };

struct children {
    const struct settings *s;                     /* borrowed */
    const char *head_args[CHILDREN_ARGS_MAX];     /* "head", …; NULL-terminated, like all of these */
    const char *worker_args[CHILDREN_ARGS_MAX];   /* "worker", "--head", …; without --node and --threads */
    const char *head_env[CHILDREN_ENV_MAX], *worker_env[CHILDREN_ENV_MAX], *prompt_env[CHILDREN_ENV_MAX];
    char *owned[2 * CHILDREN_ARGS_MAX];           /* texts of these arguments */
    size_t owned_n;
    struct buf api_key_env;                       /* all keys: for the head */
    char token[SECRET_BYTES + 1];                 /* generated or the user's own, if none was given */
    char head[300];                               /* the address that workers dial */
    char token_env[600], own_key_env[600];
};

/* Makes the command lines. `head`: the address that workers dial. */
void children_args(struct children *c, const struct settings *s, const char *head);
/* Makes the environments, after children_args(). `own_token`: if no token was given, use the user's
 * own (or a random one), so that workers started by hand find it, too. */
void children_env(struct children *c, bool own_token);
/* Returns the token that workers and launchers send to the head. */
const char *children_token(const struct children *c);
/* Starts the prompt at that head, which owns the terminal until on_exit. Logs are flushed before. NULL with f. */
struct net_child *children_prompt(const struct children *c, struct net_loop *l, const char *address,
                                  void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data), void *user_data,
                                  struct fault *f);
/* Returns whether the prompt, which shares our standard input, reads from a terminal. If so, Ctrl-C cancels its
 * running answer; otherwise (a pipe, a script) SIGINT ends `manta up` and everything it started. */
bool children_prompt_has_terminal(void);
void children_fini(struct children *c);

#endif
