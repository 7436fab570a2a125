/* Child processes: start them, read their output, write their input, reap them.
 *
 * stdout and stderr of a child that is read line by line are one pipe, so its lines keep their
 * order. After its end the rest of the pipe is read before on_exit: its last words matter most. A
 * grandchild that keeps the pipe open is not waited for. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "net/loop.h"
#include "net/orphans.h"

extern char **environ;

enum {
    LINE_BYTES_MAX = 8192,      /* longer lines come in pieces */
    LAST_WORDS_BYTES_MAX = 1 << 20,
};

struct net_child {
    struct net_object object; /* first */
    uv_process_t process;
    struct orphans_child waited; /* linked while the process lives */
    uv_pipe_t output;         /* used when on_line or on_out is set */
    uv_pipe_t errors;         /* used when on_err is set */
    uv_pipe_t input;          /* used with pipe_input, until it ends */
    bool has_output, has_errors;
    bool has_input;           /* open for writing */
    bool input_ends;          /* ends once everything queued is written */
    unsigned open_handles;    /* count of the open ones of these four */
    uv_shutdown_t input_end;
    size_t unread;            /* bytes written that the child has not read yet */
    struct buf line;          /* owned; the unfinished line */
    struct net_child_config cfg; /* argv and env_add are not valid in it */
    int64_t status;
    int signum;
    bool running;             /* not reaped yet: the pid is still the child's */
    bool started;             /* on_exit must be called */
    bool abandoned;           /* no callback may be called */
};

/* ---- lines ---- */

static void give_line(struct net_child *c)
{
    if (c->line.n > 0 && c->line.p[c->line.n - 1] == '\r')
        c->line.n--;
    if (!c->abandoned)
        c->cfg.on_line(c, buf_str(&c->line), c->cfg.user_data);
    buf_reset(&c->line);
}

static void add_output(struct net_child *c, const char *p, size_t n)
{
    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t part = end != NULL ? (size_t)(end - p) : n;
        size_t room = LINE_BYTES_MAX - c->line.n;
        bool full = part > room;
        MUST(buf_add(&c->line, p, full ? room : part) == 0);
        size_t used = full ? room : part + (end != NULL);
        if (full || end != NULL)
            give_line(c);
        p += used;
        n -= used;
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    *out = uv_buf_init(loop_of(h)->read_bytes, NET_READ_BYTES);
}

static void give_bytes(struct net_child *c, const uv_pipe_t *from, const char *p, size_t n)
{
    if (c->cfg.on_line != NULL)
        add_output(c, p, n);
    else if (!c->abandoned)
        (from == &c->output ? c->cfg.on_out : c->cfg.on_err)(c, str_n(p, n), c->cfg.user_data);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    if (n > 0)
        give_bytes(stream->data, (const uv_pipe_t *)stream, bytes->base, (size_t)n);
    /* at the end libuv stops reading by itself; the process may continue without output */
}

static void read_rest(struct net_child *c, uv_pipe_t *from)
{
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)from, &fd) != 0)
        return;
    char bytes[4096];
    ssize_t n = 0;
    for (size_t sum = 0; sum < LAST_WORDS_BYTES_MAX && (n = read(fd, bytes, sizeof bytes)) > 0; sum += (size_t)n)
        give_bytes(c, from, bytes, (size_t)n);
}

static void read_last_words(struct net_child *c)
{
    if (c->has_output)
        read_rest(c, &c->output);
    if (c->has_errors)
        read_rest(c, &c->errors);
    if (c->line.n > 0)
        give_line(c);
}

/* ---- its input ---- */

struct input_write {
    uv_write_t request; /* first */
    size_t n;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct input_write *w = (struct input_write *)request;
    struct net_child *c = request->data;
    (void)status; /* the child reads no more: its exit will say why */
    c->unread -= w->n;
    free(w);
}

