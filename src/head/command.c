#include "brain/kit/text.h"
#include "head/call.h"
#include "json/write.h"

/* Answer commands that change the cluster: the end of their call is the answer. */

/* A scale command was passed to the launcher. */
static void end_scale(struct head_program *p, struct call *c)
{
    struct head_scale_view v;
    head_scale_view(p->brain, &v);
    buf_reset(&p->json);
    buf_printf(&p->json, "{\"target\":%u,\"policy\":\"%s\"", v.desired, scale_mode_name(v.limits.mode));
    if (v.limits.mode == SCALE_AUTO)
        buf_printf(&p->json, ",\"min\":%u,\"max\":%u", v.limits.min, v.limits.max);
    buf_puts(&p->json, "}");
    reply_json(p, c->r, 200, NULL);
    c->r = NULL;
}

/* A worker was asked to change its availability. */
static void end_availability(struct head_program *p, struct call *c)
{
    buf_reset(&p->json);
    buf_puts(&p->json, "{\"worker\":");
    jout_string(&p->json, str_of(c->availability->worker));
    buf_printf(&p->json, ",\"availability\":\"%s\"", availability_name(c->availability_to));
    if (c->availability_to == WIRE_DRAINING)
        buf_printf(&p->json, ",\"grace_s\":%u", c->availability->grace_s);
    buf_puts(&p->json, "}");
    reply_json(p, c->r, 200, NULL);
    c->r = NULL;
}

bool answer_command(struct head_program *p, struct call *c)
{
    if (c->scale)
        end_scale(p, c);
    else if (c->availability != NULL)
        end_availability(p, c);
    else
        return false;
    return true;
}
