#include <stdio.h>

#include "base/log.h"
#include "base/utf8.h"
#include "head/state.h"

/* Find the owner of a request, and what the owner may do.
 *
 * The key separates tenants: a stream, its place in the queue and its cached prompt are visible
 * only with a key of the tenant that began it; to others they do not exist. If there is one key, or
 * none, a header may divide its requests further, for a gateway that sets the header itself. */

static const char SECRET_NAME[] = "streams.secret";

static bool is_text(struct str s)
{
    size_t i = 0;
    for (size_t n; i < s.n && (unsigned char)s.p[i] >= 32 && (n = utf8_len(s.p + i, s.n - i)) > 0;)
        i += n;
    return i == s.n;
}

/* Reads manta's header, or the one of llm-d's gateway. */
static int header_tenant(const struct http_request *r, struct str *out, struct fault *f)
{
    static const char *const names[] = {"x-tenant-id", "x-llm-d-inference-fairness-id"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str s = http_header(r, names[i]);
        if (s.n == 0)
            continue;
        if (s.n > HEAD_TENANT_NAME_BYTES_MAX || !is_text(s))
            return fault_set(f, ERR_INVALID, "%s: %zu bytes, expected a name of at most %d bytes of UTF-8", names[i], s.n,
                             HEAD_TENANT_NAME_BYTES_MAX);
        *out = s;
        return 0;
    }
    return 0;
}

/* With keys of several tenants, the key names the tenant. */
static void key_tenant(const struct head_program *p, const struct api_key *key, char out[HEAD_TENANT_NAME_BYTES_MAX + 1])
{
    if (key->name.n > 0)
        snprintf(out, HEAD_TENANT_NAME_BYTES_MAX + 1, "%.*s", STR_ARG(key->name));
    else
        snprintf(out, HEAD_TENANT_NAME_BYTES_MAX + 1, "key-%u", (unsigned)(key - p->keys.at) + 1);
}

struct api_key *owner_key(const struct head_program *p, const struct http_request *r)
{
    struct str auth = http_header(r, "authorization");
    if (auth.n > 7 && strncasecmp(auth.p, "bearer ", 7) == 0)
        return keys_find(&p->keys, str_n(auth.p + 7, auth.n - 7));
    struct str key = http_header(r, "x-api-key");
    return keys_find(&p->keys, key.n > 0 ? key : http_header(r, "api-key"));
}

int owner_of(struct head_program *p, const struct http_request *r, struct owner *out, struct fault *f)
{
    const struct api_key *key = owner_key(p, r);
    struct str header = str_n(NULL, 0);
    *out = (struct owner){.seal = key != NULL ? *keys_seal(&p->keys, key) : p->seal, .admin = key != NULL ? key->admin : p->keys.n == 0};
    if (key != NULL && p->keys.n > 1) {
        key_tenant(p, key, out->tenant);
    } else {
        int err = header_tenant(r, &header, f);
        if (err != 0)
            return err;
    }
    if (header.n > 0) {
        snprintf(out->tenant, sizeof out->tenant, "%.*s", STR_ARG(header));
        seal_of_name(&out->seal, header, &out->seal);
    }
    out->all = out->admin && header.n == 0;
    out->id = seal_number(&out->seal);
    return 0;
}

void owner_begin(struct head_program *p)
{
    char secret[SECRET_BYTES + 1];
    if (p->keys.n > 0)
        return;
    bool own = secret_own(SECRET_NAME, true, secret) == 0;
    if (!own)
        log_info("HEAD NODE STARTING", EVENT("no_secret"),
                 "cannot keep a secret in the state folder: a worker could claim streams that it never ran");
    seal_of_key(own ? str_of(secret) : str_of(p->o->join_token), &p->seal);
}

/* An open port can be used by anyone who reaches it: listening beyond this machine requires keys.
 * The resolved address counts, not its name: any name may resolve to any address. */
int check_exposure(const struct head_options *o, const char *address, struct fault *f)
{
    if (net_is_loopback(str_of(address)) || (o->api_key[0] != '\0' && o->join_token[0] != '\0'))
        return 0;
    bool name = strcmp(o->host, address) != 0;
    const char *lacks = o->join_token[0] != '\0' ? "--api-key (for clients) beside --join-token"
                        : o->api_key[0] != '\0'  ? "--join-token (for workers) beside --api-key"
                                                 : "--api-key (for clients) and --join-token (for workers)";
    return fault_set(f, ERR_USAGE, "--host %s%s%s%s opens the head to other machines: give %s, or listen on 127.0.0.1", o->host, name ? " (" : "",
                     name ? address : "", name ? ")" : "", lacks);
}
