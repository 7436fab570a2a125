/* Tell the head a story and read what it does: one text with both.
 *
 *     story(&s, "> open 1\n"
 *               "> hello 1 node=a\n"
 *               "send 1 welcome worker=1\n");
 *
 * Lines with > are events, all others are the effects that must follow, to the letter. `> wait 500` lets 500 ms pass,
 * with a tick at each deadline. After each event the head's invariants are checked. Log lines are left out unless
 * s.logs is set. A value is what stands between `name=` and the next space. */
#ifndef MANTA_TESTS_HEAD_STORY_H
#define MANTA_TESTS_HEAD_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "brain/head.h"

struct story {
    struct head *head;
    struct head_config cfg; /* change it before the first event */
    uint64_t now_us;
    struct effects fx;
    struct buf said;
    bool logs, accounts;
    void (*heard)(struct story *s); /* called after each step, or NULL */
};

/* ---- effects -> lines ---- */

static inline void line_of_msg(struct buf *b, const struct wire_msg *m)
{
    buf_printf(b, "%s", wire_name(m->type));
    switch (m->type) {
    case WIRE_welcome: buf_printf(b, " worker=%llu", (unsigned long long)m->welcome.worker); break;
    case WIRE_refuse:
        buf_printf(b, " %s%s: %.*s", err_name(-(int)m->refuse.error), m->refuse.final ? " final" : "",
                   STR_ARG(m->refuse.message));
        break;
    case WIRE_actor_ack: buf_printf(b, " key=%u id=%u", m->actor_ack.key, m->actor_ack.id); break;
    case WIRE_beat_ack: buf_printf(b, " %llu", (unsigned long long)m->beat_ack.sent_us); break;
    case WIRE_run:
        buf_printf(b, " job=%llu.%u key=%u seed=%llu %.*s", (unsigned long long)m->run.job, m->run.attempt, m->run.key,
                   (unsigned long long)m->run.sampling.seed, STR_ARG(m->run.text));
        for (uint32_t i = 0; i < m->run.resume.n; i++)
            buf_printf(b, "%s%d", i == 0 ? " resume=" : ",", m->run.resume.p[i]);
        if (m->run.kv_bytes > 0)
            buf_printf(b, " kv=%llu", (unsigned long long)m->run.kv_bytes);
        break;
    case WIRE_kv_save: buf_printf(b, " job=%llu.%u", (unsigned long long)m->kv_save.job, m->kv_save.attempt); break;
    case WIRE_kv_drop: buf_printf(b, " job=%llu.%u", (unsigned long long)m->kv_drop.job, m->kv_drop.attempt); break;
    case WIRE_kv_pull:
        buf_printf(b, " job=%llu.%u offset=%llu", (unsigned long long)m->kv_pull.job, m->kv_pull.attempt,
                   (unsigned long long)m->kv_pull.offset);
        break;
    case WIRE_kv_part:
        buf_printf(b, " job=%llu.%u offset=%llu bytes=%zu", (unsigned long long)m->kv_part.job, m->kv_part.attempt,
                   (unsigned long long)m->kv_part.offset, m->kv_part.bytes.n);
        break;
    case WIRE_cancel: buf_printf(b, " job=%llu.%u", (unsigned long long)m->cancel.job, m->cancel.attempt); break;
    case WIRE_scale:
        buf_printf(b, " workers=%u", m->scale.workers);
        if (m->scale.policy == WIRE_SCALE_AUTO)
            buf_printf(b, " auto=%u..%u", m->scale.min, m->scale.max);
        break;
    case WIRE_cordon: buf_printf(b, " on=%u", m->cordon.on); break;
    case WIRE_drain: buf_printf(b, " grace=%u%s", m->drain.grace_ms, m->drain.move ? " move" : ""); break;
    case WIRE_seek:
        buf_printf(b, " stream=%llu", (unsigned long long)m->seek.stream);
        for (uint32_t i = 0; i < m->seek.said.n; i++)
            buf_printf(b, "%s%d", i == 0 ? " said=" : ",", m->seek.said.p[i]);
        break;
    case WIRE_adopt:
        buf_printf(b, " stream=%llu.%u job=%llu.%u said=%u", (unsigned long long)m->adopt.stream, m->adopt.branch,
                   (unsigned long long)m->adopt.job, m->adopt.attempt, m->adopt.said);
        break;
    default: break;
    }
}

