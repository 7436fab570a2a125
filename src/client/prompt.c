#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/plain.h"
#include "client/ask.h"
#include "client/chat.h"
#include "client/fetch.h"
#include "client/line.h"
#include "client/show.h"

/* The real-time client. On a terminal it is a chat (chat.h). In a pipe, and with --tags, each line
 * is a command (status, actors, test, all ..., help, quit) or an independent prompt, answered
 * between tags for scripts. */

static const char help_text[] = "Commands: any prompt; status; actors; test; all PROMPT (every actor answers); help; quit or exit";

static void explain_no_actor(const char *head)
{
    show_wrapped("No actor is ready. To check: have workers joined (status)? Is the model still loading (actors)? Is the head's address right "
                 "(--head, now %s)?", head);
}

/* Reports on stderr that all actors are there and none is for new prompts. */
static void tell_of_closed(const json_t *status, const char *head)
{
    size_t i, closed = 0;
    json_t *a;
    json_array_foreach(json_object_get(status, "actor_list"), i, a)
    {
        const char *state = json_text(a, "worker_state", "");
        closed += strcmp(state, "cordoned") == 0 || strcmp(state, "draining") == 0;
    }
    if (closed > 0 && closed == json_array_size(json_object_get(status, "actor_list")))
        plain_print(stderr, "no worker takes prompts at %s, all are cordoned or draining: the prompt waits. `manta status` shows them, "
                            "`manta uncordon WORKER` lets one take prompts", head);
}

static int connect_first(const struct client_options *o)
{
    struct fault f = {0};
    json_t *status = NULL;
    printf("Connecting to %s... ", o->head);
    fflush(stdout);
    int err = fetch_json(o, "/manta/status", NULL, &status, NULL, &f);
    if (err != 0) {
        printf("failed\n");
        show_fault(&f);
        return err;
    }
    json_make_plain(status, true);
    printf("connected\nLooking for prompt coordinator... found '%s'\n",
           json_string_value(json_at(status, "head", "coordinator")) != NULL ? json_string_value(json_at(status, "head", "coordinator")) : "?");
    printf("Available inference actors: %.0f\n", json_num(status, "actors"));
    if (json_num(status, "actors") < 1)
        explain_no_actor(o->head);
    printf("%s\n", help_text);
    tell_of_closed(status, o->head);
    json_decref(status);
    return 0;
}

static int show_page(int (*page)(const struct client_options *), const struct client_options *o)
{
    return page(o) == 0 ? 0 : ERR_FAILED;
}

static int ask_with_echo(const struct client_options *o, const char *prompt, bool all, bool typed)
{
    if (!typed && !o->json)
        show_said("PROMPT", "%s", prompt);
    return ask(o, NULL, prompt, all);
}

/* Runs one line; *out_quit: the user wants to leave. */
static int obey(const struct client_options *o, const char *line, bool typed, bool *out_quit)
{
    while (*line == ' ' || *line == '\t')
        line++;
    if (line[0] == '\0')
        return 0;
    if (strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0) {
        *out_quit = true;
        return 0;
    }
    if (strcmp(line, "status") == 0)
        return show_page(client_status, o);
    if (strcmp(line, "actors") == 0)
        return show_page(client_actors, o);
    if (strcmp(line, "test") == 0)
        return ask_with_echo(o, CLIENT_TEST_PROMPT, false, false);
    if (strcmp(line, "help") == 0) {
        printf("%s\n", help_text);
        return 0;
    }
    if (strncmp(line, "all ", 4) == 0)
        return ask_with_echo(o, line + 4, true, typed);
    return ask_with_echo(o, line, false, typed);
}

static int prompt_with_tags(const struct client_options *o)
{
    bool quit = false;
    int err = connect_first(o), last_err = 0;
    if (err != 0)
        return err;
    struct line_reader *lines = line_open("[PROMPT] ");
    const char *line;
    while (!quit && (line = line_next(lines)) != NULL) {
        err = obey(o, line, line_on_terminal(lines), &quit);
        if (err == 0 || line_on_terminal(lines))
            continue; /* the user has seen the error */
        last_err = err;
        quit = err == ERR_CANCELLED; /* Ctrl-C at a terminal ends the answer; it ends a script as a whole */
    }
    if (line_on_terminal(lines) && !quit)
        printf("\n");
    line_close(lines);
    return last_err;
}

/* ---- a chat ---- */

