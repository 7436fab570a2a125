/* llama-server's own shapes: gaps, ranks, counts; what an answer of /completion repeats and leaves out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "api/dialect.h"

enum { OUT_MAX = 1 << 16 };

static struct api_call parse(enum api_shape shape, const char *body)
{
    struct api_call c = {0};
    struct api_error e = {0};
    if (api_parse(shape, str_of(body), &c, &e) != 0)
        fail_msg("refused: %s", e.fault.text);
    return c;
}

static void assert_refused(enum api_shape shape, const char *body, const char *param)
{
    struct api_call c = {0};
    struct api_error e = {0};
    assert_int_not_equal(api_parse(shape, str_of(body), &c, &e), 0);
    assert_string_equal(e.param, param);
}

static void assert_turn(const struct request *r, uint32_t i, const char *role, const char *content, const char *extra)
{
    assert_true(i < r->turns_n);
    assert_true(str_is(r->turns[i].role, role) && str_is(r->turns[i].content, content) && str_is(r->turns[i].extra, extra));
}

/* Given what stands around a gap, in both ways of asking, these are its turns, files first. */
static void test_a_gap(void **state)
{
    (void)state;
    struct api_call c = parse(API_INFILL, "{\"input_prefix\":\"a(\",\"input_suffix\":\")\",\"prompt\":\"x\",\"n_predict\":4,"
                                          "\"input_extra\":[{\"text\":\"T\",\"filename\":\"f.h\"},{\"text\":\"U\"}]}");
    assert_true(request_fills(&c.request) && str_is(c.request.text, "x"));
    assert_int_equal(c.request.turns_n, 4);
    assert_turn(&c.request, 0, "file", "T", "f.h");
    assert_turn(&c.request, 1, "file", "U", "tmp");
    assert_turn(&c.request, 2, "prefix", "a(", "");
    assert_turn(&c.request, 3, "suffix", ")", "");
    api_call_fini(&c);

    c = parse(API_INFILL, "{\"input_prefix\":[\"a\",\"(\"],\"input_suffix\":[]}");
    assert_turn(&c.request, 0, "prefix", "a(", "");
    assert_turn(&c.request, 1, "suffix", "", "");
    api_call_fini(&c);

    c = parse(API_COMPLETION, "{\"prompt\":\"a(\",\"suffix\":\")\",\"n\":2}");
    assert_true(request_fills(&c.request) && c.request.text.n == 0 && c.n == 2);
    assert_turn(&c.request, 0, "suffix", ")", "");
    assert_turn(&c.request, 1, "prefix", "a(", "");
    api_call_fini(&c);

    c = parse(API_COMPLETION, "{\"prompt\":\"a(\",\"suffix\":\"\"}");
    assert_false(request_fills(&c.request));
    api_call_fini(&c);
}

static void test_no_gap(void **state)
{
    (void)state;
    assert_refused(API_INFILL, "{\"input_suffix\":\")\"}", "input_prefix");
    assert_refused(API_INFILL, "{\"input_prefix\":\"(\"}", "input_suffix");
    assert_refused(API_INFILL, "{\"input_prefix\":\"(\",\"input_suffix\":7}", "input_suffix");
    assert_refused(API_INFILL, "{\"input_prefix\":[\"(\",7],\"input_suffix\":\")\"}", "input_prefix[1]");
    assert_refused(API_INFILL, "{\"input_prefix\":\"(\",\"input_suffix\":\")\",\"prompt\":[1]}", "prompt");
    assert_refused(API_INFILL, "{\"input_prefix\":\"(\",\"input_suffix\":\")\",\"input_extra\":[{}]}", "input_extra[0]");
    assert_refused(API_INFILL, "{\"input_prefix\":\"(\",\"input_suffix\":\")\",\"input_extra\":[{\"text\":\"a\",\"filename\":1}]}", "input_extra[0].filename");
    assert_refused(API_COMPLETION, "{\"prompt\":[1,2],\"suffix\":\")\"}", "prompt");
    assert_refused(API_COMPLETION, "{\"prompt\":\"a\",\"suffix\":[\")\"]}", "suffix");
    assert_refused(API_COMPLETION, "{\"prompt\":[\"a\",\"b\"],\"suffix\":\")\"}", "prompt");
    assert_refused(API_COMPLETION, "{\"prompt\":\"a\",\"suffix\":\")\",\"echo\":true}", "echo");
}

