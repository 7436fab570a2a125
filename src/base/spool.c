#include "base/spool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/must.h"
#include "base/wait.h"

enum { STACK_BYTES = 256 << 10 };

void spool_init(struct spool *s, char *ring, size_t cap)
{
    MUST(cap >= 2 * SPOOL_CHUNK_BYTES);
    *s = (struct spool){.ring = ring, .cap = cap};
    pthread_mutex_init(&s->lock, NULL);
    wait_init(&s->changed);
}

/* ---- the ring ---- */

static uint64_t line_end(const struct spool *s, uint64_t at)
{
    while (at < s->added && s->ring[at % s->cap] != '\n')
        at++;
    return at + 1;
}

static void make_room(struct spool *s, size_t n)
{
    while (s->added + n - s->oldest > s->cap) {
        s->oldest = line_end(s, s->oldest);
        if (s->taken < s->oldest) {
            s->taken = s->oldest;
            s->lost++;
        }
    }
}

static void copy_in(struct spool *s, const char *line, size_t n)
{
    size_t at = s->added % s->cap, part = n < s->cap - at ? n : s->cap - at;
    memcpy(s->ring + at, line, part);
    memcpy(s->ring, line + part, n - part);
    s->added += n;
}

void spool_add(struct spool *s, const char *line, size_t n, bool written)
{
    bool cut = n > SPOOL_CHUNK_BYTES / 2;
    size_t body = cut ? SPOOL_CHUNK_BYTES / 2 : n;
    pthread_mutex_lock(&s->lock);
    make_room(s, body + cut);
    copy_in(s, line, body);
    if (cut)
        copy_in(s, "\n", 1);
    if (written && s->taken + body + cut == s->added)
        s->taken = s->added;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- the thread ---- */

bool spool_write(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (done < 0 && errno != EINTR)
            return false;
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

static size_t put_lost(struct spool *s)
{
    int n = 0;
    if (s->lost > 0)
        n = snprintf(s->chunk, sizeof s->chunk, "warning: %llu lines dropped here: this output did not take them in time\n",
                     (unsigned long long)s->lost);
    return (size_t)n;
}

/* Fills the chunk with the report of lost lines, then with as many whole lines as fit. */
static size_t take_chunk(struct spool *s, unsigned *out_lines)
{
    size_t n = put_lost(s);
    *out_lines = 0;
    while (s->taken < s->added) {
        size_t line = (size_t)(line_end(s, s->taken) - s->taken);
        if (n + line > sizeof s->chunk)
            break;
        for (size_t i = 0; i < line; i++)
            s->chunk[n++] = s->ring[(s->taken + i) % s->cap];
        s->taken += line;
        ++*out_lines;
    }
    return n;
}

static void *spool_run(void *user_data)
{
    struct spool *s = user_data;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (s->taken == s->added && !s->ending)
            pthread_cond_wait(&s->changed, &s->lock);
        if (s->taken == s->added)
            break;
        unsigned lines;
        uint64_t told = s->lost;
        size_t n = take_chunk(s, &lines);
        s->writing = true;
        pthread_mutex_unlock(&s->lock);
        bool out = s->put(s->chunk, n, s->user_data);
        pthread_mutex_lock(&s->lock);
        s->lost = out ? s->lost - told : s->lost + lines;
        s->writing = false;
        pthread_cond_broadcast(&s->changed);
    }
    s->started = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

bool spool_start(struct spool *s, spool_put_fn *put, void *user_data)
{
    sigset_t all, before;
    pthread_attr_t attr;
    s->put = put;
    s->user_data = user_data;
    s->started = true;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all); /* signals go to other threads; SIGTTOU would stop the process where a terminal has `stty
                         tostop` */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->started = pthread_create(&s->thread, &attr, spool_run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return s->started;
}

static bool is_done(const struct spool *s)
{
    return s->ending ? !s->started : s->taken == s->added && !s->writing;
}

/* With the lock held. */
static bool wait_done(struct spool *s, uint32_t ms)
{
    struct timespec until = wait_until(ms);
    while (!is_done(s)) {
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) == ETIMEDOUT)
            break;
    }
    return is_done(s);
}

bool spool_flush(struct spool *s, uint32_t ms)
{
    pthread_mutex_lock(&s->lock);
    bool done = !s->started || wait_done(s, ms);
    pthread_mutex_unlock(&s->lock);
    return done;
}

bool spool_end(struct spool *s, uint32_t ms)
{
    pthread_mutex_lock(&s->lock);
    bool ran = s->started;
    s->ending = true;
    pthread_cond_broadcast(&s->changed);
    bool done = !ran || wait_done(s, ms);
    pthread_mutex_unlock(&s->lock);
    if (ran && done)
        pthread_join(s->thread, NULL);
    return done;
}

void spool_forked(struct spool *s)
{
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->started = s->writing = false;
    s->taken = s->added; /* the parent writes those lines */
}

void spool_dump(const struct spool *s, int fd, unsigned lines)
{
    uint64_t from = s->added, to = s->added;
    for (unsigned ends = 0; from > s->oldest; from--) {
        if (s->ring[(from - 1) % s->cap] == '\n' && ends++ == lines)
            break;
    }
    while (from < to) {
        size_t at = from % s->cap, n = s->cap - at;
        n = n < to - from ? n : (size_t)(to - from);
        if (!spool_write(fd, s->ring + at, n))
            return;
        from += n;
    }
}
