/* Coding agents: what each needs to be told to work with a cluster. Private to the room; `manta launch` is coder.c.
 *
 * Nothing of a person's own configuration is written to or left out: an agent is told by variables, by flags that go before the person's, or by a
 * file in manta's state folder that a flag names. */
#ifndef MANTA_CLIENT_CODER_H
#define MANTA_CLIENT_CODER_H

#include <jansson.h>
#include <stdint.h>

/* What it is to work with. All borrowed. */
struct coder_facts {
    const char *url;      /* of the head: "http://127.0.0.1:8470" */
    const char *key;      /* never empty: agents want one */
    const char *model;
    uint32_t context;     /* tokens of a prompt and its answer; 0: not known */
    const char *folder;   /* where its files would go */
};

/* What it is started with. coder_setup_fini() frees it. */
struct coder_setup {
    json_t *env;          /* an object: a variable's name -> its text; null: it is taken away */
    json_t *args;         /* an array of texts */
    json_t *files;        /* an object: path -> text */
};

struct coder {
    const char *name;     /* of its program, too */
    const char *package;  /* npm's */
    uint32_t prompt_kb;   /* of its first prompt, about */
    void (*set_up)(const struct coder_facts *facts, struct coder_setup *out);
};

/* coders.c: the table; ends with a name that is NULL. */
extern const struct coder coders[];
/* Frees what it holds. */
void coder_setup_fini(struct coder_setup *s);

#endif
