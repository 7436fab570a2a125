#include <stdio.h>

#include "base/alloc.h"
#include "head/call.h"

/* The end of an embeddings call: one branch per input, each with a vector. */

static void doom(struct head_program *p, struct call *c, const struct fault *why)
{
    if (list_linked(&c->doomed))
        return;
    c->doom = *why;
    list_push(&p->doomed, &c->doomed);
}

/* Names the failed input, if there are several. */
static void name_input(struct call *c, uint32_t index, struct fault *f)
{
    if (c->api.request.inputs_n < 2)
        return;
    snprintf(c->param, sizeof c->param, "%s[%u]", c->api.shape == API_RERANK ? "documents" : "input", index);
    struct fault was = *f;
    fault_set(f, was.err, "%s: %s", c->param, was.text);
    f->count = was.count;
    f->limit = was.limit;
}

void answer_vector_done(struct head_program *p, struct call *c, uint32_t index)
{
    const struct branch *b = &c->branches[index];
    struct fault f = b->response.fault;
    if (b->response.finish == FINISH_ERROR) {
        name_input(c, index, &f);
        doom(p, c, &f);
    } else if (b->vector_n == 0) {
        fault_set(&f, ERR_FAILED, "the worker sent no vector");
        doom(p, c, &f);
    } else if (c->api.shape != API_RERANK && c->api.dimensions > b->vector_n) {
        fault_set(&f, ERR_INVALID, "dimensions: %u were asked for, the model's vectors have %u", c->api.dimensions,
                  b->vector_n);
        snprintf(c->param, sizeof c->param, "dimensions");
        doom(p, c, &f);
    }
}

struct api_vector *vectors_of(const struct call *c)
{
    struct api_vector *vectors = xalloc_array(c->branches_n, sizeof *vectors);
    for (uint32_t i = 0; i < c->branches_n; i++) {
        const struct branch *b = &c->branches[i];
        vectors[i] = (struct api_vector){.p = b->vector, .n = b->vector_n, .ids = b->prompt_ids, .ids_n = b->prompt_ids_n};
    }
    return vectors;
}