static inline void line_of_done(struct buf *b, const struct fx *fx)
{
    buf_printf(b, "done %llu.%u finish=%u", (unsigned long long)fx->call, fx->branch, fx->finish);
    if (fx->actor != UINT32_MAX)
        buf_printf(b, " actor=%u node=%.*s", fx->actor, STR_ARG(fx->node));
    if (fx->usage.completion_tokens > 0)
        buf_printf(b, " tokens=%u", fx->usage.completion_tokens);
    if (fx->usage.logprob_sum < 0)
        buf_printf(b, " logprob=%g", fx->usage.logprob_sum);
    if (fx->embedding.n > 0)
        buf_printf(b, " vector=%u", fx->embedding.n);
    if (fx->fault.err != 0)
        buf_printf(b, " %s: %s", err_name(fx->fault.err), fx->fault.text);
}

static inline void line_of(struct story *s, const struct fx *fx)
{
    char text[EVENT_BYTES_MAX];
    struct buf *b = &s->said;
    unsigned long long call = fx->call;
    switch (fx->kind) {
    case FX_SEND:
        buf_printf(b, "send %llu ", (unsigned long long)fx->link);
        line_of_msg(b, &fx->msg);
        break;
    case FX_CLOSE_LINK: buf_printf(b, "close %llu: %.*s", (unsigned long long)fx->link, STR_ARG(fx->text)); break;
    case FX_STARTED:
        buf_printf(b, "started %llu.%u actor=%u node=%.*s", call, fx->branch, fx->actor, STR_ARG(fx->node));
        break;
    case FX_PROGRESS:
        buf_printf(b, "progress %llu.%u done=%u of %u cached=%u", call, fx->branch, fx->first, fx->usage.prompt_tokens, fx->usage.cached_tokens);
        break;
    case FX_TOKENS:
        buf_printf(b, "tokens %llu.%u first=%u n=%u %.*s", call, fx->branch, fx->first, fx->ids.n, STR_ARG(fx->text));
        for (uint32_t i = 0; i < fx->parts_n; i++)
            buf_printf(b, " part=%u call=%u bytes=%u", fx->parts[i].kind, fx->parts[i].call, fx->parts[i].bytes);
        break;
    case FX_BRANCH_DONE: line_of_done(b, fx); break;
    case FX_CHOSEN:
        if (!s->accounts)
            return;
        buf_printf(b, "chosen %llu.%u actor=%u node=%.*s first=%u why=%s attempt=%u", call, fx->branch, fx->actor, STR_ARG(fx->node), fx->first,
                   fx->choice->why, fx->choice->attempt);
        for (uint32_t i = 0; i < fx->choice->n; i++)
            buf_printf(b, " [actor=%u busy=%u/%u cached=%u/%u%s]", fx->choice->candidates[i].actor, fx->choice->candidates[i].busy,
                       fx->choice->candidates[i].slots, fx->choice->candidates[i].cached_tokens, fx->choice->candidates[i].prompt_tokens,
                       fx->choice->candidates[i].avoided ? " avoided" : "");
        break;
    case FX_LEFT:
        if (!s->accounts)
            return;
        buf_printf(b, "left %llu.%u actor=%u node=%.*s first=%u %s", call, fx->branch, fx->actor, STR_ARG(fx->node), fx->first, fx->tag);
        break;
    case FX_RESUMED: buf_printf(b, "resumed %llu of %u note=%.*s", call, fx->branches, STR_ARG(fx->text)); break;
    case FX_CALL_END: buf_printf(b, "end %llu of %u", call, fx->branches); break;
    case FX_CALL_FAILED:
        buf_printf(b, "failed %llu %s: %s", call, err_name(fx->fault.err), fx->fault.text);
        if (fx->retry_after_s > 0)
            buf_printf(b, " retry=%u", fx->retry_after_s);
        break;
    case FX_LOG:
        if (!s->logs)
            return;
        buf_printf(b, "[%s]%.*s", fx->tag, (int)event_write(fx->event, false, text), text);
        break;
    }
    buf_puts(b, "\n");
}

/* ---- lines -> events ---- */

/* The value of `name=` in line, or fallback. */
static inline struct str word(const char *line, const char *name, const char *fallback)
{
    size_t n = strlen(name);
    for (const char *p = strchr(line, ' '); p != NULL; p = strchr(p + 1, ' ')) {
        if (strncmp(p + 1, name, n) == 0 && p[1 + n] == '=')
            return str_n(p + 2 + n, strcspn(p + 2 + n, " "));
    }
    return str_of(fallback);
}

