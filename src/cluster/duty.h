/* Which workers take new jobs: what they say of it, and asking them. For the files of the head's brain. */
#ifndef MANTA_CLUSTER_DUTY_H
#define MANTA_CLUSTER_DUTY_H

#include "cluster/head_state.h"

void head_duty(struct head *h, struct worker *w, const struct wire_duty *m);
void head_duty_ask(struct head *h, const struct head_event *ev);

/* It takes no new jobs. */
static inline bool head_worker_is_off(const struct worker *w)
{
    return w->duty != WIRE_DUTY_SERVES;
}

#endif
