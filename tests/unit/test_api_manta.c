/* manta's own answers: process_prompt over several actors, the choice of the final one, the list of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api.h"

static struct api_response response(uint32_t actor, const char *text, float time_s, double logprob_sum, uint32_t tokens)
{
    return (struct api_response){.actor = actor,
                                 .model = str_of("smollm2"),
                                 .node = str_of("laptop-1"),
                                 .address = str_of("127.0.0.1"),
                                 .time_s = time_s,
                                 .text = str_of(text),
                                 .finish = FINISH_STOP,
                                 .usage = {.prompt_tokens = 9, .completion_tokens = tokens},
                                 .logprob_sum = logprob_sum};
}

static struct api_response failed(void)
{
    struct api_response r = {.actor = UINT32_MAX, .finish = FINISH_ERROR};
    fault_set(&r.fault, ERR_WORKER_LOST, "worker laptop-2 was lost");
    return r;
}

/* Given three answers, first is the quickest one, best the likeliest per token, vote the text that two gave. */
static void test_pick(void **state)
{
    (void)state;
    const struct api_response r[] = {
        response(0, "Paris", 3.0f, -4.0, 4),     /* mean -1 */
        response(1, "London", 1.0f, -6.0, 3),    /* mean -2, quickest */
        response(2, "Rome", 2.0f, -0.5, 1),      /* mean -0.5, likeliest */
        response(3, " Paris\n", 4.0f, -9.0, 3),  /* same as 0 but for white space */
    };
    assert_int_equal(api_final_pick(API_FINAL_FIRST, r, 4), 1);
    assert_int_equal(api_final_pick(API_FINAL_BEST, r, 4), 2);
    assert_int_equal(api_final_pick(API_FINAL_VOTE, r, 4), 0);
}

/* Given that all differ, the vote falls to the likeliest; given equals in all, to the quicker. */
static void test_pick_ties(void **state)
{
    (void)state;
    const struct api_response differ[] = {response(0, "a", 1, -2, 1), response(1, "b", 2, -1, 1)};
    assert_int_equal(api_final_pick(API_FINAL_VOTE, differ, 2), 1);
    const struct api_response same[] = {response(0, "a", 2, -1, 1), response(1, "a", 1, -1, 1)};
    assert_int_equal(api_final_pick(API_FINAL_VOTE, same, 2), 1);
    assert_int_equal(api_final_pick(API_FINAL_BEST, same, 2), 1);
}

/* Given failures, they never count, however quick; given only failures, nothing does. */
static void test_pick_failures(void **state)
{
    (void)state;
    struct api_response r[] = {failed(), response(1, "a", 9, -1, 1), failed()};
    assert_int_equal(api_final_pick(API_FINAL_FIRST, r, 3), 1);
    r[1].finish = FINISH_CANCELLED;
    for (int rule = API_FINAL_FIRST; rule <= API_FINAL_VOTE; rule++)
        assert_int_equal(api_final_pick((enum api_final)rule, r, 3), 3);
    assert_int_equal(api_final_pick(API_FINAL_BEST, r, 0), 0);
}

/* Given an empty answer beside a long unlikely one, best is the one that says something. */
static void test_pick_empty(void **state)
{
    (void)state;
    const struct api_response r[] = {response(0, "", 1, 0, 0), response(1, "words", 2, -900, 3)};
    assert_int_equal(api_final_pick(API_FINAL_BEST, r, 2), 1);
}

static const struct api_head head = {.shape = API_PROCESS_PROMPT, .id = 255, .created = 17, .model = {"smollm2", 7}};

#define HEAD(kind) "\"id\":\"manta-00000000000000ff\",\"object\":\"manta." kind "\",\"created\":17,\"model\":\"smollm2\""
#define WHO "\"actor_id\":1,\"model\":\"smollm2\",\"node\":\"laptop-1\",\"address\":\"127.0.0.1\""

