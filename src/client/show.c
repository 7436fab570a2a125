#include "client/show.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cells.h"
#include "base/plain.h"
#include "os/file.h"

bool show_on_terminal(void)
{
    return isatty(STDOUT_FILENO) != 0;
}

const char *show_tag(const char *tag)
{
    static char ring[8][64];
    static unsigned next;
    char *out = ring[next++ % 8];
    bool colour = plain_takes_colours(STDOUT_FILENO);
    snprintf(out, sizeof ring[0], "%s[%.40s]%s", colour ? "\033[1;36m" : "", tag, colour ? "\033[0m" : "");
    return out;
}

void show_said(const char *tag, const char *fmt, ...)
{
    struct buf text = buf_max(SIZE_MAX / 2), plain = buf_max(SIZE_MAX / 2), out = buf_max(SIZE_MAX / 2);
    unsigned at = (unsigned)strlen(tag) + 3; /* "[TAG] " */
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    plain_add(&plain, buf_str(&text), PLAIN_LINE);
    wrap_text(buf_str(&plain), show_on_terminal() ? cells_columns(STDOUT_FILENO) : UINT32_MAX, 0, at, &out);
    printf("%s %s\n", show_tag(tag), buf_cstr(&out));
    buf_fini(&text);
    buf_fini(&plain);
    buf_fini(&out);
}

void show_wrapped(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    plain_vwrapped(stdout, fmt, ap);
    va_end(ap);
}

void show_paragraphs(struct str text, unsigned at)
{
    struct buf out = buf_max(SIZE_MAX / 2);
    if (show_on_terminal())
        wrap_text(text, cells_columns(STDOUT_FILENO), 0, at, &out);
    else
        buf_add_str(&out, text);
    printf("%s\n", buf_cstr(&out));
    buf_fini(&out);
}

bool show_has_no_reader(void)
{
    return ferror(stdout) != 0 || file_reader_is_gone(STDOUT_FILENO);
}

void show_fault(const struct fault *f)
{
    fflush(stdout);
    if (f->err == ERR_CANCELLED) { /* requested by the user: not an error; a reader that has left asks nothing */
        if (!show_has_no_reader())
            fprintf(stderr, "cancelled\n");
        return;
    }
    plain_error("%s", f->text[0] != '\0' ? f->text : err_text(f->err));
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
