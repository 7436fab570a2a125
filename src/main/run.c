#include "main/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "main/options.h"
#include "main/running.h"
#include "models/models.h"

enum { PROMPT_BYTES_MAX = 8 << 20, GIB = 1 << 30, WORKER_GIB = 2 };

/* True for a pipe or a file. A terminal is for the user, and other files that scripts leave open
 * (/dev/null, a socket) are not input. */
static bool has_input(void)
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size > 0));
}

/* Removes a byte order mark from the input, which begins at `at`. */
static void leave_mark_out(struct buf *prompt, size_t at)
{
    if (prompt->n == at)
        return;
    struct str input = str_n(prompt->p + at, prompt->n - at), text = utf8_unmarked(input);
    memmove(prompt->p + at, text.p, text.n);
    prompt->n = at + text.n;
}

static int add_input(struct buf *prompt)
{
    char part[65536];
    ssize_t n;
    if (!has_input())
        return 0;
    if (prompt->n > 0)
        buf_puts(prompt, "\n\n");
    size_t words = prompt->n;
    while ((n = read(STDIN_FILENO, part, sizeof part)) > 0)
        buf_add(prompt, part, (size_t)n);
    leave_mark_out(prompt, words);
    while (prompt->n > 0 && prompt->p[prompt->n - 1] == '\n')
        prompt->n--;
    return 0;
}

int words_ask(const struct client_options *o, char *const *words, int n)
{
    struct buf prompt = buf_max(PROMPT_BYTES_MAX);
    if (n == 0 && !o->quiet)
        return client_prompt(o, NULL);
    for (int i = 0; i < n; i++)
        buf_printf(&prompt, "%s%s", i > 0 ? " " : "", words[i]);
    if (add_input(&prompt) == 0 && prompt.overflowed)
        plain_error("the prompt is longer than %d bytes", PROMPT_BYTES_MAX);
    else if (prompt.n == 0)
        plain_error("there is nothing to ask: manta prompt WORDS, or text by a pipe; manta prompt alone opens a chat on a terminal");
    else if (memchr(prompt.p, '\0', prompt.n) != NULL)
        plain_error("the prompt has a NUL byte: it is no text, or not in UTF-8");
    bool usable = !prompt.overflowed && prompt.n > 0 && memchr(prompt.p, '\0', prompt.n) == NULL;
    int status = !usable ? 2 : client_prompt(o, buf_cstr(&prompt));
    buf_fini(&prompt);
    return status;
}

/* ---- manta run ---- */

/* Adds enough memory for a model of known size; a large one gets a single worker, which has the
 * machine for itself. */
static void add_size(const char *model, const char **argv, int *n, char memory[32])
{
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++) {
        if (strcmp(e->name, model) != 0 || models_memory(e) <= (uint64_t)WORKER_GIB * GIB)
            continue;
        snprintf(memory, 32, "%lluG", (unsigned long long)(models_memory(e) / GIB));
        argv[(*n)++] = "--workers";
        argv[(*n)++] = "1";
        argv[(*n)++] = "--memory";
        argv[(*n)++] = memory;
    }
}

static int start_cluster(const char *model, const char *engine)
{
    char memory[32];
    const char *argv[16] = {"manta", "up", "-d", "--model", model};
    int n = 5, status = 0;
    add_size(model, argv, &n, memory);
    argv[n++] = "--engine";
    argv[n++] = engine;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execv("/proc/self/exe", (char *const *)argv);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Writes the model's name in requests: a file without its folder and .gguf, an address's last
 * part. */
static void short_name(const char *model, char *out, size_t cap)
{
    const char *slash = strrchr(model, '/');
    bool echo = strncmp(model, "echo:", 5) == 0;
    snprintf(out, cap, "%s", echo ? "echo" : slash != NULL ? slash + 1 : model);
    size_t n = strlen(out);
    if (n > 5 && strcmp(out + n - 5, ".gguf") == 0)
        out[n - 5] = '\0';
}

/* Returns 0 if *o can ask the model, else the exit status. A cluster started for this has only that
 * model. */
static int find_cluster(const struct settings *s, const char *model, struct client_options *o, char head[300])
{
    char name[200];
    struct fault f = {0};
    struct running one;
    size_t n = 0;
    short_name(model, name, sizeof name);
    int err = client_serves(o, name, &f);
    if (err == ERR_NOT_FOUND)
        (void)models_check(model, &f); /* a wrong name: another cluster would not have it either */
    if (err == ERR_UNAVAILABLE && s->values[SET_HEAD].source == FROM_DEFAULT) {
        int status = start_cluster(model, setting_text(s, SET_RUN_ENGINE));
        if (status != 0)
            return status;
        err = running_only(&one, &n, &f);
        if (err == 0 && n == 1)
            snprintf(head, 300, "%s", net_place(one.host, one.port).text);
        o->head = head;
        o->model = "";
    } else if (err == 0) {
        snprintf(head, 300, "%s", name);
        o->model = head;
    }
    if (err != 0)
        plain_error("%s", f.text);
    return err_exit(err);
}

int run_model(const struct settings *s)
{
    char text[300];
    struct client_options o = options_client(s);
    int status = find_cluster(s, s->args[0], &o, text);
    if (status != 0)
        return status;
    o.quiet = o.quiet || s->args_n > 1 || has_input();
    return words_ask(&o, s->args + 1, s->args_n - 1);
}
