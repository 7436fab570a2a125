#include "head/memory.h"

#include <sys/resource.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/log.h"
#include "base/must.h"
#include "head/account.h"
#include "head/stored.h"
#include "head/watch.h"
#include "os/cgroup.h"
#include "os/memory.h"

/* Everything that a peer can make large is in one of these parts; tests/e2e/test_head_memory.py fills all of
 * them at once. A part that cannot be counted by byte is a number of things times the maximum size of
 * one. */
enum {
    PROGRAM_BYTES = 16 << 20,    /* code, libraries, the loop, the last log lines, both prefix tables */
    PARSE_BYTES = 24 << 20,      /* one request body as a tree (API_JSON_WEIGHT_MAX), and the call made of it */
    CONNECTION_BYTES = 2048 + HTTP_OWN_BYTES, /* records of net, http and libuv; the call's are in queue_bytes */
    WORKER_BYTES = 4096,         /* a worker's record with all its texts, and its link's record */
    ACTOR_BYTES = 2048,          /* an actor's record with all its texts and pool memberships */
    MODEL_BYTES = 1024,          /* a remembered name */
    TENANT_BYTES = 512,          /* a remembered tenant, with its counts */
    ALLOCATOR_PART = 8,          /* the allocator's overhead and fragmentation: this fraction of all other parts */
    GIVE_BACK_BYTES = 256 << 10, /* larger blocks are mappings of their own, returned when freed */
    TEND_BYTES = 4 << 20,        /* trim the rest only after at least this much was freed */
};

static size_t add(struct memory_part *out, size_t n, struct memory_part part)
{
    MUST(n < MEMORY_PARTS_MAX);
    out[n] = part;
    return n + 1;
}

static size_t add_counted(const struct head_program *p, struct memory_part *out)
{
    struct head_totals t;
    size_t n = 0;
    head_totals(p->brain, &t);
    n = add(out, n, (struct memory_part){"http_held_bytes_max", HTTP_HELD_BYTES_MAX, http_server_held(p->server),
                                         "requests that are coming in: the greediest unfinished one gives way, 503"});
    n = add(out, n, (struct memory_part){"queue_bytes_max", p->o->brain.queue_bytes_max, t.queue_bytes,
                                         "requests that wait or run: the next one is refused, 429"});
    n = add(out, n, (struct memory_part){"resume_bytes_max", p->o->brain.resume_bytes_max, t.resume_bytes,
                                         "tokens that were delivered: that answer cannot continue elsewhere any more"});
    n = add(out, n, (struct memory_part){"answer_bytes_max", p->o->answer_bytes_max, p->answer_bytes,
                                         "answers that are not sent yet: the call with the most of them ends, 429"});
    n = add(out, n, (struct memory_part){"pending_bytes_max", HEAD_PENDING_BYTES_MAX, net_loop_pending(p->loop),
                                         "bytes not taken by the network: the connection with the most is cut"});
    n = add(out, n, (struct memory_part){"stored_bytes_max", STORED_BYTES_MAX, p->stored_bytes,
                                         "responses that are kept: the oldest of the tenant with the most of them is forgotten"});
    return add(out, n, (struct memory_part){"link_bytes_max", HEAD_LINKS_BYTES_MAX, p->link_bytes,
                                            "frames that are not whole: the link with the longest is closed"});
}

static size_t add_numbers(const struct head_program *p, struct memory_part *out, size_t n)
{
    const struct head_config *c = &p->o->brain;
    struct head_totals t;
    head_totals(p->brain, &t);
    n = add(out, n, (struct memory_part){"http_connections_max", (uint64_t)http_server_conns_max(p->server) * CONNECTION_BYTES,
                                         (uint64_t)http_server_conns(p->server) * CONNECTION_BYTES,
                                         "connections: of those that are idle, one of the address with the most is closed"});
    n = add(out, n, (struct memory_part){"links_max", ((uint64_t)c->links_max + c->newcomers_max) * (WORKER_BYTES + LINK_OWN_BYTES),
                                         (uint64_t)t.links * (WORKER_BYTES + LINK_OWN_BYTES),
                                         "workers: the next one is refused; of those that say no hello the oldest gives way"});
    n = add(out, n, (struct memory_part){"actors_max", (uint64_t)c->actors_max * ACTOR_BYTES, (uint64_t)t.actors_ready * ACTOR_BYTES,
                                         "actors: the next one is refused"});
    n = add(out, n, (struct memory_part){"model_names_max", (uint64_t)HEAD_MODELS_MAX * MODEL_BYTES, 0, "names: the oldest are forgotten"});
    n = add(out, n, (struct memory_part){"accounts_max", (uint64_t)ACCOUNTS_MAX * ACCOUNT_BYTES, (uint64_t)p->accounts_n * ACCOUNT_BYTES,
                                         "what became of requests: the oldest that ended is forgotten"});
    n = add(out, n, (struct memory_part){"tenants_max", (uint64_t)c->tenants_max * TENANT_BYTES, (uint64_t)t.tenants * TENANT_BYTES,
                                         "tenants: those that were idle longest are forgotten"});
    n = add(out, n, (struct memory_part){"watchers_max", WATCH_BYTES_MAX, 0, "pages that watch, with the state they share: the next one is refused"});
    n = add(out, n, (struct memory_part){"one_message_bytes_max",
                                         (uint64_t)PARSE_BYTES + HTTP_BODY_BYTES_MAX + 3ull * REPLY_JSON_BYTES_MAX +
                                             WIRE_FRAME_BYTES_MAX + WIRE_ARENA_BYTES_MAX,
                                         0, "the one request, answer, page or frame at hand: it is refused, 413 or 500"});
    return add(out, n, (struct memory_part){"program_bytes", PROGRAM_BYTES, 0, "fixed; of prefixes the oldest are forgotten"});
}

