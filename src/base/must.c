#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_fail(const char *expr, const char *file, int line)
{
    fprintf(stderr, "manta: broken invariant at %s:%d: %s\n", file, line, expr);
    abort();
}
