#include "base/wait.h"

#include <errno.h>

void wait_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec wait_until(uint32_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000l;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool wait_flag(pthread_cond_t *c, pthread_mutex_t *held, const bool *flag, const struct timespec *until)
{
    while (!*flag && pthread_cond_timedwait(c, held, until) != ETIMEDOUT)
        continue;
    return *flag;
}