int net_child_write(struct net_child *c, struct str bytes)
{
    if (!c->has_input || !c->running)
        return ERR_NET;
    if (bytes.n > NET_CHILD_INPUT_BYTES_MAX - c->unread)
        return ERR_TOO_LARGE;
    struct input_write *w = xalloc(sizeof *w + bytes.n);
    w->n = bytes.n;
    w->request.data = c;
    if (bytes.n > 0)
        memcpy(w->bytes, bytes.p, bytes.n);
    uv_buf_t out = uv_buf_init(w->bytes, (unsigned)bytes.n);
    if (uv_write(&w->request, (uv_stream_t *)&c->input, &out, 1, on_written) != 0) {
        free(w);
        return ERR_NET;
    }
    c->unread += bytes.n;
    return 0;
}

static void on_child_closed(uv_handle_t *h);

static void close_input(struct net_child *c)
{
    c->has_input = c->input_ends = false;
    uv_close((uv_handle_t *)&c->input, on_child_closed);
}

static void on_input_shut(uv_shutdown_t *request, int status)
{
    struct net_child *c = request->data;
    (void)status;
    if (c->input_ends)
        close_input(c);
}

void net_child_end_input(struct net_child *c)
{
    if (!c->has_input)
        return;
    c->has_input = false;
    c->input_ends = true;
    c->input_end.data = c;
    if (uv_shutdown(&c->input_end, (uv_stream_t *)&c->input, on_input_shut) != 0)
        close_input(c);
}

/* ---- the end ---- */

static void on_child_closed(uv_handle_t *h)
{
    struct net_child *c = h->data;
    if (--c->open_handles > 0)
        return;
    if (c->started && !c->abandoned && c->cfg.on_exit != NULL)
        c->cfg.on_exit(c, c->status, c->signum, c->cfg.user_data);
    buf_fini(&c->line);
    free(c);
}

static void close_handles(struct net_child *c)
{
    if (c->process.type == UV_PROCESS) /* else no handle of the process was opened */
        uv_close((uv_handle_t *)&c->process, on_child_closed);
    if (c->has_output)
        uv_close((uv_handle_t *)&c->output, on_child_closed);
    if (c->has_errors)
        uv_close((uv_handle_t *)&c->errors, on_child_closed);
    if (c->has_input || c->input_ends)
        close_input(c);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signum)
{
    struct net_child *c = process->data;
    c->running = false;
    orphans_ended(&c->waited);
    c->status = status;
    c->signum = signum;
    read_last_words(c);
    close_handles(c);
}

/* The loop ends before the child does. */
static void end_child(struct net_object *o)
{
    net_child_kill((struct net_child *)o, SIGKILL);
}

/* ---- the start ---- */

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Returns our environment, with the variables in `add` replaced, or removed when they have no
 * '='. The caller frees the array, not the strings. */
static const char **make_env(const char *const *add)
{
    size_t ours = 0, more = 0;
    while (environ[ours] != NULL)
        ours++;
    while (add[more] != NULL)
        more++;
    const char **env = xalloc_array(ours + more + 1, sizeof *env);
    size_t n = 0;
    for (size_t i = 0; i < ours; i++) {
        size_t j = 0;
        while (j < more && !same_name(add[j], environ[i]))
            j++;
        if (j == more)
            env[n++] = environ[i];
    }
    for (size_t j = 0; j < more; j++) {
        if (strchr(add[j], '=') != NULL)
            env[n++] = add[j];
    }
    return env;
}

struct pipes {
    int out, err, in; /* the child's ends, which we close; -1: none */
};

