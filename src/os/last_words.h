/* What was being computed when a process crashed, for those who must know.
 *
 * A thread notes what it computes before it begins; a crash handler asks. A thread may compute with the help of others that
 * noted nothing (an engine's own): a crash in one of them is taken to be a crash of all that was noted anywhere. The thread
 * that the process began with computes nothing: a crash there says nothing of what runs elsewhere. */
#ifndef MANTA_OS_LAST_WORDS_H
#define MANTA_OS_LAST_WORDS_H

#include <stdint.h>

enum {
    LAST_WORDS_THREADS_MAX = 64, /* that note something; further ones are not listened to. An actor has three */
    LAST_WORDS_NOTES_MAX = 64,   /* things that one thread computes at once */
    LAST_WORDS_TOLD_MAX = 1024,  /* of all threads together: what a signal's stack has room for */
};

/* Called by the crash handler with all that was being computed: only what is safe in a signal handler may be done. */
typedef void last_words_fn(int signum, const uint64_t *what, uint32_t n);
/* One for the process; NULL: none. */
void last_words_to(last_words_fn *fn);

/* This thread computes these from now on; n 0: nothing. Copied; those beyond the maximum are left out. */
void last_words_computing(const uint64_t *what, uint32_t n);

/* From now on the notes are in memory that a child of this process shares, and can read with last_words_of_all() when it is gone.
 * Before the first note. */
void last_words_share(void);
/* All that is being computed by anybody. Returns how many, at most max. */
uint32_t last_words_of_all(uint64_t *out, uint32_t max);

/* From the handler of a signal that a fault of the calling thread raised. */
void last_words_say(int signum);

#endif
