/* Tell streams that wait for their first token why they wait, in their dialect. */
#include <stdio.h>

#include "head/call.h"

/* "manta queue=3 eta=4.2s", "manta loading=42%", "manta starting=1 eta=8s", "manta no worker yet", or "manta prefill". */
static void write_waiting(struct head_program *p, struct call *c, const struct head_wait *w)
{
    char text[96] = "manta prefill"; /* it runs, without a token so far */
    if (w->place > 0 && w->ready == 0 && w->loading < 0 && w->starting > 0 && w->start_s > 0)
        snprintf(text, sizeof text, "manta starting=%u eta=%.0fs", w->starting, w->start_s);
    else if (w->place > 0 && w->ready == 0 && w->loading < 0 && w->starting > 0)
        snprintf(text, sizeof text, "manta starting=%u", w->starting);
    else if (w->place > 0 && w->ready == 0 && w->loading < 0)
        snprintf(text, sizeof text, "manta no worker yet");
    else if (w->place > 0 && w->ready == 0)
        snprintf(text, sizeof text, "manta loading=%.0f%%", 100 * (double)w->loading);
    else if (w->place > 0 && w->eta_s > 0)
        snprintf(text, sizeof text, "manta queue=%u eta=%.1fs", w->place, w->eta_s);
    else if (w->place > 0)
        snprintf(text, sizeof text, "manta queue=%u", w->place);
    buf_reset(&p->json);
    stream_waits(p, c, str_of(text));
    http_stream_write(c->r, buf_str(&p->json));
}

static void keep_alive(struct head_program *p, struct call *c)
{
    uint64_t now = net_now_us(p->loop);
    if (!c->api.stream || c->writing != NULL || now - c->started_us < KEEP_ALIVE_MS * 1000ull)
        return;
    struct head_wait w = {0};
    bool waits = head_call_waits(p->brain, c->node.id, &w), stranded = waits && w.ready == 0 && w.loading < 0 && w.starting == 0;
    if (c->begun && !waits) /* a running call may wait again: a branch may have lost its actor */
        return;
    if (stranded && !c->begun && now - c->started_us < KEEP_ALIVE_STRANDED_MS * 1000ull)
        return;
    answer_begin_stream(c);
    if (!http_stream_full(c->r))
        write_waiting(p, c, &w);
}

bool calls_keep_alive(struct head_program *p)
{
    struct id_node *node;
    while ((node = idtab_from(&p->calls, p->kept_alive)) != NULL) {
        p->kept_alive = node->id + 1;
        keep_alive(p, id_item(node, struct call, node));
        if (net_turn_spent(p->loop))
            return false;
    }
    p->kept_alive = 0;
    return true;
}