static void test_answer(void **state)
{
    (void)state;
    struct buf b = buf_max(1 << 16);
    const struct api_response r[] = {failed(), response(1, "Hi", 1.2344f, -1.5, 3)};
    const struct api_cluster cluster = {.nodes = 2, .actors = 3};
    api_write_process_prompt(&b, &head, r, 2, API_FINAL_FIRST, 1, &cluster);
    assert_string_equal(
        buf_cstr(&b),
        "{" HEAD("process_prompt")
        ",\"responses\":[{\"actor_id\":null,\"model\":\"\",\"node\":\"\",\"address\":\"\",\"processing_time_s\":0.000,"
        "\"response\":\"\",\"finish_reason\":\"error\",\"tokens\":0,\"mean_logprob\":null,\"usage\":{\"prompt_tokens\":0,"
        "\"completion_tokens\":0,\"total_tokens\":0,\"prompt_tokens_details\":{\"cached_tokens\":0}},\"error\":{"
        "\"message\":\"worker laptop-2 was lost\",\"type\":\"unavailable_error\"}},{" WHO
        ",\"processing_time_s\":1.234,\"response\":\"Hi\",\"finish_reason\":\"stop\",\"tokens\":3,\"mean_logprob\":"
        "-0.500000,\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12,\"prompt_tokens_details\":{"
        "\"cached_tokens\":0}},\"error\":null}],\"final\":\"first\",\"final_response\":\"Hi\",\"answered_by\":{" WHO
        ",\"processing_time_s\":1.234},\"cluster_info\":{\"total_nodes\":2,\"total_actors\":3,"
        "\"successful_responses\":1}}");
    buf_fini(&b);
}

static void test_events(void **state)
{
    (void)state;
    struct buf b = buf_max(1 << 16);
    const struct api_response who = response(1, "", 0, 0, 0);
    api_write_prompt_started(&b, &head, 4, &who);
    assert_string_equal(buf_cstr(&b), "data: {" HEAD("process_prompt.started") ",\"index\":4,\"actor\":{" WHO "}}\n\n");
    buf_reset(&b);
    const struct api_choice c = {.index = 4, .text = str_of("Hi"), .finish = FINISH_NONE};
    api_write_chunk(&b, &head, &c);
    assert_string_equal(buf_cstr(&b), "data: {" HEAD("process_prompt.chunk")
                                      ",\"index\":4,\"text\":\"Hi\",\"finish_reason\":null}\n\n");
    buf_reset(&b);
    const struct api_cluster cluster = {.nodes = 1, .actors = 0};
    api_write_prompt_event(&b, &head, NULL, 0, API_FINAL_VOTE, 0, &cluster);
    assert_string_equal(buf_cstr(&b), "data: {" HEAD("process_prompt")
                                      ",\"responses\":[],\"final\":\"vote\",\"final_response\":null,\"answered_by\":null,"
                                      "\"cluster_info\":{\"total_nodes\":1,\"total_actors\":0,\"successful_responses\":0"
                                      "}}\n\n");
    buf_fini(&b);
}

static void test_models(void **state)
{
    (void)state;
    struct buf b = buf_max(1 << 16);
    const struct api_model models[] = {{.id = str_of("gpt2"), .created = 5}, {.id = str_of("smollm2"), .created = 6}};
    api_write_models(&b, models, 2);
    assert_string_equal(buf_cstr(&b),
                        "{\"object\":\"list\",\"data\":[{\"id\":\"gpt2\",\"object\":\"model\",\"created\":5,"
                        "\"owned_by\":\"manta\"},{\"id\":\"smollm2\",\"object\":\"model\",\"created\":6,"
                        "\"owned_by\":\"manta\"}]}");
    buf_reset(&b);
    api_write_models(&b, NULL, 0);
    assert_string_equal(buf_cstr(&b), "{\"object\":\"list\",\"data\":[]}");
    buf_reset(&b);
    api_write_model(&b, &models[0]);
    assert_string_equal(buf_cstr(&b), "{\"id\":\"gpt2\",\"object\":\"model\",\"created\":5,\"owned_by\":\"manta\"}");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick),       cmocka_unit_test(test_pick_ties), cmocka_unit_test(test_pick_failures),
        cmocka_unit_test(test_pick_empty), cmocka_unit_test(test_answer),    cmocka_unit_test(test_events),
        cmocka_unit_test(test_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
