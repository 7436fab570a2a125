#include "launch/exec.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/utf8.h"

enum { REASON_BYTES_MAX = 320 };

struct exec {
    struct net_loop *loop;   /* borrowed */
    struct net_child *child; /* NULL: it could not be started, or has ended */
    struct net_timer *timer; /* owned; the deadline, or the time to report a failed start */
    struct exec **slot;
    exec_done_fn *on_done;
    void *user_data;
    char name[64];           /* of the command */
    uint32_t timeout_ms;
    struct buf out, err;     /* owned */
    struct fault fault;      /* why it was killed, or could not be started */
};

static void release(struct exec *e)
{
    net_timer_free(e->timer);
    buf_fini(&e->out);
    buf_fini(&e->err);
    free(e);
}

static void finish(struct exec *e, int64_t status, int signum)
{
    struct exec_result r = {.fault = e->fault, .status = status, .signum = signum};
    buf_cstr(&e->out); /* appends the 0 byte */
    buf_cstr(&e->err);
    r.out = str_n(e->out.n > 0 ? e->out.p : "", e->out.n);
    r.err = str_n(e->err.n > 0 ? e->err.p : "", e->err.n);
    struct str words = exec_reason(&r);
    if (r.fault.err != 0)
        r.status = -1;
    else if (signum != 0)
        fault_set(&r.fault, ERR_FAILED, "%s was killed by signal %d (%s)", e->name, signum, strsignal(signum));
    else if (status != 0 && words.n > 0)
        fault_set(&r.fault, ERR_FAILED, "%.*s", STR_ARG(words));
    else if (status != 0)
        fault_set(&r.fault, ERR_FAILED, "%s ended with status %lld and said nothing", e->name, (long long)status);
    if (e->slot != NULL)
        *e->slot = NULL;
    e->on_done(&r, e->user_data);
    release(e);
}

/* ---- output ---- */

static void give_up(struct exec *e, int err, const char *how)
{
    if (e->fault.err != 0)
        return;
    fault_set(&e->fault, err, "%s %s", e->name, how);
    net_child_kill(e->child, SIGKILL);
}

static void on_out(struct net_child *c, struct str bytes, void *user_data)
{
    struct exec *e = user_data;
    (void)c;
    if (e->fault.err == 0 && buf_add_str(&e->out, bytes) != 0)
        give_up(e, ERR_TOO_LARGE, "wrote more than 256 KiB");
}

/* Keeps the end of stderr. */
static void on_err(struct net_child *c, struct str bytes, void *user_data)
{
    struct exec *e = user_data;
    (void)c;
    if (bytes.n > EXEC_ERR_BYTES_MAX)
        bytes = str_n(bytes.p + bytes.n - EXEC_ERR_BYTES_MAX, EXEC_ERR_BYTES_MAX);
    if (e->err.n + bytes.n > EXEC_ERR_BYTES_MAX)
        buf_consume(&e->err, e->err.n + bytes.n - EXEC_ERR_BYTES_MAX);
    MUST(buf_add_str(&e->err, bytes) == 0);
}

/* ---- its life ---- */

static void on_exit_of(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct exec *e = user_data;
    (void)c;
    e->child = NULL;
    finish(e, status, signum);
}

static void on_timer(struct net_timer *t, void *user_data)
{
    struct exec *e = user_data;
    char how[64];
    (void)t;
    if (e->child == NULL) { /* it could not be started */
        finish(e, -1, 0);
        return;
    }
    snprintf(how, sizeof how, "did not answer within %.0f s", e->timeout_ms / 1000.0);
    give_up(e, ERR_TIMEOUT, how);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void start(struct exec *e, const struct exec_config *cfg)
{
    struct net_child_config child = {.argv = cfg->argv, .env_add = cfg->env_add, .on_out = on_out, .on_err = on_err,
                                     .on_exit = on_exit_of, .pipe_input = cfg->input.n > 0, .own_group = true, .user_data = e};
    e->child = net_spawn(e->loop, &child, &e->fault);
    if (e->child == NULL)
        return;
    if (cfg->input.n > 0 && net_child_write(e->child, cfg->input) != 0)
        give_up(e, ERR_TOO_LARGE, "would be given more than 1 MiB of input");
    net_child_end_input(e->child);
}

struct exec *exec_start(struct net_loop *l, const struct exec_config *cfg)
{
    struct exec *e = xalloc(sizeof *e);
    MUST(cfg->on_done != NULL);
    e->loop = l;
    e->slot = cfg->slot;
    e->on_done = cfg->on_done;
    e->user_data = cfg->user_data;
    e->timeout_ms = cfg->timeout_ms > 0 ? cfg->timeout_ms : EXEC_TIMEOUT_MS;
    e->out = buf_max(EXEC_OUT_BYTES_MAX);
    e->err = buf_max(EXEC_ERR_BYTES_MAX + 1);
    e->timer = net_timer_new(l, on_timer, e);
    snprintf(e->name, sizeof e->name, "%s", base_name(cfg->argv[0]));
    start(e, cfg);
    net_timer_set(e->timer, e->child == NULL ? 0 : net_now_us(l) + e->timeout_ms * (uint64_t)1000);
    return e;
}

void exec_cancel(struct exec *e)
{
    if (e == NULL)
        return;
    if (e->child != NULL)
        net_child_abandon(e->child);
    release(e);
}

/* ---- its words ---- */

/* Returns the last non-blank line. */
static struct str last_line(struct str text)
{
    while (text.n > 0) {
        size_t end = text.n, begin;
        while (end > 0 && strchr(" \t\r\n", text.p[end - 1]) != NULL && text.p[end - 1] != '\0')
            end--;
        begin = end;
        while (begin > 0 && text.p[begin - 1] != '\n')
            begin--;
        if (end > begin)
            return str_n(text.p + begin, end - begin);
        text.n = begin;
    }
    return str_n("", 0);
}

struct str exec_reason(const struct exec_result *r)
{
    struct str line = last_line(r->err);
    line = line.n > 0 ? line : last_line(r->out);
    return line.n <= REASON_BYTES_MAX ? line : str_n(line.p, utf8_whole(line.p, REASON_BYTES_MAX));
}

int exec_blame(struct fault *f, const struct exec_result *r, int err, const char *tried, const char *remedy)
{
    return fault_set(f, err != 0 ? err : r->fault.err, "cannot %s: %s%s%s", tried, r->fault.text, remedy != NULL ? "; " : "",
                     remedy != NULL ? remedy : "");
}