/* Shows the model and the head in one line. */
static int greet(const struct chat *c)
{
    struct fault f = {0};
    json_t *status = NULL;
    int err = fetch_json(c->o, "/manta/status", NULL, &status, NULL, &f);
    if (err != 0) {
        show_fault(&f);
        return err;
    }
    json_make_plain(status, true);
    if (c->o->launched && json_num(status, "actors") > 0) {
        show_wrapped("/help lists commands, Ctrl-D or /bye ends chat and cluster.");
        json_decref(status);
        return 0;
    }
    const json_t *first = json_array_get(json_object_get(status, "actor_list"), 0);
    if (json_num(status, "actors") < 1)
        explain_no_actor(c->o->head);
    else
        show_wrapped("%s, %.0f actor%s at %s. /help lists commands, Ctrl-D or /bye leaves.", c->model[0] != '\0' ? c->model : json_text(first, "model", "?"),
               json_num(status, "actors"), json_num(status, "actors") == 1 ? "" : "s", c->o->head);
    json_decref(status);
    return 0;
}

/* Returns the chat command for a plain word that has always been one; to send such a word to the
 * model, put it between """. */
static const char *as_command(const char *message)
{
    static const char *const words[][2] = {{"status", "/status"}, {"actors", "/actors"}, {"help", "/help"}, {"/", "/help"}, {"quit", "/bye"}, {"exit", "/bye"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i][0], message) == 0)
            return words[i][1];
    return message[0] == '/' && message[1] != '\0' && strchr("/ ", message[1]) == NULL ? message : NULL;
}

static void say_or_obey(struct chat *c, const char *message, bool *out_quit)
{
    while (*message == ' ' || *message == '\t')
        message++;
    const char *command = as_command(message);
    if (command != NULL)
        (void)chat_command(c, command, out_quit);
    else if (message[0] != '\0')
        (void)chat_say(c, strcmp(message, "test") == 0 ? CLIENT_TEST_PROMPT : message);
}

static int chat(const struct client_options *o)
{
    struct chat c;
    bool quit = false, verbatim;
    chat_init(&c, o);
    int err = greet(&c);
    struct line_reader *lines = err == 0 ? line_open(">>> ") : NULL;
    const char *message;
    while (err == 0 && !quit && (message = line_message(lines, &verbatim)) != NULL) {
        if (verbatim)
            (void)chat_say(&c, message);
        else
            say_or_obey(&c, message, &quit);
        fflush(stdout);
    }
    if (err == 0 && !quit)
        printf("\n");
    line_close(lines);
    chat_fini(&c);
    return err;
}

static int say_once(const struct client_options *o, const char *words)
{
    struct chat c;
    chat_init(&c, o);
    c.quiet = o->quiet;
    int err = chat_say(&c, words);
    chat_fini(&c);
    return err;
}

/* Reports on stderr that no worker is there to answer: a prompt from the command line would wait
 * without a word. stdout is for the answer. */
static void tell_of_nobody(const struct client_options *o)
{
    struct fault f = {0};
    json_t *status = NULL;
    if (fetch_json(o, "/manta/status", NULL, &status, NULL, &f) != 0)
        return; /* the prompt will fail for the same reason, and report it */
    bool launcher = json_is_true(json_at(status, "scale", "launcher"));
    if (json_num(status, "actors") < 1 && json_num(status, "workers") < 1 && !launcher)
        plain_print(stderr, "no worker has joined the head at %s yet: the prompt waits. `manta worker --head %s` starts one", o->head, o->head);
    else if (json_num(status, "actors") < 1)
        plain_print(stderr, "no actor is ready yet at %s: the prompt waits. `manta status` shows who is there, `manta actors` what loads", o->head);
    tell_of_closed(status, o->head);
    json_decref(status);
}

int client_prompt(const struct client_options *o, const char *words)
{
    if (words != NULL)
        tell_of_nobody(o);
    bool quit = false, tags = o->json || (!o->quiet && (o->tags || !show_on_terminal()));
    if (words != NULL && !tags)
        return err_exit(say_once(o, words));
    struct client_options bounded = *o;
    bounded.max_tokens = o->max_tokens > 0 ? o->max_tokens : CLIENT_MAX_TOKENS;
    if (words != NULL)
        return err_exit(obey(&bounded, words, false, &quit));
    if (!tags && isatty(STDIN_FILENO))
        return err_exit(chat(o));
    return err_exit(prompt_with_tags(&bounded));
}
