/* A process beside this one that holds copies of its connections, so that a message can be sent
 * on them after a kill. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "net/net.h"

enum { LOOK_EVERY_MS = 1000 };

static int line = -1; /* to the witness */
static pid_t witness_pid;

/* Sends one byte, the place, with the descriptor if there is one. */
static bool send_place(uint8_t place, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec bytes = {&place, 1};
    struct msghdr msg = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (fd >= 0) {
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    return sendmsg(line, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* Receives a place and its descriptor. Returns false when the parent is gone. */
static bool receive_place(int at, int fds[NET_WITNESS_PLACES])
{
    uint8_t place = 0;
    int fd = -1;
    char control[CMSG_SPACE(sizeof fd)];
    struct iovec bytes = {&place, 1};
    struct msghdr msg = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(at, &msg, MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (place >= NET_WITNESS_PLACES) {
        close(fd);
        return true;
    }
    if (fds[place] >= 0)
        close(fds[place]);
    fds[place] = fd;
    return true;
}

/* Closes everything inherited from the parent except `at`; otherwise the parent's connections
 * would not end with it. */
static void let_go_of_all_but(int at)
{
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2 && nothing >= 0; fd++)
        dup2(nothing, fd);
    int highest = (int)sysconf(_SC_OPEN_MAX);
    if (close_range(3, (unsigned)at - 1, 0) == 0 && close_range((unsigned)at + 1, ~0u, 0) == 0)
        return;
    for (int fd = 3; fd < highest; fd++)
        if (fd != at)
            close(fd);
}

static _Noreturn void witness(int at, net_witness_fn *on_look, net_witness_fn *on_gone)
{
    int fds[NET_WITNESS_PLACES];
    bool there = true;
    memset(fds, -1, sizeof fds);
    let_go_of_all_but(at);
    prctl(PR_SET_NAME, "manta-witness");
    for (int signum = 1; signum < 32; signum++)
        signal(signum, SIG_IGN); /* it must end with its parent, not by a signal meant for the parent */
    while (there) {
        struct pollfd p = {.fd = at, .events = POLLIN};
        on_look(fds);
        if (poll(&p, 1, LOOK_EVERY_MS) > 0)
            there = receive_place(at, fds);
    }
    on_gone(fds);
    _exit(0);
}

int net_witness_start(net_witness_fn *on_look, net_witness_fn *on_gone)
{
    int ends[2];
    MUST(line < 0);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return ERR_NET;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        witness(ends[1], on_look, on_gone);
    }
    close(ends[1]);
    line = pid > 0 ? ends[0] : -1;
    witness_pid = pid;
    if (pid < 0)
        close(ends[0]);
    return pid > 0 ? 0 : ERR_NET;
}

void net_witness_hold(uint32_t place, int fd)
{
    MUST(place < NET_WITNESS_PLACES);
    if (line >= 0)
        (void)send_place((uint8_t)place, fd);
}

void net_witness_end(void)
{
    if (line < 0)
        return;
    close(line);
    line = -1;
    while (waitpid(witness_pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