size_t memory_parts(const struct head_program *p, struct memory_part out[MEMORY_PARTS_MAX])
{
    uint64_t sum = 0;
    size_t n = add_numbers(p, out, add_counted(p, out));
    for (size_t i = 0; i < n; i++)
        sum += out[i].bytes_max;
    return add(out, n, (struct memory_part){"allocator_bytes", sum / ALLOCATOR_PART, 0, "what lies between the others"});
}

uint64_t memory_bytes_max(const struct head_program *p)
{
    struct memory_part parts[MEMORY_PARTS_MAX];
    uint64_t sum = 0;
    for (size_t i = memory_parts(p, parts); i > 0; i--)
        sum += parts[i - 1].bytes_max;
    return sum;
}

static uint64_t allowed(void)
{
    struct cgroup_limits group;
    struct rlimit data;
    cgroup_read(&group);
    uint64_t bytes = group.memory_bytes > 0 ? group.memory_bytes : UINT64_MAX;
    if (getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY && data.rlim_cur < bytes)
        bytes = data.rlim_cur;
    return bytes;
}

void memory_begin(struct head_program *p)
{
#ifdef __GLIBC__
    /* By default every large block that is freed raises the mmap threshold, and the memory of one
     * peak stays allocated for ever. */
    mallopt(M_ARENA_MAX, 1); /* also for the desk's thread: its memory returns with the rest */
    mallopt(M_MMAP_THRESHOLD, GIVE_BACK_BYTES);
    mallopt(M_TRIM_THRESHOLD, GIVE_BACK_BYTES);
#endif
    net_loop_pending_max(p->loop, HEAD_PENDING_BYTES_MAX);
    uint64_t ours = memory_bytes_max(p), theirs = allowed();
    if (theirs < ours)
        log_warn("LIMITS", EVENT("memory_too_little"),
                 "the system allows the head %.0f MiB of memory, under a flood it may take %.0f (memory_bytes_max): give it that, or "
                 "less --queue-bytes and --answer-bytes", mib(theirs), mib(ours));
}

#ifdef __GLIBC__
static void trim(void *data)
{
    (void)data;
    malloc_trim(0);
}
#endif

static void trimmed(void *data)
{
    struct head_program *p = data;
    p->trims = false;
}

/* Freed blocks lie between live ones, so the heap does not shrink by itself. Scanning the heap takes some
 * milliseconds, returning hundreds of megabytes tens of milliseconds: too long for a turn of the
 * loop. */
void memory_tend(struct head_program *p)
{
    struct memory_part parts[MEMORY_PARTS_MAX];
    uint64_t now = 0;
    for (size_t i = add_counted(p, parts); i > 0; i--)
        now += parts[i - 1].bytes;
    if (now > p->memory_peak)
        p->memory_peak = now;
    if (p->memory_peak - now < TEND_BYTES || now > p->memory_peak / 2)
        return;
    p->memory_peak = now;
    if (p->trims)
        return;
    p->trims = true;
#ifdef __GLIBC__
    net_work(p->loop, trim, trimmed, p);
#else
    trimmed(p);
#endif
}

/* Doomed calls do not count: they end in this turn. */
static struct call *greediest(struct head_program *p)
{
    struct call *most = NULL;
    IDTAB_EACH(pos, &p->calls)
    {
        struct call *c = id_item(pos, struct call, node);
        if (!list_linked(&c->doomed) && c->writing == NULL && c->bytes > (most != NULL ? most->bytes : 0))
            most = c;
    }
    return most;
}

void memory_of_call(struct head_program *p, struct call *c, int64_t more)
{
    MUST(more >= 0 || c->bytes >= (uint64_t)-more);
    c->bytes += (uint64_t)more;
    p->answer_bytes += (uint64_t)more;
    while (more > 0 && p->answer_bytes > p->o->answer_bytes_max) {
        struct call *most = greediest(p);
        if (most == NULL)
            return;
        p->answer_bytes -= most->bytes;
        most->bytes = 0;
        fault_set(&most->doom, ERR_BUSY, "this answer had the most unsent bytes when all answers together exceeded %llu bytes "
                  "(answer_bytes_max); read faster, or ask for less at a time", (unsigned long long)p->o->answer_bytes_max);
        list_push(&p->doomed, &most->doomed);
    }
}
