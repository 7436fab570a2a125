/* The record of a job that leaves a worker with what is computed of it: made, dropped, forgotten. recover/migrate.c has the story. */
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/run/run.h"

struct handover *head_handover_new(struct head *h, struct job *job)
{
    struct handover *ho = xalloc(sizeof *ho);
    ho->job = job;
    ho->from = job->flight->actor->worker;
    ho->from_attempt = job->attempt;
    ho->timer.kind = TIMER_HANDOVER;
    job->handover = ho;
    job->saved_attempt = job->attempt;
    ho->from->kv_out = ho;
    list_push(&h->handovers, &ho->link);
    h->handovers_n++;
    timers_set(&h->timers, &ho->timer, head_after_ms(h, h->cfg.kv_stall_ms));
    return ho;
}

void head_handover_free(struct head *h, struct handover *ho)
{
    timers_clear(&h->timers, &ho->timer);
    list_remove(&ho->link);
    h->handovers_n--;
    ho->job->handover = NULL;
    ho->from->kv_out = NULL;
    if (ho->to != NULL)
        ho->to->kv_in = NULL;
    free(ho);
}

void head_kv_drop(struct head *h, const struct worker *w, uint64_t job, uint32_t attempt)
{
    if (w->state != WORKER_LOST)
        head_send(h, w->link, WIRE_kv_drop)->kv_drop = (struct wire_kv_drop){.job = job, .attempt = attempt};
}

void head_handover_drop(struct head *h, struct job *job)
{
    struct handover *ho = job->handover;
    if (ho == NULL)
        return;
    if (ho->state == HANDOVER_MOVING) {
        head_kv_drop(h, ho->from, job->node.id, ho->from_attempt);
        if (job->flight != NULL)
            head_kv_drop(h, ho->to, job->node.id, job->attempt);
    }
    head_handover_free(h, ho);
}
