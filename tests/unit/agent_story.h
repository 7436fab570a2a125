/* Tell an agent a story and read what it wants done, one line per effect:
 *
 *     story_linked(&s, 0);
 *     story_is(&s, "send 0 hello node=w1\n");
 *
 * Time is s.now_ms; messages from a head go through one function each. */
#ifndef MANTA_TESTS_AGENT_STORY_H
#define MANTA_TESTS_AGENT_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/buf.h"
#include "brain/agent.h"

struct story {
    struct agent *agent;
    uint64_t now_ms;
    struct ag_effects fx;
    struct buf said; /* lines since the last story_is() */
    uint64_t epoch;  /* of the heads that welcome it from now on */
    bool quiet;      /* leave log lines out */
};

static inline void story_says(struct buf *b, uint32_t head, const struct wire_msg *m)
{
    buf_printf(b, "send %u %s", head, wire_name(m->type));
    if (m->type == WIRE_hello)
        buf_printf(b, " node=%.*s", STR_ARG(m->hello.node));
    else if (m->type == WIRE_actor)
        buf_printf(b, " key=%u state=%u model=%.*s", m->actor.key, m->actor.state, STR_ARG(m->actor.model));
    else if (m->type == WIRE_beat)
        buf_printf(b, " rss=%llu", (unsigned long long)m->beat.rss_bytes);
    else if (m->type == WIRE_prefilled)
        buf_printf(b, " job=%llu.%u", (unsigned long long)m->prefilled.job, m->prefilled.attempt);
    else if (m->type == WIRE_tokens)
        buf_printf(b, " job=%llu.%u first=%u text=%.*s", (unsigned long long)m->tokens.job, m->tokens.attempt,
                   m->tokens.first, STR_ARG(m->tokens.text));
    else if (m->type == WIRE_done)
        buf_printf(b, " job=%llu.%u finish=%u error=%u", (unsigned long long)m->done.job, m->done.attempt,
                   m->done.finish, m->done.error);
    else if (m->type == WIRE_availability)
        buf_printf(b, " %u: %.*s%s", m->availability.availability, STR_ARG(m->availability.reason), m->availability.moves ? " moves" : "");
    else if (m->type == WIRE_kv_saved)
        buf_printf(b, " job=%llu.%u bytes=%llu%s%.*s", (unsigned long long)m->kv_saved.job, m->kv_saved.attempt,
                   (unsigned long long)m->kv_saved.bytes, m->kv_saved.message.n > 0 ? " " : "", STR_ARG(m->kv_saved.message));
    else if (m->type == WIRE_kv_part)
        buf_printf(b, " job=%llu.%u offset=%llu bytes=%zu", (unsigned long long)m->kv_part.job, m->kv_part.attempt,
                   (unsigned long long)m->kv_part.offset, m->kv_part.bytes.n);
    else if (m->type == WIRE_kv_ack)
        buf_printf(b, " job=%llu.%u bytes=%llu%s", (unsigned long long)m->kv_ack.job, m->kv_ack.attempt,
                   (unsigned long long)m->kv_ack.bytes, m->kv_ack.refused ? " refused" : "");
    else if (m->type == WIRE_held)
        buf_printf(b, " stream=%llx.%u found=%u key=%u ids=%u", (unsigned long long)m->held.stream, m->held.branch,
                   m->held.found, m->held.key, m->held.ids.n);
    buf_puts(b, "\n");
}

/* Frames that leave as they are, one line each. */
static inline void story_frames(struct buf *b, uint32_t head, struct str frames)
{
    struct wire_arena arena = {0};
    for (size_t n; frames.n > 0; frames = str_n(frames.p + n, frames.n - n)) {
        struct wire_msg m;
        assert_int_equal(wire_frame(frames, WIRE_FRAME_BYTES_MAX, &n), 0);
        assert_int_equal(wire_decode(&m, &arena, str_n(frames.p, n), NULL), 0);
        story_says(b, head, &m);
    }
    wire_arena_fini(&arena);
}

static inline void story_line(struct story *s, struct ag *ag)
{
    char text[EVENT_BYTES_MAX];
    const struct wire_msg *m = &ag->msg;
    struct buf *b = &s->said;
    switch (ag->kind) {
    case AG_DIAL:
        buf_printf(b, "dial %u\n", ag->head);
        break;
    case AG_HANG_UP:
        buf_printf(b, "hang up %u\n", ag->head);
        break;
    case AG_MEASURE:
        buf_printf(b, "measure %u\n", ag->head);
        break;
    case AG_RUN:
        buf_printf(b, "run actor=%u ticket=%llu %.*s\n", ag->key, (unsigned long long)ag->ticket, STR_ARG(m->run.text));
        break;
    case AG_CANCEL:
        buf_printf(b, "cancel actor=%u ticket=%llu\n", ag->key, (unsigned long long)ag->ticket);
        break;
    case AG_SAVE:
        buf_printf(b, "save actor=%u ticket=%llu\n", ag->key, (unsigned long long)ag->ticket);
        break;
    case AG_GIVE:
        buf_printf(b, "give actor=%u ticket=%llu bytes=%zu\n", ag->key, (unsigned long long)ag->ticket, ag->carry.n);
        buf_fini(&ag->carry);
        break;
    case AG_LOG:
        if (!s->quiet)
            buf_printf(b, "[%s]%.*s\n", ag->tag, (int)event_write(ag->event, false, text), text);
        break;
    case AG_EXIT:
        buf_printf(b, "exit %d %s\n", ag->fault.err, ag->fault.text);
        break;
    case AG_SEND:
        story_says(b, ag->head, m);
        break;
    case AG_SEND_FRAMES:
        story_frames(b, ag->head, ag->text);
        break;
    }
}

