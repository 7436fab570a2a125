/* Check a thought of ours, in release too.
 *
 * MUST is for what only a bug of manta's can break. What a peer, a file or a
 * person can get wrong is an error (base/err.h), never a MUST. */
#ifndef MANTA_BASE_MUST_H
#define MANTA_BASE_MUST_H

#include <stddef.h>

/* Why the process is about to abort. */
struct must_death {
    const char *expr, *file; /* of the broken invariant; NULL: there was no memory … */
    int line;
    size_t bytes;            /* … for so many */
};

/* Says why, then aborts: the crash handler in main/ adds the stack and the log ring. */
_Noreturn void must_fail(const char *expr, const char *file, int line);
/* The same for an allocation that may not fail. */
_Noreturn void must_have_memory(size_t bytes);
/* Who says why from now on; before it is standard error. The log does so, which this file stands below. */
void must_tell(void (*tell)(const struct must_death *why));

#define MUST(expr) ((expr) ? (void)0 : must_fail(#expr, __FILE__, __LINE__))

#endif
