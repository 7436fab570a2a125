/* `manta models pull NAME...`: downloads models; a bar on a terminal, occasional lines
 * elsewhere. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/plain.h"
#include "base/utf8.h"
#include "client/client.h"
#include "client/show.h"
#include "models/models.h"

enum { BAR_CELLS = 24, LINE_EVERY_PERCENT = 10 };

struct pull_view {
    bool terminal;
    int percent; /* last reported, without a terminal */
    bool open;   /* the bar's line is unfinished */
};

static void end_line(struct pull_view *v)
{
    if (v->open)
        fprintf(stderr, "\n");
    v->open = false;
}

static void draw_bar(struct pull_view *v, const struct models_progress *p, const char *text)
{
    char bar[BAR_CELLS + 1];
    size_t full = p->total > 0 ? (size_t)((double)p->done / (double)p->total * BAR_CELLS) : 0;
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', full < BAR_CELLS ? full : BAR_CELLS);
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r[%s] %s\x1b[K", bar, text);
    v->open = true;
}

static void on_progress(const struct models_progress *p, void *user_data)
{
    struct pull_view *v = user_data;
    char text[700];
    models_progress_text(p, text, sizeof text);
    text[plain_in_place(text, utf8_whole(text, strlen(text)))] = '\0';
    if (p->kind == MODELS_LOADING && v->terminal) {
        draw_bar(v, p, text);
        return;
    }
    int percent = p->total > 0 ? (int)(100.0 * (double)p->done / (double)p->total) : 0;
    if (p->kind == MODELS_LOADING && percent < v->percent + LINE_EVERY_PERCENT)
        return;
    v->percent = p->kind == MODELS_LOADING ? percent : v->percent;
    if (p->kind == MODELS_DONE)
        v->percent = 0;
    end_line(v);
    fprintf(stderr, "%s\n", text);
}

int client_obtain(const char *reference, const struct models_pull *how, struct model_file *out)
{
    struct pull_view v = {.terminal = plain_takes_escapes(STDERR_FILENO)};
    struct models_pull with_view = *how;
    struct fault f = {0};
    with_view.on_progress = on_progress;
    with_view.user_data = &v;
    int err = models_obtain(reference, &with_view, out, &f);
    end_line(&v);
    if (err != 0)
        show_fault(&f);
    return err;
}

int client_pull(const struct client_options *o, const struct models_pull *how, const char *const *names, int n)
{
    json_t *list = json_array();
    int status = 0;
    for (int i = 0; i < n; i++) {
        struct model_file m;
        int err = client_obtain(names[i], how, &m);
        if (err != 0) {
            status = err_exit(err);
            continue;
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:I}", "reference", names[i], "name", m.name, "path", m.path, "sha256", m.digest,
                                              "bytes", (json_int_t)m.bytes));
        if (!o->json)
            plain_print(stdout, "%s %s (%s, SHA-256 %s)", m.name, m.path, show_size((double)m.bytes).text, m.digest);
    }
    if (o->json) {
        show_json_value(list);
    }
    json_decref(list);
    return status;
}
