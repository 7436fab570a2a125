/* The first message of a link: identifies the dialler, and decides whether it may join.
 *
 * A final refusal (other protocol, wrong token, nonsense) tells the dialler that dialling again
 * will not help. */
#include <math.h>

#include "base/alloc.h"
#include "brain/kit/text.h"
#include "brain/links/links.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"
#include "brain/scale/scale.h"

#define TAG "CLUSTER CONNECTION"

static const double CPUS_MAX = 65536;
static const uint64_t MEMORY_BYTES_MAX = (uint64_t)1 << 50; /* so that sums over all workers cannot overflow */

static const char *role_name(uint8_t role)
{
    return role == WIRE_ROLE_WORKER ? "worker" : role == WIRE_ROLE_LAUNCHER ? "launcher" : "dialler";
}

static int check_version(const struct head *h, const struct wire_hello *m, struct fault *f)
{
    if (m->proto == WIRE_VERSION)
        return 0;
    struct str theirs = str_n(m->version.p, m->version.n < 64 ? m->version.n : 64);
    return fault_set(f, ERR_VERSION,
                     "%s speaks protocol %u (manta %.*s), this head speaks protocol %d (manta %.*s): run the same "
                     "version of manta on both sides",
                     role_name(m->role), m->proto, STR_ARG(theirs), WIRE_VERSION, STR_ARG(h->cfg.version));
}

static int check_token(const struct head *h, const struct wire_hello *m, struct fault *f)
{
    if (h->cfg.join_token.n == 0 || str_is_secret(m->token, h->cfg.join_token))
        return 0;
    return fault_set(f, ERR_AUTH,
                     "%s join token: give it the --join-token of the head; where the head was given none, it is in the state folder of the head's "
                     "user, on the head's machine, where that user's workers find it",
                     m->token.n == 0 ? "no" : "wrong");
}

static int check_values(const struct wire_hello *m, struct fault *f)
{
    if (m->role != WIRE_ROLE_WORKER && m->role != WIRE_ROLE_LAUNCHER)
        return fault_set(f, ERR_INVALID, "role %u is neither worker (%d) nor launcher (%d)", m->role, WIRE_ROLE_WORKER,
                         WIRE_ROLE_LAUNCHER);
    if (!text_is_name(m->node, HEAD_NAME_BYTES_MAX))
        return fault_set(f, ERR_INVALID, "the node name must have 1 to %d bytes of printable UTF-8", HEAD_NAME_BYTES_MAX);
    if (!text_is_line(m->address, HEAD_NAME_BYTES_MAX))
        return fault_set(f, ERR_INVALID, "the address must have at most %d bytes of printable UTF-8", HEAD_NAME_BYTES_MAX);
    if (!text_is_line(m->version, HEAD_LINE_BYTES_MAX) || !text_is_line(m->engine, HEAD_LINE_BYTES_MAX) ||
        !text_is_line(m->cpu_features, HEAD_LINE_BYTES_MAX))
        return fault_set(f, ERR_INVALID, "version, engine and CPU features must have at most %d bytes of printable UTF-8 each",
                         HEAD_LINE_BYTES_MAX);
    if (!isfinite(m->cpus) || m->cpus < 0 || m->cpus > CPUS_MAX)
        return fault_set(f, ERR_INVALID, "%g is no number of processors", (double)m->cpus);
    if (m->memory_bytes > MEMORY_BYTES_MAX)
        return fault_set(f, ERR_INVALID, "%llu bytes of memory are more than a node can have",
                         (unsigned long long)m->memory_bytes);
    return 0;
}

static int check(const struct head *h, const struct wire_hello *m, struct fault *f)
{
    int err = check_version(h, m, f);
    if (err == 0)
        err = check_token(h, m, f);
    return err != 0 ? err : check_values(m, f);
}

