/* Bad bodies: each gets the sentence that says what was wrong, and leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"

#define MSG "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define CHAT API_CHAT, "{" MSG ","
#define TEXT API_COMPLETION, "{\"prompt\":\"Hi\","
#define ASK API_PROCESS_PROMPT, "{\"prompt\":\"Hi\","

struct bad {
    enum api_shape shape;
    const char *body;
    int err;
    const char *param, *text;
};

static const struct bad bads[] = {
    /* not JSON, or not the JSON that is wanted */
    {API_CHAT, "", ERR_INVALID, "", "the body is empty: expected a JSON object"},
    {API_CHAT, " \n", ERR_INVALID, "", "the body is empty: expected a JSON object"},
    {API_CHAT, "[1]", ERR_INVALID, "", "the body must be a JSON object, got an array"},
    {API_CHAT, "\"x\"", ERR_INVALID, "", "the body must be a JSON object, got a string"},
    {API_CHAT, "{\"a\": }", ERR_INVALID, "", "the body is not valid JSON: unexpected token near '}', near byte 7"},
    {API_CHAT, "{\"a\": 1", ERR_INVALID, "", "the body is not valid JSON: '}' expected near end of file, near byte 7"},
    {API_CHAT, "{} x", ERR_INVALID, "", "the body is not valid JSON: end of file expected near 'x', near byte 4"},
    {API_CHAT, "{'a':1}", ERR_INVALID, "", "the body is not valid JSON: string or '}' expected near ''', near byte 2"},
    {API_CHAT, "hello", ERR_INVALID, "", "the body is not valid JSON: '[' or '{' expected near 'hello', near byte 5"},
    {API_CHAT, "{\"a\":\"\xff\"}", ERR_INVALID, "", "the body is not valid UTF-8: 0xff at byte 6"},
    {API_CHAT, "{\"a\":\"\xed\xa0\x80\"}", ERR_INVALID, "", "the body is not valid UTF-8: 0xed at byte 6"},
    {API_CHAT, "{\"a\":\"\xc3", ERR_INVALID, "", "the body is not valid UTF-8: 0xc3 at byte 6"},
    {API_CHAT, "{\"a\":\"x\\u0000y\"}", ERR_INVALID, "", "the body holds a NUL character (\\u0000), near byte 15"},
    {API_CHAT, "{\"seed\":99999999999999999999}", ERR_INVALID,
     "", "the body holds a number larger than 64 bits, near byte 28"},
    {API_CHAT, "{\"seed\":1e999}", ERR_INVALID, "", "the body holds a number larger than 64 bits, near byte 13"},
    /* a key twice: also an equal one, one within a tool or a schema, and one that is spelt with an escape */
    {API_CHAT, "{\"seed\":1,\"seed\":2}", ERR_INVALID,
     "", "the body has a key twice in one object: send one of them; near '\"seed\"', byte 16"},
    {API_RESPONSES, "{\"input\":\"x\",\"input\":\"x\"}", ERR_INVALID,
     "", "the body has a key twice in one object: send one of them; near '\"input\"', byte 20"},
    {API_MESSAGES, "{\"tools\":[{\"name\":\"a\",\"input_schema\":{\"type\":\"object\",\"type\":\"x\"}}]}", ERR_INVALID,
     "", "the body has a key twice in one object: send one of them; near '\"type\"', byte 60"},
    {API_OLLAMA_CHAT, "{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", ERR_INVALID,
     "", "the body has a key twice in one object: send one of them; near '\"mod\\u0065l\"', byte 25"},

    /* what would change the answer */
    {API_CHAT, "{\"moderation\":{\"model\":\"m\",\"policy\":{}},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", ERR_UNSUPPORTED,
     "moderation", "moderation: is not supported: leave it out; nothing is moderated here"},
    {API_CHAT, "{\"prompt_cache_options\":{\"prewarm\":true},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", ERR_UNSUPPORTED,
     "prompt_cache_options.prewarm", "prompt_cache_options.prewarm: is not supported: leave it out"},

    /* messages */
    {API_CHAT, "{}", ERR_INVALID, "messages", "messages: is missing: an array of {\"role\", \"content\"}"},
    {API_CHAT, "{\"messages\":null}", ERR_INVALID,
     "messages", "messages: is missing: an array of {\"role\", \"content\"}"},
    {API_CHAT, "{\"messages\":\"Hi\"}", ERR_INVALID,
     "messages", "messages: expected an array of messages, got a string"},
    {API_CHAT, "{\"messages\":[]}", ERR_INVALID, "messages", "messages: is empty: expected at least one message"},
    {API_CHAT, "{\"messages\":[\"Hi\"]}", ERR_INVALID,
     "messages[0]", "messages[0]: expected an object with \"role\" and \"content\", got a string"},
    {API_CHAT, "{\"messages\":[{\"content\":\"Hi\"}]}", ERR_INVALID,
     "messages[0].role", "messages[0].role: is missing: \"system\", \"user\", \"assistant\" or \"tool\""},
    {API_CHAT, "{\"messages\":[{\"role\":1}]}", ERR_INVALID,
     "messages[0].role", "messages[0].role: expected a string, got a number"},
    {API_CHAT, "{\"messages\":[{\"role\":\"usr\"}]}", ERR_INVALID,
     "messages[0].role", "messages[0].role: 'usr' is not a role: \"system\", \"user\", \"assistant\" or \"tool\""},
    {API_CHAT, "{\"messages\":[{\"role\":\"tool\",\"content\":\"4\"}]}", ERR_INVALID,
     "messages[0].tool_call_id", "messages[0].tool_call_id: is missing: the id of the call that this is the result of"},
    {API_CHAT, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}", ERR_INVALID,
     "messages[0].tool_calls[0]", "messages[0].tool_calls[0]: a call needs \"function\": {\"name\": …, \"arguments\": …}"},
    {API_CHAT, "{\"messages\":[{\"role\":\"user\"}]}", ERR_INVALID,
     "messages[0].content", "messages[0].content: is missing: a string or an array of text parts"},
    {API_CHAT,
     "{\"messages\":[{\"role\":\"system\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"\"},"
     "{\"role\":\"user\",\"content\":5}]}", ERR_INVALID,
     "messages[2].content", "messages[2].content: expected a string or an array of text parts, got a number"},
    {API_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[\"Hi\"]}]}", ERR_INVALID,
     "messages[0].content[0]", "messages[0].content[0]: expected a text part like {\"type\": \"text\", \"text\": \"…\"}, got a string"},
    {API_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}]}", ERR_INVALID,
     "messages[0].content[0]", "messages[0].content[0]: a part needs \"type\": \"text\""},
    {API_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}", ERR_INVALID,
     "messages[0].content[0]", "messages[0].content[0]: a text part needs \"text\": \"…\""},
    {API_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\"},"
     "{\"type\":\"image_url\"}]}]}", ERR_UNSUPPORTED,
     "messages[0].content[1]", "messages[0].content[1]: parts of type 'image_url' are not supported, only 'text'"},

    /* each number: wrong type, below, above */
    {CHAT "\"temperature\":7}", ERR_INVALID, "temperature", "temperature: 7 is out of range, 0 … 5"},
    {CHAT "\"temperature\":-0.1}", ERR_INVALID, "temperature", "temperature: -0.1 is out of range, 0 … 5"},
    {CHAT "\"temperature\":\"hot\"}", ERR_INVALID, "temperature", "temperature: expected a number, got a string"},
    {CHAT "\"temperature\":true}", ERR_INVALID, "temperature", "temperature: expected a number, got true"},
    {CHAT "\"top_p\":1.01}", ERR_INVALID, "top_p", "top_p: 1.01 is out of range, 0 … 1"},
    {CHAT "\"top_p\":[]}", ERR_INVALID, "top_p", "top_p: expected a number, got an array"},
    {CHAT "\"min_p\":-1}", ERR_INVALID, "min_p", "min_p: -1 is out of range, 0 … 1"},
    {CHAT "\"min_p\":{}}", ERR_INVALID, "min_p", "min_p: expected a number, got an object"},
    {CHAT "\"top_k\":-2}", ERR_INVALID, "top_k", "top_k: -2 is out of range, -1 … 2147483647"},
    {CHAT "\"top_k\":1.5}", ERR_INVALID, "top_k", "top_k: expected an integer, got 1.5"},
    {CHAT "\"top_k\":1e300}", ERR_INVALID, "top_k", "top_k: 1e+300 is out of range, -1 … 2147483647"},
    {CHAT "\"top_k\":\"4\"}", ERR_INVALID, "top_k", "top_k: expected an integer, got a string"},
    {CHAT "\"n\":0}", ERR_INVALID, "n", "n: 0 is out of range, 1 … 16"},
    {CHAT "\"n\":17}", ERR_INVALID, "n", "n: 17 is out of range, 1 … 16"},
    {CHAT "\"n\":\"2\"}", ERR_INVALID, "n", "n: expected an integer, got a string"},
    {CHAT "\"max_tokens\":0}", ERR_INVALID, "max_tokens", "max_tokens: 0 is out of range, 1 … 2147483647"},
    {CHAT "\"max_tokens\":2147483648}", ERR_INVALID,
     "max_tokens", "max_tokens: 2147483648 is out of range, 1 … 2147483647"},
    {CHAT "\"max_tokens\":false}", ERR_INVALID, "max_tokens", "max_tokens: expected an integer, got false"},
    {CHAT "\"max_completion_tokens\":-2}", ERR_INVALID,
     "max_completion_tokens", "max_completion_tokens: -2 is out of range, 1 … 2147483647"},
    {TEXT "\"n_predict\":\"x\"}", ERR_INVALID, "n_predict", "n_predict: expected an integer, got a string"},
    {CHAT "\"presence_penalty\":2.5}", ERR_INVALID,
     "presence_penalty", "presence_penalty: 2.5 is out of range, -2 … 2"},
    {CHAT "\"presence_penalty\":\"x\"}", ERR_INVALID,
     "presence_penalty", "presence_penalty: expected a number, got a string"},
    {CHAT "\"frequency_penalty\":-3}", ERR_INVALID,
     "frequency_penalty", "frequency_penalty: -3 is out of range, -2 … 2"},
    {CHAT "\"frequency_penalty\":[]}", ERR_INVALID,
     "frequency_penalty", "frequency_penalty: expected a number, got an array"},
    {CHAT "\"repeat_penalty\":0}", ERR_INVALID, "repeat_penalty", "repeat_penalty: 0 is out of range, 0.01 … 10"},
    {CHAT "\"repetition_penalty\":11}", ERR_INVALID,
     "repetition_penalty", "repetition_penalty: 11 is out of range, 0.01 … 10"},
    {CHAT "\"repeat_last_n\":65537}", ERR_INVALID, "repeat_last_n", "repeat_last_n: 65537 is out of range, -1 … 65536"},
    {CHAT "\"repeat_last_n\":\"all\"}", ERR_INVALID,
     "repeat_last_n", "repeat_last_n: expected an integer, got a string"},
    {CHAT "\"seed\":1.5}", ERR_INVALID, "seed", "seed: expected an integer, got 1.5"},
    {CHAT "\"seed\":\"lucky\"}", ERR_INVALID, "seed", "seed: expected an integer, got a string"},

    /* switches and texts */
    {CHAT "\"stream\":\"yes\"}", ERR_INVALID, "stream", "stream: expected true or false, got a string"},
    {CHAT "\"stream\":1}", ERR_INVALID, "stream", "stream: expected true or false, got a number"},
    {CHAT "\"stream_options\":true}", ERR_INVALID, "stream_options", "stream_options: expected an object, got true"},
    {CHAT "\"stream_options\":{\"include_usage\":1}}", ERR_INVALID,
     "stream_options.include_usage", "stream_options.include_usage: expected true or false, got a number"},
    {CHAT "\"ignore_eos\":0}", ERR_INVALID, "ignore_eos", "ignore_eos: expected true or false, got a number"},
    {CHAT "\"model\":5}", ERR_INVALID, "model", "model: expected a string, got a number"},
    {CHAT "\"user\":{}}", ERR_INVALID, "user", "user: expected a string, got an object"},
    {CHAT "\"prompt_cache_key\":[]}", ERR_INVALID,
     "prompt_cache_key", "prompt_cache_key: expected a string, got an array"},

    /* lists */
    {CHAT "\"stop\":5}", ERR_INVALID, "stop", "stop: expected a string or an array of strings, got a number"},
    {CHAT "\"stop\":[\"a\",null]}", ERR_INVALID, "stop[1]", "stop[1]: expected a string, got null"},
    {CHAT "\"stop\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}", ERR_INVALID,
     "stop", "stop: has 17 strings, at most 16 are taken"},
    {CHAT "\"logit_bias\":\"x\"}", ERR_INVALID,
     "logit_bias", "logit_bias: expected an object of token ids, or texts, and biases, got a string"},
    {CHAT "\"logit_bias\":{\"cat\":true}}", ERR_INVALID, "logit_bias['cat']", "logit_bias['cat']: expected a number, got true"},
    {CHAT "\"logit_bias\":{\"-1\":1}}", ERR_INVALID, "logit_bias", "logit_bias: '-1' is not a token id"},
    {CHAT "\"logit_bias\":{\"2147483648\":1}}", ERR_INVALID,
     "logit_bias", "logit_bias: '2147483648' is not a token id"},
    {CHAT "\"logit_bias\":{\"\":1}}", ERR_INVALID, "logit_bias['']", "logit_bias['']: has an empty text: expected a token id or a text"},
    {CHAT "\"logit_bias\":[[\"\",1]]}", ERR_INVALID, "logit_bias[0]", "logit_bias[0]: has an empty text: expected a token id or a text"},
    {CHAT "\"logit_bias\":[[\"cat\",1,2]]}", ERR_INVALID,
     "logit_bias[0]", "logit_bias[0]: expected a pair of a token id, or a text, and its bias, got an array"},
    {CHAT "\"logit_bias\":{\"5\":101}}", ERR_INVALID,
     "logit_bias[5]", "logit_bias[5]: 101 is out of range, -100 … 100"},
    {CHAT "\"logit_bias\":{\"5\":true}}", ERR_INVALID, "logit_bias[5]", "logit_bias[5]: expected a number, got true"},
    {CHAT "\"logit_bias\":[[5]]}", ERR_INVALID,
     "logit_bias[0]", "logit_bias[0]: expected a pair of a token id, or a text, and its bias, got an array"},
    {CHAT "\"logit_bias\":[[-5,1]]}", ERR_INVALID,
     "logit_bias[0]", "logit_bias[0]: -5 is out of range, 0 … 2147483647"},

    /* what manta does not do */
    {CHAT "\"logprobs\":2}", ERR_INVALID, "logprobs", "logprobs: expected true or false, got a number"},
    {TEXT "\"logprobs\":21}", ERR_INVALID, "logprobs", "logprobs: 21 is out of range, 0 … 20"},
    {CHAT "\"top_logprobs\":3}", ERR_INVALID, "top_logprobs", "top_logprobs: needs \"logprobs\": true beside it"},
    {CHAT "\"return_token_ids\":true,\"stream\":true}", ERR_UNSUPPORTED,
     "return_token_ids", "return_token_ids: is only for answers that do not stream"},
    {CHAT "\"top_logprobs\":21}", ERR_INVALID, "top_logprobs", "top_logprobs: 21 is out of range, 0 … 20"},
    {CHAT "\"response_format\":{\"type\":\"xml\"}}", ERR_INVALID,
     "response_format", "response_format: 'xml' is no type of it: \"text\", \"json_object\" or \"json_schema\""},
    {CHAT "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}}", ERR_INVALID,
     "response_format", "response_format: needs \"json_schema\": {\"name\": …, \"schema\": {…}} beside its type"},
    {CHAT "\"grammar\":7}", ERR_INVALID, "grammar", "grammar: expected a string, got a number"},
    {TEXT "\"json_schema\":[]}", ERR_INVALID, "json_schema", "json_schema: expected a JSON schema: an object, got an array"},
    {TEXT "\"guided_choice\":[\"a\",\"\"]}", ERR_INVALID, "guided_choice", "guided_choice: expected strings, none of them empty"},
    {CHAT "\"structured_outputs\":{\"regex\":[]}}", ERR_INVALID,
     "structured_outputs.regex", "structured_outputs.regex: expected a string, got an array"},
    {CHAT "\"structured_outputs\":{\"structural_tag\":\"a\"}}", ERR_UNSUPPORTED,
     "structured_outputs.structural_tag", "structured_outputs.structural_tag: is not supported: leave it out"},
    {CHAT "\"grammar\":\"root ::= [a]\",\"response_format\":{\"type\":\"json_object\"}}", ERR_INVALID,
     "response_format", "response_format: an answer has one form: send this or grammar, not both"},
    {CHAT "\"response_format\":\"json\"}", ERR_INVALID,
     "response_format", "response_format: expected an object, got a string"},
    {CHAT "\"response_format\":{}}", ERR_INVALID, "response_format", "response_format: needs \"type\": \"text\", \"json_object\" or \"json_schema\""},
    {CHAT "\"tools\":[{}]}", ERR_INVALID, "tools[0].type", "tools[0].type: expected \"function\""},
    {CHAT "\"functions\":[{}]}", ERR_UNSUPPORTED,
     "functions", "functions: are not supported: send them as tools"},
    {CHAT "\"tools\":{}}", ERR_INVALID, "tools", "tools: expected an array, got an object"},
    {TEXT "\"echo\":true,\"stream\":true}", ERR_UNSUPPORTED, "echo", "echo: is only for answers that do not stream"},
    {TEXT "\"best_of\":4,\"stream\":true}", ERR_UNSUPPORTED, "best_of",
     "best_of: is only for answers that do not stream: which is the best one is known at the end"},
    {TEXT "\"best_of\":2,\"n\":3}", ERR_INVALID, "best_of", "best_of: 2 answers to choose 3 from (n): it is at least as many"},
    {API_COMPLETION, "{}", ERR_INVALID, "prompt", "prompt: is missing: the text to continue from"},
    {API_COMPLETION, "{\"prompt\":[1,true]}", ERR_INVALID, "prompt[1]", "prompt[1]: expected a token id or a text, got true"},
    {API_COMPLETION, "{\"prompt\":[[1],[]]}", ERR_INVALID, "prompt[1]", "prompt[1]: is empty: expected at least one token id"},
    {API_COMPLETION, "{\"prompt\":[\"a\",7,[1]]}", ERR_INVALID, "prompt[2]", "prompt[2]: expected a token id or a text, got an array"},
    {API_COMPLETION, "{\"prompt\":[\"a\",-1]}", ERR_INVALID, "prompt[1]", "prompt[1]: -1 is out of range, 0 … 2147483647"},
    {API_COMPLETION, "{\"prompt\":[-1]}", ERR_INVALID, "prompt[0]", "prompt[0]: -1 is out of range, 0 … 2147483647"},
    {API_COMPLETION, "{\"prompt\":7}", ERR_INVALID, "prompt", "prompt: expected a string, or an array of token ids and texts, got a number"},
    {API_COMPLETION, "{\"prompt\":[]}", ERR_INVALID, "prompt", "prompt: is empty: expected at least one text"},
    {API_COMPLETION, "{\"prompt\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"n\":13}", ERR_INVALID, "prompt",
     "prompt: 65 answers were asked for, at most 64 can be in one request: send the rest in others"},
    {CHAT "\"samplers\":[\"top_q\"]}", ERR_UNSUPPORTED, "samplers",
     "samplers: 'top_q' is none of penalties, dry, top_n_sigma, top_k, typ_p, top_p, min_p, xtc, temperature"},
    {CHAT "\"samplers\":7}", ERR_INVALID, "samplers", "samplers: expected an array of names, got a number"},
    {CHAT "\"dry_sequence_breakers\":[1]}", ERR_INVALID, "dry_sequence_breakers[0]", "dry_sequence_breakers[0]: expected a string, got a number"},
    {CHAT "\"mirostat\":3}", ERR_INVALID, "mirostat", "mirostat: 3 is out of range, 0 … 2"},
    {CHAT "\"mirostat\":2,\"response_format\":{\"type\":\"json_object\"}}", ERR_UNSUPPORTED, "mirostat",
     "mirostat: cannot be combined with a grammar, schema or response_format: leave one of them out"},
    {CHAT "\"mirostat\":1,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}", ERR_UNSUPPORTED, "mirostat",
     "mirostat: cannot be combined with tools: leave one of them out"},

    /* process_prompt */
    {API_PROCESS_PROMPT, "{}", ERR_INVALID, "prompt", "prompt: is missing: the text to answer"},
    {API_PROCESS_PROMPT, "{\"prompt\":\"\"}", ERR_INVALID, "prompt", "prompt: is empty"},
    {API_PROCESS_PROMPT, "{\"prompt\":[\"a\"]}", ERR_INVALID, "prompt", "prompt: expected a string, got an array"},
    {ASK MSG "}", ERR_INVALID, "prompt", "prompt: send either prompt or messages, not both"},
    {ASK "\"actors\":0}", ERR_INVALID, "actors", "actors: 0 is out of range, 1 … 4096"},
    {ASK "\"actors\":\"some\"}", ERR_INVALID, "actors", "actors: expected a number or \"all\", got a string"},
    {ASK "\"actors\":2.5}", ERR_INVALID, "actors", "actors: expected an integer, got 2.5"},
    {ASK "\"final\":\"last\"}", ERR_INVALID, "final", "final: 'last' is not one of \"first\", \"best\", \"vote\""},
    {ASK "\"final\":1}", ERR_INVALID, "final", "final: expected \"first\", \"best\" or \"vote\", got a number"},
    {ASK "\"timeout_s\":0}", ERR_INVALID, "timeout_s", "timeout_s: 0 is out of range, 0.001 … 86400"},
    {ASK "\"timeout_s\":\"1m\"}", ERR_INVALID, "timeout_s", "timeout_s: expected a number, got a string"},
};

