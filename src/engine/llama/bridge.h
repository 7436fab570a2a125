/* The C++ of llama.cpp, seen from C: Jinja chat templates (its common/), and what its buffers take. The one place that a
 * change of those unstable interfaces can touch. */
#ifndef MANTA_ENGINE_LLAMA_BRIDGE_H
#define MANTA_ENGINE_LLAMA_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct llama_model;
struct bridge_template; /* a parsed chat template */

struct bridge_turn {
    const char *role, *content, *extra; /* borrowed, not terminated */
    size_t role_n, content_n, extra_n;  /* bytes */
};

/* What of a request decides on the prompt of a chat and on how its answer is read: as struct request has it. */
struct bridge_chat {
    const struct bridge_turn *turns;
    size_t turns_n;
    const char *tools, *template_args, *form_text; /* borrowed, not terminated */
    size_t tools_n, template_args_n, form_text_n;
    unsigned tool_choice, tool_calls, form;
    int split_reasoning, continues;
};

/* As struct engine_bounds. */
struct bridge_bounds {
    uint64_t memory_bytes, cpu_us;
    int (*stopped)(void *user_data);
    void *user_data;
};

/* How a bounded call ended. */
enum bridge_end {
    BRIDGE_DONE,
    BRIDGE_REFUSED, /* by the template or the vocabulary; the complaint is in `why` */
    BRIDGE_MEMORY,
    BRIDGE_TIME,
    BRIDGE_DEPTH,   /* it calls itself without an end */
    BRIDGE_STOPPED,
    BRIDGE_TOOLS,   /* the request's tools cannot be kept to; the complaint is in `why` */
    BRIDGE_FORM,    /* the same of its form */
};

/* Called with the rendered text, piece by piece. */
typedef void bridge_text_fn(const char *text, size_t n, void *user_data);

/* The chat template that the model's file carries. NULL: it cannot be used, with the reason in why. */
struct bridge_template *bridge_template_new(const struct llama_model *model, const struct bridge_bounds *bounds, char *why, size_t why_cap);
/* NULL is fine. */
void bridge_template_free(struct bridge_template *t);
struct llama_vocab;
struct engine_guide; /* engine.h */

/* Renders the turns and the beginning of the assistant's answer. *guide: what holds and cuts the answer, or NULL. t: NULL, of a model without a
 * template. May run on several threads at once. */
enum bridge_end bridge_template_render(const struct bridge_template *t, const struct llama_vocab *vocab, const struct bridge_chat *chat,
                                       const struct bridge_bounds *bounds, bridge_text_fn *take, void *user_data, struct engine_guide **guide,
                                       char *why, size_t why_cap);

/* llama_tokenize() without tokens of its own at either end, bounded. *out_n: as it returns. */
enum bridge_end bridge_tokenize(const struct llama_vocab *vocab, const char *text, int32_t text_n, int control,
                                const struct bridge_bounds *bounds, int32_t *out, int32_t cap, int32_t *out_n);

struct llama_context;

/* Bytes of the buffers that libllama has made for a context and its model. */
struct bridge_memory {
    uint64_t mapped; /* of the model's file */
    uint64_t copied; /* weights that were copied, into another layout or because they cannot be mapped */
    uint64_t context, compute;
};
/* False: libllama threw. */
int bridge_memory_of(const struct llama_context *ctx, struct bridge_memory *out);

#ifdef __cplusplus
}
#endif
#endif
