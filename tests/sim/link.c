/* What TCP does between a dialler and a head: order, latency, silence when cut, and an end that both sides see
 * at different times.
 *
 * A packet waits in its pipe; an event per packet says "one more is due". While the network is cut or the receiver is
 * not run, that event is put off, so nothing overtakes and nothing is lost while both ends live. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim.h"

static void link_deliver(struct sim *s, uint64_t id, uint64_t dir, uint64_t c);

/* ---- sending ---- */

static uint64_t latency_us(struct sim *s, const struct link *l)
{
    const struct worker *w = table_get(&s->workers, l->worker);
    uint64_t us = l->latency_us + sim_between(s, 0, l->latency_us > SIM_S ? 100 * SIM_MS : l->latency_us);
    if (w != NULL && w->slow_until_us > s->now_us)
        us += sim_between(s, 100 * SIM_MS, 1500 * SIM_MS);
    return us;
}

/* Most packets are small, and there are tens of millions of them: those come from a list. */
static struct packet *packet_new(struct sim *s, size_t n)
{
    struct packet *k = n <= PACKET_SMALL ? s->packets : NULL;
    if (k != NULL)
        s->packets = k->next;
    else
        k = xalloc(sizeof *k + (n <= PACKET_SMALL ? PACKET_SMALL : n));
    k->next = NULL;
    k->n = n;
    return k;
}

static void packet_free(struct sim *s, struct packet *k)
{
    if (k->n > PACKET_SMALL) {
        free(k);
        return;
    }
    k->next = s->packets;
    s->packets = k;
}

static struct packet *link_push(struct sim *s, struct link *l, enum link_dir dir, enum packet_kind kind, size_t n)
{
    struct pipe *p = &l->pipe[dir];
    struct packet *k = packet_new(s, n);
    k->kind = kind;
    if (p->first == NULL)
        p->end = &p->first;
    *p->end = k;
    p->end = &k->next;
    uint64_t due_us = s->now_us + latency_us(s, l);
    if (due_us > p->due_us)
        p->due_us = due_us;
    sim_at(s, p->due_us, link_deliver, l->id, dir, 0);
    return k;
}

void link_send_noise(struct sim *s, struct link *l)
{
    link_push(s, l, TO_DIALLER, PACKET_NOISE, 0);
}

void link_send_bytes(struct sim *s, struct link *l, enum link_dir dir, const char *bytes, size_t n)
{
    memcpy(link_push(s, l, dir, PACKET_DATA, n)->bytes, bytes, n);
}

void link_send(struct sim *s, struct link *l, enum link_dir dir, const struct wire_msg *msg)
{
    buf_reset(&s->bytes);
    int err = wire_encode(&s->bytes, msg);
    SIM_MUST(s, err == 0, "%s does not encode: %s", wire_name(msg->type), err_name(err));
    sim_trace(s, dir == TO_HEAD ? "send to head" : "send", wire_name(msg->type), l->id, s->bytes.n, 0);
    link_send_bytes(s, l, dir, s->bytes.p, s->bytes.n);
}

static void pipe_clear(struct sim *s, struct pipe *p)
{
    while (p->first != NULL) {
        struct packet *k = p->first;
        p->first = k->next;
        packet_free(s, k);
    }
}

/* ---- opening and ending ---- */

static void link_arrive(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    struct link *l = table_get(&s->links, id);
    const struct worker *w = table_get(&s->workers, l->worker);
    uint64_t until_us = 0;
    if (!l->near_up)
        return;
    if ((w != NULL && (until_us = worker_cut_until(w, l->far, TO_HEAD)) > s->now_us) ||
        coordinator_asleep(s, l->far, &until_us)) {
        sim_at(s, until_us, link_arrive, id, 0, 0); /* the first packet is sent again and again */
        return;
    }
    if (l->far->head == NULL) {
        PROBE(s, dial_refused);
        link_push(s, l, TO_DIALLER, PACKET_FIN, 0);
        return;
    }
    l->far_up = true;
    list_push(&l->far->links, &l->in_head);
    l->far_id = table_add(&s->arrivals, l);
    link_push(s, l, TO_DIALLER, PACKET_OPEN, 0);
    coordinator_feed(s, l->far,
                     (struct head_event){.kind = HEAD_LINK_OPEN, .link = l->far_id, .peer = str_of("10.0.0.1:4312")});
}

