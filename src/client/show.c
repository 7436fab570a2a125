#include "client/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool show_on_terminal(void)
{
    return isatty(STDOUT_FILENO) != 0;
}

static bool colours(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && (no == NULL || no[0] == '\0') && term != NULL && term[0] != '\0';
}

const char *show_tag(const char *tag)
{
    static char ring[8][64];
    static unsigned next;
    char *out = ring[next++ % 8];
    bool colour = colours(STDOUT_FILENO);
    snprintf(out, sizeof ring[0], "%s[%.40s]%s", colour ? "\033[1;36m" : "", tag, colour ? "\033[0m" : "");
    return out;
}

void show_fault(const struct fault *f)
{
    fflush(stdout);
    if (f->err == ERR_CANCELLED) {
        fprintf(stderr, "cancelled\n"); /* by the person who reads this: no error */
        return;
    }
    fprintf(stderr, "%serror:%s %s\n", colours(STDERR_FILENO) ? "\033[1;31m" : "", colours(STDERR_FILENO) ? "\033[0m" : "",
            f->text[0] != '\0' ? f->text : err_text(f->err));
}

struct shown_size show_size(double bytes)
{
    struct shown_size s;
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        bytes /= 1024;
    snprintf(s.text, sizeof s.text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return s;
}
