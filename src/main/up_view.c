#include "main/up_view.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cells.h"
#include "base/clock.h"
#include "base/plain.h"
#include "http/http.h"
#include "launch/launch.h"
#include "models/models.h"
#include "os/memory.h"

enum { LABEL_COLUMNS = 12, BOX_COLUMNS_MAX = 100, KEPT_BYTES_MAX = 2048, BOX_BYTES_MAX = 8000 };

/* Opens the terminal anew: non-blocking mode on stderr would affect all processes that share it. */
static int open_terminal(void)
{
    char path[256];
    if (ttyname_r(STDERR_FILENO, path, sizeof path) != 0)
        snprintf(path, sizeof path, "/dev/tty");
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void up_view_init(struct up_view *v, const struct settings *s)
{
    bool wants_lines = setting_on(s, SET_VERBOSE) || s->values[SET_LOG].source != FROM_DEFAULT || log_format_now() == LOG_AS_JSON;
    *v = (struct up_view){
        .on = isatty(STDERR_FILENO) != 0 && !wants_lines,
        .escapes = plain_takes_escapes(STDERR_FILENO),
        .colours = plain_takes_colours(STDERR_FILENO),
        .start_us = clock_us(),
        .fd = -1,
    };
    if (v->on && v->escapes)
        v->fd = open_terminal();
}

void up_view_fini(struct up_view *v)
{
    up_view_clear(v);
    for (unsigned i = 0; i < UP_VIEW_KEPT; i++)
        free(v->kept[i]);
    if (v->fd >= 0)
        close(v->fd);
    *v = (struct up_view){.fd = -1};
}

bool up_view_lets(struct up_view *v, enum log_level level)
{
    if (v->on && level > LOG_WARN)
        return false;
    up_view_clear(v);
    return true;
}

void up_view_keep(struct up_view *v, const char *who, struct str line)
{
    struct buf text = buf_max(KEPT_BYTES_MAX);
    if (!v->on)
        return;
    launch_prefix(&text, who, line);
    char **place = &v->kept[v->kept_n++ % UP_VIEW_KEPT];
    free(*place);
    *place = xstrdup(buf_cstr(&text));
    buf_fini(&text);
}

void up_view_fail(struct up_view *v)
{
    up_view_clear(v);
    for (unsigned i = v->kept_n > UP_VIEW_KEPT ? v->kept_n - UP_VIEW_KEPT : 0; i < v->kept_n; i++) {
        const char *line = v->kept[i % UP_VIEW_KEPT];
        log_raw(line, strlen(line));
    }
    v->kept_n = 0;
}

/* ---- the line of progress ---- */

/* Writes without waiting: a terminal that is not ready misses the line. */
static void draw(struct up_view *v, const char *text)
{
    char line[sizeof v->shown + 8];
    int n = snprintf(line, sizeof line, "\r\033[K%s", text);
    ssize_t done = write(v->fd, line, (size_t)n);
    v->standing = done > 0 && text[0] != '\0';
}

void up_view_clear(struct up_view *v)
{
    if (v->standing)
        draw(v, "");
    v->shown[0] = '\0';
}

static void write_progress(struct buf *line, const struct up_view *v, const struct client_news *n, unsigned workers, unsigned actors)
{
    buf_printf(line, "manta %s   ", MANTA_VERSION);
    if (n == NULL) {
        buf_puts(line, "starting the head");
    } else {
        buf_printf(line, "head ok   workers %u/%u", n->workers, workers);
        if (n->workers > 0)
            buf_printf(line, "   %s %u/%u ready", n->model[0] != '\0' ? n->model : "models", n->ready, actors);
        if (n->loading > 0)
            buf_printf(line, ", loading %.0f %%", n->progress * 100);
        if (n->failed > 0)
            buf_printf(line, ", %u failed", n->failed);
    }
    buf_printf(line, "   %.1f s", (double)(clock_us() - v->start_us) / 1e6);
}

void up_view_progress(struct up_view *v, const struct client_news *news, unsigned workers, unsigned actors)
{
    struct buf line = buf_max(sizeof v->shown - 1);
    if (v->fd < 0)
        return;
    write_progress(&line, v, news, workers, actors);
    line.n = cells_fit(buf_str(&line), cells_columns(STDERR_FILENO) - 1);
    if (strcmp(buf_cstr(&line), v->shown) != 0) {
        draw(v, buf_cstr(&line));
        snprintf(v->shown, sizeof v->shown, "%s", buf_cstr(&line));
    }
    buf_fini(&line);
}

/* ---- the box ---- */

struct box {
    const struct up_view *v;
    unsigned columns;
    struct buf out;
};

static void rule(struct box *b, const char *title)
{
    const struct up_view *v = b->v;
    const char *dash = v->escapes ? "─" : "-";
    size_t used = cells_of(str_of(title));
    buf_printf(&b->out, "%s%s%s", v->colours ? "\033[1m" : "", title, v->colours ? "\033[0m" : "");
    for (; used < b->columns; used++)
        buf_puts(&b->out, dash);
}

/* "  label     text", the text wrapped between words. */
static void row(struct box *b, const char *label, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void row(struct box *b, const char *label, const char *fmt, ...)
{
    struct buf text = buf_max(SIZE_MAX / 2), out = buf_max(SIZE_MAX / 2);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    wrap_text(buf_str(&text), b->columns, LABEL_COLUMNS, LABEL_COLUMNS, &out);
    buf_printf(&b->out, "\n  %s%-*s%s%s", b->v->colours ? "\033[2m" : "", LABEL_COLUMNS - 2, label, b->v->colours ? "\033[0m" : "", buf_cstr(&out));
    buf_fini(&text);
    buf_fini(&out);
}

/* "~/.local/state/manta/up-8470.log" */
static const char *short_path(const char *path, char *out, size_t cap)
{
    const char *home = getenv("HOME");
    size_t n = home != NULL ? strlen(home) : 0;
    if (n < 2 || strncmp(path, home, n) != 0 || path[n] != '/')
        return path;
    snprintf(out, cap, "~%s", path + n);
    return out;
}

/* Adds the path if it fits into the line. */
static void row_of_the_log(struct box *b, const char *log)
{
    static const char command[] = "manta logs -f";
    char path[1100];
    const char *place = short_path(log, path, sizeof path);
    bool fits = LABEL_COLUMNS + sizeof command + 3 + cells_of(str_of(place)) <= b->columns;
    row(b, "log", "%s%s%s%s", command, fits ? "  (" : "", fits ? place : "", fits ? ")" : "");
}

/* The other dialects, too, where the box has lines to spare: at 60 columns it has none. */
static void row_of_the_api(struct box *b, const struct up_facts *f)
{
    row(b, "API", "http://%s/v1 (OpenAI%s)%s", f->address, f->key ? "; needs the key" : "", b->columns >= 80 ? "; without /v1: Anthropic, Ollama" : "");
}

static void row_of_the_console(struct box *b, const char *address)
{
    char host[256];
    uint16_t port = 0;
    struct fault f;
    if (http_parse_address(address, 0, host, sizeof host, &port, &f) == 0 && http_browsers_refuse(port))
        row(b, "console", "none: browsers refuse to open port %u; take another --port", port);
    else
        row(b, "console", "http://%s (in a browser)", address);
}

static void row_of_a_better_model(struct box *b, const char *toy)
{
    uint64_t free_bytes = memory_free_bytes();
    const struct catalogue_entry *e = models_best_chat(free_bytes);
    if (e == NULL)
        row(b, "good to know", "%s is a toy", toy);
    else
        row(b, "better",
            "%s is a toy. Good on this machine (%.1f GiB free): manta up --model %s --workers 1 --memory %.0fg (%.1f GiB to download)", toy,
            mib(free_bytes) / 1024, e->name, mib(models_memory(e)) / 1024, mib(e->bytes) / 1024);
}

void up_view_box(struct up_view *v, const struct up_facts *f)
{
    char title[120];
    const struct client_news *n = f->news;
    struct box b = {.v = v, .columns = cells_columns(STDERR_FILENO), .out = buf_max(BOX_BYTES_MAX)};
    up_view_clear(v);
    if (!v->on)
        return;
    b.columns = b.columns > BOX_COLUMNS_MAX ? BOX_COLUMNS_MAX : b.columns;
    snprintf(title, sizeof title, "%smanta %s, ready in %.1f s ", v->escapes ? "── " : "-- ", MANTA_VERSION, (double)(clock_us() - v->start_us) / 1e6);
    rule(&b, title);
    row_of_the_api(&b, f);
    row_of_the_console(&b, f->address);
    if (n->model[0] != '\0')
        row(&b, "model", "%s, %.0f MiB of weights%s", n->model, mib(n->weights_bytes), n->others ? "; more: manta actors" : "");
    if (n->workers > 0)
        row(&b, "workers", "%u, %swith %.0f CPU%s and %.1f GiB of memory at most", n->workers, n->workers > 1 ? "each " : "", n->cpus,
            n->cpus > 1 ? "s" : "", mib(n->memory_bytes) / 1024);
    if (f->log != NULL)
        row_of_the_log(&b, f->log);
    if (f->toy)
        row_of_a_better_model(&b, n->model);
    row(&b, "next", "%smanta status, manta top, manta --help%s", f->detached ? "manta prompt, manta down, " : "",
        f->detached || f->prompt ? "" : "; Ctrl-C stops it");
    buf_putc(&b.out, '\n');
    rule(&b, "");
    log_raw(b.out.p, b.out.n);
    buf_fini(&b.out);
}