static inline uint32_t number(const char *line, const char *name, uint32_t fallback)
{
    struct str s = word(line, name, "");
    return s.n > 0 ? (uint32_t)strtoul(s.p, NULL, 10) : fallback;
}

static inline float decimal(const char *line, const char *name, float fallback)
{
    struct str s = word(line, name, "");
    return s.n > 0 ? strtof(s.p, NULL) : fallback;
}

static inline void step(struct story *s, struct head_event ev)
{
    if (s->head == NULL)
        s->head = head_new(&s->cfg, s->now_us);
    ev.now_us = s->now_us;
    effects_reset(&s->fx);
    head_step(s->head, &ev, &s->fx);
    for (size_t i = 0; i < s->fx.n; i++)
        line_of(s, &s->fx.fx[i]);
    head_check(s->head, s->now_us);
    if (s->heard != NULL)
        s->heard(s);
}

static inline void msg_step(struct story *s, uint64_t link, struct wire_msg *m)
{
    step(s, (struct head_event){.kind = HEAD_LINK_MSG, .link = link, .msg = m});
}

static inline void wait_ms(struct story *s, uint64_t ms)
{
    uint64_t end_us = s->now_us + ms * 1000;
    while (s->head != NULL && head_deadline(s->head) <= end_us) {
        s->now_us = head_deadline(s->head);
        step(s, (struct head_event){.kind = HEAD_TICK});
    }
    s->now_us = end_us;
}

static inline void event_hello(struct story *s, uint64_t link, const char *line)
{
    struct wire_msg m = {.type = WIRE_hello};
    m.hello = (struct wire_hello){
        .proto = number(line, "proto", WIRE_VERSION),
        .version = word(line, "version", "0.1.0"),
        .role = (uint8_t)number(line, "role", WIRE_ROLE_WORKER),
        .token = word(line, "token", ""),
        .node = word(line, "node", ""),
        .epoch = number(line, "epoch", (uint32_t)link),
        .cpus = decimal(line, "cpus", 2),
        .engine = word(line, "engine", ""),
        .cpu_features = word(line, "features", ""),
        .memory_bytes = 3000000000u,
    };
    msg_step(s, link, &m);
}

static inline void event_actor(struct story *s, uint64_t link, const char *line)
{
    static const char *const states[] = {"", "loading", "ready", "failed", "gone"};
    struct wire_msg m = {.type = WIRE_actor};
    m.actor = (struct wire_actor){
        .key = number(line, "key", 0),
        .kind = (uint8_t)number(line, "kind", REQUEST_CHAT),
        .model = word(line, "model", "m"),
        .digest = word(line, "digest", "d1"),
        .slots = number(line, "slots", 1),
        .context = number(line, "context", 1000),
        .progress = decimal(line, "progress", 0),
        .prefill_tps = decimal(line, "prefill", 0),
        .decode_tps = decimal(line, "decode", 0),
        .note = word(line, "note", ""),
        .kv = word(line, "kv", ""),
        .kv_bytes = (uint64_t)number(line, "cells", 0) * number(line, "slots", 1) * number(line, "context", 1000),
        .exact = number(line, "exact", 0) != 0,
        .setup = word(line, "setup", number(line, "exact", 0) != 0 ? "cache=q8_0" : ""),
    };
    for (uint8_t i = 1; i < 5; i++) {
        if (str_is(word(line, "state", "ready"), states[i]))
            m.actor.state = i;
    }
    msg_step(s, link, &m);
}

static inline void event_beat(struct story *s, uint64_t link, const char *line)
{
    struct wire_load load = {
        .key = number(line, "key", 0),
        .busy = number(line, "busy", 0),
        .waiting = number(line, "waiting", 0),
        .prefill_tps = decimal(line, "prefill", 0),
        .decode_tps = decimal(line, "decode", 0),
        .token_age_ms = number(line, "age", 0),
    };
    struct wire_msg m = {.type = WIRE_beat};
    m.beat = (struct wire_beat){.sent_us = s->now_us / 1000, .loads = &load, .loads_n = number(line, "loads", 1)};
    msg_step(s, link, &m);
}

/* job=4 is attempt 1 of job 4, job=4.2 its second attempt */
static inline uint32_t attempt_of(const char *line)
{
    struct str s = word(line, "job", "");
    const char *dot = s.n > 0 ? memchr(s.p, '.', s.n) : NULL;
    return dot != NULL ? (uint32_t)strtoul(dot + 1, NULL, 10) : 1;
}

