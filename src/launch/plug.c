/* The engine is a user's program that speaks JSON lines on its stdin and stdout: `--on plug --set
 * command=./my-engine`.
 *
 * The happy path: /bin/sh starts it, it is told `open` and answers; each operation is a line with
 * an id, and so is its answer (README.md has the protocol). It can fail by: no answer in time, a
 * line longer than LINE_BYTES_MAX, many lines that are not JSON (it is killed, the operation
 * fails); its death (the operation fails with its last words on stderr). The next operation starts
 * it again; the reconciler waits in between. Its workers must not die with it: they belong to
 * sessions of their own, or to another machine. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "launch/engines.h"

enum {
    LINE_BYTES_MAX = 512 << 10,  /* a list of LAUNCHER_LISTED_MAX workers with all fields full */
    SAY_BYTES_MAX = 64 << 10,    /* a line to the plug: arguments and options */
    NONSENSE_MAX = 20,           /* consecutive lines that are no valid answer */
    OPEN_MS = 30000,             /* from its start to its answer to `open` */
    PATIENCE_MS = LAUNCHER_PATIENCE_MS - OPEN_MS - 5000,
};

enum what { NONE, OPEN, START, STOP, LIST, DOWN };

struct op {
    enum what what;
    uint64_t ticket;
    struct launcher_range range;
    bool drain;
};

struct plug {
    struct launcher base;        /* first */
    struct net_child *child;     /* NULL: it does not run */
    struct net_timer *timer;     /* owned; deadline of the operation, or the next turn for a failure */
    bool is_open;                /* the child has answered `open` */
    bool was_opened;             /* events.opened has been called */
    bool watched;
    struct op op;                /* asked by the owner, not answered yet */
    struct buf in;               /* owned; an unfinished line */
    struct buf err;              /* owned; an unfinished line of stderr */
    char last_words[300];        /* the last line of stderr since its start */
    unsigned nonsense;
    struct fault failed;         /* reported in the next turn */
};

static void plug_op(struct plug *p, struct op op);

static void set_timer(struct plug *p, uint64_t ms)
{
    net_timer_set(p->timer, net_now_us(p->base.loop) + ms * 1000);
}

/* ---- answers ---- */

/* Ends the operation in progress with f. */
static void end_op(struct plug *p, const struct fault *f)
{
    struct op op = p->op;
    p->op.what = NONE;
    net_timer_set(p->timer, UINT64_MAX);
    if (!p->was_opened) {
        p->was_opened = true;
        p->base.events.opened(f, p->base.user_data);
    } else if (op.what != NONE && op.what != OPEN) {
        p->base.events.done(op.ticket, f, p->base.user_data);
    }
}

/* Kills the plug; the operation fails once it is dead. */
static void give_up(struct plug *p, int err, const char *why)
{
    fault_set(&p->failed, err, "the plug '%.*s' %s", UTF8_HEAD(launcher_option_value(&p->base, "command"), 100), why);
    if (p->child != NULL)
        net_child_kill(p->child, SIGKILL);
}

static void copy_text(char *out, size_t cap, const json_t *text)
{
    if (json_is_string(text))
        snprintf(out, cap, "%.*s", STR_ARG(utf8_head(str_n(json_string_value(text), json_string_length(text)), cap - 1)));
}

static bool read_worker(const json_t *j, struct launcher_worker *w)
{
    static const char *const states[] = {"pending", "running", "ending", "failed"};
    json_int_t index = json_integer_value(json_object_get(j, "index"));
    const char *state = json_string_value(json_object_get(j, "state"));
    *w = (struct launcher_worker){.index = index >= 1 && index <= LAUNCHER_WORKERS_MAX ? (uint32_t)index : 0};
    unsigned s = 0;
    while (s < 4 && (state == NULL || strcmp(state, states[s]) != 0))
        s++;
    w->state = (enum launcher_state)s;
    copy_text(w->id, sizeof w->id, json_object_get(j, "id"));
    copy_text(w->place, sizeof w->place, json_object_get(j, "place"));
    copy_text(w->reason, sizeof w->reason, json_object_get(j, "reason"));
    return w->index > 0 && s < 4;
}

