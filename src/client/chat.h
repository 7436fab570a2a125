/* A conversation within the model's context, and its sampling settings. Private to the room. */
#ifndef MANTA_CLIENT_CHAT_H
#define MANTA_CLIENT_CHAT_H

#include <jansson.h>

#include "client/client.h"

struct chat {
    const struct client_options *o;
    json_t *messages;     /* owned; user and assistant, alternating */
    json_t *sampling;     /* owned; request fields: {"temperature":0.7} */
    char *system;         /* owned; NULL: none */
    char model[128];      /* to ask for; empty: any */
    unsigned left_out;    /* exchanges dropped because they no longer fit the context */
    bool quiet;           /* show only answers */
};

void chat_init(struct chat *c, const struct client_options *o);
void chat_fini(struct chat *c);
/* Drops the conversation; system text, model and sampling stay. */
void chat_new(struct chat *c);
/* Asks a question, shows the answer as it arrives, and remembers both. Drops the oldest exchanges
 * that no longer fit the context. Errors are shown and returned; after Ctrl-C, ERR_CANCELLED, and
 * the partial answer is remembered. */
int chat_say(struct chat *c, const char *text);
/* Sets one request field: "temperature", "0.7"; "default" takes it back. Returns ERR_INVALID with f
 * for an unknown setting, and for a value that is missing, no number or out of bounds. */
int chat_set(struct chat *c, const char *name, const char *value, struct fault *f);
/* Writes the conversation as JSON, or as text for people if the path ends in ".md". Returns ERR_IO with
 * f. */
int chat_save(const struct chat *c, const char *path, struct fault *f);

/* ---- commands.c ---- */
/* Runs "/help", "/model NAME" and the like: lines that begin with a slash and a letter never go to
 * a model. *out_quit: the user wants to leave. */
int chat_command(struct chat *c, const char *line, bool *out_quit);

#endif
