/* Coding agents: the configuration that each needs to work with a cluster. Private to the room; `manta launch`
 * is coder.c.
 *
 * The user's own configuration is neither changed nor ignored: an agent is configured by environment
 * variables, by flags before the user's, or by a file in manta's state folder that a flag names. */
#ifndef MANTA_CLIENT_CODER_H
#define MANTA_CLIENT_CODER_H

#include <jansson.h>
#include <stdint.h>

/* The cluster to work with. All borrowed. */
struct coder_facts {
    const char *url;      /* of the head: "http://127.0.0.1:8470" */
    const char *key;      /* never empty: agents require one */
    const char *model;
    uint32_t context;     /* tokens of a prompt and its answer; 0: unknown */
    const char *folder;   /* for the agent's files */
};

/* The configuration to start it with. coder_setup_fini() frees it. */
struct coder_setup {
    json_t *env;          /* an object: variable -> value; null: unset */
    json_t *args;         /* an array of arguments */
    json_t *files;        /* an object: path -> content */
};

struct coder {
    const char *name;     /* also of its program */
    const char *package;  /* its npm package */
    uint32_t prompt_kb;   /* approximate size of its first prompt */
    void (*set_up)(const struct coder_facts *facts, struct coder_setup *out);
};

/* coders.c: the table; its last entry has the name NULL. */
extern const struct coder coders[];
/* Frees a configuration. */
void coder_setup_fini(struct coder_setup *s);

#endif
