/* Be the first process of a container (PID 1): the kernel lets no signal end that process unless it
 * is handled. In any other process nothing here has an effect. */
#ifndef MANTA_NET_FIRST_H
#define MANTA_NET_FIRST_H

#include <stdbool.h>

/* Called first by main(): the signals by which terminals, supervisors and users end a process end
 * this one, with status 128 + signum, until net_signal() or sigaction() takes them. */
void first_begin(void);
/* Gives a signal that nobody handles any longer its end again. */
void first_default(int signum);
/* Returns whether this process is the first one. */
bool first_is_this(void);

#endif
