/* Who may go on with an answer that another actor began: its kin.
 *
 * The client has heard a part of the answer, and only the same model can say the rest. So every ready actor also sits in
 * the pool of its model file (by digest), and an exact one in the pool of its *twins*: same file, context, engine,
 * processor features and measured set-up, where the same prompt and seed give the same bytes. A job joins the kin of the actor that
 * the client heard of, and waits in one of the two pools from then on: in the twins' while one of them is ready and well, else
 * in the digest's, which is told in the log because the text may go another way there. */
#include <stdio.h>

#include "base/must.h"
#include "brain/registry/registry.h"

enum { KIN_NAME_BYTES_MAX = HEAD_DIGEST_BYTES_MAX + 2 * HEAD_NAME_BYTES_MAX + 2 * HEAD_LINE_BYTES_MAX + 64 };

/* ---- actors ---- */

/* The file; where a worker does not tell its digest, the name has to do. */
static int digest_name(const struct actor *a, char *out, size_t cap)
{
    bool told = a->digest[0] != '\0';
    return snprintf(out, cap, "%u %s %s", a->kind, told ? "digest" : "name",
                    told ? a->digest : a->seats[SEAT_MODEL].pool->name);
}

static void sit(struct head *h, struct actor *a, int seat, const char *name)
{
    struct pool *p = head_kin_pool(h, str_of(name), a->kind == REQUEST_EMBED, seat);
    a->seats[seat] = (struct seat){p, NOT_SEATED, NOT_SEATED};
    p->actors_n++;
}

void head_kin_seat(struct head *h, struct actor *a)
{
    if (a->seats[SEAT_DIGEST].pool != NULL)
        return;
    char name[KIN_NAME_BYTES_MAX];
    int n = digest_name(a, name, sizeof name);
    MUST(n > 0 && (size_t)n < sizeof name);
    sit(h, a, SEAT_DIGEST, name);
    if (!a->exact)
        return;
    int more = snprintf(name + n, sizeof name - (size_t)n, " context %u engine %s features %s setup %s",
                        a->context, a->worker->engine, a->worker->cpu_features, a->setup);
    MUST(more > 0 && (size_t)more < sizeof name - (size_t)n);
    sit(h, a, SEAT_TWIN, name);
}

void head_kin_unseat(struct head *h, struct actor *a)
{
    for (int s = SEAT_DIGEST; s < SEATS; s++) {
        struct pool *p = a->seats[s].pool;
        if (p == NULL)
            continue;
        MUST(a->seats[s].ready_at == NOT_SEATED);
        a->seats[s].pool = NULL;
        p->actors_n--;
        head_pool_tidy(h, p);
    }
}

/* ---- jobs ---- */

void head_kin_join(struct head *h, struct job *job, const struct actor *a)
{
    head_kin_leave(h, job);
    job->kin = a->seats[SEAT_DIGEST].pool;
    job->twins = a->seats[SEAT_TWIN].pool;
    MUST(job->kin != NULL);
    job->kin->jobs_n++;
    if (job->twins != NULL)
        job->twins->jobs_n++;
}

void head_kin_rejoin(struct head *h, struct job *job, struct str kin, struct str twins)
{
    bool embeds = job->call->request->kind == REQUEST_EMBED;
    MUST(job->kin == NULL && job->twins == NULL);
    job->kin = head_kin_pool(h, kin, embeds, SEAT_DIGEST);
    job->kin->jobs_n++;
    if (twins.n == 0)
        return;
    job->twins = head_kin_pool(h, twins, embeds, SEAT_TWIN);
    job->twins->jobs_n++;
}

void head_kin_leave(struct head *h, struct job *job)
{
    struct pool *left[] = {job->kin, job->twins};
    job->kin = job->twins = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (left[i] == NULL)
            continue;
        left[i]->jobs_n--;
        head_pool_tidy(h, left[i]);
    }
}

void head_kin_sent(struct head *h, const struct job *job, const struct actor *a)
{
    if (job->said == 0 || job->twins == NULL || a->seats[SEAT_TWIN].pool == job->twins)
        return;
    head_log(h, LOG_WARN, "FAILOVER",
             EVENT("job_no_longer_exact", KV("job", job->node.id), KV("token", job->said), KV("actor", a->node.id), KV("node", a->worker->name)),
             "job %llu began on an exact actor and goes on at token %u on one that is not its twin: no exact actor with "
             "that context, engine, processor features and set-up is ready; bits may differ from here on", (unsigned long long)job->node.id, job->said);
}
