/* Messages go out as bytes and come back the same; damaged frames come back as errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "wire/wire.h"

#define SAME_FIELD(kind, name, remark) assert_true(q.sampling.name == r.sampling.name);
#define NO_LIST(part, name, remark)
#define OF(array) (uint32_t)(sizeof(array) / sizeof((array)[0]))

static const struct wire_turn turns[] = {
    {.role = {"system", 6}, .content = {"be brief", 8}, .extra = {"{}", 2}},
    {.role = {"user", 4}, .content = {"", 0}},
};
static const struct wire_bias biases[] = {{.token = -1, .bias = 1.5f}, {.token = 70000, .bias = -100.0f}, {.bias = -INFINITY, .text = {" cat", 4}}};
static const struct str stops[] = {{"\n\n", 2}, {"</s>", 4}};
static const int32_t resume[] = {1, -2, 2147483647};
static const float logprobs[] = {-0.5f, -1e30f};

static struct wire_msg a_run(void)
{
    struct wire_msg m = {.type = WIRE_run};
    m.run = (struct wire_run){
        .job = UINT64_MAX,
        .attempt = 3,
        .key = 1,
        .kind = REQUEST_CHAT,
        .turns = turns,
        .turns_n = OF(turns),
        .sampling = {.temperature = 0.7f, .seed = 42, .max_tokens = 64},
        .stops = {stops, OF(stops)},
        .biases = biases,
        .biases_n = OF(biases),
        .form = FORM_SCHEMA,
        .form_text = {"true", 4},
        .tools = {"[]", 2},
        .tool_choice = TOOLS_REQUIRED,
        .tool_calls = TOOL_CALLS_ONE,
        .split_reasoning = 1,
        .template_args = {"{\"a\":1}", 7},
        .resume = {resume, OF(resume)},
    };
    return m;
}

static void a_run_comes_back_as_it_went(void **state)
{
    (void)state;
    struct buf out = buf_max(4096);
    struct wire_arena arena = {0};
    struct wire_msg in = a_run(), got;
    assert_int_equal(wire_encode(&out, &in), 0);
    size_t frame;
    assert_int_equal(wire_frame(buf_str(&out), 4096, &frame), 0);
    assert_int_equal(frame, out.n);
    struct fault f = {0};
    assert_int_equal(wire_decode(&got, &arena, buf_str(&out), &f), 0);
    assert_int_equal(got.type, WIRE_run);
    assert_true(got.run.job == UINT64_MAX);
    assert_int_equal(got.run.turns_n, 2);
    assert_true(str_is(got.run.turns[0].content, "be brief"));
    assert_true(str_is(got.run.stops.p[1], "</s>"));
    assert_int_equal(got.run.biases[1].token, 70000);
    assert_true(got.run.biases[1].bias == -100.0f);
    assert_true(got.run.biases[2].bias == -INFINITY && str_is(got.run.biases[2].text, " cat"));
    assert_memory_equal(got.run.resume.p, resume, sizeof resume);
    assert_true(got.run.sampling.temperature == 0.7f);
    wire_arena_fini(&arena);
    buf_fini(&out);
}

static void a_request_survives_the_way_through_run(void **state)
{
    (void)state;
    struct turn t[] = {{.role = {"user", 4}, .content = {"hi", 2}, .extra = {"{}", 2}}};
    struct str s[] = {{"END", 3}};
    struct logit_bias b[] = {{.token = 5, .bias = 2.0f}, {.text = {" cat", 4}, .bias = -INFINITY}};
    struct request r = {.kind = REQUEST_CHAT, .turns = t, .turns_n = 1, .stops = s, .stops_n = 1, .biases = b, .biases_n = 2,
                        .sampling = sampling_default()};
    int32_t ids[] = {101, 102};
    r.tokens = ids;
    r.tokens_n = 2;
    r.sampling.seed = 99;
    r.form = FORM_REGEX;
    r.form_text = str_of("a+");
    r.tools = str_of("[]");
    r.tool_choice = TOOLS_NONE;
    r.tool_calls = r.split_reasoning = r.continues = r.closed = 1;
    r.template_args = str_of("{}");
    struct wire_msg m = {.type = WIRE_run}, got;
    struct wire_arena scratch = {0}, arena = {0}, back = {0};
    struct buf out = buf_max(4096);
    wire_run_from_request(&m.run, &r, &scratch);
    assert_int_equal(wire_encode(&out, &m), 0);
    assert_int_equal(wire_decode(&got, &arena, buf_str(&out), NULL), 0);
    struct request q;
    wire_run_to_request(&got.run, &q, &back);
    assert_true(str_is(q.turns[0].content, "hi"));
    assert_true(str_is(q.stops[0], "END") && str_is(q.turns[0].extra, "{}"));
    assert_true(q.form == FORM_REGEX && str_is(q.form_text, "a+") && str_is(q.tools, "[]") && str_is(q.template_args, "{}"));
    assert_true(q.tool_choice == TOOLS_NONE && q.tool_calls == TOOL_CALLS_ONE && q.split_reasoning == 1 && q.continues == 1 && q.closed == 1);
    assert_int_equal(q.biases[0].token, 5);
    assert_true(q.biases_n == 2 && str_is(q.biases[1].text, " cat") && q.biases[1].bias == -INFINITY);
    assert_int_equal(q.tokens_n, 2);
    assert_memory_equal(q.tokens, ids, sizeof ids);
    WIRE_PART_sampling(SAME_FIELD, NO_LIST, NO_LIST) /* by field: there may be padding between them */
    wire_arena_fini(&scratch);
    wire_arena_fini(&arena);
    wire_arena_fini(&back);
    buf_fini(&out);
}

