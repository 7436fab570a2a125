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

/* A worker was asked to change its duty. */
static void end_duty(struct head_program *p, struct call *c)
{
    buf_reset(&p->json);
    buf_puts(&p->json, "{\"worker\":");
    jout_string(&p->json, str_of(c->duty->worker));
    buf_printf(&p->json, ",\"duty\":\"%s\"", duty_name(c->duty_to));
    if (c->duty_to == WIRE_DUTY_DRAINS)
        buf_printf(&p->json, ",\"grace_s\":%u", c->duty->grace_s);
    buf_puts(&p->json, "}");
    reply_json(p, c->r, 200, NULL);
    c->r = NULL;
}

bool answer_command(struct head_program *p, struct call *c)
{
    if (c->scale)
        end_scale(p, c);
    else if (c->duty != NULL)
        end_duty(p, c);
    else
        return false;
    return true;
}
