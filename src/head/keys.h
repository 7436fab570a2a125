/* The API keys that clients may bring, and the name of whose each is.
 *
 * As text: "KEY", or several, "KEY,KEY", or with names, "anna: KEY,ben: KEY". Where there are several, the name is the tenant of
 * the requests that come with it; a key without a name is key-1, key-2, … by its place. */
#ifndef MANTA_HEAD_KEYS_H
#define MANTA_HEAD_KEYS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
    KEYS_MAX = 1024,
    KEY_BYTES_MAX = 511,
    KEY_NAME_BYTES_MAX = 64, /* as HEAD_TENANT_NAME_BYTES_MAX */
};

struct api_key {
    struct str name; /* empty: the only key, and it was given none */
    struct str key;
};

struct keys {
    struct api_key *at; /* owned */
    char *text;         /* owned: what they borrow */
    uint32_t n;         /* 0: nobody is asked for one */
};

/* ERR_USAGE: a key or a name is empty, too long, given twice, or has characters that cannot be sent. No error shows a key. */
int keys_parse(struct keys *k, const char *text, struct fault *f);
void keys_fini(struct keys *k);
/* The one that is `given`, or NULL; takes the same time wherever it differs. */
const struct api_key *keys_find(const struct keys *k, struct str given);
/* The first key of such a text, without its name, for those who ask: borrowed from text. */
struct str keys_first(const char *text);

#endif