/* The body must be refused with exactly this, and *out not touched. */
static void assert_refused(enum api_shape shape, struct str body, int err, const char *param, const char *text)
{
    struct api_call c, before;
    struct api_error e = {0};
    memset(&c, 0x5a, sizeof c);
    memcpy(&before, &c, sizeof c);
    int got = api_parse(shape, body, &c, &e);
    assert_string_equal(e.fault.text, text);
    assert_string_equal(e.param, param);
    assert_int_equal(got, err);
    assert_int_equal(e.fault.err, err);
    assert_memory_equal(&c, &before, sizeof c);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        const struct bad *b = &bads[i];
        size_t n = strlen(b->body);
        char *exact = malloc(n > 0 ? n : 1); /* a copy of exactly its size, so that ASan sees a read past the end */
        memcpy(exact, b->body, n);
        assert_refused(b->shape, str_n(exact, n), b->err, b->param, b->text);
        free(exact);
    }
}

/* `times` times `piece`, between two ends. */
static struct buf body_of(const char *begin, const char *piece, size_t times, const char *end)
{
    struct buf b = buf_max(64 << 20);
    buf_puts(&b, begin);
    for (size_t i = 0; i < times; i++)
        buf_puts(&b, piece);
    buf_puts(&b, end);
    return b;
}