static void end_list(struct plug *p, const json_t *list)
{
    size_t n = 0, wrong = 0, all = json_array_size(list);
    uint64_t ticket = p->op.ticket;
    struct launcher_worker *workers = xalloc_array(LAUNCHER_LISTED_MAX, sizeof *workers);
    for (size_t i = 0; i < all && n < LAUNCHER_LISTED_MAX; i++) {
        if (read_worker(json_array_get(list, i), &workers[n]))
            n++;
        else
            wrong++;
    }
    if (wrong > 0)
        launcher_say(&p->base, LOG_WARN, EVENT("listed_wrong", KV("workers", wrong)),
                     "%zu of %zu listed workers have no index from 1 to %d, or no state pending, running, ending, failed", wrong, all,
                     LAUNCHER_WORKERS_MAX);
    p->op.what = NONE;
    net_timer_set(p->timer, UINT64_MAX);
    p->base.events.listed(ticket, workers, n, p->base.user_data);
    free(workers);
}

static int error_kind(const json_t *kind)
{
    static const struct { const char *name; int err; } kinds[] = {
        {"unavailable", ERR_UNAVAILABLE}, {"auth", ERR_AUTH}, {"forbidden", ERR_FORBIDDEN}, {"usage", ERR_USAGE},
        {"not_found", ERR_NOT_FOUND}, {"timeout", ERR_TIMEOUT},
    };
    for (size_t i = 0; json_is_string(kind) && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(json_string_value(kind), kinds[i].name) == 0)
            return kinds[i].err;
    }
    return ERR_FAILED;
}

static void opened(struct plug *p)
{
    struct op op = p->op;
    struct fault none = {0};
    p->is_open = true;
    if (!p->was_opened) {
        end_op(p, &none);
        return;
    }
    p->op.what = NONE; /* restarted: now ask the operation it was restarted for */
    plug_op(p, op);
}

/* True if the line answers the operation in progress. */
static bool on_answer(struct plug *p, const json_t *j)
{
    struct fault f = {0};
    const json_t *id = json_object_get(j, "id"), *error = json_object_get(j, "error"), *list = json_object_get(j, "workers");
    json_int_t awaited = p->is_open ? (json_int_t)p->op.ticket : 0;
    if (!json_is_integer(id) || (p->is_open && p->op.what == NONE))
        return false;
    if (json_integer_value(id) != awaited)
        return json_integer_value(id) >= 0; /* a late or second answer */
    if (json_is_string(error)) {
        fault_set(&f, error_kind(json_object_get(j, "kind")), "%s", json_string_value(error));
        if (!p->is_open && p->child != NULL)
            net_child_kill(p->child, SIGKILL);
        if (!p->is_open)
            p->failed = f;
        else
            end_op(p, &f);
    } else if (!p->is_open && json_is_true(json_object_get(j, "done"))) {
        opened(p);
    } else if (p->op.what == LIST && json_is_array(list)) {
        end_list(p, list);
    } else if (p->op.what != LIST && json_is_true(json_object_get(j, "done"))) {
        end_op(p, &f);
    } else {
        return false;
    }
    return true;
}

static bool on_news(struct plug *p, const json_t *j)
{
    const json_t *took = json_object_get(j, "took"), *line = json_object_get(j, "line"), *who = json_object_get(j, "who");
    if (json_is_true(json_object_get(j, "changed"))) {
        if (p->watched)
            p->base.events.changed(p->base.user_data);
    } else if (json_is_string(took)) {
        p->base.events.took(json_string_value(took), p->base.user_data);
    } else if (json_is_string(line)) {
        if (p->base.events.line != NULL)
            p->base.events.line(json_is_string(who) ? json_string_value(who) : "plug", str_of(json_string_value(line)), p->base.user_data);
    } else {
        return false;
    }
    return true;
}

static void on_line(struct plug *p, struct str line)
{
    json_error_t e;
    json_t *j = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &e);
    if (json_is_object(j) && (on_answer(p, j) || on_news(p, j))) {
        p->nonsense = 0;
    } else {
        p->nonsense++;
        launcher_say(&p->base, LOG_WARN, EVENT("nonsense"), "not an answer of a plug's: %.*s", STR_ARG(utf8_head(line, 120)));
        if (p->nonsense == NONSENSE_MAX)
            give_up(p, ERR_PROTOCOL, "says nothing but nonsense: killed; README.md of src/launch has the protocol");
    }
    json_decref(j);
}

