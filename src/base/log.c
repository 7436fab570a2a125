#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/plain.h"
#include "base/spool.h"
#include "base/utf8.h"

enum { TELL_EVERY_US = 10000000 }; /* interval between reports of left-out lines */

static char ring[LOG_BYTES_MAX];
static struct spool spool;
static pthread_once_t spool_once = PTHREAD_ONCE_INIT;
static bool started;               /* the spool's thread writes */
static volatile bool crashing;     /* log_dump() writes the last output */
static enum log_level least = LOG_INFO;
static char trace_rooms[256];      /* MANTA_TRACE */
static bool colour;
static enum log_format format = LOG_AS_TEXT;

static struct {
    pthread_mutex_t lock;
    struct log_budget of[LOG_PEER_KINDS_MAX];
} budgets = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- where lines go ---- */

static void make_spool(void)
{
    spool_init(&spool, ring, sizeof ring);
}

static bool put_lines(const char *lines, size_t n, void *user_data)
{
    (void)user_data;
    return !crashing && spool_write(STDERR_FILENO, lines, n);
}

static void after_fork(void)
{
    started = false;
    spool_forked(&spool);
}

void log_start(void)
{
    pthread_once(&spool_once, make_spool);
    if (started)
        return;
    started = spool_start(&spool, put_lines, NULL);
    pthread_atfork(NULL, NULL, after_fork);
    atexit(log_flush);
}

void log_flush(void)
{
    if (started)
        spool_flush(&spool, LOG_FLUSH_MS);
}

/* Without the spool's thread: writes the line only if that does not block. */
static void write_now(const char *line, size_t n)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
        ssize_t ignored = write(STDERR_FILENO, line, n);
        (void)ignored;
    }
}

static void put(const char *line, size_t n, bool shown)
{
    pthread_once(&spool_once, make_spool);
    if (shown && !started)
        write_now(line, n);
    spool_add(&spool, line, n, !shown || !started);
}

void log_raw(const char *line, size_t n)
{
    char text[SPOOL_CHUNK_BYTES / 2];
    size_t body = n < sizeof text - 1 ? n : sizeof text - 1;
    memcpy(text, line, body);
    text[body] = '\n';
    put(text, body + 1, true);
}

/* ---- settings ---- */

static void tell_death(const struct must_death *why)
{
    if (why->expr != NULL)
        log_error("CRASH", EVENT("invariant_broken", KV("file", why->file), KV("line", why->line)), "broken invariant at %s:%d: %s", why->file,
                  why->line, why->expr); /* in the crash report, too, in case stderr is not read */
    else
        log_error("CRASH", EVENT("out_of_memory", KV("bytes", why->bytes)), "out of memory asking for %zu bytes", why->bytes);
}

void log_init(void)
{
    const char *trace = getenv("MANTA_TRACE");
    snprintf(trace_rooms, sizeof trace_rooms, "%s", trace != NULL ? trace : "");
    colour = plain_takes_colours(STDERR_FILENO);
    must_tell(tell_death);
}

void log_set_level(enum log_level level)
{
    least = level;
}

void log_set_format(enum log_format to)
{
    format = to;
}

enum log_format log_format_now(void)
{
    return format;
}

