/* Any story for a worker's brain: heads that come, say whatever decodes, and go; an engine that answers as it must; time. Its
 * invariants hold after every step, and it never asks the engine for what it cannot have.
 *
 * The input is a list of steps: a byte what, a byte who or how much, for frames a byte for the length and the bytes. */
#include <stdint.h>

#include "as_frame.h"
#include "base/must.h"
#include "brain/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADS = 2, ACTORS = 2, TICKETS = 16, STEPS_MAX = 400, MS = 1000 };

/* A job of the engine. */
struct ticket {
    uint64_t ticket; /* 0: none */
    uint32_t said;
};

static struct {
    struct agent *agent;
    struct ag_effects fx;
    struct wire_arena arena;
    uint64_t now_us;
    bool dialling[HEADS], linked[HEADS], measure[HEADS], lose[HEADS], ended;
    uint64_t saves; /* a ticket whose cells are wanted; 0: none */
    struct ticket tickets[TICKETS];
} w;

static struct ticket *find(uint64_t ticket)
{
    for (int i = 0; i < TICKETS; i++)
        if (w.tickets[i].ticket == ticket)
            return &w.tickets[i];
    return NULL;
}

static void look_at(const struct ag *ag)
{
    struct buf line = buf_max(64 << 10);
    if (ag->kind == AG_SEND || ag->kind == AG_RUN)
        wire_print(&line, &ag->msg);
    buf_add_str(&line, ag->text);
    buf_puts(&line, ag->fault.text);
    buf_fini(&line);
}

static void obey(struct ag *ag)
{
    struct ticket *t;
    look_at(ag);
    switch (ag->kind) {
    case AG_DIAL:
        MUST(!w.dialling[ag->head] && !w.linked[ag->head]);
        w.dialling[ag->head] = true;
        break;
    case AG_HANG_UP:
        w.lose[ag->head] = w.linked[ag->head] || w.dialling[ag->head];
        break;
    case AG_SEND:
    case AG_SEND_FRAMES: MUST(w.linked[ag->head]); break;
    case AG_MEASURE: w.measure[ag->head] = true; break;
    case AG_RUN:
        MUST(ag->key < ACTORS && ag->ticket != 0 && find(ag->ticket) == NULL);
        t = find(0);
        if (t != NULL)
            *t = (struct ticket){.ticket = ag->ticket, .said = ag->msg.run.resume.n};
        break;
    case AG_CANCEL: MUST(ag->key < ACTORS); break;
    case AG_SAVE: w.saves = ag->ticket; break;
    case AG_GIVE: buf_fini(&ag->carry); break;
    case AG_LOG: break;
    case AG_EXIT: w.ended = true; break;
    }
}

static void step(struct agent_event ev)
{
    if (w.ended)
        return;
    ev.now_us = w.now_us;
    ag_effects_reset(&w.fx);
    agent_step(w.agent, &ev, &w.fx);
    for (size_t i = 0; i < w.fx.n; i++)
        obey(&w.fx.ag[i]);
    agent_check(w.agent);
    uint64_t ticket = w.saves;
    if (ticket == 0)
        return;
    struct buf carry = buf_max(8);
    buf_add(&carry, "cells", ticket % 4 == 0 ? 0 : 5); /* sometimes there are none */
    w.saves = 0;
    step((struct agent_event){.kind = AGENT_SAVED, .ticket = ticket, .carry = &carry, .text = str_of("none")});
    buf_fini(&carry);
}

static void lose(uint32_t head)
{
    if (!w.linked[head] && !w.dialling[head])
        return;
    w.linked[head] = w.dialling[head] = w.lose[head] = w.measure[head] = false;
    step((struct agent_event){.kind = AGENT_LINK_LOST, .head = head, .text = str_of("gone")});
}

static void hear(uint32_t head, const struct wire_msg *msg)
{
    if (w.linked[head] && !w.lose[head])
        step((struct agent_event){.kind = AGENT_LINK_MSG, .head = head, .msg = msg});
}

static void hear_bytes(uint32_t head, uint8_t number, struct str fields)
{
    char frame[WIRE_HEADER_BYTES + 256];
    struct wire_msg m;
    if (as_frame(number, fields, frame, &w.arena, &m))
        hear(head, &m);
}

static void hear_run(uint32_t head, uint8_t how)
{
    int32_t ids[] = {5, 6};
    struct wire_msg m = {.type = WIRE_run, .run = {.job = how >> 1 & 7, .attempt = 1 + (how >> 4 & 1), .key = how >> 5 & 3, .kind = REQUEST_TEXT,
                         .text = str_of("Once"), .sampling = {.top_p = 1, .repeat_penalty = 1}, .stream = how >> 2 & 3,
                         .resume = {ids, how & 128 ? 2 : 0}}};
    hear(head, &m);
}

