#include "client/note.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cells.h"
#include "base/plain.h"

void note_init(struct note *n)
{
    *n = (struct note){.able = plain_takes_escapes(STDOUT_FILENO)};
}

static const char *sign(struct note *n)
{
    static const char *const frames[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
    return frames[n->frame++ % (sizeof frames / sizeof frames[0])];
}

void note_show(struct note *n, unsigned column, const char *fmt, ...)
{
    struct buf text = buf_max(1024), line = buf_max(4096);
    va_list ap;
    if (!n->able)
        return;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    plain_add(&line, buf_str(&text), PLAIN_LINE);
    line.n = cells_fit(buf_str(&line), cells_columns(STDOUT_FILENO) - 3);
    if (!n->stands && column > 0)
        printf("\n");
    if (!n->stands) {
        n->below = column > 0;
        n->column = column;
    }
    bool dim = plain_takes_colours(STDOUT_FILENO);
    printf("\r\033[K%s%s %s%s", dim ? "\033[2m" : "", sign(n), buf_cstr(&line), dim ? "\033[0m" : "");
    fflush(stdout);
    n->stands = true;
    buf_fini(&text);
    buf_fini(&line);
}

void note_clear(struct note *n)
{
    if (!n->stands)
        return;
    printf("\r\033[K");
    if (n->below)
        printf("\033[A\033[%uC", n->column);
    fflush(stdout);
    n->stands = false;
}
