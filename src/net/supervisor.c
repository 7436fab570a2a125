#include "net/supervisor.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 1024 };

static int to = -1; /* connected to the supervisor's socket */
static uint64_t alive_us;

/* A name whose first byte is '@' is a socket of the abstract namespace. */
void net_supervisor_begin(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (name == NULL)
        return;
    size_t n = strlen(name);
    if (n > 1 && n < sizeof at.sun_path && (name[0] == '/' || name[0] == '@')) {
        memcpy(at.sun_path, name, n);
        if (name[0] == '@')
            at.sun_path[0] = '\0';
        to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (to >= 0 && connect(to, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) != 0) {
            close(to);
            to = -1;
        }
    }
    unsetenv("NOTIFY_SOCKET");
}

void net_supervisor_say(const char *format, ...)
{
    char text[MESSAGE_BYTES_MAX];
    va_list args;
    if (to < 0)
        return;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof text)
        (void)send(to, text, (size_t)n, MSG_NOSIGNAL);
}

void net_supervisor_alive(uint64_t now_us)
{
    if (to < 0 || now_us - alive_us < SUPERVISOR_ALIVE_MS * 1000ull)
        return;
    alive_us = now_us;
    net_supervisor_say("WATCHDOG=1");
}
