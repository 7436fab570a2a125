/* The "system_fingerprint" of an answer.
 *
 * The fingerprint of an exact actor covers everything that determines the bits: model file,
 * context, engine version, processor features and the measured setup. An answer to which actors of
 * different fingerprints contributed has none, like all answers of the fast mode. */
#include <stdio.h>
#include <string.h>

#include "brain/kit/hash.h"
#include "head/call.h"

/* Without a fingerprint, names the program that answered, which promises nothing. */
static void say_none(const struct head_program *p, char out[CALL_FINGERPRINT_BYTES])
{
    snprintf(out, CALL_FINGERPRINT_BYTES, "build-%s", p->o->version);
}

static void print(struct head_program *p, uint32_t id, char out[CALL_FINGERPRINT_BYTES])
{
    struct head_actor_view a;
    struct head_worker_view w;
    say_none(p, out);
    if (!head_actor_at(p->brain, id, &a) || a.id != id || !a.exact)
        return;
    if (!head_worker_at(p->brain, a.worker, net_now_us(p->loop), &w) || w.id != a.worker)
        return;
    const struct str parts[] = {a.digest, w.engine, w.cpu_features, a.setup};
    uint64_t hash = a.context;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        hash = hash_text(hash, parts[i]);
    snprintf(out, CALL_FINGERPRINT_BYTES, "manta-exact-%016llx", (unsigned long long)hash);
}

void call_fingerprint(struct head_program *p, struct call *c, uint32_t actor)
{
    char now[CALL_FINGERPRINT_BYTES];
    print(p, actor, now);
    if (c->fingerprint[0] != '\0' && strcmp(now, c->fingerprint) != 0)
        say_none(p, now);
    memcpy(c->fingerprint, now, sizeof now);
    c->head.fingerprint = str_of(c->fingerprint);
}
