/* Lines for people: formatted here, printed by whoever started us. */
#ifndef MANTA_LAUNCH_SAY_H
#define MANTA_LAUNCH_SAY_H

#include "base/log.h"

/* Where they go. */
struct listener {
    void (*on_event)(enum log_level level, const struct event_field *event, const char *text, void *user_data); /* NULL: nobody listens */
    void *user_data;
};
/* At most LOG_LINE_BYTES_MAX; event and text are borrowed for the call of on_event. */
void say(const struct listener *to, enum log_level level, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
