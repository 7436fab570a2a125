/* Child processes: started, listened to line by line, reaped.
 *
 * stdout and stderr of a child are one pipe, so its lines keep their order. When it has ended, what is left in the pipe
 * is read before on_exit: its last words matter most. A grandchild that keeps the pipe open is not waited for. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "net/loop.h"

extern char **environ;

enum {
    LINE_BYTES_MAX = 8192,      /* longer lines come in pieces */
    LAST_WORDS_BYTES_MAX = 1 << 20,
};

struct net_child {
    struct net_object object; /* first */
    uv_process_t process;
    uv_pipe_t output;         /* in use when on_line is set */
    unsigned open_handles;    /* of the two above */
    struct buf line;          /* owned; the unfinished line */
    struct net_child_config cfg; /* argv and env_add are not kept */
    int64_t status;
    int signum;
    bool running;             /* its pid is ours: not reaped yet */
    bool started;             /* on_exit is owed */
    bool abandoned;           /* nobody listens any more */
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

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    if (n > 0)
        add_output(stream->data, bytes->base, (size_t)n);
    /* at its end libuv stops reading by itself; the process may well go on without output */
}

static void read_last_words(struct net_child *c)
{
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->output, &fd) != 0)
        return;
    char bytes[4096];
    ssize_t n = 0;
    for (size_t sum = 0; sum < LAST_WORDS_BYTES_MAX && (n = read(fd, bytes, sizeof bytes)) > 0; sum += (size_t)n)
        add_output(c, bytes, (size_t)n);
    if (c->line.n > 0)
        give_line(c);
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
    uv_close((uv_handle_t *)&c->process, on_child_closed);
    if (c->cfg.on_line != NULL)
        uv_close((uv_handle_t *)&c->output, on_child_closed);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signum)
{
    struct net_child *c = process->data;
    c->running = false;
    c->status = status;
    c->signum = signum;
    if (c->cfg.on_line != NULL)
        read_last_words(c);
    close_handles(c);
}

/* The loop ends before the child did. */
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

/* Our environment with `add` in place of what has the same name, or with nothing there. The array is the caller's, the strings are not. */
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

static int spawn(struct net_child *c, const struct net_child_config *cfg, int output_fd)
{
    const char **env = cfg->env_add != NULL ? make_env(cfg->env_add) : NULL;
    uv_stdio_container_t stdio[3] = {
        {.flags = cfg->keep_input ? UV_INHERIT_FD : UV_IGNORE, .data.fd = STDIN_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = output_fd >= 0 ? output_fd : STDOUT_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = output_fd >= 0 ? output_fd : STDERR_FILENO},
    };
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = cfg->argv[0],
        .args = (char **)(uintptr_t)cfg->argv, /* libuv does not write to them */
        .env = (char **)(uintptr_t)env,
        .stdio_count = 3,
        .stdio = stdio,
    };
    int r = uv_spawn(c->process.loop, &c->process, &options);
    free(env);
    return r;
}

/* Reading starts before the child does: then nothing can fail once it runs. */
static int open_output(struct net_child *c, struct net_loop *l, int *out_child_fd)
{
    uv_file fds[2];
    int r = uv_pipe(fds, UV_NONBLOCK_PIPE, 0);
    if (r < 0)
        return r;
    MUST(uv_pipe_init(&l->uv, &c->output, 0) == 0);
    c->output.data = c;
    c->open_handles++;
    MUST(uv_pipe_open(&c->output, fds[0]) == 0);
    MUST(uv_read_start((uv_stream_t *)&c->output, on_alloc, on_output) == 0);
    *out_child_fd = fds[1];
    return 0;
}

struct net_child *net_spawn(struct net_loop *l, const struct net_child_config *cfg, struct fault *f)
{
    struct net_child *c = xalloc(sizeof *c);
    int output_fd = -1;
    c->object.end = end_child;
    c->line = buf_max(LINE_BYTES_MAX + 1);
    c->cfg = *cfg;
    c->process.data = c;
    c->open_handles = 1;
    int r = cfg->on_line != NULL ? open_output(c, l, &output_fd) : 0;
    if (r < 0) {
        free(c);
        fault_set(f, ERR_IO, "cannot start '%s': no pipe for its output: %s", cfg->argv[0], uv_strerror(r));
        return NULL;
    }
    c->process.loop = &l->uv;
    r = spawn(c, cfg, output_fd);
    if (output_fd >= 0)
        close(output_fd);
    if (r == 0) {
        c->started = c->running = true;
        return c;
    }
    close_handles(c); /* also after a failed start; on_exit is not called then */
    fault_set(f, ERR_IO, "cannot start '%s': %s", cfg->argv[0], uv_strerror(r));
    return NULL;
}

int net_child_pid(const struct net_child *c)
{
    return uv_process_get_pid(&c->process);
}

void net_child_kill(struct net_child *c, int signum)
{
    if (c->running)
        uv_process_kill(&c->process, signum);
}

void net_child_abandon(struct net_child *c)
{
    c->abandoned = true;
    net_child_kill(c, SIGKILL);
}
