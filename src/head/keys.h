/* Parse the API keys of clients: the keys, their tenants, and the keys that may change the cluster.
 *
 * Text forms: "KEY", several ("KEY,KEY"), or with names ("anna: KEY,ben: KEY"). With several keys,
 * a key's name is the tenant of its requests; a key without a name is key-1, key-2, … by its
 * position. "[admin]" after a name marks a key of the *admin* scope: "ops[admin]: KEY". If all keys
 * belong to one tenant and none is marked, all have the scope: there is no other tenant to
 * protect. */
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
    struct str name;   /* empty: none given */
    struct str key;
    bool admin;        /* may drain, cordon, scale, and see all tenants' requests */
    uint32_t tenant;   /* index of the key that represents its tenant: the smallest key of that name, so that the order
                        * of keys does not matter */
    bool sealed;       /* `seal` is derived, on first use: deriving takes milliseconds */
    struct seal seal;  /* the tenant's; only in the entry that represents it */
};

struct keys {
    struct api_key *at; /* owned */
    char *text;         /* owned: the keys' and names' bytes */
    uint32_t n;         /* 0: clients need no key */
    bool one_tenant;    /* all keys belong to one tenant */
};

/* Parses the text. Returns ERR_USAGE for a key or name that is empty, too long or not sendable, and
 * for a key given twice. No error shows a key. */
int keys_parse(struct keys *k, const char *text, struct fault *f);
/* Frees the keys. */
void keys_fini(struct keys *k);
/* Finds the key that equals `given`, or NULL; the time does not depend on where they differ. */
struct api_key *keys_find(const struct keys *k, struct str given);
/* Returns the seal of a key's tenant: only holders of a key of that tenant can derive it, and every
 * head with the same keys derives the same one. */
const struct seal *keys_seal(const struct keys *k, const struct api_key *key);
/* Returns a key of such a text, without its name, for programs on this side: the first with the
 * admin scope, else the first. Borrowed from text. */
struct str keys_own(const char *text);

#endif
