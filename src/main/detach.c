#include "main/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static int done_fd = -1;     /* in the child: reports readiness here */
static enum detach_keeps keeps;
static volatile pid_t child; /* in the parent */

static void pass_on(int signum)
{
    kill(child, signum);
}

/* The child is in another session, so the terminal's keys do not reach it. */
static int wait_for_child(int fd)
{
    char ready = 0;
    int status = 0;
    struct sigaction act = {.sa_handler = pass_on};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    while (read(fd, &ready, 1) < 0 && errno == EINTR)
        continue;
    if (ready != 0)
        return 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool detach_start(enum detach_keeps what, int *out_status)
{
    int pair[2];
    keeps = what;
    fflush(NULL);
    *out_status = 1;
    if (pipe2(pair, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        fprintf(stderr, "error: cannot start a process for the background: %m\n");
        return false;
    }
    if (child == 0) {
        close(pair[0]);
        done_fd = pair[1];
        setsid();
        return true;
    }
    close(pair[1]);
    *out_status = wait_for_child(pair[0]);
    close(pair[0]);
    return false;
}

void detach_done(void)
{
    if (done_fd < 0)
        return;
    log_flush();
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    fflush(NULL);
    for (int fd = 0; nothing >= 0 && fd <= 2; fd++)
        if (keeps == DETACH_KEEPS_NOTHING || isatty(fd))
            dup2(nothing, fd);
    if (nothing > 2)
        close(nothing);
    if (write(done_fd, "r", 1) == 1)
        close(done_fd);
    done_fd = -1;
}
