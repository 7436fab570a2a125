/* Record the jobs being computed, for the report of a crash.
 *
 * A thread notes its jobs before it computes; a crash handler reads the notes. A thread may compute
 * with helpers that note nothing (an engine's own threads): a crash in a helper counts as a crash
 * of all jobs noted anywhere. The process's first thread computes nothing: a crash there blames no
 * job. */
#ifndef MANTA_OS_LAST_WORDS_H
#define MANTA_OS_LAST_WORDS_H

#include <stdint.h>

enum {
    LAST_WORDS_THREADS_MAX = 64, /* threads that can note jobs; further ones are ignored. An actor has three */
    LAST_WORDS_NOTES_MAX = 64,   /* jobs of one thread at once */
    LAST_WORDS_TOLD_MAX = 1024,  /* of all threads together: as many as a signal's stack has room for */
};

/* Called by the crash handler with all jobs being computed. Must only make calls that are safe
 * in a signal handler. */
typedef void last_words_fn(int signum, const uint64_t *what, uint32_t n);
/* Sets the callback of the process; NULL: none. */
void last_words_to(last_words_fn *fn);

/* Notes the jobs that this thread computes from now on; n 0: none. Copied; jobs beyond the
 * maximum are left out. */
void last_words_computing(const uint64_t *what, uint32_t n);

/* Moves the notes into memory shared with children of this process, which can read them with
 * last_words_of_all() after the process is gone. Call before the first note. */
void last_words_share(void);
/* Collects the jobs that all threads compute. Returns their number, at most max. */
uint32_t last_words_of_all(uint64_t *out, uint32_t max);

/* Passes this thread's jobs to the callback. Call from the handler of a signal that a fault of
 * this thread raised. */
void last_words_say(int signum);

#endif