static void test_nul_byte(void **state)
{
    (void)state;
    assert_refused(API_CHAT, str_n("{\"a\":\"\0\"}", 9), ERR_INVALID, "", "the body holds a NUL byte, at byte 6");
}

/* Given 100 levels, the 65th bracket is named; 64 levels are fine. */
static void test_nesting(void **state)
{
    (void)state;
    struct buf b = body_of("{\"x\":", "[", 100, "");
    assert_refused(API_CHAT, buf_str(&b), ERR_INVALID, "", "the body is nested deeper than 64 levels, at byte 68");
    buf_fini(&b);

    b = body_of("{\"x\":", "[", 63, "");
    for (int i = 0; i < 63; i++)
        buf_putc(&b, ']');
    buf_putc(&b, '}');
    assert_refused(API_CHAT, buf_str(&b), ERR_INVALID, "messages",
                   "messages: is missing: an array of {\"role\", \"content\"}");
    buf_fini(&b);

    b = body_of("{\"x\":\"", "[", 100, "\\\"[[[\"}"); /* brackets in a string, also behind an escaped quote */
    assert_refused(API_CHAT, buf_str(&b), ERR_INVALID, "messages",
                   "messages: is missing: an array of {\"role\", \"content\"}");
    buf_fini(&b);
}

