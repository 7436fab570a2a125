/* How many workers a launcher is to keep up: what people ask for, what launchers say, and what the policy decides. */
#ifndef MANTA_BRAIN_SCALE_SCALE_H
#define MANTA_BRAIN_SCALE_SCALE_H

#include "brain/registry/registry.h"

/* The head begins: limits by its settings, and the policy's clock where the load decides. */
void head_scale_begin(struct head *h);
/* A second is over: the policy looks at the end of this step. */
void head_scale_overdue(struct head *h);
/* The end of a step: decides, when it is time to. */
void head_scale_look(struct head *h);
/* HEAD_SCALE: somebody asks for a number, or for the load to decide; answered by head_answer(). */
void head_scale(struct head *h, const struct head_event *ev);
/* A launcher says how many run. `link` is LINK_LAUNCHER. */
void head_scale_state(struct head *h, struct link *link, const struct wire_scale_state *m);
/* A launcher has joined: it is told the number where that is this head's own. */
void head_launcher_joins(struct head *h, const struct link *link);
/* Asking for a worker makes one, and no worker is there because none was needed. */
bool head_scale_sleeps(const struct head *h);
/* What all models together need now; ticks their demand by `s` seconds. */
struct scale_input head_scale_measure(struct head *h, double s);

#endif
