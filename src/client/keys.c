#include "client/keys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/plain.h"
#include "base/utf8.h"

/* A terminal in bracketed-paste mode sends these before and after pasted text. */
static const char paste_begins[] = "\033[200~", paste_ends[] = "\033[201~";
enum { MARK_BYTES = sizeof paste_begins - 1, MARK_MS = 50, SIGN_LINE = 0x2424, SIGN_TAB = 0x2409 };

static struct {
    char bytes[4096];  /* read, but not delivered yet */
    size_t n;
    bool pasting;
    bool returned;     /* the last pasted character was a carriage return */
} in;
static volatile sig_atomic_t resized;
static struct termios before; /* how the terminal was */

static void on_resize(int signum)
{
    (void)signum;
    resized = 1;
}

static void take(size_t n)
{
    in.n -= n;
    memmove(in.bytes, in.bytes + n, in.n);
}

/* Reads more input. Returns -1 on an error, 0 at the end. */
static ssize_t read_more(EditLine *el)
{
    for (;;) {
        ssize_t got = read(STDIN_FILENO, in.bytes + in.n, sizeof in.bytes - in.n);
        if (resized) {
            resized = 0;
            el_resize(el);
        }
        if (got >= 0 || errno != EINTR) {
            in.n += got > 0 ? (size_t)got : 0;
            return got;
        }
    }
}

/* True if the input begins with the mark. A terminal nearly always sends a mark in one piece. */
static bool is_mark(EditLine *el, const char *mark)
{
    while (in.n < MARK_BYTES && memcmp(in.bytes, mark, in.n) == 0) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        if (in.n < 2 || poll(&p, 1, MARK_MS) <= 0 || read_more(el) <= 0) /* a lone "\033" may be the Esc key: do not delay it */
            return false;
    }
    return in.n >= MARK_BYTES && memcmp(in.bytes, mark, MARK_BYTES) == 0;
}

/* Converts a pasted character, since a line feed must not end the message. False: drop the
 * character. */
static bool pasted(wchar_t *c)
{
    bool after_return = in.returned;
    in.returned = *c == L'\r'; /* if the terminal driver does not convert them */
    if (*c == L'\n' && after_return)
        return false;
    if (*c == L'\n' || *c == L'\r')
        *c = SIGN_LINE;
    else if (*c == L'\t')
        *c = SIGN_TAB;
    return *c >= 0x20 && *c != 0x7f;
}

/* Decodes one character. Returns its length; 0: invalid UTF-8, or incomplete. */
static size_t decode(wchar_t *out)
{
    size_t len = utf8_len(in.bytes, in.n);
    if (len > 0)
        *out = (wchar_t)utf8_code(in.bytes, len);
    return len;
}

static int read_character(EditLine *el, wchar_t *out)
{
    for (;;) {
        ssize_t got = in.n == 0 ? read_more(el) : 1;
        if (got <= 0)
            return (int)got;
        if (in.bytes[0] == '\033' && is_mark(el, in.pasting ? paste_ends : paste_begins)) {
            in.pasting = !in.pasting;
            in.returned = false;
            take(MARK_BYTES);
            continue;
        }
        size_t len = decode(out);
        if (len == 0 && in.n < 4 && (unsigned char)in.bytes[0] >= 0xc2) { /* the rest of it is on its way */
            if (read_more(el) <= 0)
                return 0;
            continue;
        }
        take(len > 0 ? len : 1);
        if (len > 0 && (!in.pasting || pasted(out)))
            return 1;
    }
}

/* ---- keys ---- */

static void paste_mode(bool on)
{
    if (plain_takes_escapes(STDOUT_FILENO))
        fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

static unsigned char on_interrupt(EditLine *el, int ch)
{
    const LineInfo *line = el_line(el);
    int n = (int)(line->lastchar - line->buffer);
    (void)ch;
    if (n == 0) {
        printf("\n(Ctrl-D or /bye leaves)\n");
        fflush(stdout);
        return CC_REDISPLAY;
    }
    el_cursor(el, n);
    el_deletestr(el, n);
    return CC_REFRESH;
}

/* Stops the whole process group, as other programs do; `manta up` is part of it. */
static unsigned char on_suspend(EditLine *el, int ch)
{
    (void)ch;
    keys_end();
    el_set(el, EL_PREP_TERM, 0);
    kill(0, SIGTSTP);
    el_set(el, EL_PREP_TERM, 1);
    keys_begin(el);
    return CC_REDISPLAY;
}

void keys_echo(bool on)
{
    struct termios modes;
    if (tcgetattr(STDIN_FILENO, &modes) != 0)
        return;
    modes.c_lflag = on ? modes.c_lflag | ECHO : modes.c_lflag & ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

/* Restores the terminal's modes, unless another process group is in the foreground: the kernel
 * would stop this process for trying. */
static void on_end(int signum)
{
    if (tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    signal(signum, SIG_DFL);
    raise(signum);
    _exit(128 + signum); /* the first process of a container outlives raise() */
}

void keys_open(EditLine *el)
{
    struct sigaction act = {.sa_handler = on_resize}; /* without SA_RESTART, so that read() returns */
    struct sigaction end = {.sa_handler = on_end};
    sigaction(SIGWINCH, &act, NULL);
    if (tcgetattr(STDIN_FILENO, &before) == 0)
        sigaction(SIGTERM, &end, NULL);
    el_set(el, EL_GETCFN, read_character);
    el_set(el, EL_ADDFN, "manta-interrupt", "empty the line", on_interrupt);
    el_set(el, EL_ADDFN, "manta-suspend", "stop", on_suspend);
    /* These are keys while a line is edited, and signals while an answer streams. */
    el_set(el, EL_SETTY, "-d", "-isig", NULL);
    el_set(el, EL_BIND, "^C", "manta-interrupt", NULL);
    el_set(el, EL_BIND, "^Z", "manta-suspend", NULL);
}

void keys_begin(EditLine *el)
{
    if (resized)
        el_resize(el);
    resized = 0;
    paste_mode(true);
}

void keys_end(void)
{
    paste_mode(false);
}

void keys_restore(char *line)
{
    size_t to = 0;
    for (size_t i = 0, len; line[i] != '\0'; i += len) {
        len = utf8_len(line + i, strlen(line + i));
        len = len > 0 ? len : 1;
        uint32_t c = utf8_code(line + i, len);
        if (c == SIGN_LINE || c == SIGN_TAB) {
            line[to++] = c == SIGN_LINE ? '\n' : '\t';
            continue;
        }
        memmove(line + to, line + i, len);
        to += len;
    }
    line[to] = '\0';
}
