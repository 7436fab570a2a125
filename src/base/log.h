/* One line per event, to stderr and into a ring that crash reports and `debug dump` show.
 *
 *     12:01:07.123 [WORKER NODE READY] active and waiting for tasks worker=17.3
 *
 * Rooms do not log, programs do. Trace lines are per room: MANTA_TRACE=cluster,net. Safe from any thread. */
#ifndef MANTA_BASE_LOG_H
#define MANTA_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_TRACE };

enum { LOG_LINE_BYTES_MAX = 1024, LOG_RING_LINES = 200 };

/* `tag` is printed in brackets; NULL for none. */
void log_line(enum log_level level, const char *tag, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* True when MANTA_TRACE names `room` or "all": check before preparing a costly trace line. */
bool log_traces(const char *room);
/* Reads MANTA_TRACE, NO_COLOR and whether stderr is a terminal. Without it: no trace, no colour. */
void log_init(void);
/* Lines below `level` of importance are not printed (they still go into the ring). */
void log_set_level(enum log_level level);
/* Writes the ring, oldest line first, with write(2) only: usable in a signal handler. */
void log_dump(int fd);

#define log_error(tag, ...) log_line(LOG_ERROR, tag, __VA_ARGS__)
#define log_warn(tag, ...) log_line(LOG_WARN, tag, __VA_ARGS__)
#define log_info(tag, ...) log_line(LOG_INFO, tag, __VA_ARGS__)

#endif