bool log_traces(const char *room)
{
    size_t n = strlen(room);
    for (const char *at = trace_rooms; *at != '\0';) {
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

/* ---- lines ---- */

/* Writes the beginning of a line: time, tag in colour, "error: " or "warning: ". Returns its
 * length. */
static size_t put_head(char *out, size_t cap, enum log_level level, const char *tag)
{
    size_t n = put_time(out, cap);
    if (tag != NULL)
        n += (size_t)snprintf(out + n, cap - n, "%s[%.64s]%s ", colour ? colour_of(level) : "", tag, colour ? "\033[0m" : "");
    if (level == LOG_ERROR || level == LOG_WARN)
        n += (size_t)snprintf(out + n, cap - n, "%s: ", level == LOG_ERROR ? "error" : "warning");
    return n;
}

/* Takes a number of left-out lines that is overdue, or 0. After a flood no next line of its kind
 * reports the number. */
static uint64_t untold_lines(const char **out_kind)
{
    uint64_t now_us = clock_us(), n = 0;
    pthread_mutex_lock(&budgets.lock);
    for (int i = 0; i < LOG_PEER_KINDS_MAX && n == 0; i++) {
        struct log_budget *b = &budgets.of[i];
        if (b->left_out == 0 || now_us - b->told_us < TELL_EVERY_US)
            continue;
        n = b->left_out;
        *out_kind = b->kind;
        b->left_out = 0;
        b->told_us = now_us;
    }
    pthread_mutex_unlock(&budgets.lock);
    return n;
}

/* "2026-11-30T12:01:07.123Z" */
static void put_date(char *out, size_t cap)
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    struct tm tm;
    gmtime_r(&tv.tv_sec, &tm);
    size_t n = strftime(out, cap, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, cap - n, ".%03dZ", (int)(tv.tv_usec / 1000));
}

size_t log_json(enum log_level level, const char *tag, const struct event_field *event, struct str sentence, char out[LOG_JSON_BYTES_MAX])
{
    static const char *const levels[] = {"error", "warn", "info", "trace"};
    char date[40], fields[EVENT_BYTES_MAX];
    put_date(date, sizeof date);
    size_t n = (size_t)snprintf(out, LOG_JSON_BYTES_MAX, "{\"time\":\"%s\",\"level\":\"%s\",\"tag\":\"%.64s\"%.*s,\"text\":", date,
                                levels[level], tag != NULL ? tag : "", (int)event_write(event, true, fields), fields);
    event_quote(sentence, out, &n, LOG_JSON_BYTES_MAX - 2);
    n = plain_in_place(out, n);
    out[n++] = '}';
    return n;
}

/* Keeps a stranger's words in a sentence from being taken for the line's event. */
static void hide_events(struct str sentence, char *text)
{
    for (size_t at; (at = event_begins(sentence)) < sentence.n;)
        text[at + strlen(" event")] = ':';
}

static void print_line(enum log_level level, const char *tag, const struct event_field *event, const char *fmt, va_list ap)
{
    char line[LOG_JSON_BYTES_MAX], text[LOG_LINE_BYTES_MAX], fields[EVENT_BYTES_MAX];
    int more = vsnprintf(text, sizeof text, fmt, ap);
    size_t n = more > 0 ? (size_t)more : 0;
    n = plain_in_place(text, utf8_whole(text, n < sizeof text ? n : sizeof text - 1));
    if (format == LOG_AS_JSON) {
        n = log_json(level, tag, event, str_n(text, n), line);
    } else {
        hide_events(str_n(text, n), text);
        size_t head_n = put_head(line, LOG_LINE_BYTES_MAX, level, tag), fields_n = plain_in_place(fields, event_write(event, false, fields));
        n = utf8_head(str_n(text, n), LOG_LINE_BYTES_MAX - 1 - head_n - fields_n).n;
        memcpy(line + head_n, text, n);
        memcpy(line + head_n + n, fields, fields_n);
        n += head_n + fields_n;
    }
    line[n++] = '\n';
    put(line, n, level <= least || level == LOG_TRACE);
}

static void tell_left_out(uint64_t lines, const char *kind)
{
    log_line(LOG_WARN, "LOG", EVENT("lines_left_out", KV("lines", lines), KV("kind", kind)), "%llu lines were left out, of the kind: %s",
             (unsigned long long)lines, kind);
}

void log_line(enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_line(level, tag, event, fmt, ap);
    va_end(ap);
    const char *kind = NULL;
    uint64_t left_out = untold_lines(&kind);
    if (left_out > 0)
        tell_left_out(left_out, kind);
}

/* ---- lines that a peer causes ---- */

bool log_budget_take(struct log_budget *b, uint64_t now_us)
{
    uint64_t every_us = LOG_PEER_EVERY_MS * 1000ull;
    if (b->full_us < now_us)
        b->full_us = now_us;
    if (b->full_us - now_us + every_us > LOG_PEER_LINES * every_us) {
        b->left_out++;
        return false;
    }
    b->full_us += every_us;
    return true;
}

/* The last budget is shared by all kinds that found no other. */
static struct log_budget *find_budget(const char *kind)
{
    struct log_budget *b = budgets.of;
    while (b < &budgets.of[LOG_PEER_KINDS_MAX - 1] && b->kind != NULL && strcmp(b->kind, kind) != 0)
        b++;
    if (b->kind == NULL)
        b->kind = kind;
    return b;
}

void log_peer(const char *kind, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
{
    uint64_t now_us = clock_us(), left_out = 0;
    pthread_mutex_lock(&budgets.lock);
    struct log_budget *b = find_budget(kind);
    bool may = log_budget_take(b, now_us);
    if (may) {
        left_out = b->left_out;
        b->left_out = 0;
        b->told_us = now_us;
    }
    pthread_mutex_unlock(&budgets.lock);
    if (!may)
        return;
    if (left_out > 0)
        tell_left_out(left_out, kind);
    va_list ap;
    va_start(ap, fmt);
    print_line(level, tag, event, fmt, ap);
    va_end(ap);
}

/* ---- a crash ---- */

void log_dump(int fd)
{
    crashing = true;
    spool_dump(&spool, fd, LOG_RING_LINES);
}
