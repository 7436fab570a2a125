#include "head/seal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/must.h"

enum { ROUNDS = 10000 };

/* HMAC-SHA-256 of the label, including its NUL, and the data after it: no two purposes share an
 * input. */
static void derive(const struct seal *under, const char *label, struct str what, unsigned char out[SEAL_BYTES])
{
    unsigned char text[256];
    size_t label_n = strlen(label) + 1;
    unsigned n = SEAL_BYTES;
    MUST(label_n + what.n <= sizeof text);
    memcpy(text, label, label_n);
    if (what.n > 0)
        memcpy(text + label_n, what.p, what.n);
    MUST(HMAC(EVP_sha256(), under->bytes, SEAL_BYTES, text, label_n + what.n, out, &n) != NULL);
}

static uint64_t number_at(const unsigned char *bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof v; i++)
        v |= (uint64_t)bytes[i] << (8 * i);
    return v != 0 ? v : 1;
}

void seal_of_key(struct str key, struct seal *out)
{
    static const unsigned char salt[] = "manta seal 1";
    MUST(PKCS5_PBKDF2_HMAC(key.p, (int)key.n, salt, sizeof salt, ROUNDS, EVP_sha256(), SEAL_BYTES, out->bytes) == 1);
}

void seal_of_name(const struct seal *under, struct str name, struct seal *out)
{
    struct seal made;
    derive(under, "tenant", name, made.bytes);
    *out = made;
}

struct seal_stream seal_stream(const struct seal *s, uint64_t stream)
{
    unsigned char out[SEAL_BYTES], text[sizeof stream];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(stream >> (8 * i));
    derive(s, "stream", str_n((const char *)text, sizeof text), out);
    return (struct seal_stream){.name = number_at(out), .claim = number_at(out + 8)};
}

uint64_t seal_number(const struct seal *s)
{
    unsigned char out[SEAL_BYTES];
    derive(s, "number", str_n(NULL, 0), out);
    return number_at(out);
}
