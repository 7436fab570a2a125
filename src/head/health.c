/* Health checks: for supervisors that restart programs, and for load balancers that send
 * requests. */
#include "json/write.h"
#include "head/state.h"

/* Returns the reason why this head cannot answer a prompt; NULL: a prompt would find an actor, or wake
 * one. */
static const char *why_not(const struct head_program *p, const struct head_totals *t, const struct head_scale_view *scale)
{
    if (p->leaving)
        return "this head is stopping";
    if (t->actors_serving > 0 || scale->sleeps)
        return NULL;
    return t->actors_ready > 0 ? "every worker is cordoned or drains" : "no actor is ready yet";
}

void reply_live(struct head_program *p, struct http_request *r)
{
    buf_reset(&p->json);
    buf_puts(&p->json, "{\"status\":\"ok\"}");
    reply_json(p, r, 200, NULL);
}

void reply_ready(struct head_program *p, struct http_request *r)
{
    struct head_totals t;
    struct head_scale_view scale;
    head_totals(p->brain, &t);
    head_scale_view(p->brain, &scale);
    const char *why = why_not(p, &t, &scale);
    const char *status = why != NULL ? why : t.actors_serving > 0 ? "ready" : "ready: no worker is there, a request starts one";
    buf_reset(&p->json);
    buf_printf(&p->json, "{\"status\":\"%s\",\"actors\":%u,\"workers\":%u}", status, t.actors_serving, t.workers);
    reply_json(p, r, why == NULL ? 200 : 503, NULL);
}

/* As llama-server: 503 while the first model loads; its clients compare the message. A head without workers
 * counts as healthy: orchestrators that know no other path would kill it, and with it the waiting
 * requests. */
void reply_health(struct head_program *p, struct http_request *r)
{
    struct head_totals t;
    head_totals(p->brain, &t);
    if (t.actors_ready > 0 || t.actors_loading == 0) {
        reply_live(p, r);
        return;
    }
    buf_reset(&p->json);
    struct jout j = jout_to(&p->json);
    jout_object(&j);
    jout_key(&j, "error");
    jout_object(&j);
    jout_put_cstr(&j, "message", "Loading model");
    jout_put_cstr(&j, "type", "unavailable_error");
    jout_put_uint(&j, "code", 503);
    jout_object_end(&j);
    jout_object_end(&j);
    reply_json(p, r, 503, NULL);
}
