/* Commands of a chat: lines that begin with a slash are for manta, never for the model. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "base/plain.h"
#include "client/ask.h"
#include "client/chat.h"
#include "client/fetch.h"
#include "client/show.h"

struct command {
    const char *name, *args, *about;
    int (*run)(struct chat *c, const char *args);
};

static int fail(const struct fault *f)
{
    show_fault(f);
    return f->err;
}

static int run_new(struct chat *c, const char *args)
{
    (void)args;
    chat_new(c);
    printf("A new conversation begins.\n");
    return 0;
}

static bool has_model(const json_t *models, const char *name)
{
    size_t i;
    json_t *m;
    json_array_foreach(models, i, m)
        if (strcmp(json_text(m, "id", ""), name) == 0)
            return true;
    return false;
}

static int no_model(const struct chat *c, const json_t *models, const char *name, struct fault *f)
{
    enum { MODELS_MAX = 64 };
    size_t i;
    json_t *m;
    const char *names[MODELS_MAX];
    json_array_foreach(models, i, m)
        if (i < MODELS_MAX)
            names[i] = json_text(m, "id", "");
    const char *near = nearest_word(name, names, i < MODELS_MAX ? i : MODELS_MAX);
    if (near != NULL)
        return fault_set(f, ERR_NOT_FOUND, "the cluster has no model '%.120s': did you mean '%.120s'?", name, near);
    return fault_set(f, ERR_NOT_FOUND, "the cluster has no model '%.120s' (/model lists those it has); questions go to %s as before", name,
                     c->model[0] != '\0' ? c->model : "any model");
}

static void list_models(const struct chat *c, const json_t *models)
{
    size_t i;
    json_t *m;
    printf("Now: %s. The cluster has:\n", c->model[0] != '\0' ? c->model : "any model");
    json_array_foreach(models, i, m)
        plain_print(stdout, "  %s", json_text(m, "id", "?"));
}

static void choose_model(struct chat *c, const char *name)
{
    snprintf(c->model, sizeof c->model, "%.120s", name);
    plain_print(stdout, "Questions go to %s from now on.", name[0] != '\0' ? name : "any model");
}

static int run_model(struct chat *c, const char *args)
{
    struct fault f = {0};
    json_t *all = NULL;
    if (fetch_json(c->o, "/v1/models", NULL, &all, NULL, &f) != 0)
        return fail(&f);
    const json_t *models = json_object_get(all, "data");
    if (args[0] == '\0')
        list_models(c, models);
    else if (strcmp(args, "any") == 0)
        choose_model(c, "");
    else if (has_model(models, args))
        choose_model(c, args);
    else
        no_model(c, models, args, &f);
    json_decref(all);
    return f.err != 0 ? fail(&f) : 0;
}

static int run_system(struct chat *c, const char *args)
{
    if (args[0] == '\0') {
        show_wrapped("%s%s", c->system != NULL ? "System text: " : "There is no system text; /system TEXT sets one.",
                     c->system != NULL ? c->system : "");
        return 0;
    }
    free(c->system);
    c->system = strcmp(args, "default") != 0 ? xstrdup(args) : NULL;
    printf("%s; /new forgets what was said before.\n", c->system != NULL ? "The system text is set" : "The system text is gone");
    return 0;
}

static void list_set(const struct chat *c)
{
    const char *name;
    json_t *value;
    if (json_object_size(c->sampling) == 0)
        printf("Nothing is set.\n");
    json_object_foreach(c->sampling, name, value)
    {
        char *text = json_dumps(value, JSON_REAL_PRECISION(6) | JSON_ENCODE_ANY);
        plain_print(stdout, "  %s %s", name, text);
        free(text);
    }
    show_wrapped("/set NAME VALUE sets one: temperature, top_p, top_k, min_p, max_tokens, seed, stop, ...; /set NAME default takes it back.");
}

static int run_set(struct chat *c, const char *args)
{
    char name[32];
    struct fault f = {0};
    size_t n = strcspn(args, " =");
    const char *value = args + n + strspn(args + n, " =");
    if (args[0] == '\0') {
        list_set(c);
        return 0;
    }
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), args);
    if (strcmp(args, "default") == 0) {
        json_object_clear(c->sampling);
        printf("Nothing is set.\n");
        return 0;
    }
    if (chat_set(c, name, value, &f) != 0)
        return fail(&f);
    if (strcmp(value, "default") == 0)
        show_wrapped("%s is no longer set.", name);
    else
        show_wrapped("%s is %s from now on.", name, value);
    return 0;
}

static int run_save(struct chat *c, const char *args)
{
    struct fault f = {0};
    if (args[0] == '\0')
        fault_set(&f, ERR_INVALID, "/save needs the name of a file: talk.json, or talk.md to read");
    else if (chat_save(c, args, &f) == 0)
        plain_print(stdout, "The conversation is in %s.", args);
    return f.err != 0 ? fail(&f) : 0;
}

static int run_all(struct chat *c, const char *args)
{
    struct fault f = {0};
    if (args[0] == '\0')
        return fail((fault_set(&f, ERR_INVALID, "/all needs a prompt: every actor answers it"), &f));
    struct client_options o = *c->o;
    const json_t *most = json_object_get(c->sampling, "max_tokens");
    o.model = c->model;
    if (json_is_integer(most) && json_integer_value(most) > 0)
        o.max_tokens = (uint32_t)json_integer_value(most);
    return ask(&o, c->sampling, args, true);
}

static int run_status(struct chat *c, const char *args)
{
    (void)args;
    return client_status(c->o) == 0 ? 0 : ERR_FAILED;
}

static int run_actors(struct chat *c, const char *args)
{
    (void)args;
    return client_actors(c->o) == 0 ? 0 : ERR_FAILED;
}

static int run_help(struct chat *c, const char *args);

static const struct command commands[] = {
    {"new", "", "start a new conversation", run_new},
    {"model", "[NAME]", "which models there are; ask this one from now on", run_model},
    {"system", "[TEXT]", "set the system text; /system default removes it", run_system},
    {"set", "[NAME VALUE]", "temperature, top_p, top_k, max_tokens, seed, ...", run_set},
    {"save", "FILE", "write the conversation to a file (.json, or .md to read)", run_save},
    {"all", "PROMPT", "every actor answers, each shown with its tags", run_all},
    {"status", "", "the cluster", run_status},
    {"actors", "", "its actors", run_actors},
    {"help", "", "this list", run_help},
    {"bye", "", "leave; so does Ctrl-D", NULL},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int run_help(struct chat *c, const char *args)
{
    char head[40];
    (void)c;
    (void)args;
    for (int i = 0; i < COMMANDS; i++) {
        snprintf(head, sizeof head, "/%s %s", commands[i].name, commands[i].args);
        printf("  %-20s %s\n", head, commands[i].about);
    }
    show_wrapped("\"\"\" begins and ends a message of several lines; pasted lines stay together. Ctrl-C cancels an answer.");
    return 0;
}

static const char *other_name(const char *name)
{
    static const char *const others[][2] = {{"clear", "new"}, {"reset", "new"}, {"?", "help"}, {"h", "help"}, {"exit", "bye"}, {"quit", "bye"}, {"q", "bye"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(others[i][0], name) == 0)
            return others[i][1];
    return name;
}

static int superfluous(const char *name)
{
    struct fault f = {0};
    fault_set(&f, ERR_INVALID, "/%s takes no arguments (nothing was done): /%s alone, or between \"\"\" for a message", name, name);
    return fail(&f);
}

int chat_command(struct chat *c, const char *line, bool *out_quit)
{
    char word[32];
    size_t n = strcspn(line + 1, " \n\t");
    const char *args = line + 1 + n + strspn(line + 1 + n, " \n\t"), *names[COMMANDS];
    snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), line + 1);
    for (char *p = word; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    const char *name = other_name(word);
    for (int i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (commands[i].args[0] == '\0' && args[0] != '\0')
            return superfluous(name);
        *out_quit = commands[i].run == NULL;
        return commands[i].run != NULL ? commands[i].run(c, args) : 0;
    }
    struct fault f = {0};
    const char *near = nearest_word(word, names, COMMANDS);
    if (near != NULL)
        return fail((fault_set(&f, ERR_INVALID, "no command '/%s' (nothing was sent): did you mean '/%s'?", word, near), &f));
    return fail((fault_set(&f, ERR_INVALID, "no command '/%s' (nothing was sent): /help lists them; between \"\"\" it is a message", word), &f));
}
