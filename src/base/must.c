#include "base/must.h"

#include <stdlib.h>

#include "base/log.h"

void must_fail(const char *expr, const char *file, int line)
{
    log_error("CRASH", EVENT("invariant_broken", KV("file", file), KV("line", line)),
              "broken invariant at %s:%d: %s", file, line, expr); /* into the crash report, should nobody read stderr */
    abort();
}
