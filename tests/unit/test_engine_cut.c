/* Answers that are cut into parts: what is told with each token, where it is resumed, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/batcher.h"
#include "engine/echo.h"

enum { IDS_MAX = 400 };

static const char SCRIPT[] = "echo:script=<think>hm, <b></think>So<tool: <tool_call>{\"name\":\"f\",\"arguments\":{\"x\":\"}\\\"{\",\"y\":{\"z\":[1]}}}"
                             "</tool_call><tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call> done<next>It is <think>fair.";
static const char WHOLE[] = "think0:hm, <b>|text0:So<tool: |name0:f|args0:{\"x\":\"}\\\"{\",\"y\":{\"z\":[1]}}|name1:g|args1:{}|text0: done";

/* What a batcher told of one answer. */
struct told {
    int32_t ids[IDS_MAX];
    uint32_t n;
    char parts[4096];    /* "kind:text|" for each, over all events; pieces of one part in a row are one */
    char events[16384];  /* the same, a line for each event */
    int last_kind, last_call;
    enum finish finish;
    uint32_t reasoning;  /* tokens */
    struct fault fault;
};

static void put_part(struct told *t, const struct part *p, const char *text)
{
    static const char *const kinds[] = {"text", "think", "name", "args"};
    bool more = t->last_kind == p->kind && t->last_call == (int)p->call && p->kind != PART_TOOL_NAME;
    size_t n = strlen(t->parts), m = strlen(t->events);
    if (!more)
        n += (size_t)snprintf(t->parts + n, sizeof t->parts - n, "%s%s%u:", n > 0 ? "|" : "", kinds[p->kind], p->call);
    snprintf(t->parts + n, sizeof t->parts - n, "%.*s", (int)p->bytes, text);
    snprintf(t->events + m, sizeof t->events - m, "%s%u:%.*s|", kinds[p->kind], p->call, (int)p->bytes, text);
    t->last_kind = p->kind;
    t->last_call = (int)p->call;
}

static void hear(const struct batcher_event *ev, void *user_data)
{
    struct told *t = user_data;
    if (ev->kind == BATCHER_DONE) {
        t->finish = (enum finish)ev->finish;
        t->fault = ev->fault;
        t->reasoning = ev->reasoning_tokens;
    }
    if (ev->kind != BATCHER_TOKENS)
        return;
    assert_int_equal(ev->ids_n, 1); /* places between two tokens are counted */
    t->ids[t->n++] = ev->ids[0];
    size_t at = 0;
    for (uint32_t i = 0; i < ev->parts_n; i++) {
        put_part(t, &ev->parts[i], ev->text.p + at);
        at += ev->parts[i].bytes;
    }
    assert_true(ev->parts_n == 0 || at == ev->text.n);
    strcat(t->events, "\n");
}

static uint64_t now(void *user_data)
{
    return *(uint64_t *)user_data += 100;
}

static struct told ask(const char *path, const struct request *r, const int32_t *resume, uint32_t resume_n)
{
    struct engine *e = NULL;
    struct told t = {.last_kind = -1};
    uint64_t clock = 1000000;
    assert_int_equal(engine_echo()->load(&(struct engine_load){.path = path, .slots = 1, .context = 2048}, NULL, NULL, &e, NULL), 0);
    struct batcher_config cfg = {.ops = engine_echo(), .engine = e, .queue_max = 1, .now_us = now, .now_user_data = &clock};
    struct batcher *b = batcher_new(&cfg, hear, &t);
    batcher_submit(b, 1, r, resume, resume_n);
    while (batcher_step(b))
        ;
    batcher_free(b);
    engine_echo()->free(e);
    return t;
}

static struct turn question[] = {{.role = {"user", 4}, .content = {"Hi", 2}, .extra = {NULL, 0}},
                                 {.role = {"assistant", 9}, .content = {"Yes?", 4}, .extra = {NULL, 0}},
                                 {.role = {"user", 4}, .content = {"And?", 4}, .extra = {NULL, 0}}};

static struct request asking(void)
{
    struct request r = {.kind = REQUEST_CHAT, .turns = question, .turns_n = 1, .sampling = sampling_default(), .split_reasoning = 1,
                        .tools = str_of("[{}]")};
    return r;
}

static void an_answer_is_cut_into_its_parts(void **state)
{
    (void)state;
    struct request r = asking();
    struct told t = ask(SCRIPT, &r, NULL, 0);
    assert_int_equal(t.finish, FINISH_TOOLS);
    assert_string_equal(t.parts, WHOLE);
    assert_true(t.reasoning > 5 && t.reasoning < t.n / 2);
    r.split_reasoning = 0;
    t = ask(SCRIPT, &r, NULL, 0);
    assert_int_equal(strncmp(t.parts, "text0:<think>hm, <b></think>So<tool: |name0:f|", 46), 0);
    r.tool_choice = TOOLS_NONE;
    t = ask(SCRIPT, &r, NULL, 0);
    assert_true(t.finish == FINISH_STOP && t.parts[0] == '\0');
}

/* Given an answer that was resumed after any of its tokens; then the rest is told with the same tokens, cut at the same bytes. */
static void a_resumed_answer_goes_on_at_the_same_byte(void **state)
{
    (void)state;
    struct request r = asking();
    struct told whole = ask(SCRIPT, &r, NULL, 0);
    const char *rest = whole.events;
    for (uint32_t n = 0; n < whole.n; n++) {
        struct told t = ask(SCRIPT, &r, whole.ids, n);
        assert_string_equal(t.events, rest);
        assert_int_equal(t.finish, FINISH_TOOLS);
        assert_int_equal(t.reasoning, whole.reasoning);
        rest = strchr(rest, '\n') + 1;
    }
}

static void how_it_ends(void **state)
{
    (void)state;
    struct request r = asking();
    struct str stop = str_of("\"y\"");
    r.tool_calls = TOOL_CALLS_ONE;
    struct told t = ask(SCRIPT, &r, NULL, 0);
    assert_true(t.finish == FINISH_TOOLS && strstr(t.parts, "name1") == NULL && strstr(t.parts, "[1]}}") != NULL); /* with its first call */
    r.stops = &stop;
    r.stops_n = 1;
    t = ask(SCRIPT, &r, NULL, 0);
    assert_int_equal(t.finish, FINISH_STOP); /* in the middle of a call: it has not called */
    r.stops_n = 0;
    r.sampling.max_tokens = t.n - 2;
    t = ask(SCRIPT, &r, NULL, 0);
    assert_int_equal(t.finish, FINISH_LENGTH);
    r = asking();
    r.tool_choice = TOOLS_REQUIRED;
    t = ask("echo:tokens=9", &r, NULL, 0);
    assert_int_equal(t.fault.err, ERR_TOOLS); /* it cannot be made to call */
}

static void a_script_has_an_answer_for_each_question(void **state)
{
    (void)state;
    struct request r = asking();
    r.turns_n = 3;
    struct told t = ask(SCRIPT, &r, NULL, 0);
    assert_true(t.finish == FINISH_STOP);
    assert_string_equal(t.parts, "text0:It is |think0:fair.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_cut_into_its_parts),
        cmocka_unit_test(a_resumed_answer_goes_on_at_the_same_byte),
        cmocka_unit_test(how_it_ends),
        cmocka_unit_test(a_script_has_an_answer_for_each_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