static inline void event_prefilled(struct story *s, uint64_t link, const char *line)
{
    struct wire_msg m = {.type = WIRE_prefilled};
    m.prefilled = (struct wire_prefilled){.job = number(line, "job", 0),
                                          .attempt = attempt_of(line),
                                          .prompt_tokens = number(line, "prompt", 10),
                                          .cached_tokens = number(line, "cached", 0)};
    msg_step(s, link, &m);
}

static inline void event_progress(struct story *s, uint64_t link, const char *line)
{
    struct wire_msg m = {.type = WIRE_progress};
    m.progress = (struct wire_progress){.job = number(line, "job", 0),
                                        .attempt = attempt_of(line),
                                        .prompt_tokens = number(line, "prompt", 10),
                                        .cached_tokens = number(line, "cached", 0),
                                        .done_tokens = number(line, "done", 0)};
    msg_step(s, link, &m);
}

static inline void event_tokens(struct story *s, uint64_t link, const char *line)
{
    static const int32_t ids[64] = {7, 8, 9};
    static const float logprobs[64] = {-1, -2, -4};
    const struct wire_part part = {.kind = (uint8_t)number(line, "part", 0), .call = number(line, "call", 0), .bytes = number(line, "bytes", 0)};
    struct wire_msg m = {.type = WIRE_tokens};
    m.tokens = (struct wire_tokens){.job = number(line, "job", 0),
                                    .attempt = attempt_of(line),
                                    .first = number(line, "first", 0),
                                    .text = word(line, "text", ""),
                                    .parts = &part,
                                    .parts_n = word(line, "bytes", "").n > 0,
                                    .ids = {ids, number(line, "n", 1)},
                                    .logprobs = {logprobs, number(line, "logprobs", 0)}};
    msg_step(s, link, &m);
}

static inline void event_done(struct story *s, uint64_t link, const char *line)
{
    static const float vector[8] = {1};
    struct wire_msg m = {.type = WIRE_done};
    m.done = (struct wire_done){.job = number(line, "job", 0),
                                .attempt = attempt_of(line),
                                .finish = (uint8_t)number(line, "finish", FINISH_STOP),
                                .error = (uint16_t)number(line, "error", 0),
                                .message = word(line, "message", ""),
                                .completion_tokens = number(line, "tokens", 0),
                                .logprob_sum = (double)decimal(line, "logprob", 0),
                                .embedding = {vector, number(line, "vector", 0)}};
    msg_step(s, link, &m);
}

static inline void event_saved(struct story *s, uint64_t link, const char *line)
{
    struct wire_msg m = {.type = WIRE_kv_saved};
    m.kv_saved = (struct wire_kv_saved){.job = number(line, "job", 0), .attempt = attempt_of(line),
                                        .bytes = number(line, "bytes", 0), .sum = 4711, .message = word(line, "message", "")};
    msg_step(s, link, &m);
}

static inline void event_part(struct story *s, uint64_t link, const char *line)
{
    static const char bytes[WIRE_KV_PART_BYTES + 1];
    struct wire_msg m = {.type = WIRE_kv_part};
    m.kv_part = (struct wire_kv_part){.job = number(line, "job", 0), .attempt = attempt_of(line),
                                      .offset = number(line, "offset", 0),
                                      .bytes = str_n(bytes, number(line, "bytes", WIRE_KV_PART_BYTES))};
    msg_step(s, link, &m);
}

static inline void event_ack(struct story *s, uint64_t link, const char *line)
{
    struct wire_msg m = {.type = WIRE_kv_ack};
    m.kv_ack = (struct wire_kv_ack){.job = number(line, "job", 0), .attempt = attempt_of(line), .bytes = number(line, "bytes", 0),
                                    .refused = number(line, "refused", 0) != 0};
    msg_step(s, link, &m);
}

static inline void event_moves(struct story *s, uint64_t link, const char *line)
{
    struct wire_msg m = {.type = WIRE_availability};
    m.availability = (struct wire_availability){.availability = WIRE_DRAINING, .moves = (uint8_t)number(line, "moves", 1), .reason = str_of("SIGTERM")};
    msg_step(s, link, &m);
}