static void on_out(struct net_child *c, struct str bytes, void *user_data)
{
    struct plug *p = user_data;
    (void)c;
    while (bytes.n > 0 && p->failed.err == 0) {
        const char *end = memchr(bytes.p, '\n', bytes.n);
        size_t n = end != NULL ? (size_t)(end - bytes.p) : bytes.n;
        if (buf_add(&p->in, bytes.p, n) != 0) {
            give_up(p, ERR_TOO_LARGE, "says a line of more than 512 KiB: killed");
            return;
        }
        bytes = str_n(bytes.p + n, bytes.n - n);
        if (end == NULL)
            return;
        bytes = str_n(bytes.p + 1, bytes.n - 1);
        struct buf line = p->in; /* its handling may have any effect except reading another line */
        p->in = buf_max(LINE_BYTES_MAX);
        if (line.n > 0)
            on_line(p, buf_str(&line));
        buf_fini(&line);
    }
}

static void on_err(struct net_child *c, struct str bytes, void *user_data)
{
    struct plug *p = user_data;
    (void)c;
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] != '\n' && p->err.n < sizeof p->last_words - 1) {
            buf_putc(&p->err, bytes.p[i]);
        } else if (bytes.p[i] == '\n' && p->err.n > 0) {
            snprintf(p->last_words, sizeof p->last_words, "%s", buf_cstr(&p->err));
            if (p->base.events.line != NULL)
                p->base.events.line("plug", buf_str(&p->err), p->base.user_data);
            buf_reset(&p->err);
        }
    }
}

/* ---- its life ---- */

static void on_exit_of(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct plug *p = user_data;
    struct fault f = p->failed;
    (void)c;
    p->child = NULL;
    p->is_open = false;
    p->failed.err = 0;
    if (f.err == 0 && signum != 0)
        fault_set(&f, ERR_UNAVAILABLE, "the plug was killed by signal %d (%s)", signum, strsignal(signum));
    else if (f.err == 0)
        fault_set(&f, status == 127 || status == 126 ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "the plug ended with status %lld%s%s", (long long)status,
                  p->last_words[0] != '\0' ? ": " : "", p->last_words);
    if (p->op.what != NONE || !p->was_opened)
        end_op(p, &f);
    else
        p->base.events.changed(p->base.user_data); /* a list will restart it */
}

static void say(struct plug *p, json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    struct buf line = buf_max(SAY_BYTES_MAX);
    if (text != NULL) /* NULL: an argument is not UTF-8 */
        buf_printf(&line, "%s\n", text);
    if (text == NULL || line.overflowed || (p->child != NULL && net_child_write(p->child, buf_str(&line)) != 0))
        give_up(p, ERR_TOO_LARGE, text == NULL ? "cannot be told an argument that is no UTF-8" : "does not read what it is told: killed");
    buf_fini(&line);
    free(text);
    json_decref(j);
}

static json_t *texts(const char *const *list)
{
    json_t *a = json_array();
    for (; list != NULL && *list != NULL; list++)
        json_array_append_new(a, json_string(*list));
    return a;
}

static void say_open(struct plug *p)
{
    const struct launcher_config *c = &p->base.cfg;
    say(p, json_pack("{s:s, s:i, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "op", "open", "id", 0, "cluster", c->cluster, "head",
                     c->head != NULL ? c->head : "", "program", c->program, "worker_args", texts(c->worker_args), "options", texts(c->options),
                     "workers", (json_int_t)c->workers, "memory_bytes", (json_int_t)c->memory_bytes, "threads", (json_int_t)c->threads, "gpus",
                     (json_int_t)c->gpus, "drain_ms", (json_int_t)c->drain_ms));
}

