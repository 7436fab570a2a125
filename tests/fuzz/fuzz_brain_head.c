/* Any story for the head's brain: links that come, say whatever decodes, and go; prompts; time. Its invariants hold after
 * every step, and when all have gone it holds nothing.
 *
 * The input is a list of steps: a byte what, a byte who or how much, for frames a byte for the length and the bytes. Right
 * hellos, actors, tokens and ends are steps of their own, so that what follows them is reached soon. */
#include <stdint.h>

#include "as_frame.h"
#include "base/must.h"
#include "brain/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINKS = 4, RUNS = 8, CALLS_MAX = 64, STEPS_MAX = 400, MS = 1000 };

struct run {
    uint64_t link, job;
    uint32_t attempt, said;
};

static struct {
    struct head *head;
    struct effects fx;
    struct wire_arena arena;
    uint64_t now_us, link[LINKS], links, calls;
    bool closing[LINKS];     /* asked for: LINK_CLOSED is owed */
    bool open[CALLS_MAX + 1]; /* calls that have not ended */
    struct run runs[RUNS];   /* the latest, each at its job's number */
} w;

static int link_at(uint64_t id)
{
    for (int i = 0; i < LINKS; i++)
        if (w.link[i] == id)
            return i;
    return -1;
}

/* Reads all of it: ASan watches. */
static void look_at(const struct fx *fx)
{
    struct buf line = buf_max(64 << 10);
    if (fx->kind == FX_SEND)
        wire_print(&line, &fx->msg);
    else
        buf_puts(&line, fx->fault.text);
    buf_add_str(&line, fx->text);
    buf_fini(&line);
}

static void obey(const struct fx *fx)
{
    look_at(fx);
    if (fx->kind == FX_SEND && fx->msg.type == WIRE_run) {
        const struct wire_run *r = &fx->msg.run;
        w.runs[r->job % RUNS] = (struct run){fx->link, r->job, r->attempt, r->resume.n};
    } else if (fx->kind == FX_CLOSE_LINK && link_at(fx->link) >= 0) {
        w.closing[link_at(fx->link)] = true;
    } else if (fx->kind == FX_CALL_END || fx->kind == FX_CALL_FAILED) {
        MUST(w.open[fx->call]); /* once, and nothing after it */
        w.open[fx->call] = false;
    } else if (fx->kind == FX_STARTED || fx->kind == FX_TOKENS || fx->kind == FX_BRANCH_DONE) {
        MUST(w.open[fx->call]);
    }
}

static void step(struct head_event ev)
{
    ev.now_us = w.now_us;
    effects_reset(&w.fx);
    head_step(w.head, &ev, &w.fx);
    for (size_t i = 0; i < w.fx.n; i++)
        obey(&w.fx.fx[i]);
    head_check(w.head, w.now_us);
}

static void hang_up(int i)
{
    if (w.link[i] == 0)
        return;
    step((struct head_event){.kind = HEAD_LINK_CLOSED, .link = w.link[i], .text = str_of("gone")});
    w.link[i] = 0;
    w.closing[i] = false;
}

static void say(int i, const struct wire_msg *msg)
{
    if (w.link[i] != 0 && !w.closing[i])
        step((struct head_event){.kind = HEAD_LINK_MSG, .link = w.link[i], .msg = msg});
}

static void say_hello(int i)
{
    static const char *const nodes[LINKS] = {"a", "b", "a", "c"};
    struct wire_msg m = {.type = WIRE_hello, .hello = {.proto = WIRE_VERSION, .role = i == 3 ? WIRE_ROLE_LAUNCHER : WIRE_ROLE_WORKER,
                                                       .version = str_of("1"), .node = str_of(nodes[i]), .epoch = w.links, .cpus = 2}};
    say(i, &m);
}

