#include <stdio.h>
#include <string.h>

#include "client/ask.h"
#include "client/fetch.h"
#include "client/line.h"
#include "client/show.h"

/* The real-time client. A line is a command (status, actors, test, all ..., help, quit) or a prompt. */

static const char help_text[] = "Commands: any prompt; status; actors; test; all PROMPT (every actor answers); help; quit or exit";

static void explain_no_actor(const char *head)
{
    printf("No actor is ready. To check: have workers joined (status)? Is the model still loading (actors)? Is the head's address right "
           "(--head, now %s)?\n",
           head);
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
    return ask(o, prompt, all);
}

/* One line; *out_quit: the person wants to leave. */
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

int client_prompt(const struct client_options *o, const char *words)
{
    bool quit = false;
    if (words != NULL)
        return err_exit(obey(o, words, false, &quit));
    int err = connect_first(o);
    if (err != 0)
        return err_exit(err);
    struct line_reader *lines = line_open("[PROMPT] ");
    int last_err = 0;
    const char *line;
    while (!quit && (line = line_next(lines)) != NULL) {
        err = obey(o, line, line_on_terminal(lines), &quit);
        /* at a terminal the person saw it; a script wants to know */
        if (err != 0 && !line_on_terminal(lines))
            last_err = err;
    }
    if (line_on_terminal(lines) && !quit)
        printf("\n");
    line_close(lines);
    return err_exit(last_err);
}