static void spawn(struct plug *p)
{
    char script[4200];
    snprintf(script, sizeof script, "exec %s", launcher_option_value(&p->base, "command"));
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    buf_reset(&p->in);
    buf_reset(&p->err);
    p->last_words[0] = '\0';
    p->nonsense = 0;
    p->failed.err = 0;
    p->child = net_spawn(p->base.loop,
                         &(struct net_child_config){.argv = argv, .env_add = p->base.cfg.worker_env, .on_out = on_out, .on_err = on_err,
                                                    .on_exit = on_exit_of, .pipe_input = true, .own_group = true, .user_data = p}, &p->failed);
    if (p->child != NULL)
        say_open(p);
}

/* ---- operations ---- */

static void on_timer(struct net_timer *t, void *user_data)
{
    struct plug *p = user_data;
    struct fault f = p->failed;
    (void)t;
    if (p->child != NULL) {
        give_up(p, ERR_TIMEOUT, "did not answer in time: killed");
        return;
    }
    p->failed.err = 0;
    end_op(p, &f);
}

static void plug_op(struct plug *p, struct op op)
{
    static const char *const names[] = {[START] = "start", [STOP] = "stop", [LIST] = "list", [DOWN] = "down"};
    json_int_t id = (json_int_t)op.ticket;
    p->op = op;
    set_timer(p, p->child == NULL ? OPEN_MS : PATIENCE_MS);
    if (p->child == NULL)
        spawn(p);
    else if (p->is_open && (op.what == START || op.what == STOP))
        say(p, json_pack("{s:s, s:I, s:i, s:i, s:b}", "op", names[op.what], "id", id, "first", (int)op.range.first, "last", (int)op.range.last,
                         "drain", op.drain));
    else if (p->is_open && op.what != OPEN)
        say(p, json_pack("{s:s, s:I}", "op", names[op.what], "id", id));
    if (p->child == NULL)
        set_timer(p, 0); /* it could not be started; not reported from within the call */
}

static void plug_start(struct launcher *a, uint64_t ticket, struct launcher_range r)
{
    plug_op((struct plug *)a, (struct op){.what = START, .ticket = ticket, .range = r});
}

static void plug_stop(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain)
{
    plug_op((struct plug *)a, (struct op){.what = STOP, .ticket = ticket, .range = r, .drain = drain});
}

static void plug_list(struct launcher *a, uint64_t ticket)
{
    plug_op((struct plug *)a, (struct op){.what = LIST, .ticket = ticket});
}

static void plug_down(struct launcher *a, uint64_t ticket)
{
    plug_op((struct plug *)a, (struct op){.what = DOWN, .ticket = ticket});
}

static void plug_watch(struct launcher *a, bool on)
{
    ((struct plug *)a)->watched = on;
}

static void plug_free(struct launcher *a)
{
    struct plug *p = (struct plug *)a;
    if (p == NULL)
        return;
    if (p->child != NULL)
        net_child_abandon(p->child);
    net_timer_free(p->timer);
    buf_fini(&p->in);
    buf_fini(&p->err);
    free(p);
}

static struct launcher *plug_open(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                                  struct fault *f)
{
    struct plug *p = xalloc(sizeof *p);
    int err = launcher_init(&p->base, &launch_plug, l, cfg, events, user_data, f);
    if (err == 0 && launcher_option_value(&p->base, "command")[0] == '\0')
        err = fault_set(f, ERR_USAGE, "--on plug needs --set command=PROGRAM: a program that speaks JSON lines (src/launch/README.md has the protocol)");
    if (err == 0 && strlen(launcher_option_value(&p->base, "command")) > 4096)
        err = fault_set(f, ERR_USAGE, "--set command= is longer than 4096 bytes");
    if (err != 0) {
        free(p);
        return NULL;
    }
    p->in = buf_max(LINE_BYTES_MAX);
    p->err = buf_max(sizeof p->last_words);
    p->timer = net_timer_new(l, on_timer, p);
    plug_op(p, (struct op){.what = OPEN});
    return &p->base;
}

static const struct launcher_option options[] = {
    {"command", "", "the program, with its arguments; run by /bin/sh"},
    {NULL, NULL, NULL},
};

const struct launcher_ops launch_plug = {
    .engine = "plug",
    .about = "a program of yours that speaks JSON lines",
    .options = options,
    .open = plug_open,
    .start = plug_start,
    .stop = plug_stop,
    .list = plug_list,
    .watch = plug_watch,
    .down = plug_down,
    .free = plug_free,
};
