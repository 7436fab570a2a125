/* What peers may call themselves: nothing that could forge a log line or fill a table. */
#include <stdlib.h>

#include "base/alloc.h"
#include "cluster/head_state.h"

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

bool text_is_line(struct str s, size_t max)
{
    if (s.n > max)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (is_control(s.p[i]))
            return false;
    }
    return true;
}

bool text_is_name(struct str s, size_t max)
{
    return s.n > 0 && text_is_line(s, max);
}

char *text_line_dup(struct str s, size_t max)
{
    char *copy = xstr_dup(str_n(s.p, s.n < max ? s.n : max));
    for (char *c = copy; *c != '\0'; c++) {
        if (is_control(*c))
            *c = ' ';
    }
    return copy;
}