/* Given 3 MB of empty objects, which would take 250 MB as a tree, the count is refused before any is built. */
static void test_many_values(void **state)
{
    (void)state;
    struct buf b = body_of("{\"x\":[{}", ",{}", 1000000, "]}");
    assert_refused(API_CHAT, buf_str(&b), ERR_TOO_LARGE, "",
                   "the body holds more JSON values than are taken in one request, 327680 numbers or 65536 objects, at byte 163839");
    buf_fini(&b);
}

static void test_too_long(void **state)
{
    (void)state;
    struct buf b = body_of("{\"prompt\":\"", "0123456789abcdef", 1 << 20, "\"}");
    assert_refused(API_COMPLETION, buf_str(&b), ERR_TOO_LARGE, "", "the body has 16777229 bytes, at most 16777216 are taken");
    buf_fini(&b);

    b = body_of("{\"prompt\":\"\",\"model\":\"", "m", 257, "\"}");
    assert_refused(API_COMPLETION, buf_str(&b), ERR_INVALID, "model", "model: has 257 bytes, at most 256 are taken");
    buf_fini(&b);

    b = body_of("{\"prompt\":\"\",\"stop\":[\"", "s", 257, "\"]}");
    assert_refused(API_COMPLETION, buf_str(&b), ERR_INVALID, "stop[0]", "stop[0]: has 257 bytes, at most 256 are taken");
    buf_fini(&b);
}

