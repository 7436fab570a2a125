/* Is there room for another request, and if not, when should the client come back?
 *
 * An accepted request is never dropped for another, so one tenant must not take all the room in the
 * first place. With several tenants, one that already has waiting jobs may have at most
 * HEAD_TENANT_SHARE times the room left for others: a lone tenant gets four fifths of the queue,
 * two get four ninths each, and there is always room for one more. */
#include "brain/queue/queue.h"

enum {
    RETRY_GUESS_S = 5, /* Retry-After before a pace was measured */
    RETRY_MAX_S = 60,
};

uint32_t head_retry_s(const struct head *h, const struct pool *p, const struct tenant *t)
{
    double pace = pace_s(&h->pace);
    uint32_t before = h->queued;
    if (p != NULL && pace_s(&p->queue.pace) > 0 && !queue_is_empty(&p->queue)) {
        pace = pace_s(&p->queue.pace);
        before = queue_place_guess(h, &p->queue, t);
    }
    if (pace <= 0)
        return RETRY_GUESS_S;
    double s = pace * (before + 1);
    return s >= RETRY_MAX_S ? RETRY_MAX_S : s < 1 ? 1 : (uint32_t)(s + 0.999);
}

/* ---- room ---- */

static int check_jobs(const struct head *h, const struct tenant *t, uint32_t n, struct fault *f)
{
    uint32_t most = h->cfg.queue_jobs_max, all = h->queued - h->requeued, own = t->queued - t->requeued;
    if (n == 0)
        return 0;
    if (all + n > most)
        return fault_set(f, ERR_BUSY, "the queue is full: %u of %u requests wait (queue_jobs_max)", all, most);
    if (own == 0 || head_tenant_is_alone(h, t) || own + n <= HEAD_TENANT_SHARE * (most - all - n + 1))
        return 0;
    return fault_set(f, ERR_BUSY,
                     "%u requests of '%s' wait already; the %u places that are left of %u are kept for others (queue_jobs_max, "
                     "tenant_share)",
                     own, t->name, most - all, most);
}

static int check_bytes(const struct head *h, const struct tenant *t, uint64_t bytes, struct fault *f)
{
    uint64_t most = h->cfg.queue_bytes_max, all = h->queue_bytes;
    if (bytes == 0)
        return 0;
    if (all + bytes > most)
        return fault_set(f, ERR_BUSY,
                         "the requests held take %llu bytes, this one %llu more, the limit is %llu (queue_bytes_max)",
                         (unsigned long long)all, (unsigned long long)bytes, (unsigned long long)most);
    if (t->bytes == 0 || head_tenant_is_alone(h, t) || t->bytes + bytes <= HEAD_TENANT_SHARE * (most - all - bytes))
        return 0;
    return fault_set(f, ERR_BUSY,
                     "the requests of '%s' take %llu bytes already, this one %llu more; what is left of %llu is kept for others "
                     "(queue_bytes_max, tenant_share)",
                     t->name, (unsigned long long)t->bytes, (unsigned long long)bytes, (unsigned long long)most);
}

int head_admit(struct head *h, const struct pool *p, struct tenant *t, struct admission wants, struct fault *f,
               uint32_t *out_retry_s)
{
    struct fault why = {0};
    if (check_jobs(h, t, wants.jobs, &why) == 0 && check_bytes(h, t, wants.bytes, &why) == 0)
        return 0;
    *out_retry_s = head_retry_s(h, p, t);
    t->calls_refused++;
    return fault_set(f, ERR_BUSY, "%s; come back in %u s", why.text, *out_retry_s);
}
