/* `manta launch`: finds a model of the cluster, configures a coding agent for it, and executes the
 * agent. */
#include "client/coder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/plain.h"
#include "client/fetch.h"
#include "client/follow.h"
#include "client/show.h"
#include "os/dirs.h"

enum { URL_BYTES_MAX = 400, PATH_MAX_BYTES = 1200, BYTES_PER_TOKEN = 4, NOT_INSTALLED = 127 };

static const struct coder *find(const char *name, struct fault *f)
{
    struct buf names = buf_max(256);
    const struct coder *c = coders;
    while (c->name != NULL && strcmp(c->name, name) != 0)
        c++;
    for (const struct coder *k = coders; k->name != NULL; k++)
        buf_printf(&names, "%s%s", k == coders ? "" : ", ", k->name);
    if (c->name == NULL)
        fault_set(f, ERR_USAGE, "launch: unknown agent '%.60s'; there are %s", name, buf_cstr(&names));
    buf_fini(&names);
    return c->name != NULL ? c : NULL;
}

/* ---- the cluster: a head that answers, and a model that generates text ---- */

static bool talks(const json_t *actor)
{
    return strcmp(json_text(actor, "state", ""), "ready") == 0 && strcmp(json_text(actor, "kind", ""), "embed") != 0;
}

/* Mentions another model of the cluster, if the user named none. */
static void note_others(const json_t *actors, const char *picked)
{
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(actors, "actor_list"), i, a) {
        const char *name = json_text(a, "model", "");
        if (!talks(a) || strcmp(name, picked) == 0)
            continue;
        plain_print(stderr, "note: %s is used; the cluster also has %s: --model names one", picked, name);
        return;
    }
}

/* Picks a model of the actors; `wanted` empty: the first one that generates text. */
static const json_t *pick(const json_t *actors, const char *wanted)
{
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(actors, "actor_list"), i, a) {
        if (talks(a) && (wanted[0] == '\0' || strcmp(json_text(a, "model", ""), wanted) == 0))
            return a;
    }
    return NULL;
}

/* Asks the first head that answers; *out_actors is for the caller to json_decref(). */
static int ask(const struct client_options *o, char url[URL_BYTES_MAX], json_t **out_actors, struct fault *f)
{
    struct follow_heads heads;
    int err = follow_heads_parse(o->head, &heads, f);
    for (uint32_t i = 0; err == 0 && i < heads.n; i++) {
        struct net_place place = net_place(heads.at[i].host, heads.at[i].port);
        struct client_options one = *o;
        one.head = place.text;
        snprintf(url, URL_BYTES_MAX, "http://%s", place.text);
        err = fetch_json(&one, "/manta/actors", NULL, out_actors, NULL, f);
        if (err != ERR_UNAVAILABLE)
            break;
        err = i + 1 < heads.n ? 0 : err;
    }
    return err;
}

static int no_model(const struct client_options *o, struct fault *f)
{
    if (o->model[0] != '\0')
        return fault_set(f, ERR_NOT_FOUND, "the cluster has no model '%.80s' that is ready and generates text: `manta actors` lists what there is", o->model);
    return fault_set(f, ERR_UNAVAILABLE, "the cluster has no model that is ready and generates text: `manta actors` lists what there is");
}

/* ---- configuration ---- */

