/* Wrap the C++ of llama.cpp for C: Jinja chat templates (its common/), and the size of its buffers.
 * Changes of these unstable interfaces affect only this file. */
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

/* The parts of a request that determine the prompt of a chat and how its answer is parsed; as in
 * struct request. */
struct bridge_chat {
    const struct bridge_turn *turns;
    size_t turns_n;
    const char *tools, *template_args, *form_text; /* borrowed, not terminated */
    size_t tools_n, template_args_n, form_text_n;
    unsigned tool_choice, tool_calls, form;
    int split_reasoning, continues, closed;
};

/* As struct engine_bounds. */
struct bridge_bounds {
    uint64_t memory_bytes, cpu_us;
    int (*stopped)(void *user_data);
    void *user_data;
};

/* The result of a bounded call. */
enum bridge_end {
    BRIDGE_DONE,
    BRIDGE_REFUSED, /* by the template or the vocabulary; the error message is in `why` */
    BRIDGE_MEMORY,
    BRIDGE_TIME,
    BRIDGE_DEPTH,   /* unbounded recursion */
    BRIDGE_STOPPED,
    BRIDGE_TOOLS,   /* the request's tools cannot be enforced; the error message is in `why` */
    BRIDGE_FORM,    /* the same for its form */
};

/* Called repeatedly with pieces of the rendered text. */
typedef void bridge_text_fn(const char *text, size_t n, void *user_data);

/* Parses the chat template `source`, which may be "chatml"; "": the one in the model's file. Returns NULL, with the reason in why, if it
 * cannot be used. */
struct bridge_template *bridge_template_new(const struct llama_model *model, const char *source, const struct bridge_bounds *bounds, char *why,
                                            size_t why_cap);
/* NULL is allowed. */
void bridge_template_free(struct bridge_template *t);
struct llama_vocab;
struct engine_guide; /* engine.h */

/* Renders the turns and the beginning of the assistant's answer. *guide: the guide that constrains and cuts
 * the answer, or NULL. t: NULL for a model without a template. May run on several threads at
 * once. */
enum bridge_end bridge_template_render(const struct bridge_template *t, const struct llama_vocab *vocab, const struct bridge_chat *chat,
                                       const struct bridge_bounds *bounds, bridge_text_fn *take, void *user_data, struct engine_guide **guide,
                                       char *why, size_t why_cap);

/* Calls llama_tokenize() within bounds, without adding tokens at either end. *out_n: its result. */
enum bridge_end bridge_tokenize(const struct llama_vocab *vocab, const char *text, int32_t text_n, int control,
                                const struct bridge_bounds *bounds, int32_t *out, int32_t cap, int32_t *out_n);

struct llama_context;

/* Bytes of the buffers that libllama has allocated for a context and its model. */
struct bridge_memory {
    uint64_t mapped; /* from the model's file */
    uint64_t copied; /* weights that were copied, into another layout or because they cannot be mapped */
    uint64_t context, compute;
};
/* Returns 0 if libllama threw. */
int bridge_memory_of(const struct llama_context *ctx, struct bridge_memory *out);

#ifdef __cplusplus
}
#endif
#endif
