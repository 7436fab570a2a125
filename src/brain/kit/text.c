/* Names and lines that peers may send: nothing that forges a log line, controls a terminal or fills a table. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "brain/kit/text.h"

bool text_is_line(struct str s, size_t max)
{
    return s.n <= max && plain_is_line(s);
}

bool text_is_name(struct str s, size_t max)
{
    return s.n > 0 && text_is_line(s, max);
}

char *text_line_dup(struct str s, size_t max)
{
    char *copy = xstr_dup(str_n(s.p, s.n <= max ? s.n : utf8_whole(s.p, max)));
    copy[plain_in_place(copy, strlen(copy))] = '\0';
    return copy;
}

const char *availability_name(uint8_t availability)
{
    static const char *const names[] = {"serving", "cordoned", "draining"};
    return names[availability];
}

const char *actor_state_name(uint8_t state)
{
    static const char *const names[] = {"?", "loading", "ready", "failed", "gone"};
    return names[state < 5 ? state : 0];
}

void text_set(char **field, char *value)
{
    free(*field);
    *field = value;
}
