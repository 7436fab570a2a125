#include "main/help.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/cells.h"
#include "base/nearest.h"
#include "base/plain.h"

static const struct { const char *title, *names; } groups[] = {
    {"start and stop", "up down run logs"},
    {"ask", "prompt launch models"},
    {"look", "status top actors requests explain"},
    {"change", "scale drain cordon uncordon"},
    {"check", "verify health bench chaos config"},
    {"parts of a cluster", "head worker launcher"},
};

/* In a pipe to a pager, stderr is the terminal on which the page will be read. */
static unsigned help_columns(FILE *out)
{
    int fd = isatty(fileno(out)) != 0 ? fileno(out) : STDERR_FILENO;
    return isatty(fd) != 0 ? cells_columns(fd) : UINT32_MAX;
}

/* Prints a sentence, wrapped between words. */
static void print_text(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void print_text(FILE *out, const char *fmt, ...)
{
    struct buf text = buf_max(SIZE_MAX / 2), lines = buf_max(SIZE_MAX / 2);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    wrap_text(buf_str(&text), help_columns(out), 0, 0, &lines);
    fprintf(out, "%s\n", buf_cstr(&lines));
    buf_fini(&text);
    buf_fini(&lines);
}

static void print_line(FILE *out, const char *head, const char *text)
{
    enum { HEAD_COLUMNS = 24, TEXT_COLUMN = 27 };
    struct buf line = buf_max(SIZE_MAX / 2);
    wrap_text(str_of(text), help_columns(out), TEXT_COLUMN, TEXT_COLUMN, &line);
    if (strlen(head) > HEAD_COLUMNS)
        fprintf(out, "  %s\n%*s%s\n", head, TEXT_COLUMN, "", buf_cstr(&line));
    else
        fprintf(out, "  %-*s %s\n", HEAD_COLUMNS, head, buf_cstr(&line));
    buf_fini(&line);
}

static bool is_in(const char *name, const char *names)
{
    size_t n = strlen(name);
    for (const char *at = strstr(names, name); at != NULL; at = strstr(at + 1, name))
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static void print_group(FILE *out, const char *title, const char *names, const struct command *commands, int n)
{
    char head[40];
    fprintf(out, "\n%s:\n", title);
    for (int i = 0; i < n; i++) {
        if (!is_in(commands[i].name, names))
            continue;
        snprintf(head, sizeof head, "%s %s", commands[i].name, commands[i].args);
        print_line(out, head, commands[i].about);
    }
}

void help_all(FILE *out, const struct command *commands, int n)
{
    fprintf(out, "manta %s: one LLM service out of the machines you have\n\nusage: manta COMMAND [FLAGS]\n", MANTA_VERSION);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        print_group(out, groups[i].title, groups[i].names, commands, n);
    fputc('\n', out);
    print_line(out, "manta COMMAND --help", "its flags; --help all: every one");
    print_line(out, "manta --version", "version");
    fprintf(out, "\nexample: manta up            # head, workers, and a chat\n");
}

void help_command(const struct command *c, bool all)
{
    print_text(stdout, "manta %s: %s", c->name, c->about);
    printf("\nusage: manta %s %s%s[FLAGS]\n\n", c->name, c->args, c->args[0] != '\0' ? " " : "");
    settings_print_help(c->uses, all, help_columns(stdout));
    printf("\n");
    print_text(stdout, "Each flag has an environment variable (--join-token is MANTA_JOIN_TOKEN) and most have a key in the --config file: docs/settings.md.");
    printf("\nexample: %s\n", c->example);
}

/* Commands of other programs, with their equivalents. */
static const char *hint_for(const char *name)
{
    static const char *const hints[][2] = {
        {"serve", "`manta up` starts a cluster (`-d`: in the background), `manta head` a head alone"},
        {"start", "`manta up -d` starts a cluster in the background"},
        {"codex", "`manta launch codex` starts it on the cluster"},
        {"claude", "`manta launch claude` starts it on the cluster"},
        {"opencode", "`manta launch opencode` starts it on the cluster"},
        {"ps", "`manta actors` shows the models that are loaded, `manta status` the workers"},
        {"ls", "`manta models` lists the models"},
        {"list", "`manta models` lists the models"},
        {"pull", "`manta models pull NAME` downloads a model"},
        {"show", "`manta models show NAME` describes a model, `manta actors` those that are loaded"},
        {"rm", "`manta models rm NAME` removes a model from this machine"},
        {"stop", "`manta down` stops the cluster, `manta drain WORKER` one worker"},
        {"kill", "`manta down` stops the cluster, `manta drain WORKER` one worker"},
        {"chat", "`manta prompt` opens a chat, `manta run MODEL` one with that model"},
        {"ask", "`manta prompt WORDS` asks one thing"},
        {"describe", "`manta status`, `manta actors`, and `manta explain REQUEST` tell what there is"},
        {"get", "`manta status`, `manta actors` and `manta models` list what there is"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (strcmp(hints[i][0], name) == 0)
            return hints[i][1];
    return NULL;
}

int help_unknown(const struct command *commands, int n, const char *name)
{
    const char *names[HELP_COMMANDS_MAX];
    for (int i = 0; i < n; i++)
        names[i] = commands[i].name;
    const char *near = nearest_word(name, names, (size_t)n), *hint = hint_for(name);
    if (hint != NULL)
        plain_error("unknown command '%.60s': %s", name, hint);
    else
        plain_error("unknown command '%.60s'%s%s%s", name, near != NULL ? ": did you mean '" : ": `manta --help` lists them",
                    near != NULL ? near : "", near != NULL ? "'?" : "");
    return 2;
}
