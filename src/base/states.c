#include "base/states.h"

#include <stdio.h>

#include "base/must.h"

unsigned state_next(const struct state *table, const char *thing, unsigned from, unsigned to)
{
    char text[120];
    if ((table[from].to & TO(to)) != 0)
        return to;
    snprintf(text, sizeof text, "%s: %s -> %s", thing, table[from].name, table[to].name);
    must_fail(text, __FILE__, __LINE__);
}