/* A worker that returns before its old link is known to be dead takes that link's place. */
static void replace_old_life(struct head *h, const struct wire_hello *m)
{
    struct worker *old = head_worker_by_life(h, m);
    if (old != NULL)
        head_link_close(h, old->link, LOG_WARN, str_of("the worker came back on a new link"));
}

/* Two launchers of one name, on machines that do not know of each other, would each stop the
 * workers that the other starts. The first stays, unless its link is dead: silent, or replaced by a
 * new link of the same process. The refusal is not final: the second launcher dials again. */
static bool launcher_may_join(struct head *h, struct link *link, const struct wire_hello *m)
{
    link->launcher_epoch = m->epoch;
    link->heard_us = h->now_us;
    LIST_EACH_SAFE(pos, next, &h->launchers) {
        struct link *old = list_item(pos, struct link, launches);
        if (strcmp(old->name, link->name) != 0)
            continue;
        bool same = old->launcher_epoch == m->epoch, silent = h->now_us - old->heard_us >= h->cfg.lost_after_ms * 1000ull;
        if (!same && !silent) {
            head_link_refuse(h, link, ERR_IN_USE, false, "a launcher '%s' is here already, from %s: two of them would start and end each other's workers. End "
                             "one, or give them names with --cluster", link->name, old->peer);
            return false;
        }
        head_link_close(h, old, LOG_WARN, str_of(same ? "the launcher came back on a new link" : "no sign of life, and another launcher of its name has come"));
    }
    return true;
}

static void welcome(struct head *h, struct link *link, uint64_t worker)
{
    head_send(h, link, WIRE_welcome)->welcome = (struct wire_welcome){
        .worker = worker,
        .epoch = h->epoch,
        .version = h->cfg.version,
        .beat_ms = h->cfg.beat_ms,
        .lost_after_ms = h->cfg.lost_after_ms,
    };
}

static void worker_joins(struct head *h, struct link *link, const struct wire_hello *m)
{
    replace_old_life(h, m);
    struct worker *w = head_worker_new(h, link, m);
    link->state = LINK_WORKER;
    link->worker = w;
    head_scale_joined(h, w);
    welcome(h, link, w->node.id);
    head_seek_ask(h, w);
    head_handoff_ask(h, w);
    head_log(h, LOG_INFO, TAG, EVENT("worker_joined", KV("node", w->name), KV("address", w->address), KV("worker", w->node.id), KV("pid", w->pid),
                   KV("cpus", w->cpus), KV("memory_bytes", w->memory_bytes), KV("engine", w->engine)), "worker joined");
    if (!str_eq(m->version, h->cfg.version))
        head_log(h, LOG_WARN, TAG, EVENT("other_version", KV("node", w->name), KV("version", w->version)),
                 "worker runs manta %s, this head %.*s: they understand each other, but upgrade one", w->version, STR_ARG(h->cfg.version));
}

void head_hello(struct head *h, struct link *link, const struct wire_hello *m)
{
    if (text_is_name(m->node, HEAD_NAME_BYTES_MAX))
        link->name = xstr_dup(m->node);
    struct fault f = {0};
    if (check(h, m, &f) != 0) {
        head_link_refuse(h, link, f.err, true, "%s", f.text);
        return;
    }
    uint32_t known = (uint32_t)h->links.n - h->newcomers.n;
    if (known >= h->cfg.links_max) {
        head_link_refuse(h, link, ERR_BUSY, false, "this head has its %u links already (links_max)", h->cfg.links_max);
        return;
    }
    head_link_known(h, link);
    if (m->role == WIRE_ROLE_WORKER) {
        worker_joins(h, link, m);
        return;
    }
    if (!launcher_may_join(h, link, m))
        return;
    link->state = LINK_LAUNCHER;
    list_push(&h->launchers, &link->launches);
    welcome(h, link, 0);
    head_launcher_joins(h, link);
    head_log(h, LOG_INFO, TAG, EVENT("launcher_joined", KV("node", link->name), KV("peer", link->peer)), "joined: it starts this cluster's workers");
}
