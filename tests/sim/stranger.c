/* Diallers that are no workers: the launcher, and people who talk nonsense to the head's port. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim.h"

enum nonsense { NONE, SCALER, SAYS_NOTHING, WRONG_VERSION, WRONG_TOKEN, WRONG_ORDER, GARBAGE, NONSENSE_COUNT };

struct stranger {
    uint64_t id, link;
    struct coordinator *head; /* that it dials */
    enum nonsense kind; /* NONE: it is the launcher; SCALER: that of scaler.c */
    uint32_t running, target;
};

static struct stranger *stranger_new(struct sim *s, struct coordinator *head, enum nonsense kind)
{
    struct stranger *x = xalloc(sizeof *x);
    x->kind = kind;
    x->head = head;
    x->id = table_add(&s->strangers, x);
    x->link = link_dial(s, head, 0, x->id);
    return x;
}

void stranger_free(struct stranger *x)
{
    free(x);
}

static void say(struct sim *s, const struct stranger *x, struct wire_msg msg)
{
    struct link *l = table_get(&s->links, x->link);
    if (l != NULL && l->near_up)
        link_send(s, l, TO_HEAD, &msg);
}

static struct wire_msg hello_of(struct sim *s, enum wire_role role)
{
    return (struct wire_msg){.type = WIRE_hello,
                             .hello = {.proto = WIRE_VERSION,
                                       .version = str_of("sim"),
                                       .role = (uint8_t)role,
                                       .node = str_of("stranger"),
                                       .epoch = rng_next(&s->rng),
                                       .token = s->heads[0].cfg.join_token}};
}

/* ---- the launcher: keeps as many workers up as it is told, and says so ---- */

static void launcher_beats(struct sim *s, uint64_t id, uint64_t link, uint64_t c)
{
    (void)c;
    struct stranger *x = table_get(&s->strangers, id);
    if (x->link != link)
        return;
    say(s, x, (struct wire_msg){.type = WIRE_beat, .beat = {.sent_us = s->now_us}});
    sim_in(s, SIM_S, launcher_beats, id, link, 0);
}

static void launcher_says(struct sim *s, const struct stranger *x)
{
    say(s, x,
        (struct wire_msg){.type = WIRE_scale_state,
                          .scale_state = {.running = x->running, .target = x->target, .note = str_of("")}});
}

static void launcher_scales(struct sim *s, struct stranger *x, uint32_t workers)
{
    x->target = workers;
    for (size_t i = s->living.n; i-- > 0 && x->running > x->target;) { /* who leaves is replaced by one behind it */
        struct worker *w = s->living.p[i];
        uint64_t until_us;
        if (w->launched && !worker_asleep(s, w, &until_us)) {
            w->launched = false;
            x->running--;
            worker_feed(s, w, (struct agent_event){.kind = AGENT_STOP});
        }
    }
    for (; x->running < x->target; x->running++)
        worker_start(s, NULL)->launched = true;
    launcher_says(s, x);
}

static void launcher_redials(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    struct stranger *x = table_get(&s->strangers, id);
    x->link = link_dial(s, x->head, 0, id);
}

void stranger_start_launcher(struct sim *s, struct coordinator *of)
{
    s->launcher = stranger_new(s, of, NONE)->id;
}

/* ---- the one of scaler.c ---- */

uint64_t stranger_dial_scaler(struct sim *s, struct coordinator *head)
{
    return stranger_new(s, head, SCALER)->id;
}

void stranger_say(struct sim *s, uint64_t stranger, struct wire_msg msg)
{
    const struct stranger *x = table_get(&s->strangers, stranger);
    if (x != NULL)
        say(s, x, msg);
}

void stranger_orphan(struct sim *s, uint64_t stranger)
{
    const struct stranger *x = table_get(&s->strangers, stranger);
    struct link *l = table_get(&s->links, x->link);
    if (l != NULL && l->near_up)
        link_orphan(s, l, true);
}

void stranger_hang_up(struct sim *s, uint64_t stranger)
{
    const struct stranger *x = table_get(&s->strangers, stranger);
    link_hang_up(s, table_get(&s->links, x->link));
}

void stranger_stuck(struct sim *s, uint64_t stranger, uint64_t until_us)
{
    const struct stranger *x = table_get(&s->strangers, stranger);
    struct link *l = table_get(&s->links, x->link);
    l->stuck_until_us = until_us;
}

void stranger_break(struct sim *s, uint64_t stranger)
{
    const struct stranger *x = table_get(&s->strangers, stranger);
    struct link *l = table_get(&s->links, x->link);
    if (l != NULL)
        link_break(s, l);
}

/* ---- nonsense ---- */

void stranger_start_nonsense(struct sim *s)
{
    struct coordinator *head = &s->heads[sim_between(s, 0, s->heads_n - 1)];
    stranger_new(s, head, (enum nonsense)sim_between(s, SAYS_NOTHING, NONSENSE_COUNT - 1));
}

static void say_garbage(struct sim *s, const struct stranger *x)
{
    char bytes[64];
    size_t n = sim_between(s, 1, sizeof bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)rng_next(&s->rng);
    link_send_bytes(s, table_get(&s->links, x->link), TO_HEAD, bytes, n);
}

void stranger_opened(struct sim *s, uint64_t stranger)
{
    struct stranger *x = table_get(&s->strangers, stranger);
    struct wire_msg msg = hello_of(s, WIRE_ROLE_WORKER);
    switch (x->kind) {
    case NONE:
        say(s, x, hello_of(s, WIRE_ROLE_LAUNCHER));
        sim_in(s, SIM_S, launcher_beats, x->id, x->link, 0);
        break;
    case SCALER:
        if (scaler_linked(s, stranger))
            say(s, x, hello_of(s, WIRE_ROLE_LAUNCHER));
        break;
    case SAYS_NOTHING:
        break;
    case WRONG_VERSION:
        msg.hello.proto = WIRE_VERSION + 1;
        say(s, x, msg);
        break;
    case WRONG_TOKEN:
        msg.hello.token = str_of("guess");
        say(s, x, msg);
        break;
    case WRONG_ORDER:
        PROBE(s, nonsense_message);
        say(s, x, (struct wire_msg){.type = WIRE_beat});
        say(s, x, msg);
        break;
    case GARBAGE:
    case NONSENSE_COUNT:
        say_garbage(s, x);
        break;
    }
}

void stranger_heard(struct sim *s, uint64_t stranger, const struct wire_msg *msg)
{
    struct stranger *x = table_get(&s->strangers, stranger);
    if (x->kind == SCALER)
        scaler_heard(s, stranger, msg);
    else if (x->kind == NONE && msg->type == WIRE_welcome)
        launcher_says(s, x);
    else if (x->kind == NONE && msg->type == WIRE_scale)
        launcher_scales(s, x, msg->scale.workers);
    else if (x->kind != NONE && msg->type == WIRE_welcome) /* no token is asked for: a guest, who leaves */
        link_hang_up(s, table_get(&s->links, x->link));
}

void stranger_lost(struct sim *s, uint64_t stranger)
{
    struct stranger *x = table_get(&s->strangers, stranger);
    x->link = 0;
    if (x->kind == SCALER)
        scaler_lost(s, stranger);
    if (x->kind == NONE)
        sim_in(s, SIM_S, launcher_redials, x->id, 0, 0);
}