uint64_t link_dial(struct sim *s, struct coordinator *to, uint64_t worker, uint64_t stranger)
{
    struct link *l = xalloc(sizeof *l);
    l->far = to;
    l->worker = worker;
    l->stranger = stranger;
    l->near_up = true;
    l->latency_us = sim_between(s, 50, 5 * SIM_MS);
    l->id = table_add(&s->links, l);
    struct worker *w = table_get(&s->workers, worker);
    if (w != NULL && w->ways[to->no].next_is_late) {
        w->ways[to->no].next_is_late = false;
        l->latency_us = sim_between(s, 1300 * SIM_MS, 2300 * SIM_MS);
    }
    sim_in(s, latency_us(s, l), link_arrive, l->id, 0, 0);
    return l->id;
}

static void near_end_lost(struct sim *s, struct link *l, const char *why)
{
    l->near_up = false;
    struct worker *w = table_get(&s->workers, l->worker);
    sim_trace(s, "link lost", why, l->id, l->worker, l->stranger);
    if (w == NULL) {
        stranger_lost(s, l->stranger);
    } else if (w->agent != NULL) {
        w->ways[l->far->no].link = 0;
        worker_feed(s, w, (struct agent_event){.kind = AGENT_LINK_LOST, .head = l->far->no, .text = str_of(why)});
    }
}

static void hung_up(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    struct link *l = table_get(&s->links, id);
    const struct worker *w = table_get(&s->workers, l->worker);
    uint64_t until_us;
    if (w != NULL && worker_asleep(s, w, &until_us))
        sim_at(s, until_us, hung_up, id, 0, 0);
    else if (w == NULL || (w->agent != NULL && w->ways[l->far->no].link == id))
        near_end_lost(s, l, "hung up");
}

void link_hang_up(struct sim *s, struct link *l)
{
    if (!l->near_up)
        return;
    link_orphan(s, l, true);
    sim_in(s, sim_between(s, 0, SIM_MS), hung_up, l->id, 0, 0);
}

void link_orphan(struct sim *s, struct link *l, bool fin)
{
    l->near_up = false;
    pipe_clear(s, &l->pipe[TO_DIALLER]);
    if (fin)
        link_push(s, l, TO_HEAD, PACKET_FIN, 0);
}

static void head_closed(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    struct link *l = table_get(&s->links, id);
    uint64_t until_us;
    if (coordinator_asleep(s, l->far, &until_us)) {
        sim_at(s, until_us, head_closed, id, 0, 0);
        return;
    }
    if (!l->far_up)
        return; /* its end was seen meanwhile, or the head is another one now */
    l->far_up = false;
    list_remove(&l->in_head);
    coordinator_feed(
        s, l->far, (struct head_event){.kind = HEAD_LINK_CLOSED, .link = l->far_id, .text = str_of("connection closed")});
}

/* What was sent before still arrives; what comes until the loop gets round to it may still be read. */
void link_close(struct sim *s, struct link *l)
{
    l->closing = true;
    link_push(s, l, TO_DIALLER, PACKET_FIN, 0);
    sim_in(s, sim_between(s, 0, 2 * SIM_MS), head_closed, l->id, 0, 0);
}

void link_break(struct sim *s, struct link *l)
{
    if (l->near_up)
        link_push(s, l, TO_DIALLER, PACKET_FIN, 0);
    link_push(s, l, TO_HEAD, PACKET_FIN, 0);
}

void link_reset(struct sim *s, struct link *l)
{
    l->far_up = false;
    list_remove(&l->in_head);
    pipe_clear(s, &l->pipe[TO_HEAD]);
    if (l->near_up)
        link_push(s, l, TO_DIALLER, PACKET_FIN, 0);
}

void packets_free(struct sim *s)
{
    for (struct packet *k = s->packets, *next; k != NULL; k = next) {
        next = k->next;
        free(k);
    }
}

void link_free(struct sim *s, struct link *l)
{
    pipe_clear(s, &l->pipe[TO_HEAD]);
    pipe_clear(s, &l->pipe[TO_DIALLER]);
    free(l);
}

/* ---- receiving ---- */

static void overtaken_probe(struct sim *s, const struct link *l)
{
    const struct worker *w = table_get(&s->workers, l->worker);
    const struct link *present = w != NULL ? table_get(&s->links, w->ways[l->far->no].link) : NULL;
    if (present != NULL && present != l && present->welcomed)
        PROBE(s, overtaken);
}

