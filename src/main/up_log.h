/* The log file of one `manta up`: one per port, appended to, rotated, and never waited for.
 *
 * ~/.local/state/manta/up-8470.log, and up-8470.log.1 … for what was before. `up.log` leads to it, unless it leads to the log of
 * another cluster that runs. Two processes may share a file (two network namespaces, one home): each appends whole lines. */
#ifndef MANTA_MAIN_UP_LOG_H
#define MANTA_MAIN_UP_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

struct up_log;
/* `host` and `port` of the head; `bytes_max` each of `files` files has. NULL with f: there is nowhere to write. */
struct up_log *up_log_open(const char *host, unsigned port, uint64_t bytes_max, unsigned files, struct fault *f);
/* Where the log of the head at that host and port is; host NULL: of the last cluster. ERR_NOT_FOUND: there is no folder for it. */
int up_log_find(const char *host, unsigned port, char *out, size_t cap, struct fault *f);
/* Each adds a line to the log (NULL is fine), and, where it is `shown`, to stderr: one of a child called `who`; one of our own,
 * "up | " with a sentence and its event, which is left out where stderr is a terminal, or "error: " with a sentence alone, as errors of
 * all commands are. */
void up_log_child(struct up_log *l, bool shown, const char *who, struct str line);
void up_log_say(struct up_log *l, bool shown, enum log_level level, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* A child's line that also a terminal without log lines shows: a warning, an error, a request that was answered. */
bool up_log_matters(struct str line);
const char *up_log_path(const struct up_log *l);
/* Waits a moment for what is not written yet. */
void up_log_close(struct up_log *l);

#endif