static void pipes_close(const struct pipes *p)
{
    const int fds[] = {p->out, p->err, p->in};
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static int spawn(struct net_child *c, const struct net_child_config *cfg, const struct pipes *p)
{
    const char **env = cfg->env_add != NULL ? make_env(cfg->env_add) : NULL;
    int out = p->out >= 0 ? p->out : STDOUT_FILENO;
    int err = p->err >= 0 ? p->err : p->out >= 0 ? p->out : STDERR_FILENO;
    uv_stdio_container_t stdio[3] = {
        {.flags = cfg->keep_input || p->in >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = p->in >= 0 ? p->in : STDIN_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = out},
        {.flags = UV_INHERIT_FD, .data.fd = err},
    };
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = cfg->argv[0],
        .args = (char **)(uintptr_t)cfg->argv, /* libuv does not write to them */
        .env = (char **)(uintptr_t)env,
        .flags = cfg->own_group ? UV_PROCESS_DETACHED : 0,
        .stdio_count = 3,
        .stdio = stdio,
    };
    orphans_starts();
    int r = uv_spawn(c->process.loop, &c->process, &options);
    orphans_started(&c->waited, r == 0 ? uv_process_get_pid(&c->process) : 0);
    free(env);
    return r;
}

/* Starts reading before the child starts, so that nothing can fail once it runs. */
static int open_reading(struct net_child *c, uv_pipe_t *pipe, bool *out_has, int *out_child_fd)
{
    uv_file fds[2];
    int r = uv_pipe(fds, UV_NONBLOCK_PIPE, 0);
    if (r < 0)
        return r;
    MUST(uv_pipe_init(c->process.loop, pipe, 0) == 0);
    pipe->data = c;
    *out_has = true;
    c->open_handles++;
    MUST(uv_pipe_open(pipe, fds[0]) == 0);
    MUST(uv_read_start((uv_stream_t *)pipe, on_alloc, on_output) == 0);
    *out_child_fd = fds[1];
    return 0;
}

static int open_input(struct net_child *c, int *out_child_fd)
{
    uv_file fds[2];
    int r = uv_pipe(fds, 0, UV_NONBLOCK_PIPE);
    if (r < 0)
        return r;
    MUST(uv_pipe_init(c->process.loop, &c->input, 0) == 0);
    c->input.data = c;
    c->has_input = true;
    c->open_handles++;
    MUST(uv_pipe_open(&c->input, fds[1]) == 0);
    *out_child_fd = fds[0];
    return 0;
}

static int open_pipes(struct net_child *c, struct pipes *p)
{
    const struct net_child_config *cfg = &c->cfg;
    int r = 0;
    if (cfg->on_line != NULL || cfg->on_out != NULL)
        r = open_reading(c, &c->output, &c->has_output, &p->out);
    if (r == 0 && cfg->on_line == NULL && cfg->on_err != NULL)
        r = open_reading(c, &c->errors, &c->has_errors, &p->err);
    if (r == 0 && cfg->pipe_input)
        r = open_input(c, &p->in);
    return r;
}

struct net_child *net_spawn(struct net_loop *l, const struct net_child_config *cfg, struct fault *f)
{
    struct net_child *c = xalloc(sizeof *c);
    struct pipes pipes = {.out = -1, .err = -1, .in = -1};
    MUST((cfg->on_out == NULL) == (cfg->on_err == NULL));
    c->object.end = end_child;
    c->line = buf_max(LINE_BYTES_MAX + 1);
    c->cfg = *cfg;
    c->process.data = c;
    c->process.loop = &l->uv;
    int r = open_pipes(c, &pipes);
    const char *failed = "no pipe for it: ";
    if (r == 0) {
        failed = "";
        c->open_handles++; /* also after a failed start, for which on_exit is not called */
        r = spawn(c, cfg, &pipes);
    }
    pipes_close(&pipes);
    if (r == 0) {
        c->started = c->running = true;
        return c;
    }
    fault_set(f, r == UV_ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot start '%s': %s%s", cfg->argv[0], failed, uv_strerror(r));
    if (c->open_handles > 0)
        close_handles(c);
    else
        free(c);
    return NULL;
}

int net_child_pid(const struct net_child *c)
{
    return uv_process_get_pid(&c->process);
}

void net_child_kill(struct net_child *c, int signum)
{
    if (c->running && c->cfg.own_group)
        kill(-uv_process_get_pid(&c->process), signum);
    else if (c->running)
        uv_process_kill(&c->process, signum);
}

void net_child_abandon(struct net_child *c)
{
    c->abandoned = true;
    net_child_kill(c, SIGKILL);
}
