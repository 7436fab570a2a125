#include "client/line.h"

#include <fcntl.h>
#include <histedit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "client/keys.h"
#include "os/dirs.h"
#include "os/file.h"

enum { HISTORY_LINES = 500, PATH_BYTES = 1024 };

struct line_reader {
    const char *prompt;   /* borrowed */
    EditLine *el;         /* NULL if the input is not a terminal */
    History *history;
    struct buf message;   /* owned; a message of several lines */
    char *line;           /* owned; getline()'s, or a copy of the editor's */
    size_t line_cap;
    bool begun;           /* a line of the pipe was read */
    char history_path[PATH_BYTES];
};

static char *show_prompt(EditLine *el)
{
    struct line_reader *r = NULL;
    el_get(el, EL_CLIENTDATA, &r);
    return (char *)(uintptr_t)r->prompt;
}

static void find_history(struct line_reader *r)
{
    char dir[PATH_BYTES - 16];
    if (dirs_state(dir, sizeof dir) == 0)
        snprintf(r->history_path, sizeof r->history_path, "%s/history", dir);
}

static void open_editor(struct line_reader *r)
{
    HistEvent ev;
    r->el = el_init("manta", stdin, stdout, stderr);
    r->history = history_init();
    find_history(r);
    history(r->history, &ev, H_SETSIZE, HISTORY_LINES);
    history(r->history, &ev, H_SETUNIQUE, 1);
    if (r->history_path[0] != '\0')
        history(r->history, &ev, H_LOAD, r->history_path);
    el_set(r->el, EL_CLIENTDATA, r);
    el_set(r->el, EL_PROMPT, show_prompt);
    el_set(r->el, EL_EDITOR, "emacs");
    el_set(r->el, EL_HIST, history, r->history);
    el_set(r->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    keys_open(r->el);
}

struct line_reader *line_open(const char *prompt)
{
    struct line_reader *r = xalloc(sizeof *r);
    r->prompt = prompt;
    r->message = buf_max(SIZE_MAX / 2);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        open_editor(r);
    return r;
}

bool line_on_terminal(const struct line_reader *r)
{
    return r->el != NULL;
}

static const char *edited_line(struct line_reader *r)
{
    int n = 0;
    HistEvent ev;
    keys_echo(true);
    keys_begin(r->el);
    const char *line = el_gets(r->el, &n);
    keys_end();
    keys_echo(false); /* until the next line: keys typed ahead would stand in the middle of the answer */
    if (line == NULL || n <= 0)
        return NULL;
    free(r->line);
    r->line = xstrdup(line);
    r->line[strcspn(r->line, "\r\n")] = '\0';
    if (r->line[0] != '\0')
        history(r->history, &ev, H_ENTER, r->line);
    keys_restore(r->line);
    return r->line;
}

/* ---- messages of several lines ---- */

static const char quotes[] = "\"\"\"";
enum { QUOTES = sizeof quotes - 1 };

/* True if the line ends with quotes, which are cut off. */
static bool ends_message(struct str *line)
{
    size_t n = line->n;
    while (n > 0 && (line->p[n - 1] == ' ' || line->p[n - 1] == '\n'))
        n--;
    if (n < QUOTES || memcmp(line->p + n - QUOTES, quotes, QUOTES) != 0)
        return false;
    line->n = n - QUOTES;
    return true;
}

const char *line_message(struct line_reader *r, bool *out_verbatim)
{
    const char *line = line_next(r), *prompt = r->prompt;
    *out_verbatim = line != NULL && strncmp(line, quotes, QUOTES) == 0;
    if (!*out_verbatim)
        return line;
    struct str part = str_of(line + QUOTES);
    bool whole = ends_message(&part);
    buf_reset(&r->message);
    buf_add_str(&r->message, part);
    r->prompt = "... ";
    while (!whole && (line = line_next(r)) != NULL) {
        part = str_of(line);
        whole = ends_message(&part);
        buf_putc(&r->message, '\n');
        buf_add_str(&r->message, part);
    }
    r->prompt = prompt;
    return line != NULL ? buf_cstr(&r->message) : NULL;
}

const char *line_next(struct line_reader *r)
{
    if (r->el != NULL)
        return edited_line(r);
    fflush(stdout); /* another program may wait for the answer before it writes the next line */
    ssize_t n = getline(&r->line, &r->line_cap, stdin);
    if (n < 0)
        return NULL;
    for (char *nul; (nul = memchr(r->line, '\0', (size_t)n)) != NULL;)
        *nul = '\xff'; /* it would cut the line; as text that is not UTF-8 the line is refused */
    const char *line = r->begun ? r->line : utf8_unmarked(str_of(r->line)).p;
    r->begun = true;
    r->line[strcspn(r->line, "\r\n")] = '\0';
    return line;
}

/* Writes a new file and renames it: on a full disk the old one survives. */
static void save_history(struct line_reader *r)
{
    char path[PATH_BYTES], fresh[PATH_BYTES + FILE_PART_BYTES];
    HistEvent ev;
    char *real = realpath(r->history_path, NULL); /* it may be a symbolic link */
    snprintf(path, sizeof path, "%s", real != NULL ? real : r->history_path);
    free(real);
    file_part_name(path, fresh, sizeof fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        return;
    bool ok = history(r->history, &ev, H_SAVE_FP, file) >= 0 && ferror(file) == 0;
    ok = fclose(file) == 0 && ok;
    if (!ok || rename(fresh, path) != 0)
        unlink(fresh);
}

void line_close(struct line_reader *r)
{
    if (r == NULL)
        return;
    if (r->el != NULL) {
        if (r->history_path[0] != '\0')
            save_history(r);
        history_end(r->history);
        el_end(r->el);
        keys_echo(true);
    }
    buf_fini(&r->message);
    free(r->line);
    free(r);
}