static inline void story_step(struct story *s, struct agent_event ev)
{
    ev.now_us = s->now_ms * 1000;
    ag_effects_reset(&s->fx);
    agent_step(s->agent, &ev, &s->fx);
    for (size_t i = 0; i < s->fx.n; i++)
        story_line(s, &s->fx.ag[i]);
    agent_check(s->agent);
}

/* What was wanted since the last call, all of it. */
static inline void story_is(struct story *s, const char *lines)
{
    assert_string_equal(buf_cstr(&s->said), lines);
    buf_reset(&s->said);
}

static inline void story_forget(struct story *s)
{
    buf_reset(&s->said);
}

static inline struct story story_begin(uint32_t heads_n)
{
    struct story s = {.now_ms = 1000, .said = buf_max(1 << 16), .quiet = true};
    struct agent_config cfg = agent_config_default();
    cfg.heads_n = heads_n;
    cfg.hello = (struct wire_hello){.proto = WIRE_VERSION, .role = WIRE_ROLE_WORKER, .node = str_of("w1")};
    s.agent = agent_new(&cfg, s.now_ms * 1000);
    return s;
}

static inline void story_end(struct story *s)
{
    agent_free(s->agent);
    ag_effects_fini(&s->fx);
    buf_fini(&s->said);
}

static inline void story_tick(struct story *s, uint64_t later_ms)
{
    s->now_ms += later_ms;
    story_step(s, (struct agent_event){.kind = AGENT_TICK});
}

/* Lets time pass as a program does: a tick at each deadline. */
static inline void story_wait(struct story *s, uint64_t ms)
{
    uint64_t end_ms = s->now_ms + ms;
    while (agent_deadline(s->agent) <= end_ms * 1000) {
        s->now_ms = (agent_deadline(s->agent) + 999) / 1000;
        story_step(s, (struct agent_event){.kind = AGENT_TICK});
    }
    s->now_ms = end_ms;
}

static inline void story_simple(struct story *s, enum agent_event_kind kind, uint32_t head)
{
    story_step(s, (struct agent_event){.kind = kind, .head = head, .text = str_of("connection reset")});
}

static inline void story_msg(struct story *s, uint32_t head, struct wire_msg msg)
{
    story_step(s, (struct agent_event){.kind = AGENT_LINK_MSG, .head = head, .msg = &msg});
}

static inline void story_welcome(struct story *s, uint32_t head)
{
    story_msg(s, head,
              (struct wire_msg){
                  .type = WIRE_welcome,
                  .welcome = {.worker = 17, .epoch = s->epoch, .beat_ms = 1000, .lost_after_ms = 3000, .version = str_of("0.1.0")}});
}

static inline void story_actor(struct story *s, uint32_t key, enum wire_actor_state state)
{
    struct wire_actor is = {.key = key,
                            .state = (uint8_t)state,
                            .kind = REQUEST_CHAT,
                            .model = str_of("smollm2"),
                            .digest = str_of("ab"),
                            .slots = 4};
    story_step(s, (struct agent_event){.kind = AGENT_ACTOR, .actor = &is});
}

static inline void story_ack(struct story *s, uint32_t head, uint32_t key, uint32_t id)
{
    story_msg(s, head, (struct wire_msg){.type = WIRE_actor_ack, .actor_ack = {.key = key, .id = id}});
}

static inline void story_run(struct story *s, uint32_t head, uint64_t job, uint32_t attempt, uint32_t key)
{
    story_msg(
        s, head,
        (struct wire_msg){.type = WIRE_run, .run = {.job = job, .attempt = attempt, .key = key, .text = str_of("hi")}});
}

static inline void story_cordon(struct story *s, uint32_t head, uint8_t on)
{
    story_msg(s, head, (struct wire_msg){.type = WIRE_cordon, .cordon.on = on});
}

static inline void story_drain(struct story *s, uint32_t head, uint32_t grace_ms)
{
    story_msg(s, head, (struct wire_msg){.type = WIRE_drain, .drain.grace_ms = grace_ms});
}

/* The first signal, or the second one. */
static inline void story_signal(struct story *s, uint32_t grace_ms)
{
    story_step(s, (struct agent_event){.kind = AGENT_DRAIN, .grace_ms = grace_ms, .text = str_of("SIGTERM")});
}

static inline void story_cancel(struct story *s, uint32_t head, uint64_t job, uint32_t attempt)
{
    story_msg(s, head, (struct wire_msg){.type = WIRE_cancel, .cancel = {.job = job, .attempt = attempt}});
}

/* The links of so many heads up and welcomed, actor 0 ready and acknowledged by all. */
static inline struct story story_joined_by(uint32_t heads_n)
{
    struct story s = story_begin(heads_n);
    story_actor(&s, 0, WIRE_ACTOR_READY);
    story_simple(&s, AGENT_START, 0);
    for (uint32_t h = 0; h < heads_n; h++) {
        story_simple(&s, AGENT_LINKED, h);
        story_welcome(&s, h);
        story_ack(&s, h, 0, 0);
    }
    story_forget(&s);
    return s;
}

static inline struct story story_joined(void)
{
    return story_joined_by(1);
}

#endif
