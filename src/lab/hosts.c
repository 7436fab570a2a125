#include "lab/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"

/*     our namespace                          host i: a namespace of its own
 *     mc<pid>: a bridge, 10.x.y.1/24 ──mc<pid>-<i>══════mc<pid>=<i>, 10.x.y.(i+2)/24
 *
 * A cable is pulled at the bridge's end, so that no route changes on either side; packets sent meanwhile are lost. */

enum { NAME_BYTES = 16 }; /* limit of an interface's name */

struct hosts {
    uint32_t n;                 /* hosts made, or at least begun */
    char net[24], address[32];  /* "10.17.3", "10.17.3.1" */
    char bridge[NAME_BYTES];
    char flags[HOSTS_MAX][48];
};

/* ---- one command, waited for ---- */

struct command {
    struct net_loop *loop;
    int64_t status;
    char said[200];             /* first line of its output */
};

static void on_line(struct net_child *c, struct str line, void *user_data)
{
    struct command *cmd = user_data;
    (void)c;
    if (cmd->said[0] == '\0')
        snprintf(cmd->said, sizeof cmd->said, "%.*s", STR_ARG(line));
}

static void on_exit_of(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct command *cmd = user_data;
    (void)c;
    cmd->status = signum != 0 ? -1 : status;
    net_loop_stop(cmd->loop);
}

static int run(const char *const *argv, struct fault *f)
{
    struct command cmd = {.loop = net_loop_new(), .status = -1};
    struct net_child_config cfg = {.argv = argv, .on_line = on_line, .on_exit = on_exit_of, .user_data = &cmd};
    int err = net_spawn(cmd.loop, &cfg, f) == NULL ? ERR_IO : 0;
    if (err == 0)
        net_loop_run(cmd.loop);
    net_loop_free(cmd.loop);
    if (err == 0 && cmd.status != 0)
        err = fault_set(f, ERR_FORBIDDEN, "cannot make network namespaces, it takes root and iproute2: %s", cmd.said);
    return err;
}

#define RUN(f, ...) run((const char *const[]){__VA_ARGS__, NULL}, f)

/* ---- hosts ---- */

static void put_names(const struct hosts *h, uint32_t i, char near[NAME_BYTES], char far[NAME_BYTES])
{
    snprintf(near, NAME_BYTES, "%.10s-%u", h->bridge, (unsigned)(uint8_t)i);
    snprintf(far, NAME_BYTES, "%.10s=%u", h->bridge, (unsigned)(uint8_t)i);
}

static int make_switch(struct hosts *h, struct fault *f)
{
    char address[40];
    snprintf(address, sizeof address, "%s/24", h->address);
    int err = RUN(f, "ip", "link", "add", h->bridge, "type", "bridge");
    if (err == 0)
        err = RUN(f, "ip", "addr", "add", address, "dev", h->bridge);
    if (err == 0)
        err = RUN(f, "ip", "link", "set", h->bridge, "up");
    return err;
}

static int make_host(struct hosts *h, uint32_t i, struct fault *f)
{
    char near[NAME_BYTES], far[NAME_BYTES], address[40];
    const char *flag = h->flags[i];
    put_names(h, i, near, far);
    snprintf(h->flags[i], sizeof h->flags[i], "--net=/run/netns/%s", near);
    snprintf(address, sizeof address, "%s.%u/24", h->net, i + 2);
    int err = RUN(f, "ip", "netns", "add", near);
    if (err == 0)
        err = RUN(f, "ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", near);
    if (err == 0)
        err = RUN(f, "ip", "link", "set", near, "master", h->bridge, "up");
    if (err == 0)
        err = RUN(f, "nsenter", flag, "ip", "addr", "add", address, "dev", far);
    if (err == 0)
        err = RUN(f, "nsenter", flag, "ip", "link", "set", far, "up");
    if (err == 0)
        err = RUN(f, "nsenter", flag, "ip", "link", "set", "lo", "up");
    return err;
}

struct hosts *hosts_new(uint32_t n, struct fault *f)
{
    MUST(n <= HOSTS_MAX);
    struct hosts *h = xalloc(sizeof *h);
    unsigned pid = (unsigned)getpid();
    snprintf(h->bridge, sizeof h->bridge, "mc%u", pid);
    snprintf(h->net, sizeof h->net, "10.%u.%u", 100 + pid % 100, pid / 100 % 250);
    snprintf(h->address, sizeof h->address, "%s.1", h->net);
    int err = make_switch(h, f);
    while (err == 0 && h->n < n)
        err = make_host(h, h->n++, f);
    if (err == 0)
        return h;
    hosts_free(h);
    return NULL;
}

void hosts_free(struct hosts *h)
{
    char near[NAME_BYTES], far[NAME_BYTES];
    struct fault ignored = {0}; /* a host that was not made cannot be removed */
    if (h == NULL)
        return;
    for (uint32_t i = 0; i < h->n; i++) {
        put_names(h, i, near, far);
        RUN(&ignored, "ip", "link", "del", near);
        RUN(&ignored, "ip", "netns", "del", near);
    }
    RUN(&ignored, "ip", "link", "del", h->bridge);
    free(h);
}

const char *hosts_address(const struct hosts *h)
{
    return h->address;
}

const char *hosts_flag(const struct hosts *h, uint32_t host)
{
    MUST(host < h->n);
    return h->flags[host];
}

int hosts_cable(struct hosts *h, uint32_t host, bool in, struct net_loop *loop,
                void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data), void *user_data, struct fault *f)
{
    char near[NAME_BYTES], far[NAME_BYTES];
    MUST(host < h->n);
    put_names(h, host, near, far);
    const char *const argv[] = {"ip", "link", "set", near, in ? "up" : "down", NULL};
    struct net_child_config cfg = {.argv = argv, .on_exit = on_exit, .user_data = user_data};
    return net_spawn(loop, &cfg, f) == NULL ? ERR_IO : 0;
}
