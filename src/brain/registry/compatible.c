/* Compatible actors: those that may continue an answer that another one began.
 *
 * The client has a part of the answer, and only the same model can continue it. So every ready actor is
 * also a member of the pool of its model file (by digest). An exact actor is also in the pool of those
 * that compute the same bits: the same file, context, engine, processor features and measured set-up
 * give the same bytes for the same prompt and seed. A job joins the pools of the actor whose tokens the
 * client has, and from then on waits in one of them: in the pool of the same bits while one of its
 * actors is ready and well, else in the pool of the file; the log then says that the text may differ. */
#include <stdio.h>

#include "base/must.h"
#include "brain/registry/registry.h"

enum { COMPATIBLE_NAME_BYTES_MAX = HEAD_DIGEST_BYTES_MAX + 2 * HEAD_NAME_BYTES_MAX + 2 * HEAD_LINE_BYTES_MAX + 64 };

/* ---- actors ---- */

/* The pool's name: the file's digest, or the model's name if the worker does not tell the digest. */
static int digest_name(const struct actor *a, char *out, size_t cap)
{
    bool told = a->digest[0] != '\0';
    return snprintf(out, cap, "%u %s %s", a->kind, told ? "digest" : "name",
                    told ? a->digest : a->member_of[POOL_MODEL].pool->name);
}

static void list_in(struct head *h, struct actor *a, int kind, const char *name)
{
    struct pool *p = head_compatible_pool(h, str_of(name), a->kind == REQUEST_EMBED, kind);
    a->member_of[kind] = (struct membership){p, NOT_LISTED, NOT_LISTED};
    p->actors_n++;
}

void head_compatible_add(struct head *h, struct actor *a)
{
    if (a->member_of[POOL_SAME_FILE].pool != NULL)
        return;
    char name[COMPATIBLE_NAME_BYTES_MAX];
    int n = digest_name(a, name, sizeof name);
    MUST(n > 0 && (size_t)n < sizeof name);
    list_in(h, a, POOL_SAME_FILE, name);
    if (!a->exact)
        return;
    int more = snprintf(name + n, sizeof name - (size_t)n, " context %u engine %s features %s setup %s",
                        a->context, a->worker->engine, a->worker->cpu_features, a->setup);
    MUST(more > 0 && (size_t)more < sizeof name - (size_t)n);
    list_in(h, a, POOL_SAME_BITS, name);
}

void head_compatible_remove(struct head *h, struct actor *a)
{
    for (int s = POOL_SAME_FILE; s < POOL_KINDS; s++) {
        struct pool *p = a->member_of[s].pool;
        if (p == NULL)
            continue;
        MUST(a->member_of[s].ready_at == NOT_LISTED);
        a->member_of[s].pool = NULL;
        p->actors_n--;
        head_pool_tidy(h, p);
    }
}

/* ---- jobs ---- */

void head_compatible_join(struct head *h, struct job *job, const struct actor *a)
{
    head_compatible_leave(h, job);
    job->same_file = a->member_of[POOL_SAME_FILE].pool;
    job->same_bits = a->member_of[POOL_SAME_BITS].pool;
    MUST(job->same_file != NULL);
    job->same_file->jobs_n++;
    if (job->same_bits != NULL)
        job->same_bits->jobs_n++;
}

void head_compatible_rejoin(struct head *h, struct job *job, struct str same_file, struct str same_bits)
{
    bool embeds = job->call->request->kind == REQUEST_EMBED;
    MUST(job->same_file == NULL && job->same_bits == NULL);
    job->same_file = head_compatible_pool(h, same_file, embeds, POOL_SAME_FILE);
    job->same_file->jobs_n++;
    if (same_bits.n == 0)
        return;
    job->same_bits = head_compatible_pool(h, same_bits, embeds, POOL_SAME_BITS);
    job->same_bits->jobs_n++;
}

void head_compatible_leave(struct head *h, struct job *job)
{
    struct pool *left[] = {job->same_file, job->same_bits};
    job->same_file = job->same_bits = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (left[i] == NULL)
            continue;
        left[i]->jobs_n--;
        head_pool_tidy(h, left[i]);
    }
}

void head_compatible_sent(struct head *h, const struct job *job, const struct actor *a)
{
    if (job->said == 0 || job->same_bits == NULL || a->member_of[POOL_SAME_BITS].pool == job->same_bits)
        return;
    head_log(h, LOG_WARN, "FAILOVER",
             EVENT("job_no_longer_exact", KV("job", job->node.id), KV("token", job->said), KV("actor", a->node.id), KV("node", a->worker->name)),
             "job %llu began on an exact actor and resumes at token %u on one that does not compute the same bits: no exact actor with "
             "that context, engine, processor features and set-up is ready; bits may differ from here on", (unsigned long long)job->node.id, job->said);
}
