/* The log file of one `manta up`: one per port, appended to, rotated, and never waited for.
 *
 * ~/.local/state/manta/up-8470.log, with older parts in up-8470.log.1 …. `up.log` is a link to it,
 * unless it links to the log of another running cluster. Two processes may share a file (two
 * network namespaces, one home): each appends whole lines. */
#ifndef MANTA_MAIN_UP_LOG_H
#define MANTA_MAIN_UP_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

struct up_log;
/* `host` and `port` of the head; at most `files` files of `bytes_max` each. Returns NULL with f if
 * the log cannot be written. */
struct up_log *up_log_open(const char *host, unsigned port, uint64_t bytes_max, unsigned files, struct fault *f);
/* Finds the log of the head at that host and port; host NULL: of the last cluster. Returns
 * ERR_NOT_FOUND if there is no folder for it. */
int up_log_find(const char *host, unsigned port, char *out, size_t cap, struct fault *f);
/* Both append a line to the log (NULL: none), and print it on stderr if `shown`. up_log_child(): a
 * line of the child `who`. up_log_say(): our own line, "up | " with a sentence and its event
 * (omitted on a terminal), or for errors "error: " with the sentence alone, as in all commands. */
void up_log_child(struct up_log *l, bool shown, const char *who, struct str line);
void up_log_say(struct up_log *l, bool shown, enum log_level level, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* True for a child's line that a terminal shows even without log lines: a warning, an error, an
 * answered request. */
bool up_log_matters(struct str line);
const char *up_log_path(const struct up_log *l);
/* Waits briefly for unwritten lines. */
void up_log_close(struct up_log *l);

#endif
