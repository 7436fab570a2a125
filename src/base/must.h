/* Check a thought of ours, in release too.
 *
 * MUST is for what only a bug of manta's can break. What a peer, a file or a
 * person can get wrong is an error (base/err.h), never a MUST. */
#ifndef MANTA_BASE_MUST_H
#define MANTA_BASE_MUST_H

/* Prints what failed and where, then aborts: the crash handler in main/ adds the stack and the log ring. */
_Noreturn void must_fail(const char *expr, const char *file, int line);

#define MUST(expr) ((expr) ? (void)0 : must_fail(#expr, __FILE__, __LINE__))

#endif
