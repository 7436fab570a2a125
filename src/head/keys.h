/* The API keys that clients may bring, the name of whose each is, and who may change the cluster.
 *
 * As text: "KEY", or several, "KEY,KEY", or with names, "anna: KEY,ben: KEY". Where there are several, the name is the tenant of
 * the requests that come with it; a key without a name is key-1, key-2, … by its place. A name with [admin] behind it marks a key
 * of the *admin* scope: "ops[admin]: KEY". Where all keys are of one tenant there is nobody else to protect, and they all have it. */
#ifndef MANTA_HEAD_KEYS_H
#define MANTA_HEAD_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "head/seal.h"

enum {
    KEYS_MAX = 1024,
    KEY_BYTES_MAX = 511,
    KEY_NAME_BYTES_MAX = 64, /* as HEAD_TENANT_NAME_BYTES_MAX */
};

struct api_key {
    struct str name;   /* empty: it was given none */
    struct str key;
    bool admin;        /* may drain, cordon, scale, and see everybody's requests */
    uint32_t tenant;   /* index of the key that stands for its tenant: the least of that name, so that the order does not matter */
    bool sealed;       /* seal is made, on first use: it takes milliseconds */
    struct seal seal;  /* of that tenant; only in the entry that stands for it */
};

struct keys {
    struct api_key *at; /* owned */
    char *text;         /* owned: what they borrow */
    uint32_t n;         /* 0: nobody is asked for one */
    bool one_tenant;    /* they are all of one */
};

/* ERR_USAGE: a key or a name is empty, too long, given twice, or has characters that cannot be sent. No error shows a key. */
int keys_parse(struct keys *k, const char *text, struct fault *f);
/* Frees them. */
void keys_fini(struct keys *k);
/* The one that is `given`, or NULL; takes the same time wherever it differs. */
struct api_key *keys_find(const struct keys *k, struct str given);
/* What only those with a key of the same tenant can derive; the same at every head that has the same keys. */
const struct seal *keys_seal(const struct keys *k, const struct api_key *key);
/* A key of such a text, without its name, for those who ask: the first with the admin scope, else the first. Borrowed from text. */
struct str keys_own(const char *text);

#endif
