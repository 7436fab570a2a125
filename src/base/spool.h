/* Write lines to a descriptor that may stop taking them: a terminal after Ctrl-S, a pipe whose
 * reader sleeps.
 *
 * Adding a line never waits: the line is copied into a ring, and the spool's thread writes it out.
 * When the ring is full the oldest lines are dropped, and a line with their number is written in
 * their place. Only a thread works for every kind of descriptor: O_NONBLOCK belongs to the open
 * file and would change it for all processes that share it, /proc/self/fd/2 cannot be reopened when
 * it is a socket or another user's, and poll() does not say how much a terminal takes. */
#ifndef MANTA_BASE_SPOOL_H
#define MANTA_BASE_SPOOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


enum { SPOOL_CHUNK_BYTES = 16 << 10 }; /* written at once; a line longer than half of it is cut */

/* Writes whole lines, on the spool's thread. Returns false when they are lost. */
typedef bool spool_put_fn(const char *lines, size_t n, void *user_data);

struct spool {
    pthread_mutex_t lock;     /* guards everything below but `chunk`, which is the thread's */
    pthread_cond_t changed;   /* a line was added, or a chunk was written */
    pthread_t thread;
    char *ring;               /* borrowed */
    size_t cap;               /* its size */
    uint64_t added;           /* bytes so far; the next byte goes to added % cap */
    uint64_t oldest;          /* beginning of the oldest line in the ring */
    uint64_t taken;           /* where the thread continues */
    uint64_t lost;            /* dropped lines not reported yet */
    bool writing;             /* the thread is writing a chunk */
    bool started, ending;     /* the thread runs; it is to end */
    spool_put_fn *put;
    void *user_data;
    char chunk[SPOOL_CHUNK_BYTES];
};

/* Makes a spool over `ring`, which holds at least two chunks. Nothing is written before
 * spool_start(). */
void spool_init(struct spool *s, char *ring, size_t cap);
/* Starts the thread, which writes everything added from now on. Returns false when no thread
 * could be started. */
bool spool_start(struct spool *s, spool_put_fn *put, void *user_data);
/* Adds a line that ends with '
 * '. `written`: the caller has written it already; the ring only keeps it. Never waits for output. */
void spool_add(struct spool *s, const char *line, size_t n, bool written);
/* Waits until everything is written, at most `ms`. Returns false on timeout. */
bool spool_flush(struct spool *s, uint32_t ms);
/* Waits likewise, then ends the thread. Returns false when the output hangs: the thread is left
 * behind, and *s must stay valid. */
bool spool_end(struct spool *s, uint32_t ms);
/* Resets the spool in a forked child that keeps running: the thread stayed in the parent. */
void spool_forked(struct spool *s);
/* Writes the last `lines` lines with write(2) only, without the lock. For a signal handler. */
void spool_dump(const struct spool *s, int fd, unsigned lines);
/* Writes all bytes, even when another process made the descriptor non-blocking. Returns false on
 * a write error. */
bool spool_write(int fd, const char *bytes, size_t n);

#endif