/* Given scores, the best text comes first, as many as were wanted, in Jina's words or TEI's. */
static void test_ranks(void **state)
{
    (void)state;
    static const float scores[] = {-1.5f, 2, 0.25f};
    struct api_vector vectors[] = {{.p = &scores[0], .n = 1}, {.p = &scores[1], .n = 1}, {.p = &scores[2], .n = 1}};
    struct api_head head = {.shape = API_RERANK, .model = str_of("m")};
    struct buf out = buf_max(OUT_MAX);
    struct api_call c = parse(API_RERANK, "{\"query\":\"q\",\"documents\":[\"a\",{\"text\":\"b\"},\"c\"],\"top_n\":2}");
    assert_true(request_ranks(&c.request) && c.request.inputs_n == 3 && str_is(c.request.inputs[1].text, "b"));
    assert_turn(&c.request, 0, "query", "q", "");
    struct api_whole w = {.head = &head, .call = &c, .vectors = vectors, .n = 3, .usage = {.prompt_tokens = 9}};
    api_dialect(API_RERANK)->answer(&out, &w);
    assert_string_equal(buf_cstr(&out), "{\"id\":\"rank-0000000000000000\",\"model\":\"m\",\"object\":\"list\",\"results\":["
                                        "{\"index\":1,\"relevance_score\":2},"
                                        "{\"index\":2,\"relevance_score\":0.25}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9}}");
    buf_reset(&out);
    api_call_fini(&c);
    c = parse(API_RERANK, "{\"query\":\"q\",\"texts\":[\"a\",\"b\",\"c\"]}");
    api_dialect(API_RERANK)->answer(&out, &w);
    assert_string_equal(buf_cstr(&out), "[{\"index\":1,\"score\":2},{\"index\":2,\"score\":0.25},{\"index\":0,\"score\":-1.5}]");
    api_call_fini(&c);
    buf_fini(&out);
    assert_refused(API_RERANK, "{\"documents\":[\"a\"]}", "query");
    assert_refused(API_RERANK, "{\"query\":\"q\"}", "documents");
    assert_refused(API_RERANK, "{\"query\":\"q\",\"documents\":[7]}", "documents[0]");
}

static void whole(struct buf *out, const struct api_call *c, const struct api_choice *choice, uint32_t predicted)
{
    struct api_head head = {.shape = API_LLAMA, .model = str_of("m"), .echo = c->echo};
    struct api_response response = {.usage = {.completion_tokens = predicted}};
    buf_reset(out);
    api_dialect(API_LLAMA)->answer(out, &(struct api_whole){.head = &head, .call = c, .choices = choice, .responses = &response, .n = 1});
}

/* Given a request, its answer repeats the settings, has its tokens where they are wanted, and says whether the context ended it. */
static void test_settings(void **state)
{
    (void)state;
    static const int32_t ids[] = {5, 6};
    struct buf out = buf_max(OUT_MAX);
    struct api_choice choice = {.text = str_of("a\nb"), .finish = FINISH_LENGTH, .ids = ids, .tokens_n = 2, .breaks_line = true};
    struct api_call c = parse(API_LLAMA, "{\"prompt\":\"a\",\"n_predict\":2,\"seed\":7,\"return_tokens\":true,\"stop\":[\"x\"]}");
    whole(&out, &c, &choice, 2);
    assert_non_null(strstr(buf_cstr(&out), "\"tokens\":[5,6]"));
    assert_non_null(strstr(buf_cstr(&out), "\"generation_settings\":{\"n_predict\":2,\"max_tokens\":2,\"seed\":7,"));
    assert_non_null(strstr(buf_cstr(&out), "\"stop\":[\"x\"]"));
    assert_non_null(strstr(buf_cstr(&out), "\"has_new_line\":true"));
    assert_non_null(strstr(buf_cstr(&out), "\"truncated\":false"));
    api_call_fini(&c);
    c = parse(API_LLAMA, "{\"prompt\":\"a\",\"n_predict\":-1}");
    whole(&out, &c, &choice, 2);
    assert_non_null(strstr(buf_cstr(&out), "\"tokens\":[]"));
    assert_non_null(strstr(buf_cstr(&out), "\"n_predict\":-1"));
    assert_non_null(strstr(buf_cstr(&out), "\"truncated\":true"));
    api_call_fini(&c);
    buf_fini(&out);
}

/* Given names of members, the answer has these alone; unknown ones it has not. */
static void test_response_fields(void **state)
{
    (void)state;
    struct buf out = buf_max(OUT_MAX);
    struct api_choice choice = {.text = str_of("hi"), .finish = FINISH_STOP};
    struct api_call c = parse(API_LLAMA, "{\"prompt\":\"a\",\"n_predict\":2,\"response_fields\":[\"content\",\"generation_settings/n_predict\",\"no/such\"]}");
    whole(&out, &c, &choice, 2);
    assert_string_equal(buf_cstr(&out), "{\"content\":\"hi\",\"generation_settings/n_predict\":2}");
    api_call_fini(&c);
    c = parse(API_LLAMA, "{\"prompt\":\"a\",\"response_fields\":[]}");
    whole(&out, &c, &choice, 2);
    assert_non_null(strstr(buf_cstr(&out), "\"tokens_cached\""));
    assert_null(strstr(buf_cstr(&out), "response_fields"));
    api_call_fini(&c);
    buf_fini(&out);
    assert_refused(API_LLAMA, "{\"prompt\":\"a\",\"response_fields\":[7]}", "response_fields[0]");
}

