/* A conversation: what was said so far, within the model's context, and how answers are drawn. Private to the room. */
#ifndef MANTA_CLIENT_CHAT_H
#define MANTA_CLIENT_CHAT_H

#include <jansson.h>

#include "client/client.h"

struct chat {
    const struct client_options *o;
    json_t *messages;     /* owned; user and assistant, one after the other */
    json_t *sampling;     /* owned; fields of requests: {"temperature":0.7} */
    char *system;         /* owned; NULL: none */
    char model[128];      /* that is asked for; empty: any */
    unsigned left_out;    /* exchanges that no longer fit the context */
    bool quiet;           /* nothing but answers */
};

void chat_init(struct chat *c, const struct client_options *o);
void chat_fini(struct chat *c);
/* Forgets what was said; system text, model and sampling stay. */
void chat_new(struct chat *c);
/* Asks it, shows the answer as it comes, and remembers both. What no longer fits the context is left out, the oldest first. Errors are shown and
 * returned; ERR_CANCELLED after Ctrl-C, and what came of the answer is remembered. */
int chat_say(struct chat *c, const char *text);
/* One field of requests: "temperature", "0.7". ERR_INVALID with f: there is no such setting, or not with such a value. */
int chat_set(struct chat *c, const char *name, const char *value, struct fault *f);
/* Writes the conversation as JSON (or, "….md", for people). ERR_IO with f. */
int chat_save(const struct chat *c, const char *path, struct fault *f);

/* ---- commands.c ---- */
/* "/help", "/model NAME": what begins with a slash and a letter is never sent to a model. *out_quit: the person wants to leave. */
int chat_command(struct chat *c, const char *line, bool *out_quit);

#endif
