/* Requests that crash the workers that compute them: evidence, quarantine, the end. */
#ifndef MANTA_CLUSTER_POISON_H
#define MANTA_CLUSTER_POISON_H

#include "cluster/head_state.h"

void head_crashed(struct head *h, struct worker *w, const struct wire_crashed *m);
/* It is given to nobody any more. */
bool head_call_is_poison(const struct call *call);
void head_poison_fault(const struct call *call, struct fault *f);
/* Ends its jobs with that fault, but this one, and those on workers that are being lost. */
void head_call_condemn(struct head *h, struct call *call, const struct job *but);
/* A suspect that lost its actor is bound to a quiet one, whose guest it is. False: it is none, or there is no such actor. */
bool head_job_quarantine(struct head *h, struct job *job);
/* A guest leaves, if it is one. */
void head_guest_leave(struct head *h, struct job *job);
/* More of a job was said: a suspect may be cleared. */
void head_suspect_says(struct head *h, struct job *job);
/* It ended well. */
void head_job_acquit(struct job *job);
/* Its guest can be sent now. */
bool head_actor_takes_guest(const struct actor *a);

#endif
