/* How many workers a launcher is to keep up: requests of clients, messages of launchers, decisions of the policy. */
#ifndef MANTA_BRAIN_SCALE_SCALE_H
#define MANTA_BRAIN_SCALE_SCALE_H

#include "brain/registry/registry.h"

/* The head begins: takes the limits from its settings, and starts the policy's timer in mode AUTO. */
void head_scale_begin(struct head *h);
/* A second is over: the policy looks at the end of this step. */
void head_scale_overdue(struct head *h);
/* The end of a step: lets the policy decide if it is due. */
void head_scale_look(struct head *h);
/* HEAD_SCALE: a client asks for a number, or for the load to decide; head_answer() answers. */
void head_scale(struct head *h, const struct head_event *ev);
/* A launcher reports how many workers run. `link` is LINK_LAUNCHER. */
void head_scale_state(struct head *h, struct link *link, const struct wire_scale_state *m);
/* A launcher has joined: sends it the number if that is this head's own. */
void head_launcher_joins(struct head *h, const struct link *link);
/* Returns the present need of all models together; advances their demand by `s` seconds. */
struct scale_input head_scale_measure(struct head *h, double s);

#endif