/* Given a prompt in llama-server's object, its text; an image beside it is refused. */
static void test_prompt_objects(void **state)
{
    (void)state;
    struct api_call c = parse(API_LLAMA, "{\"prompt\":[{\"prompt_string\":\"a\"},[1,2],\"b\"]}");
    assert_int_equal(c.request.inputs_n, 3);
    assert_true(str_is(c.request.inputs[0].text, "a") && c.request.inputs[1].tokens_n == 2);
    api_call_fini(&c);
    assert_refused(API_LLAMA, "{\"prompt\":{\"prompt_string\":\"a\",\"multimodal_data\":[\"aGk=\"]}}", "prompt");
    assert_refused(API_LLAMA, "{\"prompt\":{}}", "prompt");
}

/* Given how the draw is to be told of, the prompt computed and watched, these are the engine's business; probabilities are told as such. */
static void test_draws(void **state)
{
    (void)state;
    static const int32_t ids[] = {5}, top_ids[] = {5, -1};
    static const float logprobs[] = {0}, top_logprobs[] = {0, -INFINITY};
    struct buf out = buf_max(OUT_MAX);
    struct api_choice choice = {.text = str_of("a"), .finish = FINISH_STOP, .ids = ids, .tokens_n = 1, .logprobs = logprobs, .top_ids = top_ids,
                                .top_logprobs = top_logprobs, .top_n = 2, .drawn_probs = true};
    struct api_call c = parse(API_LLAMA, "{\"prompt\":\"a\",\"n_probs\":2,\"post_sampling_probs\":true,\"cache_prompt\":false,\"return_progress\":true}");
    assert_true(c.request.sampling.drawn_probs && c.request.sampling.fresh && c.request.sampling.progress);
    whole(&out, &c, &choice, 1);
    assert_non_null(strstr(buf_cstr(&out), "\"prob\":1,\"bytes\":[97],\"top_probs\":[{\"id\":5,"));
    assert_null(strstr(buf_cstr(&out), "\"id\":6")); /* fewer could come than were asked for */
    assert_null(strstr(buf_cstr(&out), "logprob"));
    api_call_fini(&c);
    c = parse(API_LLAMA, "{\"prompt\":\"a\",\"cache_prompt\":true}");
    assert_false(c.request.sampling.drawn_probs || c.request.sampling.fresh || c.request.sampling.progress);
    api_call_fini(&c);
    buf_fini(&out);
}

/* Given a prompt that is half computed, each dialect that has words for it says so, without a number of its own. */
static void test_progress(void **state)
{
    (void)state;
    static const char told[] = "\"prompt_progress\":{\"total\":9,\"cache\":2,\"processed\":5,\"time_ms\":7}";
    static const enum api_shape shapes[] = {API_CHAT, API_COMPLETION, API_LLAMA, API_INFILL, API_RESPONSES};
    struct buf out = buf_max(OUT_MAX);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct api_head head = {.shape = shapes[i], .model = str_of("m")};
        struct api_timings timings = {.cached = 2, .prompt = 3, .prompt_ms = 7.5};
        struct api_event ev = {.head = &head, .choice.timings = &timings};
        api_dialect(shapes[i])->progress(&out, &ev, &(struct api_progress){.total = 9, .cached = 2, .done = 5, .ms = 7.5});
        assert_non_null(strstr(buf_cstr(&out), told));
        assert_non_null(strstr(buf_cstr(&out), "\"timings\":{\"cache_n\":2,\"prompt_n\":3,\"prompt_ms\":7.500"));
        assert_null(strstr(buf_cstr(&out), "id: "));
        buf_reset(&out);
    }
    buf_fini(&out);
    assert_null(api_dialect(API_MESSAGES)->progress);
}

/* Given a chat or a request of responses to be counted, nothing is to be computed, streamed or stored. */
static void test_counts(void **state)
{
    (void)state;
    struct api_call c = parse(API_CHAT_COUNT, "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"stream\":true,\"n\":3}");
    assert_true(c.shape == API_CHAT_COUNT && !c.stream && c.n == 1 && c.request.sampling.prompt_only == PROMPT_COUNTED);
    api_call_fini(&c);
    c = parse(API_RESPONSES_COUNT, "{\"input\":\"Hi\",\"stream\":true}");
    assert_true(c.shape == API_RESPONSES_COUNT && !c.stream && !c.store && c.request.sampling.prompt_only == PROMPT_COUNTED);
    api_call_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_gap),      cmocka_unit_test(test_no_gap),          cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_settings),   cmocka_unit_test(test_response_fields), cmocka_unit_test(test_prompt_objects),
        cmocka_unit_test(test_counts),     cmocka_unit_test(test_draws),           cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
