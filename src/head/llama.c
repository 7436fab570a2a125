/* Endpoints that llama-server's clients ask for server properties: /props and /slots, as far as a
 * head knows them. */
#include "head/state.h"
#include "json/write.h"

enum { SLOTS_MAX = 4096 }; /* over all actors; more are not listed */

/* Finds the first ready actor, since a llama-server has one model. Returns the slots of all ready
 * actors; 0: none is ready. */
static uint32_t first_ready(const struct head_program *p, struct head_actor_view *out)
{
    struct head_actor_view a;
    uint32_t slots = 0;
    for (uint32_t from = 0; head_actor_at(p->brain, from, &a); from = a.id + 1) {
        if (a.state != WIRE_ACTOR_READY)
            continue;
        *out = slots == 0 ? a : *out;
        slots += a.slots;
    }
    return slots;
}

static void put_modalities(struct jout *j)
{
    jout_key(j, "modalities");
    jout_object(j);
    jout_put_bool(j, "vision", false);
    jout_put_bool(j, "audio", false);
    jout_object_end(j);
}

void reply_props(struct head_program *p, struct http_request *r)
{
    struct head_actor_view a = {0};
    uint32_t slots = first_ready(p, &a);
    struct fault f;
    if (slots == 0) {
        fault_set(&f, ERR_UNAVAILABLE, "no model is ready yet");
        reply_fault(p, r, &f);
        return;
    }
    buf_reset(&p->json);
    struct jout j = jout_to(&p->json);
    jout_object(&j);
    jout_key(&j, "default_generation_settings");
    jout_object(&j);
    jout_put_uint(&j, "n_ctx", a.context);
    jout_object_end(&j);
    jout_put_uint(&j, "total_slots", slots);
    jout_put_str(&j, "model_alias", a.model);
    jout_put_str(&j, "model_path", a.model);
    put_modalities(&j);
    jout_put_cstr(&j, "build_info", p->o->version);
    jout_put_bool(&j, "is_sleeping", false);
    jout_object_end(&j);
    reply_json(p, r, 200, NULL);
}

/* Writes the slots of an actor, busy ones first: only its worker knows which slot has which
 * request. */
static void put_slots(struct jout *j, const struct head_actor_view *a, uint32_t *inout_n)
{
    for (uint32_t i = 0; i < a->slots && *inout_n < SLOTS_MAX; i++) {
        jout_object(j);
        jout_put_uint(j, "id", (*inout_n)++);
        jout_put_uint(j, "n_ctx", a->context);
        jout_put_bool(j, "speculative", false);
        jout_put_bool(j, "is_processing", i < a->in_flight);
        jout_object_end(j);
    }
}

void reply_slots(struct head_program *p, struct http_request *r)
{
    struct head_actor_view a;
    uint32_t n = 0, from = 0;
    buf_reset(&p->json);
    struct jout j = jout_to(&p->json);
    jout_array(&j);
    while (n < SLOTS_MAX && head_actor_at(p->brain, from, &a)) {
        if (a.state == WIRE_ACTOR_READY)
            put_slots(&j, &a, &n);
        from = a.id + 1;
    }
    jout_array_end(&j);
    reply_json(p, r, 200, NULL);
}
