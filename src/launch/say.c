#include "launch/say.h"

#include <stdarg.h>
#include <stdio.h>

void say(const struct listener *to, enum log_level level, const struct event_field *event, const char *fmt, ...)
{
    char text[LOG_LINE_BYTES_MAX];
    va_list ap;
    if (to->on_event == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    to->on_event(level, event, text, to->user_data);
}
