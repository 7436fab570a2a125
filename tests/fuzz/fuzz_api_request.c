/* Any bytes as a request body: refused with a sentence, or a call whose every part can be read and cloned. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/must.h"
#include "json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte the call points to (ASan watches) and holds it against its limits. */
static void check_call(const struct api_call *c)
{
    const struct request *q = &c->request;
    MUST(q->turns_n <= REQUEST_TURNS_MAX);
    MUST(q->stops_n <= REQUEST_STOPS_MAX);
    MUST(q->biases_n <= REQUEST_BIASES_MAX);
    MUST(q->sampling.temperature >= 0 && q->sampling.temperature <= 5);
    MUST(q->sampling.top_p > 0 && q->sampling.top_p <= 1);
    MUST(q->inputs_n <= REQUEST_INPUTS_MAX);
    MUST(q->kind == REQUEST_TEXT ? q->text.p != NULL || q->tokens_n > 0 || q->inputs_n > 0 : q->kind == REQUEST_EMBED ? q->inputs_n > 0 : q->turns_n > 0);
    for (uint32_t i = 0; i < q->inputs_n; i++)
        MUST(q->inputs[i].text.n > 0 || q->inputs[i].tokens_n > 0 || (q->kind == REQUEST_TEXT && q->inputs[i].text.p != NULL));
    MUST(q->kind != REQUEST_TEXT || (c->n <= API_BRANCHES_MAX && c->shown <= c->each && (q->inputs_n == 0 || q->inputs_n == c->n)));
    MUST(q->breakers_n <= REQUEST_BREAKERS_MAX);
    struct buf out = buf_max(64 << 20);
    for (uint32_t i = 0; i < q->turns_n; i++)
        jout_string(&out, q->turns[i].content), jout_string(&out, q->turns[i].extra);
    jout_string(&out, q->text);
    jout_string(&out, q->tools);
    jout_string(&out, q->template_args);
    jout_string(&out, q->form_text);
    MUST(q->tools.n <= REQUEST_TOOLS_BYTES_MAX && q->template_args.n <= REQUEST_TEMPLATE_ARGS_BYTES_MAX && q->form_text.n <= REQUEST_FORM_BYTES_MAX);
    MUST(q->tool_choice < TOOL_CHOICES && q->tool_calls < TOOL_CALLS_KINDS && (q->tool_choice != TOOLS_REQUIRED || q->tools.n > 0));
    for (uint32_t i = 0; i < c->refs_n; i++)
        MUST(c->refs[i].turn < q->turns_n);
    buf_fini(&out);
    free(request_clone(q));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int shape = API_CHAT; shape <= API_SHAPE_LAST; shape++) {
        struct api_call c = {0};
        struct api_error e = {0};
        int err = api_parse((enum api_shape)shape, str_n((const char *)data, size), &c, &e);
        MUST(err == e.fault.err);
        if (err == 0) {
            check_call(&c);
            api_call_fini(&c);
        } else {
            MUST(err < 0);
            MUST(e.fault.text[0] != '\0');
            struct buf out = buf_max(1 << 16);
            api_write_error(&out, &e);
            MUST(!out.overflowed);
            buf_fini(&out);
        }
    }
    struct buf model = buf_max(1 << 20);
    struct api_error e = {0};
    MUST(api_parse_show(str_n((const char *)data, size), &model, &e) == e.fault.err);
    buf_fini(&model);
    return 0;
}
