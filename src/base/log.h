/* One line per event, to stderr and into a ring that crash reports and `debug dump` show: a sentence for people, and the event
 * with its fields for programs (event.h).
 *
 *     12:01:07.123 [CLUSTER CONNECTION] warning: worker left: connection closed event=worker_left node=worker-2 worker=5 actors=1
 *     {"time":"2026-11-30T12:01:07.123Z","level":"warn","tag":"CLUSTER CONNECTION","event":"worker_left","node":"worker-2",
 *      "worker":5,"actors":1,"text":"worker left: connection closed"}                               (one line, --log-format json)
 *
 * Rooms do not log, programs do. Trace lines are per room: MANTA_TRACE=cluster,net. Safe from any thread.
 *
 * A line never waits for whoever reads stderr (spool.h): what does not fit is dropped, and the number is said. */
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
    LOG_RING_LINES = 200,         /* that a crash report shows */
    LOG_BYTES_MAX = 256 << 10,    /* kept for a reader that does not read */
    LOG_PEER_LINES = 20,          /* of one kind at once, that a peer without a token causes ... */
    LOG_PEER_EVERY_MS = 1000,     /* ... and one more in this time */
    LOG_PEER_KINDS_MAX = 8,
    LOG_FLUSH_MS = 1000,          /* at the end of a process, for what is not written yet */
};

/* `tag` is printed in brackets; NULL for none. `event`: NULL only for a trace line. */
void log_line(enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for what a peer without a token can cause as often as it likes. `kind` is a static word: each has a budget of its
 * own, and the next line that is printed says how many were left out. */
void log_peer(const char *kind, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* A line as JSON into `out`, without its end; the number of bytes. */
size_t log_json(enum log_level level, const char *tag, const struct event_field *event, struct str sentence, char out[LOG_JSON_BYTES_MAX]);
/* A line as somebody else wrote it, without time and tag; `n` does not count its end. */
void log_raw(const char *line, size_t n);
/* True when MANTA_TRACE names `room` or "all": check before preparing a costly trace line. */
bool log_traces(const char *room);
/* Reads MANTA_TRACE, NO_COLOR and whether stderr is a terminal. Without it: no trace, no colour. */
void log_init(void);
/* From here on a thread writes the lines, and what is left is written at exit(), within LOG_FLUSH_MS. Before: each caller writes
 * its own, unless stderr would have to be waited for. */
void log_start(void);
/* Waits until all lines are out, at most LOG_FLUSH_MS: before _exit(). */
void log_flush(void);
/* Lines below `level` of importance are not printed (they still go into the ring). */
void log_set_level(enum log_level level);
/* From now on lines are written so. */
void log_set_format(enum log_format format);
enum log_format log_format_now(void);
/* Writes the last LOG_RING_LINES, oldest first, with write(2) only: for the handler of a crash. Nothing else is written from
 * then on. */
void log_dump(int fd);

/* How many lines of one kind may still be printed. */
struct log_budget {
    const char *kind;    /* static */
    uint64_t full_us;    /* when all of it may be spent again */
    uint64_t left_out;   /* lines since the last one that was printed */
    uint64_t told_us;    /* when that number was printed last */
};
/* Takes one line out of the budget; false: it is spent, and the line counts as left out. */
bool log_budget_take(struct log_budget *b, uint64_t now_us);

#define log_error(tag, event, ...) log_line(LOG_ERROR, tag, event, __VA_ARGS__)
#define log_warn(tag, event, ...) log_line(LOG_WARN, tag, event, __VA_ARGS__)
#define log_info(tag, event, ...) log_line(LOG_INFO, tag, event, __VA_ARGS__)

#endif