/* Given any message, when its frame is cut anywhere and the length mended, then decoding fails and says where. */
static void a_cut_frame_is_an_error_at_every_length(void **state)
{
    (void)state;
    struct buf out = buf_max(4096);
    struct wire_arena arena = {0};
    struct wire_msg in = a_run(), got;
    wire_encode(&out, &in);
    for (size_t n = WIRE_HEADER_BYTES; n < out.n; n++) {
        char *copy = malloc(n); /* an exact block: a read past the end is seen by ASan */
        assert_non_null(copy);
        memcpy(copy, out.p, n);
        for (int i = 0; i < 4; i++)
            copy[i] = (char)((n - 4) >> (8 * i));
        struct fault f = {0};
        assert_int_equal(wire_decode(&got, &arena, str_n(copy, n), &f), ERR_PROTOCOL);
        assert_non_null(strstr(f.text, "run"));
        free(copy);
    }
    wire_arena_fini(&arena);
    buf_fini(&out);
}

static void random_damage_never_reads_outside(void **state)
{
    (void)state;
    struct rng rng = {.seed = 7};
    struct wire_arena arena = {0};
    unsigned refused = 0;
    for (int round = 0; round < 20000; round++) {
        struct buf out = buf_max(4096);
        struct wire_msg in = a_run(), got;
        wire_encode(&out, &in);
        char *copy = malloc(out.n);
        assert_non_null(copy);
        memcpy(copy, out.p, out.n);
        for (int hits = 0; hits < 3; hits++)
            copy[4 + rng_below(&rng, out.n - 4)] = (char)rng_next(&rng);
        refused += wire_decode(&got, &arena, str_n(copy, out.n), NULL) != 0;
        free(copy);
        buf_fini(&out);
    }
    assert_in_range(refused, 1000, 20000);
    wire_arena_fini(&arena);
}

static void a_list_that_promises_more_than_the_frame_holds_makes_no_room(void **state)
{
    (void)state;
    struct buf out = buf_max(4096);
    struct wire_msg in = {.type = WIRE_tokens};
    in.tokens = (struct wire_tokens){.job = 1, .attempt = 1, .ids = {resume, 3}, .logprobs = {logprobs, 2}};
    wire_encode(&out, &in);
    /* header, job, attempt, first, text length, count of parts: then the count of ids */
    size_t at = WIRE_HEADER_BYTES + 8 + 4 + 4 + 4 + 4;
    memset(out.p + at, 0xff, 4);
    struct wire_arena arena = {0};
    struct wire_msg got;
    struct fault f = {0};
    assert_int_equal(wire_decode(&got, &arena, buf_str(&out), &f), ERR_PROTOCOL);
    assert_string_equal(f.text, "message 'tokens', field 'ids': it counts more items than the frame holds");
    assert_in_range(arena.cap, 0, 4 * out.n + 64);
    wire_arena_fini(&arena);
    buf_fini(&out);
}

static void an_over_long_frame_is_refused_from_its_first_four_bytes(void **state)
{
    (void)state;
    size_t frame = 1;
    assert_int_equal(wire_frame(str_n("\xff\xff\xff\x7f", 4), WIRE_FRAME_BYTES_MAX, &frame), ERR_TOO_LARGE);
    assert_int_equal(wire_frame(str_n("\x01\x00\x00\x00", 4), WIRE_FRAME_BYTES_MAX, &frame), ERR_TOO_LARGE);
    assert_int_equal(wire_frame(str_n("\x10\x00", 2), WIRE_FRAME_BYTES_MAX, &frame), 0);
    assert_int_equal(frame, 0);
}

static void a_message_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct buf out = buf_max(40);
    buf_puts(&out, "before");
    struct wire_msg in = a_run();
    assert_int_equal(wire_encode(&out, &in), ERR_TOO_LARGE);
    assert_true(str_is(buf_str(&out), "before"));
    assert_false(out.overflowed);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_comes_back_as_it_went),
        cmocka_unit_test(a_request_survives_the_way_through_run),
        cmocka_unit_test(a_cut_frame_is_an_error_at_every_length),
        cmocka_unit_test(random_damage_never_reads_outside),
        cmocka_unit_test(a_list_that_promises_more_than_the_frame_holds_makes_no_room),
        cmocka_unit_test(an_over_long_frame_is_refused_from_its_first_four_bytes),
        cmocka_unit_test(a_message_that_does_not_fit_leaves_the_buffer_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