static void say_actor(int i, uint8_t how)
{
    static const char *const models[] = {"m", "n"}, *const digests[] = {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"};
    struct wire_msg m = {.type = WIRE_actor, .actor = {.key = how & 1, .state = how & 2 ? WIRE_ACTOR_LOADING : WIRE_ACTOR_READY,
                         .kind = how & 64 ? REQUEST_EMBED : REQUEST_CHAT, .model = str_of(models[how >> 2 & 1]), .digest = str_of(digests[how >> 3 & 1]),
                         .slots = 1 + (how >> 4 & 1), .context = 100, .exact = how >> 5 & 1}};
    say(i, &m);
}

static void say_bytes(int i, uint8_t number, struct str fields)
{
    char frame[WIRE_HEADER_BYTES + 256];
    struct wire_msg m;
    if (as_frame(number, fields, frame, &w.arena, &m))
        say(i, &m);
}

static void say_of_run(uint8_t what, uint8_t how)
{
    struct run *r = &w.runs[how % RUNS];
    int i = link_at(r->link);
    if (r->link == 0 || i < 0)
        return;
    int32_t id = how;
    struct wire_msg m = {.type = WIRE_prefilled, .prefilled = {.job = r->job, .attempt = r->attempt, .prompt_tokens = 3}};
    if (what == 9) {
        m = (struct wire_msg){.type = WIRE_tokens, .tokens = {.job = r->job, .attempt = r->attempt, .first = r->said, .text = str_of("x"),
                                                              .ids = {&id, 1}}};
        r->said++;
    } else if (what == 10) {
        m = (struct wire_msg){.type = WIRE_done, .done = {.job = r->job, .attempt = r->attempt, .finish = (uint8_t)(how >> 5 & 3) + 1,
                                                          .error = how & 128 ? -ERR_FAILED : 0, .completion_tokens = r->said}};
    }
    say(i, &m);
}

static void prompt(uint8_t how)
{
    if (w.calls == CALLS_MAX)
        return;
    static const char *const models[] = {"m", "n", "", "x"};
    struct input inputs[2] = {{.text = str_of("one")}, {.text = str_of("two")}};
    struct request r = {.kind = how & 128 ? REQUEST_EMBED : REQUEST_TEXT, .model = str_of(models[how & 3]), .text = str_of("Once upon a time"),
                        .sampling = sampling_default(), .inputs = inputs, .inputs_n = how & 128 ? 2 : 0};
    w.open[++w.calls] = true;
    step((struct head_event){.kind = HEAD_PROMPT, .call = w.calls, .request = &r, .count = how >> 2 & 3, .spread = how >> 4 & 1,
                             .deadline_ms = how & 32 ? 50 : 5000});
}

static void gone(uint64_t call)
{
    if (call == 0 || call > w.calls || !w.open[call])
        return;
    step((struct head_event){.kind = HEAD_CALL_GONE, .call = call});
    w.open[call] = false;
}

static void scale(uint8_t how)
{
    const struct head_scale_ask by_load = {.mode = SCALE_AUTO, .min = how & 7, .max = how >> 3 & 15};
    w.open[++w.calls] = true;
    step((struct head_event){.kind = HEAD_SCALE, .call = w.calls, .count = how, .scale = how >= 128 ? &by_load : NULL});
}

/* With a tick at each deadline, as the program has it. */
static void wait_ms(uint64_t ms)
{
    uint64_t end_us = w.now_us + ms * MS;
    for (int i = 0; i < 100 && head_deadline(w.head) <= end_us; i++) {
        w.now_us = head_deadline(w.head) > w.now_us ? head_deadline(w.head) : w.now_us;
        step((struct head_event){.kind = HEAD_TICK});
    }
    w.now_us = end_us > w.now_us ? end_us : w.now_us;
}

static void act(uint8_t what, uint8_t how, const uint8_t **at, const uint8_t *end)
{
    int i = how % LINKS;
    switch (what) {
    case 0:
        hang_up(i);
        w.link[i] = ++w.links;
        step((struct head_event){.kind = HEAD_LINK_OPEN, .link = w.link[i], .peer = str_of("127.0.0.1:1")});
        break;
    case 1: hang_up(i); break;
    case 2: say_hello(i); break;
    case 3: say_actor(i, how >> 2); break;
    case 4: {
        size_t n = *at < end ? *(*at)++ : 0;
        n = n < (size_t)(end - *at) ? n : (size_t)(end - *at);
        say_bytes(i, how >> 2, str_n((const char *)*at, n));
        *at += n;
        break;
    }
    case 5: prompt(how); break;
    case 6: gone(how); break;
    case 7: wait_ms((uint64_t)how * how / 4); break;
    case 11: scale(how); break;
    default: say_of_run(what, how); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head_config cfg = head_config_default();
    memset(&w, 0, sizeof w);
    w.now_us = 1000 * MS;
    cfg.queue_jobs_max = 4;
    cfg.settle_ms = 0;
    w.head = head_new(&cfg, w.now_us);
    const uint8_t *at = data, *end = data + size;
    for (int n = 0; n < STEPS_MAX && end - at >= 2; n++) {
        uint8_t what = *at++ % 12, how = *at++;
        if (what == 11 && w.calls == CALLS_MAX)
            continue;
        act(what, how, &at, end);
        for (int i = 0; i < LINKS; i++)
            if (w.closing[i] && how % 2 == 0)
                hang_up(i);
    }
    for (int i = 0; i < LINKS; i++)
        hang_up(i);
    for (uint64_t call = 1; call <= w.calls; call++)
        gone(call);
    struct head_totals t;
    head_totals(w.head, &t);
    MUST(t.links == 0 && t.workers == 0 && t.calls == 0 && t.queued == 0 && t.running == 0);
    MUST(t.queue_bytes == 0 && t.resume_bytes == 0);
    head_free(w.head);
    effects_fini(&w.fx);
    wire_arena_fini(&w.arena);
    return 0;
}