static void test_too_many(void **state)
{
    (void)state;
    struct buf b = body_of("{\"messages\":[0", ",0", 4096, "]}");
    assert_refused(API_CHAT, buf_str(&b), ERR_INVALID, "messages", "messages: has 4097 messages, at most 4096 are taken");
    buf_fini(&b);

    b = body_of("{" MSG ",\"logit_bias\":[[1,1]", ",[1,1]", 1024, "]}");
    assert_refused(API_CHAT, buf_str(&b), ERR_INVALID, "logit_bias", "logit_bias: has 1025 biases, at most 1024 are taken");
    buf_fini(&b);
}

/* Given a request cut off after every byte, each beginning is refused and nothing leaks (ASan watches). */
static void test_every_cut(void **state)
{
    (void)state;
    static const char whole[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
                                "\"h\xc3\xa9llo \\ud83d\\ude00\"}]}],\"stop\":[\"a\"],\"logit_bias\":{\"1\":-1e1}}";
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct api_call c = {0};
        struct api_error e = {0};
        char *cut = malloc(n > 0 ? n : 1);
        memcpy(cut, whole, n);
        assert_int_equal(api_parse(API_CHAT, str_n(cut, n), &c, &e), ERR_INVALID);
        assert_true(e.fault.text[0] != '\0');
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),       cmocka_unit_test(test_nul_byte), cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_many_values), cmocka_unit_test(test_too_long), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
