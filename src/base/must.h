/* Check an invariant, in release builds too.
 *
 * MUST is for conditions that only a bug in manta can break. Mistakes of a peer, a file or a person
 * are errors (base/err.h), never a MUST. */
#ifndef MANTA_BASE_MUST_H
#define MANTA_BASE_MUST_H

#include <stddef.h>

/* Why the process is about to abort. */
struct must_death {
    const char *expr, *file; /* of the broken invariant; NULL: memory ran out … */
    int line;
    size_t bytes;            /* … when this much was asked for */
};

/* Reports the broken invariant, then aborts: the crash handler in os/ adds the stack and the log
 * ring. */
_Noreturn void must_fail(const char *expr, const char *file, int line);
/* Reports a failed allocation that may not fail, then aborts. */
_Noreturn void must_have_memory(size_t bytes);
/* Sets the function that reports a death, instead of a line on standard error. The log, which
 * stands above this file, sets it. */
void must_tell(void (*tell)(const struct must_death *why));

#define MUST(expr) ((expr) ? (void)0 : must_fail(#expr, __FILE__, __LINE__))

#endif
