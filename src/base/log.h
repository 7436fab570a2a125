/* Log one line per event, to stderr and into a ring that crash reports and `debug dump` show: a
 * sentence for people, and the event with its fields for programs (event.h).
 *
 *     12:01:07.123 [CLUSTER CONNECTION] warning: worker left: closed by the peer event=worker_left node=worker-2 worker=5 actors=1
 *     {"time":"2026-11-30T12:01:07.123Z","level":"warn","tag":"CLUSTER CONNECTION","event":"worker_left","node":"worker-2",
 *      "worker":5,"actors":1,"text":"worker left: closed by the peer"}                               (one line, --log-format json)
 *
 * Rooms do not log, programs do. Trace lines are switched on by name: MANTA_TRACE=wire,limits. All
 * functions are safe from any thread.
 *
 * Writing a line never waits for the reader of stderr (spool.h): lines that do not fit are dropped,
 * and their number is reported. */
#ifndef MANTA_BASE_LOG_H
#define MANTA_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event.h"

enum log_format { LOG_AS_TEXT, LOG_AS_JSON };
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_TRACE };

enum {
    LOG_LINE_BYTES_MAX = 1024,
    LOG_JSON_BYTES_MAX = 2 * LOG_LINE_BYTES_MAX,
    LOG_RING_LINES = 200,         /* shown by a crash report */
    LOG_BYTES_MAX = 256 << 10,    /* kept while the reader of stderr does not read */
    LOG_PEER_LINES = 20,          /* burst of one kind that a peer without a token may cause … */
    LOG_PEER_EVERY_MS = 1000,     /* … and one more line in each such interval */
    LOG_PEER_KINDS_MAX = 8,
    LOG_FLUSH_MS = 1000,          /* wait at process exit for unwritten lines */
};

/* Logs a line. `tag` is printed in brackets; NULL for none. `event` may be NULL only for a trace
 * line. */
void log_line(enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Logs a line that a peer without a token can cause as often as it likes. `kind` is a static
 * word with a budget of its own; lines beyond the budget are left out, and the next line printed
 * reports their number. */
void log_peer(const char *kind, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Writes a line as JSON into `out`, without a line end. Returns the number of bytes. */
size_t log_json(enum log_level level, const char *tag, const struct event_field *event, struct str sentence, char out[LOG_JSON_BYTES_MAX]);
/* Logs a line that another process formatted, without adding time and tag. `n` excludes its line
 * end. */
void log_raw(const char *line, size_t n);
/* Returns whether MANTA_TRACE names `room` or "all": check before preparing a costly trace line. */
bool log_traces(const char *room);
/* Reads MANTA_TRACE, NO_COLOR and whether stderr is a terminal. Without this call: no trace, no
 * colour. */
void log_init(void);
/* Starts a thread that writes the lines from now on; exit() waits up to LOG_FLUSH_MS for the
 * rest. Before this call each caller writes its own line, unless stderr would block. */
void log_start(void);
/* Waits until all lines are written, at most LOG_FLUSH_MS. For use before _exit(). */
void log_flush(void);
/* Stops printing lines less important than `level`; they still enter the ring. */
void log_set_level(enum log_level level);
/* Sets the format of all later lines. */
void log_set_format(enum log_format format);
enum log_format log_format_now(void);
/* Writes the last LOG_RING_LINES, oldest first, with write(2) only, and stops all other output.
 * For a crash handler. */
void log_dump(int fd);

/* The lines of one kind that may still be printed. */
struct log_budget {
    const char *kind;    /* static */
    uint64_t full_us;    /* when the whole budget is available again */
    uint64_t left_out;   /* lines left out since the last printed line */
    uint64_t told_us;    /* when left_out was last reported */
};
/* Takes one line out of the budget. Returns false, and counts the line as left out, when the
 * budget is spent. */
bool log_budget_take(struct log_budget *b, uint64_t now_us);

#define log_error(tag, event, ...) log_line(LOG_ERROR, tag, event, __VA_ARGS__)
#define log_warn(tag, event, ...) log_line(LOG_WARN, tag, event, __VA_ARGS__)
#define log_info(tag, event, ...) log_line(LOG_INFO, tag, event, __VA_ARGS__)

#endif
