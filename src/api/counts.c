/* Count the tokens of a prompt without answering it: OpenAI's endpoints, which llama-server has for
 * chats, too. */
#include "api/answer.h"
#include "api/readers.h"
#include "api/responses.h"

static int count(enum api_shape shape, int err, struct api_call *out)
{
    if (err)
        return err;
    out->shape = shape;
    out->stream = out->store = false;
    out->n = 1;
    out->request.sampling.prompt_only = PROMPT_COUNTED;
    return 0;
}

static int parse_chat(struct str body, struct api_call *out, struct api_error *e)
{
    return count(API_CHAT_COUNT, api_parse_own(API_CHAT, body, out, e), out);
}

static int parse_responses(struct str body, struct api_call *out, struct api_error *e)
{
    return count(API_RESPONSES_COUNT, api_responses_parse(body, out, e), out);
}

static void write_count(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_cstr(&j, "object", "response.input_tokens");
    jout_put_uint(&j, "input_tokens", w->usage.prompt_tokens);
    jout_object_end(&j);
}

#define OF_A_COUNT \
    .id_prefix = "count_", .idle = api_write_idle_comment, .fault = api_write_stream_fault, .answer = write_count, .error = api_write_error_body, \
    .models = api_write_models, .model = api_write_model

const struct api_dialect api_dialect_chat_count = {.parse = parse_chat, OF_A_COUNT};
const struct api_dialect api_dialect_responses_count = {.parse = parse_responses, OF_A_COUNT};
