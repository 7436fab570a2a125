#include "os/last_words.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct note {
    _Atomic uint32_t n;
    _Atomic uint64_t what[LAST_WORDS_NOTES_MAX];
};

static struct note own_notes[LAST_WORDS_THREADS_MAX], *notes = own_notes;
static atomic_uint threads; /* that have a note, or asked for one */
static _Thread_local struct note *own;
static _Thread_local int asked;
static _Atomic(last_words_fn *) listener;

void last_words_to(last_words_fn *fn)
{
    atomic_store(&listener, fn);
}

/* A thread that ends keeps its note: actors live as long as their worker. */
static struct note *own_note(void)
{
    if (!asked) {
        unsigned i = atomic_fetch_add(&threads, 1);
        own = i < LAST_WORDS_THREADS_MAX ? &notes[i] : NULL;
        asked = 1;
    }
    return own;
}

void last_words_computing(const uint64_t *what, uint32_t n)
{
    struct note *note = own_note();
    if (note == NULL)
        return;
    n = n < LAST_WORDS_NOTES_MAX ? n : LAST_WORDS_NOTES_MAX;
    atomic_store_explicit(&note->n, 0, memory_order_relaxed); /* a crash in between names too few jobs, not wrong
                                                                 ones */
    for (uint32_t i = 0; i < n; i++)
        atomic_store_explicit(&note->what[i], what[i], memory_order_relaxed);
    atomic_store_explicit(&note->n, n, memory_order_release);
}

static uint32_t collect(const struct note *note, uint64_t *out, uint32_t n, uint32_t max)
{
    uint32_t noted = atomic_load_explicit(&note->n, memory_order_acquire);
    for (uint32_t i = 0; i < noted && n < max; i++)
        out[n++] = atomic_load_explicit(&note->what[i], memory_order_relaxed);
    return n;
}

void last_words_share(void)
{
    void *shared = mmap(NULL, sizeof own_notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared != MAP_FAILED)
        notes = shared;
}

uint32_t last_words_of_all(uint64_t *out, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < LAST_WORDS_THREADS_MAX; i++)
        n = collect(&notes[i], out, n, max);
    return n;
}

void last_words_say(int signum)
{
    uint64_t what[LAST_WORDS_TOLD_MAX];
    const uint32_t max = sizeof what / sizeof what[0];
    last_words_fn *fn = atomic_load(&listener);
    uint32_t n = 0;
    if (fn == NULL || gettid() == getpid())
        return;
    if (own != NULL)
        n = collect(own, what, 0, max);
    for (uint32_t i = 0; own == NULL && i < LAST_WORDS_THREADS_MAX; i++)
        n = collect(&notes[i], what, n, max);
    if (n > 0)
        fn(signum, what, n);
}