static void welcome(uint32_t head, uint8_t how)
{
    struct wire_msg m = {.type = WIRE_welcome, .welcome = {.worker = 1, .epoch = how >> 1 & 3, .version = str_of("1"), .beat_ms = 1000, .lost_after_ms = 3500}};
    hear(head, &m);
    for (uint32_t key = 0; key < ACTORS && how & 64; key++) {
        struct wire_msg ack = {.type = WIRE_actor_ack, .actor_ack = {.key = key, .id = key}};
        hear(head, &ack);
    }
}

static void actor(uint8_t how)
{
    struct wire_actor a = {.key = how & 1, .state = how & 2 ? WIRE_ACTOR_LOADING : WIRE_ACTOR_READY, .kind = REQUEST_CHAT, .model = str_of("m"),
                           .digest = str_of("aaaaaaaaaaaaaaaa"), .slots = 2, .context = 100};
    step((struct agent_event){.kind = AGENT_ACTOR, .actor = &a});
}

static void engine_says(uint8_t what, uint8_t how)
{
    struct ticket *t = &w.tickets[how % TICKETS];
    int32_t id = how;
    if (t->ticket == 0)
        return;
    struct wire_prefilled prefilled = {.prompt_tokens = 2};
    struct wire_tokens tokens = {.first = t->said, .text = str_of("x"), .ids = {&id, 1}};
    struct wire_done done = {.finish = (uint8_t)(how >> 5 & 3) + 1, .completion_tokens = t->said};
    struct agent_event ev = {.kind = AGENT_PREFILLED, .ticket = t->ticket, .prefilled = &prefilled};
    if (what == 8) {
        ev = (struct agent_event){.kind = AGENT_TOKENS, .ticket = t->ticket, .tokens = &tokens};
        t->said++;
    } else if (what == 9) {
        ev = (struct agent_event){.kind = AGENT_DONE, .ticket = t->ticket, .done = &done};
        *t = (struct ticket){0};
    }
    step(ev);
}

static void wait_ms(uint64_t ms)
{
    uint64_t end_us = w.now_us + ms * MS;
    for (int i = 0; i < 100 && !w.ended && agent_deadline(w.agent) <= end_us; i++) {
        w.now_us = agent_deadline(w.agent) > w.now_us ? agent_deadline(w.agent) : w.now_us;
        step((struct agent_event){.kind = AGENT_TICK});
    }
    w.now_us = end_us > w.now_us ? end_us : w.now_us;
}

static void owed(void)
{
    for (uint32_t head = 0; head < HEADS; head++) {
        if (w.lose[head])
            lose(head);
        struct wire_beat beat = {.sent_us = w.now_us};
        if (w.measure[head])
            step((struct agent_event){.kind = AGENT_BEAT, .head = head, .beat = &beat});
        w.measure[head] = false;
    }
}

static void act(uint8_t what, uint8_t how, const uint8_t **at, const uint8_t *end)
{
    uint32_t head = how % HEADS;
    switch (what) {
    case 0:
        if (w.dialling[head] && !w.lose[head]) {
            w.dialling[head] = false;
            w.linked[head] = true;
            step((struct agent_event){.kind = AGENT_LINKED, .head = head});
        }
        break;
    case 1: lose(head); break;
    case 2: welcome(head, how); break;
    case 3: actor(how >> 1); break;
    case 4: {
        size_t n = *at < end ? *(*at)++ : 0;
        n = n < (size_t)(end - *at) ? n : (size_t)(end - *at);
        hear_bytes(head, how >> 1, str_n((const char *)*at, n));
        *at += n;
        break;
    }
    case 5: hear_run(head, how); break;
    case 6: wait_ms((uint64_t)how * how / 4); break;
    case 10:
        if (how > 250)
            step((struct agent_event){.kind = AGENT_STOP});
        break;
    default: engine_says(what, how); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_config cfg = agent_config_default();
    memset(&w, 0, sizeof w);
    w.now_us = 1000 * MS;
    cfg.heads_n = HEADS;
    cfg.hello = (struct wire_hello){.proto = WIRE_VERSION, .role = WIRE_ROLE_WORKER, .node = str_of("a")};
    w.agent = agent_new(&cfg, w.now_us);
    step((struct agent_event){.kind = AGENT_START});
    const uint8_t *at = data, *end = data + size;
    for (int n = 0; n < STEPS_MAX && end - at >= 2 && !w.ended; n++) {
        uint8_t what = *at++ % 11, how = *at++;
        act(what, how, &at, end);
        owed();
    }
    agent_free(w.agent);
    ag_effects_fini(&w.fx);
    wire_arena_fini(&w.arena);
    return 0;
}
