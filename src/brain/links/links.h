/* Links of the head's brain: which diallers may join, and how the head handles their messages. */
#ifndef MANTA_BRAIN_LINKS_LINKS_H
#define MANTA_BRAIN_LINKS_LINKS_H

#include "brain/step/step.h"

/* ---- link.c: begin and end ---- */
/* A dialler has connected: it is a newcomer until it says hello. */
void head_link_open(struct head *h, uint64_t id, struct str peer, uint64_t origin);
/* The dialler said hello: it is no longer a newcomer. */
void head_link_known(struct head *h, struct link *link);
/* The link is gone, and its worker with it. Harmless for an unknown link. */
void head_link_closed(struct head *h, uint64_t id, struct str why);
/* No hello came in time: refuses the link. */
void head_link_overdue(struct head *h, struct link *link);
/* Tells the other side why, closes the link, and loses its worker with everything it holds; the
 * caller returns at once. `final`: dialling again will not help. */
void head_link_refuse(struct head *h, struct link *link, int err, bool final, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Closes the link without a message to it. Its worker is lost first; messages about that may still
 * go to other links. */
void head_link_close(struct head *h, struct link *link, enum log_level level, struct str why);
/* Returns the open link with that number; NULL: unknown, gone or closing. */
struct link *head_link_find(const struct head *h, uint64_t id);
/* Frees a link that nothing refers to. */
void head_link_free(struct link *link);

/* ---- messages.c ---- */
/* Handles a message of that link. The only function that knows the handler of each message. */
void head_link_msg(struct head *h, uint64_t id, const struct wire_msg *msg);

/* ---- hello.c ---- */
/* The link's first message: makes it a worker's or a launcher's link, or refuses it. */
void head_hello(struct head *h, struct link *link, const struct wire_hello *hello);

/* ---- messages of workers; return 0, or the fault for which the link is refused ---- */
/* register.c: `actor`. */
int head_actor_msg(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* beat.c: `beat`. */
int head_beat(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* availability.c: `availability`. */
int head_availability(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* done.c: `done`. */
int head_done(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);

/* register.c: removes an actor from the registry; its attempts MUST be gone. */
void head_actor_drop(struct head *h, struct actor *a);
/* beat.c: a worker's timer rang: is it silent, or lost? due_us: when the timer was due. */
void head_worker_overdue(struct head *h, struct worker *w, uint64_t due_us);
/* availability.c: HEAD_AVAILABILITY: asks a worker to serve, cordon or drain; head_answer() answers the client. */
void head_availability_ask(struct head *h, const struct head_event *ev);

#endif
