/* Chat templates where llama.cpp's common/ is not at hand (an installed libllama): the fixed list of well-known
 * templates that libllama recognises by their text. Without Jinja, an unknown template is refused, not guessed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/str.h"
#include "engine/llama/bridge.h"
#include "engine/llama/module.h"
#include "engine/llama/starve.h"

struct bridge_template {
    char *source; /* owned */
};

struct bridge_template *bridge_template_new(const struct llama_model *model, const struct bridge_bounds *bounds, char *why, size_t why_cap)
{
    (void)bounds; /* this list of templates has no loops */
    const char *source = llama_model_chat_template(model, NULL);
    struct llama_chat_message probe = {.role = "user", .content = "hello"};
    if (source == NULL || llama_chat_apply_template(source, &probe, 1, true, NULL, 0) < 0) {
        snprintf(why, why_cap, "it needs Jinja, which this build of the engine module lacks");
        return NULL;
    }
    struct bridge_template *t = xalloc(sizeof *t);
    t->source = xstrdup(source);
    return t;
}

void bridge_template_free(struct bridge_template *t)
{
    if (t == NULL)
        return;
    free(t->source);
    free(t);
}

static void messages_free(struct llama_chat_message *messages, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)messages[i].role);
        free((char *)(uintptr_t)messages[i].content);
    }
    free(messages);
}

/* A base model has no roles: it goes on from what was said. */
static void join(const struct bridge_chat *chat, bridge_text_fn *take, void *user_data)
{
    for (size_t i = 0; i < chat->turns_n; i++) {
        if (i > 0)
            take("\n", 1, user_data);
        take(chat->turns[i].content != NULL ? chat->turns[i].content : "", chat->turns[i].content_n, user_data);
    }
}

static enum bridge_end apply(const struct bridge_template *t, const struct bridge_chat *chat, bridge_text_fn *take, void *user_data, char *why,
                             size_t why_cap)
{
    size_t n_turns = chat->continues ? chat->turns_n - 1 : chat->turns_n;
    struct llama_chat_message *messages = xalloc_array(n_turns + 1, sizeof *messages);
    for (size_t i = 0; i < n_turns; i++) {
        messages[i].role = xstr_dup(str_n(chat->turns[i].role, chat->turns[i].role_n));
        messages[i].content = xstr_dup(str_n(chat->turns[i].content, chat->turns[i].content_n));
    }
    char *text = NULL;
    int32_t n = llama_chat_apply_template(t->source, messages, n_turns, true, NULL, 0);
    if (n > 0) {
        text = xalloc((size_t)n + 1);
        n = llama_chat_apply_template(t->source, messages, n_turns, true, text, n);
    }
    if (n >= 0)
        take(text != NULL ? text : "", (size_t)n, user_data);
    else
        snprintf(why, why_cap, "libllama's built-in version of it does not know such messages");
    if (n >= 0 && chat->continues)
        take(chat->turns[n_turns].content, chat->turns[n_turns].content_n, user_data);
    free(text);
    messages_free(messages, n_turns);
    return n >= 0 ? BRIDGE_DONE : BRIDGE_REFUSED;
}

enum bridge_end bridge_template_render(const struct bridge_template *t, const struct llama_vocab *vocab, const struct bridge_chat *chat,
                                       const struct bridge_bounds *bounds, bridge_text_fn *take, void *user_data, struct engine_guide **guide,
                                       char *why, size_t why_cap)
{
    (void)vocab;
    (void)bounds;
    *guide = NULL;
    if (chat->tools_n > 0) {
        snprintf(why, why_cap, "this build of the engine module knows no tools; it needs llama.cpp's own source");
        return BRIDGE_TOOLS;
    }
    if (t != NULL)
        return apply(t, chat, take, user_data, why, why_cap);
    join(chat, take, user_data);
    return BRIDGE_DONE;
}

/* Nothing of an installed library asks our operator new. */
enum bridge_end bridge_tokenize(const struct llama_vocab *vocab, const char *text, int32_t text_n, int control,
                                const struct bridge_bounds *bounds, int32_t *out, int32_t cap, int32_t *out_n)
{
    (void)bounds;
    *out_n = llama_tokenize(vocab, text, text_n, out, cap, false, control != 0);
    return BRIDGE_DONE;
}

void starve_at(unsigned n)
{
    (void)n;
}

int bridge_memory_of(const struct llama_context *ctx, struct bridge_memory *out)
{
    (void)ctx;
    (void)out;
    return 0;
}
