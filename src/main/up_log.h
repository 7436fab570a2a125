/* The log file of one `manta up`: one per port, appended to, rotated, and never waited for.
 *
 * ~/.local/state/manta/up-8470.log, and up-8470.log.1 … for what was before. `up.log` leads to it, unless it leads to the log of
 * another cluster that runs. Two processes may share a file (two network namespaces, one home): each appends whole lines. */
#ifndef MANTA_MAIN_UP_LOG_H
#define MANTA_MAIN_UP_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct up_log;
/* `host` and `port` of the head; `bytes_max` each of `files` files has. NULL with f: there is nowhere to write. */
struct up_log *up_log_open(const char *host, unsigned port, uint64_t bytes_max, unsigned files, struct fault *f);
/* Adds a line, without its end. NULL is fine, for all of these. */
void up_log_line(struct up_log *l, const char *line, size_t n);
const char *up_log_path(const struct up_log *l);
/* Waits a moment for what is not written yet. */
void up_log_close(struct up_log *l);

#endif
