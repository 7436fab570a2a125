#include "net/first.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

bool first_is_this(void)
{
    return getpid() == 1;
}

static void on_default(int signum)
{
    _exit(128 + signum);
}

void first_default(int signum)
{
    struct sigaction now, end = {.sa_handler = on_default};
    if (first_is_this() && signum != SIGCHLD && sigaction(signum, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        sigaction(signum, &end, NULL);
}

void first_begin(void)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        first_default(signals[i]);
}
