/* End a process that cannot continue. */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

static void say_plainly(const struct must_death *why)
{
    if (why->expr != NULL)
        fprintf(stderr, "broken invariant at %s:%d: %s\n", why->file, why->line, why->expr);
    else
        fprintf(stderr, "out of memory asking for %zu bytes\n", why->bytes);
}

static void (*teller)(const struct must_death *why) = say_plainly;

void must_tell(void (*tell)(const struct must_death *why))
{
    teller = tell;
}

void must_fail(const char *expr, const char *file, int line)
{
    teller(&(struct must_death){.expr = expr, .file = file, .line = line});
    abort();
}

void must_have_memory(size_t bytes)
{
    teller(&(struct must_death){.bytes = bytes});
    abort();
}
