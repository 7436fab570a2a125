/* The loop: call back for ready events, send what the turn wrote, sleep. */
#include "net/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "net/conn.h"
#include "net/orphans.h"

enum {
    OPEN_FILES_WANTED = 65536, /* HTTP_CONNS_MAX connections and the rest, with room to spare */
    END_ROUNDS_MAX = 100000,   /* a close callback that always opens something new would keep the loop from ending */
};

/* Prepares the process for networking: a vanished peer is an error code, not a signal, and the
 * soft limit on open files, often 1024 for the sake of select(), rises to what is allowed. */
static void prepare_process(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= OPEN_FILES_WANTED)
        return;
    files.rlim_cur = files.rlim_max < OPEN_FILES_WANTED ? files.rlim_max : OPEN_FILES_WANTED;
    setrlimit(RLIMIT_NOFILE, &files);
}

uint32_t net_files_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > OPEN_FILES_WANTED)
        return OPEN_FILES_WANTED;
    return (uint32_t)files.rlim_cur;
}

static void on_flush(uv_idle_t *idle)
{
    struct net_loop *l = loop_of((uv_handle_t *)idle);
    conns_tell(l);
    conns_feed(l);
    conns_flush(l, false);
}

static void deadline_passed(struct net_conn *c)
{
    size_t pending = net_conn_pending(c);
    if (c->state == CONN_DIALLING) {
        dialling_timeout(c);
    } else if (pending > 0 && pending < c->deadline_pending) {
        conn_deadline(c, CLOSE_MS); /* slow, but the peer reads */
    } else {
        if (pending > 0) {
            conn_forget_reason(c);
            conn_reason(c, ERR_TIMEOUT, "%s did not take the last %zu bytes", c->peer, pending);
        }
        conn_shut(c);
    }
}

static void conns_sweep(struct net_loop *l)
{
    uint64_t now_ms = uv_now(&l->uv);
    LIST_EACH_SAFE(pos, next, &l->timed) {
        struct net_conn *c = list_item(pos, struct net_conn, timed);
        if (net_turn_spent(l))
            break; /* the next sweep comes soon */
        if (now_ms >= c->deadline_ms)
            deadline_passed(c);
    }
    if (list_empty(&l->timed))
        uv_timer_stop(&l->sweep);
}

static void on_sweep(uv_timer_t *timer)
{
    conns_sweep(loop_of((uv_handle_t *)timer));
}

struct net_loop *net_loop_new(void)
{
    prepare_process();
    struct net_loop *l = xalloc(sizeof *l);
    list_init(&l->dirty);
    list_init(&l->gone);
    list_init(&l->hungry);
    list_init(&l->again);
    list_init(&l->sated);
    list_init(&l->timed);
    list_init(&l->signals);
    l->pending_max = SIZE_MAX;
    l->read_bytes = xalloc(NET_READ_BYTES);
    MUST(uv_loop_init(&l->uv) == 0);
    l->uv.data = l;
    l->on_flush = on_flush;
    MUST(uv_idle_init(&l->uv, &l->flush) == 0);
    MUST(uv_timer_init(&l->uv, &l->sweep) == 0);
    MUST(uv_timer_start(&l->sweep, on_sweep, SWEEP_MS, SWEEP_MS) == 0);
    uv_timer_stop(&l->sweep);
    turns_init(l);
    orphans_watch(l);
    return l;
}

void net_loop_run(struct net_loop *l)
{
    turns_begin(l);
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void net_loop_stop(struct net_loop *l)
{
    uv_stop(&l->uv);
}

void net_loop_pending_max(struct net_loop *l, size_t bytes)
{
    l->pending_max = bytes;
}

size_t net_loop_pending(const struct net_loop *l)
{
    return l->pending;
}

uint64_t net_now_us(const struct net_loop *l)
{
    (void)l;
    return clock_us();
}

static void end_object(uv_handle_t *h, void *count)
{
    struct net_object *o = h->data;
    if (o == NULL)
        return; /* a handle of the loop itself */
    ++*(size_t *)count;
    o->end(o);
}

/* Close callbacks may open new things, so ending takes rounds until a walk finds nothing. */
static void end_objects(struct net_loop *l)
{
    for (int round = 0;; round++) {
        MUST(round < END_ROUNDS_MAX);
        size_t count = 0;
        uv_timer_stop(&l->sweep); /* no more patience: the rounds must not wait for a deadline */
        uv_walk(&l->uv, end_object, &count);
        if (count == 0 && !uv_loop_alive(&l->uv))
            return;
        uv_run(&l->uv, UV_RUN_ONCE);
    }
}

void net_loop_part(struct net_loop *l)
{
    conns_flush(l, true); /* bytes written in the last turn */
    conns_part(l);
}

void net_loop_free(struct net_loop *l)
{
    if (l == NULL)
        return;
    net_loop_part(l);
    end_objects(l);
    uv_close((uv_handle_t *)&l->flush, NULL);
    uv_close((uv_handle_t *)&l->sweep, NULL);
    uv_close((uv_handle_t *)&l->turn_end, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    MUST(uv_loop_close(&l->uv) == 0);
    free(l->read_bytes);
    free(l);
}
