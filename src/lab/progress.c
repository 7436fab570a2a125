#include "lab/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/plain.h"

static bool on_terminal(void)
{
    return plain_takes_escapes(STDERR_FILENO);
}

void progress_say(struct progress *p, const char *fmt, ...)
{
    uint64_t now_us = clock_us();
    if (!on_terminal() && p->said_us != 0 && now_us < p->said_us + PROGRESS_LINE_EVERY_S * 1000000ull)
        return;
    p->said_us = now_us;
    va_list args;
    va_start(args, fmt);
    progress_clear();
    vfprintf(stderr, fmt, args);
    fputc(on_terminal() ? ' ' : '\n', stderr);
    va_end(args);
}

void progress_clear(void)
{
    if (on_terminal())
        fprintf(stderr, "\r\033[K");
}