static inline void event_prompt(struct story *s, uint64_t call, const char *line)
{
    struct request r = {.kind = (uint8_t)number(line, "kind", REQUEST_TEXT), .sampling = sampling_default()};
    char padding[8192];
    uint32_t pad = number(line, "pad", 0);
    struct str text = word(line, "text", "hi");
    memset(padding, 'x', sizeof padding);
    memcpy(padding, text.p, text.n);
    r.model = word(line, "model", "");
    r.text = str_n(padding, text.n > pad ? text.n : pad);
    r.affinity = word(line, "session", "");
    r.tenant = word(line, "tenant", "");
    r.priority = (int32_t)strtol(word(line, "priority", "0").p, NULL, 10);
    r.sampling.max_tokens = number(line, "max", 0);
    r.sampling.seed = number(line, "seed", 0);
    r.sampling.progress = (uint8_t)number(line, "progress", 0);
    struct input inputs[8] = {{.text = str_of("one")}, {.text = str_of("two")}, {.text = str_of("three")}};
    r.inputs = inputs;
    r.inputs_n = number(line, "inputs", 0);
    step(s, (struct head_event){.kind = HEAD_PROMPT,
                                .call = call,
                                .request = &r,
                                .count = number(line, "count", 1),
                                .spread = number(line, "spread", 0) != 0,
                                .stream = number(line, "stream", 0),
                                .claim = number(line, "claim", 0),
                                .client = word(line, "note", ""),
                                .deadline_ms = number(line, "deadline", 0)});
}

/* said=2,0: tokens that the client has of each branch */
static inline void event_resume(struct story *s, uint64_t call, const char *line)
{
    int32_t said[8];
    uint32_t n = 0;
    for (struct str list = word(line, "said", ""); list.n > 0 && n < 8; n++) {
        said[n] = (int32_t)strtol(list.p, NULL, 10);
        size_t one = strcspn(list.p, ", \n");
        list = one < list.n ? str_n(list.p + one + 1, list.n - one - 1) : str_n(NULL, 0);
    }
    step(s, (struct head_event){.kind = HEAD_RESUME,
                                .call = call,
                                .stream = number(line, "stream", 0),
                                .claim = number(line, "claim", 0),
                                .tenant = word(line, "tenant", ""),
                                .said = {said, n},
                                .deadline_ms = number(line, "deadline", 0)});
}

/* Without found=1: the worker has nothing (more) of that stream. */
static inline void event_held(struct story *s, uint64_t link, const char *line)
{
    static const int32_t ids[8] = {7, 8, 9};
    struct buf frame = buf_max(4096);
    struct wire_msg run = {.type = WIRE_run}, m = {.type = WIRE_held};
    run.run = (struct wire_run){.job = 99,
                                .attempt = number(line, "attempt", 1),
                                .kind = REQUEST_TEXT,
                                .text = str_of("hi"),
                                .sampling = {.seed = number(line, "seed", 0)},
                                .stream = number(line, "was", number(line, "stream", 0)),
                                .branch = number(line, "branch", 0),
                                .branches = number(line, "branches", number(line, "branch", 0) + 1),
                                .claim = number(line, "claim", 0),
                                .client = word(line, "note", "")};
    wire_encode(&frame, &run);
    m.held = (struct wire_held){.stream = number(line, "stream", 0), .branch = number(line, "branch", 0)};
    if (number(line, "found", 0) != 0) {
        m.held.found = 1;
        m.held.key = number(line, "key", 0);
        m.held.ids = (struct wire_i32s){ids, number(line, "ids", 0)};
        m.held.run = buf_str(&frame);
    }
    msg_step(s, link, &m);
    buf_fini(&frame);
}

