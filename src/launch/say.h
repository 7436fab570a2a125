/* Lines for people: formatted here, printed by the owner. */
#ifndef MANTA_LAUNCH_SAY_H
#define MANTA_LAUNCH_SAY_H

#include "base/log.h"

/* The receiver of the lines. */
struct listener {
    /* NULL: lines are dropped */
    void (*on_event)(enum log_level level, const struct event_field *event, const char *text, void *user_data);
    void *user_data;
};
/* Formats a line of at most LOG_LINE_BYTES_MAX and passes it to on_event, which borrows event and
 * text for the call. */
void say(const struct listener *to, enum log_level level, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