static void head_receive(struct sim *s, struct link *l, const struct packet *k)
{
    struct wire_msg msg;
    if (!l->far_up) {
        if (l->near_up && k->kind == PACKET_DATA)
            link_push(s, l, TO_DIALLER, PACKET_FIN, 0); /* no such connection here: reset */
        return;
    }
    if (k->kind == PACKET_FIN) {
        sim_trace(s, "head sees end", "", l->id, 0, 0);
        head_closed(s, l->id, 0, 0);
        return;
    }
    if (wire_decode(&msg, &s->arena, str_n(k->bytes, k->n), NULL) != 0) {
        PROBE(s, garbage_frame);
        sim_trace(s, "head gets", "garbage", l->id, k->n, 0);
        if (!l->closing)
            link_close(s, l);
        return;
    }
    sim_trace(s, "head gets", wire_name(msg.type), l->id, 0, 0);
    if (msg.type == WIRE_actor && !l->given_up) /* what comes after that is not listened to */
        coordinator_hears(l->far, &msg.actor);
    if (msg.type == WIRE_done && (msg.done.error == -ERR_BUSY || msg.done.error == -ERR_UNAVAILABLE) && !l->given_up)
        oracle_refused(s, l->far, &msg.done);
    if (msg.type == WIRE_crashed && !l->given_up)
        oracle_crashed(s, l->far, &msg.crashed);
    if (msg.type == WIRE_hello)
        overtaken_probe(s, l);
    coordinator_feed(s, l->far, (struct head_event){.kind = HEAD_LINK_MSG, .link = l->far_id, .msg = &msg});
}

static void dialler_receive(struct sim *s, struct link *l, const struct packet *k)
{
    struct worker *w = table_get(&s->workers, l->worker);
    struct wire_msg msg;
    if (!l->near_up)
        return;
    if (k->kind == PACKET_FIN) {
        near_end_lost(s, l, "closed");
    } else if (k->kind == PACKET_NOISE) { /* the worker's program closes it (worker/link.c) */
        PROBE(s, garbage_to_worker);
        link_orphan(s, l, true);
        near_end_lost(s, l, "no message");
    } else if (k->kind == PACKET_OPEN) {
        sim_trace(s, "linked", "", l->id, l->worker, l->stranger);
        if (w != NULL)
            worker_feed(s, w, (struct agent_event){.kind = AGENT_LINKED, .head = l->far->no});
        else
            stranger_opened(s, l->stranger);
    } else {
        int err = wire_decode(&msg, &s->arena, str_n(k->bytes, k->n), NULL);
        SIM_MUST(s, err == 0, "what the head sent does not decode: %s", err_name(err));
        sim_trace(s, "gets", wire_name(msg.type), l->id, l->worker, l->stranger);
        s->refused_job = 0;
        if (w != NULL)
            worker_feed(s, w, (struct agent_event){.kind = AGENT_LINK_MSG, .head = l->far->no, .msg = &msg});
        else
            stranger_heard(s, l->stranger, &msg);
        if (w != NULL && msg.type == WIRE_adopt && (s->refused_job != msg.adopt.job || s->refused_link != l->id)) {
            engine_adopted(w, l->id, answer_call_of_stream(msg.adopt.stream), msg.adopt.branch);
            oracle_took(s, l->far, w->id, answer_call_of_stream(msg.adopt.stream), msg.adopt.job, msg.adopt.attempt);
        }
    }
}

/* The receiver, or the way to it, is not there for the moment. */
static bool held_up(const struct sim *s, const struct link *l, enum link_dir dir, uint64_t *until_us)
{
    const struct worker *w = table_get(&s->workers, l->worker);
    *until_us = l->stuck_until_us;
    if (w != NULL && worker_cut_until(w, l->far, dir) > *until_us)
        *until_us = worker_cut_until(w, l->far, dir);
    if (*until_us > s->now_us)
        return true;
    if (dir == TO_HEAD)
        return coordinator_asleep(s, l->far, until_us);
    return w != NULL && worker_asleep(s, w, until_us);
}

static void link_deliver(struct sim *s, uint64_t id, uint64_t dir, uint64_t c)
{
    (void)c;
    struct link *l = table_get(&s->links, id);
    struct pipe *p = &l->pipe[dir];
    uint64_t until_us;
    if (p->first == NULL)
        return; /* cleared meanwhile */
    if (held_up(s, l, (enum link_dir)dir, &until_us)) {
        l->late_until_us = until_us > l->late_until_us ? until_us : l->late_until_us;
        sim_at(s, until_us, link_deliver, id, dir, 0);
        return;
    }
    struct packet *k = p->first;
    p->first = k->next;
    if (dir == TO_HEAD)
        head_receive(s, l, k);
    else
        dialler_receive(s, l, k);
    packet_free(s, k);
}
