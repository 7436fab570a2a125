/* Log-probabilities in the shapes of chats and completions: of tokens whose text is known, and of those where it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "api/api.h"

static const struct api_head chat = {.shape = API_CHAT, .id = 1, .created = 2, .model = {"m", 1}};
static const struct api_head text = {.shape = API_COMPLETION, .id = 1, .created = 2, .model = {"m", 1}};

/* The value of "logprobs" in the chunk that is written of c must be exactly this. */
static void assert_logprobs(const struct api_head *head, const struct api_choice *c, const char *expected)
{
    struct buf b = buf_max(1 << 16);
    api_write_chunk(&b, head, c);
    char *at = strstr(buf_cstr(&b), "\"logprobs\":");
    assert_non_null(at);
    char *end = strstr(at, ",\"finish_reason\"");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(at + strlen("\"logprobs\":"), expected);
    buf_fini(&b);
}

static const int32_t ids[] = {5, 77};
static const float logprobs[] = {-0.25f, -INFINITY};

/* Given no texts of tokens, a lone one is named by the chunk's text, several by their ids. */
static void test_without_pieces(void **state)
{
    (void)state;
    struct api_choice c = {.text = str_of("\xc3\xa9"), .ids = ids, .logprobs = logprobs, .tokens_n = 1};
    assert_logprobs(&chat, &c, "{\"content\":[{\"id\":5,\"token\":\"\xc3\xa9\",\"logprob\":-0.25,\"bytes\":[195,169],"
                               "\"top_logprobs\":[]}],\"refusal\":null}");
    c = (struct api_choice){.text = str_of("xy"), .ids = ids, .logprobs = logprobs, .tokens_n = 2};
    assert_logprobs(&text, &c, "{\"tokens\":[\"token_id:5\",\"token_id:77\"],\"token_logprobs\":[-0.25,-9999],"
                               "\"top_logprobs\":null,\"text_offset\":[0,0]}");
    c.ids = NULL;
    assert_logprobs(&text, &c, "null");
}

/* Given the bytes of each token, offsets count characters from where the chunk begins. */
static void test_with_pieces(void **state)
{
    (void)state;
    const struct str pieces[] = {str_of("\xc3\xa9x"), str_of("y")};
    struct api_choice c = {.text = str_of("xy"), .ids = ids, .logprobs = logprobs, .tokens_n = 2, .pieces = pieces,
                           .text_offset = 10};
    assert_logprobs(&text, &c, "{\"tokens\":[\"\xc3\xa9x\",\"y\"],\"token_logprobs\":[-0.25,-9999],\"top_logprobs\":null,"
                               "\"text_offset\":[10,12]}");
}

/* Given likely tokens, each has its own: half characters are named by their bytes, control tokens by their id. */
static void test_likely_tokens(void **state)
{
    (void)state;
    const int32_t top_ids[] = {5, 6, 7, 8};
    const float top[] = {-0.25f, -1.0f, -0.5f, -INFINITY};
    const struct str pieces[] = {str_of("a"), str_of("a"), str_of("\xe2\x80"), str_of("b\""), str_of("b\""), str_of("")};
    struct api_choice c = {.text = str_of("ab\""), .ids = ids, .logprobs = logprobs, .tokens_n = 2, .top_ids = top_ids,
                           .top_logprobs = top, .top_n = 2, .pieces = pieces};
    assert_logprobs(&text, &c, "{\"tokens\":[\"a\",\"b\\\"\"],\"token_logprobs\":[-0.25,-9999],\"top_logprobs\":["
                               "{\"a\":-0.25,\"bytes:\\\\xe2\\\\x80\":-1},{\"b\\\"\":-0.5,\"token_id:8\":-9999}],"
                               "\"text_offset\":[0,1]}");
    c.tokens_n = 1;
    assert_logprobs(&chat, &c, "{\"content\":[{\"id\":5,\"token\":\"a\",\"logprob\":-0.25,\"bytes\":[97],\"top_logprobs\":["
                               "{\"id\":5,\"token\":\"a\",\"logprob\":-0.25,\"bytes\":[97]},"
                               "{\"id\":6,\"token\":\"bytes:\\\\xe2\\\\x80\",\"logprob\":-1,\"bytes\":[226,128]}]}],"
                               "\"refusal\":null}");
}

/* Given ids are asked for, a whole answer has those of the prompt and of each choice. */
static void test_token_ids(void **state)
{
    (void)state;
    static const int32_t prompt[] = {101, 102};
    static const struct api_usage usage = {.prompt_tokens = 2, .completion_tokens = 2};
    struct api_head head = text;
    head.prompt_ids = prompt;
    head.prompt_ids_n = 2;
    struct api_choice c = {.text = str_of("xy"), .ids = ids, .tokens_n = 2, .with_ids = true, .finish = FINISH_STOP};
    struct buf b = buf_max(1 << 16);
    api_write_answer(&b, &head, &c, 1, &usage);
    assert_non_null(strstr(buf_cstr(&b), "\"choices\":[{\"index\":0,\"text\":\"xy\",\"token_ids\":[5,77],\"logprobs\":null,"
                                         "\"finish_reason\":\"stop\"}],\"prompt_token_ids\":[101,102],\"usage\":{"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_pieces),
        cmocka_unit_test(test_with_pieces),
        cmocka_unit_test(test_likely_tokens),
        cmocka_unit_test(test_token_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