static inline void event(struct story *s, const char *line)
{
    char verb[16] = "";
    unsigned long long id = 0;
    struct wire_msg m = {0};
    sscanf(line, "%15s %llu", verb, &id);
    struct str v = str_of(verb);
    if (str_is(v, "wait"))
        wait_ms(s, id);
    else if (str_is(v, "sleep")) /* the head's process is stopped: time passes, no tick comes */
        s->now_us += id * 1000;
    else if (str_is(v, "tick"))
        step(s, (struct head_event){.kind = HEAD_TICK});
    else if (str_is(v, "open"))
        step(s, (struct head_event){.kind = HEAD_LINK_OPEN, .link = id, .peer = str_of("10.0.0.1:4312"),
                                           .origin = number(line, "from", 1)});
    else if (str_is(v, "closed"))
        step(s, (struct head_event){.kind = HEAD_LINK_CLOSED, .link = id, .text = str_of("connection reset")});
    else if (str_is(v, "hello"))
        event_hello(s, id, line);
    else if (str_is(v, "actor"))
        event_actor(s, id, line);
    else if (str_is(v, "beat"))
        event_beat(s, id, line);
    else if (str_is(v, "progress"))
        event_progress(s, id, line);
    else if (str_is(v, "prefilled"))
        event_prefilled(s, id, line);
    else if (str_is(v, "tokens"))
        event_tokens(s, id, line);
    else if (str_is(v, "saved"))
        event_saved(s, id, line);
    else if (str_is(v, "part"))
        event_part(s, id, line);
    else if (str_is(v, "ack"))
        event_ack(s, id, line);
    else if (str_is(v, "drains"))
        event_moves(s, id, line);
    else if (str_is(v, "done"))
        event_done(s, id, line);
    else if (str_is(v, "bye"))
        msg_step(s, id, (m = (struct wire_msg){.type = WIRE_bye, .bye.reason = word(line, "reason", "stopping")}, &m));
    else if (str_is(v, "availability"))
        msg_step(s, id, (m = (struct wire_msg){.type = WIRE_availability, .availability = {.availability = (uint8_t)number(line, "availability", 0),
                                                                                                 .reason = word(line, "reason", "")}}, &m));
    else if (str_is(v, "crashed"))
        msg_step(s, id,
                 (m = (struct wire_msg){.type = WIRE_crashed,
                                        .crashed = {.job = number(line, "job", 0),
                                                    .attempt = attempt_of(line),
                                                    .signal = 11,
                                                    .company = number(line, "company", 1)}},
                  &m));
    else if (str_is(v, "ask")) /* somebody asks for a worker's availability */
        step(s, (struct head_event){.kind = HEAD_AVAILABILITY, .call = id, .text = word(line, "worker", ""),
                                    .availability = (uint8_t)number(line, "availability", 0), .grace_ms = number(line, "grace", 0),
                                    .move = number(line, "move", 0) != 0});
    else if (str_is(v, "run")) /* what only a head says */
        msg_step(s, id, (m = (struct wire_msg){.type = WIRE_run}, &m));
    else if (str_is(v, "scaled"))
        msg_step(s, id,
                 (m = (struct wire_msg){.type = WIRE_scale_state,
                                        .scale_state = {.running = number(line, "running", 0),
                                                        .target = number(line, "target", 0),
                                                        .policy = (uint8_t)number(line, "policy", 0),
                                                        .min = number(line, "min", 0),
                                                        .max = number(line, "max", 0),
                                                        .note = word(line, "note", "")}},
                  &m));
    else if (str_is(v, "held"))
        event_held(s, id, line);
    else if (str_is(v, "resume"))
        event_resume(s, id, line);
    else if (str_is(v, "prompt"))
        event_prompt(s, id, line);
    else if (str_is(v, "gone"))
        step(s, (struct head_event){.kind = HEAD_CALL_GONE, .call = id});
    else if (str_is(v, "scale"))
        step(s, (struct head_event){.kind = HEAD_SCALE, .call = id,
                                    .scale = &(struct head_scale_ask){.mode = number(line, "auto", 0) != 0 ? SCALE_AUTO : SCALE_FIXED,
                                                                      .workers = number(line, "workers", HEAD_SCALE_AS_IS),
                                                                      .min = number(line, "min", HEAD_SCALE_AS_IS),
                                                                      .max = number(line, "max", HEAD_SCALE_AS_IS)}});
    else
        fail_msg("no such event: %s", line);
}

/* ---- the story ---- */

static inline void story(struct story *s, const char *text)
{
    buf_reset(&s->said);
    for (const char *p = text; *p != '\0';) {
        char line[512];
        size_t n = strcspn(p, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, p);
        p += n + (p[n] == '\n');
        if (line[0] != '>')
            continue;
        buf_printf(&s->said, "%s\n", line);
        event(s, line + 2);
    }
    assert_string_equal(buf_cstr(&s->said), text);
}

/* The same events without looking at what follows: the setting of a story. */
static inline void given(struct story *s, const char *text)
{
    for (const char *p = text; *p != '\0';) {
        char line[512];
        size_t n = strcspn(p, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, p);
        p += n + (p[n] == '\n');
        event(s, line);
    }
}

static inline struct story story_begin(void)
{
    struct story s = {.now_us = 1000000000, .said = buf_max(1 << 20), .cfg = head_config_default()};
    s.cfg.version = str_of("0.1.0");
    s.cfg.status_every_ms = 0;
    s.cfg.settle_ms = 0;
    s.cfg.regroup_ms = 0;
    return s;
}

static inline void story_end(struct story *s)
{
    head_free(s->head);
    effects_fini(&s->fx);
    buf_fini(&s->said);
}

#endif