static int write_file(const char *path, const char *text, struct fault *f)
{
    FILE *out = fopen(path, "we");
    bool written = out != NULL && fputs(text, out) >= 0;
    if (out == NULL || fclose(out) != 0 || !written)
        return fault_set(f, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

static int make_folder(const char *name, char out[PATH_MAX_BYTES], struct fault *f)
{
    char state[PATH_MAX_BYTES - 100];
    int err = dirs_state(state, sizeof state);
    snprintf(out, PATH_MAX_BYTES, "%s/agents", state);
    if (err == 0 && mkdir(out, 0700) != 0 && errno != EEXIST)
        err = ERR_IO;
    snprintf(out, PATH_MAX_BYTES, "%s/agents/%.40s", state, name);
    if (err == 0 && mkdir(out, 0700) != 0 && errno != EEXIST)
        err = ERR_IO;
    return err == 0 ? 0 : fault_set(f, err, "there is no state folder for what %s is told: set HOME or XDG_STATE_HOME to a folder that can be written", name);
}

/* Quotes for a shell: 'it'\''s'. */
static void print_quoted(const char *text)
{
    bool plain = text[0] != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,")] == '\0';
    if (plain) {
        printf("%s", text);
        return;
    }
    putchar('\'');
    for (const char *at = text; *at != '\0'; at++)
        if (*at == '\'')
            printf("'\\''");
        else
            putchar(*at);
    putchar('\'');
}

/* Prints the configuration as shell commands. */
static void print_setup(const struct coder *c, const struct coder_setup *s, char *const *words, int n)
{
    const char *name;
    json_t *v;
    size_t i;
    json_object_foreach(s->files, name, v)
        printf("# %s, which is written:\n%s\n", name, json_string_value(v));
    json_object_foreach(s->env, name, v) {
        printf(json_is_null(v) ? "unset %s" : "export %s=", name);
        if (!json_is_null(v))
            print_quoted(json_string_value(v));
        putchar('\n');
    }
    printf("%s", c->name);
    json_array_foreach(s->args, i, v) {
        putchar(' ');
        print_quoted(json_string_value(v));
    }
    for (int k = 0; k < n; k++) {
        putchar(' ');
        print_quoted(words[k]);
    }
    putchar('\n');
}

static void show_setup(const struct coder *c, const struct coder_setup *s, char *const *words, int n)
{
    json_t *args = json_copy(s->args);
    for (int i = 0; i < n; i++)
        json_array_append_new(args, json_string(words[i]));
    json_t *all = json_pack("{s:s,s:s,s:O,s:o,s:O}", "agent", c->name, "package", c->package, "env", s->env, "args", args, "files", s->files);
    show_json_value(all);
    json_decref(all);
}

/* ---- becoming the agent ---- */

static bool is_installed(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *at = path != NULL ? path : ""; *at != '\0';) {
        size_t n = strcspn(at, ":");
        char file[PATH_MAX_BYTES];
        snprintf(file, sizeof file, "%.*s/%s", (int)n, at, name);
        if (n > 0 && access(file, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

/* Warns if the agent's first prompt fills much of the context. */
static void warn_of_context(const struct coder *c, const struct coder_facts *facts)
{
    uint32_t wanted = c->prompt_kb * 1024 / BYTES_PER_TOKEN * 2; /* the same again for the work */
    if (facts->context > 0 && facts->context < wanted)
        plain_print(stderr, "note: %s begins with prompts of about %u kB, and %s has room for %u tokens here: workers with --context %u have more", c->name,
                    c->prompt_kb, facts->model, facts->context, wanted < 16384 ? 16384 : 32768);
}

static int become(const struct coder *c, const struct coder_setup *s, char *const *words, int n, struct fault *f)
{
    const char *name;
    json_t *v;
    size_t i, argc = 0;
    int err = 0;
    const char **argv = calloc(json_array_size(s->args) + (size_t)n + 2, sizeof *argv);
    json_object_foreach(s->files, name, v)
        err = err != 0 ? err : write_file(name, json_string_value(v), f);
    json_object_foreach(s->env, name, v)
        (void)(json_is_null(v) ? unsetenv(name) : setenv(name, json_string_value(v), 1));
    argv[argc++] = c->name;
    json_array_foreach(s->args, i, v)
        argv[argc++] = json_string_value(v);
    for (int k = 0; k < n; k++)
        argv[argc++] = words[k];
    fflush(NULL);
    signal(SIGPIPE, SIG_DFL); /* ignored signals would stay ignored in the agent */
    signal(SIGXFSZ, SIG_DFL);
    if (err == 0)
        execvp(c->name, (char *const *)argv);
    free(argv);
    return err != 0 ? err : fault_set(f, ERR_IO, "cannot start %s: %s", c->name, strerror(errno));
}

static int launch(const struct client_options *o, const struct coder *c, const struct coder_facts *facts, char *const *words, int n, bool only_print)
{
    struct coder_setup s = {.env = json_object(), .args = json_array(), .files = json_object()};
    struct fault f = {0};
    int status = 0;
    c->set_up(facts, &s);
    if (o->json) {
        show_setup(c, &s, words, n);
    } else if (only_print) {
        print_setup(c, &s, words, n);
    } else if (!is_installed(c->name)) {
        plain_error("%s is not installed (no program of that name is on the PATH): npm install -g %s", c->name, c->package);
        status = NOT_INSTALLED;
    } else {
        warn_of_context(c, facts);
        status = err_exit(become(c, &s, words, n, &f)); /* returns only on an error */
        show_fault(&f);
    }
    coder_setup_fini(&s);
    return status;
}

int client_launch_coder(const struct client_options *o, const char *name, char *const *words, int n, bool only_print)
{
    struct fault f = {0};
    char url[URL_BYTES_MAX], folder[PATH_MAX_BYTES];
    json_t *actors = NULL;
    const struct coder *c = find(name, &f);
    int err = c != NULL ? ask(o, url, &actors, &f) : f.err, status;
    const json_t *actor = err == 0 ? pick(actors, o->model) : NULL;
    if (err == 0 && actor == NULL)
        err = no_model(o, &f);
    if (err == 0)
        err = make_folder(c->name, folder, &f);
    if (err == 0) {
        const struct coder_facts facts = {.url = url, .key = o->api_key[0] != '\0' ? o->api_key : "none", .model = json_text(actor, "model", ""),
                                          .context = (uint32_t)json_num(actor, "context"), .folder = folder};
        if (o->model[0] == '\0')
            note_others(actors, facts.model);
        status = launch(o, c, &facts, words, n, only_print);
    } else {
        show_fault(&f);
        status = err_exit(err);
    }
    json_decref(actors);
    return status;
}
