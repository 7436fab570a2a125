#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

static struct {
    pthread_mutex_t lock;                          /* the ring and the order of lines */
    char lines[LOG_RING_LINES][LOG_LINE_BYTES_MAX]; /* each terminated, newline included */
    unsigned next;                                 /* lines written so far */
    enum log_level level;
    char trace[256];                               /* MANTA_TRACE */
    bool colour;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO};

void log_init(void)
{
    const char *trace = getenv("MANTA_TRACE");
    snprintf(ring.trace, sizeof ring.trace, "%s", trace != NULL ? trace : "");
    const char *no_colour = getenv("NO_COLOR");
    ring.colour = isatty(STDERR_FILENO) && (no_colour == NULL || no_colour[0] == '\0');
}

void log_set_level(enum log_level level)
{
    ring.level = level;
}

bool log_traces(const char *room)
{
    size_t n = strlen(room);
    for (const char *at = ring.trace; *at != '\0';) {
        size_t word = strcspn(at, ",");
        if ((word == n && memcmp(at, room, n) == 0) || (word == 3 && memcmp(at, "all", 3) == 0))
            return true;
        at += word + (at[word] == ',');
    }
    return false;
}

/* "12:01:07.123 " */
static size_t put_time(char *out, size_t cap)
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    struct tm tm;
    localtime_r(&tv.tv_sec, &tm);
    return (size_t)snprintf(out, cap, "%02d:%02d:%02d.%03d ", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(tv.tv_usec / 1000));
}

static const char *colour_of(enum log_level level)
{
    switch (level) {
    case LOG_ERROR: return "\033[31m";
    case LOG_WARN: return "\033[33m";
    case LOG_INFO: return "\033[36m";
    default: return "\033[2m";
    }
}

/* The line's head: time, tag in colour, "error: " where it is one. */
static size_t put_head(char *out, size_t cap, enum log_level level, const char *tag, bool colour)
{
    size_t n = put_time(out, cap);
    if (tag != NULL)
        n += (size_t)snprintf(out + n, cap - n, "%s[%.64s]%s ", colour ? colour_of(level) : "", tag, colour ? "\033[0m" : "");
    if (level == LOG_ERROR || level == LOG_WARN)
        n += (size_t)snprintf(out + n, cap - n, "%s: ", level == LOG_ERROR ? "error" : "warning");
    return n;
}

/* A line is a line, no escape sequence, and UTF-8, whatever a peer's text holds. */
static void make_plain(char *text, size_t n)
{
    for (size_t i = 0, len; i < n; i += len > 0 ? len : 1) {
        len = utf8_len(text + i, n - i);
        if (len == 0)
            text[i] = '?';
        else if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
}

void log_line(enum log_level level, const char *tag, const char *fmt, ...)
{
    char line[LOG_LINE_BYTES_MAX];
    size_t n = put_head(line, sizeof line, level, tag, ring.colour);
    size_t text_at = n;
    va_list ap;
    va_start(ap, fmt);
    int more = vsnprintf(line + n, sizeof line - n, fmt, ap);
    va_end(ap);
    n += more > 0 ? (size_t)more : 0;
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    make_plain(line + text_at, n - text_at);
    line[n++] = '\n';
    line[n] = '\0';
    pthread_mutex_lock(&ring.lock);
    memcpy(ring.lines[ring.next++ % LOG_RING_LINES], line, n + 1);
    pthread_mutex_unlock(&ring.lock);
    if (level <= ring.level || level == LOG_TRACE) {
        ssize_t ignored = write(STDERR_FILENO, line, n);
        (void)ignored;
    }
}

void log_dump(int fd)
{
    unsigned from = ring.next > LOG_RING_LINES ? ring.next - LOG_RING_LINES : 0;
    for (unsigned i = from; i < ring.next; i++) {
        const char *line = ring.lines[i % LOG_RING_LINES];
        ssize_t ignored = write(fd, line, strnlen(line, LOG_LINE_BYTES_MAX));
        (void)ignored;
    }
}
