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
    if (bytes >= 1e9)
        snprintf(s.text, sizeof s.text, "%.1f GB", bytes / 1e9);
    else if (bytes >= 1e6)
        snprintf(s.text, sizeof s.text, "%.1f MB", bytes / 1e6);
    else
        snprintf(s.text, sizeof s.text, "%.0f", bytes);
    return s;
}
