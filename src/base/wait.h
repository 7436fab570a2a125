/* Wait on a condition with a time limit that does not change when the machine's clock is set. */
#ifndef MANTA_BASE_WAIT_H
#define MANTA_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Makes a condition whose timed waits take the times of wait_until(), not of the wall clock. */
void wait_init(pthread_cond_t *c);
/* Returns the time in `ms` from now. */
struct timespec wait_until(uint32_t ms);
/* Waits, with the lock held, until *flag is set and the condition is signalled, or until that time.
 * Returns *flag. */
bool wait_flag(pthread_cond_t *c, pthread_mutex_t *held, const bool *flag, const struct timespec *until);

#endif
