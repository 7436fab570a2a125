#include "main/children.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "main/options.h"

/* Passes on each setting that the user gave as a flag; secrets go by environment, which other users
 * cannot read. */
static void pass_on(struct children *c, unsigned uses, const char **args, size_t n)
{
    for (int i = 0; i < SETTINGS_N && n < CHILDREN_ARGS_MAX - 1; i++) {
        enum setting_id id = (enum setting_id)i;
        bool ours = id == SET_CONFIG || id == SET_API_KEY || id == SET_JOIN_TOKEN || id == SET_HEAD || id == SET_NODE || id == SET_THREADS || id == SET_AGAIN;
        if (ours || (setting_uses(id) & uses) == 0 || c->s->values[i].source == FROM_DEFAULT)
            continue;
        char *flag;
        for (uint32_t item = 0; n < CHILDREN_ARGS_MAX - 1 && (flag = setting_as_flag(c->s, id, item)) != NULL; item++)
            args[n++] = c->owned[c->owned_n++] = flag;
    }
    args[n] = NULL;
}

void children_args(struct children *c, const struct settings *s, const char *head)
{
    c->s = s;
    c->api_key_env = buf_max(SIZE_MAX / 2);
    snprintf(c->head, sizeof c->head, "%s", head);
    c->head_args[0] = "head";
    c->head_args[1] = "--config="; /* the file's settings are passed as flags */
    pass_on(c, USE_HEAD, c->head_args, 2);
    c->worker_args[0] = "worker";
    c->worker_args[1] = "--head";
    c->worker_args[2] = c->head;
    c->worker_args[3] = "--config=";
    pass_on(c, USE_WORKER, c->worker_args, 4);
}

const char *children_token(const struct children *c)
{
    return c->token[0] != '\0' ? c->token : setting_text(c->s, SET_JOIN_TOKEN);
}

/* Each child gets only the secrets that it needs: workers no client keys, the head no hub
 * tokens. */
void children_env(struct children *c, bool own_token)
{
    const char *not_head[] = {"HF_TOKEN", "HF_TOKEN_PATH", "MANTA_CONFIG", NULL};
    const char *not_worker[] = {"MANTA_API_KEY", "MANTA_API_KEY_FILE", "MANTA_CONFIG", NULL};
    const char *not_prompt[] = {"HF_TOKEN", "HF_TOKEN_PATH", "MANTA_CONFIG", "MANTA_API_KEY_FILE", "MANTA_JOIN_TOKEN", "MANTA_JOIN_TOKEN_FILE", NULL};
    bool given = setting_text(c->s, SET_JOIN_TOKEN)[0] != '\0';
    if (own_token && !given && secret_own(SECRET_JOIN_TOKEN, true, c->token) != 0)
        secret_random(c->token);
    buf_printf(&c->api_key_env, "MANTA_API_KEY=%s", setting_text(c->s, SET_API_KEY));
    snprintf(c->own_key_env, sizeof c->own_key_env, "MANTA_API_KEY=%s", options_client(c->s).api_key);
    snprintf(c->token_env, sizeof c->token_env, "MANTA_JOIN_TOKEN=%s", children_token(c));
    memcpy(c->head_env, not_head, sizeof not_head);
    memcpy(c->worker_env, not_worker, sizeof not_worker);
    memcpy(c->prompt_env, not_prompt, sizeof not_prompt);
    c->head_env[3] = buf_cstr(&c->api_key_env);
    c->head_env[4] = c->worker_env[3] = c->token_env;
    c->prompt_env[6] = c->own_key_env;
}

struct net_child *children_prompt(const struct children *c, struct net_loop *l, const char *address,
                                  void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data), void *user_data,
                                  struct fault *f)
{
    char pid[16];
    bool test = setting_on(c->s, SET_TEST);
    const char *argv[] = {"/proc/self/exe", "prompt", "--config=", "--head", address, "--die-with-parent", pid, test ? "test" : NULL, NULL};
    struct net_child_config cfg = {.argv = argv, .env_add = c->prompt_env, .keep_input = !test, .on_exit = on_exit, .user_data = user_data};
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    log_flush(); /* the prompt writes to the terminal itself */
    return net_spawn(l, &cfg, f);
}

bool children_prompt_has_terminal(void)
{
    return isatty(STDIN_FILENO) != 0;
}

void children_fini(struct children *c)
{
    while (c->owned_n > 0)
        free(c->owned[--c->owned_n]);
    buf_fini(&c->api_key_env);
}
