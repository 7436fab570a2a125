/* Lines on their way to a descriptor that may stop taking them: a terminal after Ctrl-S, a pipe whose reader sleeps.
 *
 * Adding a line never waits: it is copied into a ring, and a thread of the spool writes it out. When the ring is full the
 * oldest lines give way, and their number is written in their place. A thread, because nothing else works for every kind of
 * descriptor: O_NONBLOCK belongs to the open file and would change it for all processes that share it, /proc/self/fd/2 cannot
 * be opened anew when it is a socket or another user's, and poll() does not say how much a terminal takes. */
#ifndef MANTA_BASE_SPOOL_H
#define MANTA_BASE_SPOOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { SPOOL_CHUNK_BYTES = 16 << 10 }; /* written at once; a longer line is cut */

/* Writes whole lines, on the spool's thread; false: they are lost. */
typedef bool spool_put_fn(const char *lines, size_t n, void *user_data);

struct spool {
    pthread_mutex_t lock;     /* everything below but `chunk`, which is the thread's */
    pthread_cond_t changed;   /* a line came, or a chunk is out */
    pthread_t thread;
    char *ring;               /* borrowed */
    size_t cap;               /* its size */
    uint64_t added;           /* bytes so far; the next one goes to added % cap */
    uint64_t oldest;          /* where the oldest line that is kept begins */
    uint64_t taken;           /* where the thread continues */
    uint64_t lost;            /* lines that nobody was told of yet */
    bool writing;             /* a chunk is on its way */
    bool started, ending;     /* the thread runs; it should end */
    spool_put_fn *put;
    void *user_data;
    char chunk[SPOOL_CHUNK_BYTES];
};

/* Keeps lines in `ring`, at least two chunks large; nothing is written before spool_start(). */
void spool_init(struct spool *s, char *ring, size_t cap);
/* From now on the thread writes what is added. False: no thread could be had. */
bool spool_start(struct spool *s, spool_put_fn *put, void *user_data);
/* Adds a line that ends with '\n'. `written`: somebody has written it already, it is only kept. Never waits for output. */
void spool_add(struct spool *s, const char *line, size_t n, bool written);
/* Waits until all is written, at most `ms`; false: it is not. */
bool spool_flush(struct spool *s, uint32_t ms);
/* Waits likewise, then ends the thread. It is left behind where its output hangs: then *s must stay. True: it has ended. */
bool spool_end(struct spool *s, uint32_t ms);
/* In a child that was forked and runs on: the thread stayed behind. */
void spool_forked(struct spool *s);
/* Writes the last `lines` lines with write(2) only, without the lock: for a signal handler. */
void spool_dump(const struct spool *s, int fd, unsigned lines);
/* Writes all of it, also where the descriptor was made non-blocking by others; false: it cannot be written. */
bool spool_write(int fd, const char *bytes, size_t n);

#endif
