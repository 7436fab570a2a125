/* The one C++ file: it turns C arguments into common/'s types and its exceptions into words. */
#include "engine/llama/bridge.h"

#include <cstdio>
#include <cstring>
#include <exception>

/* their headers, their warnings */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "chat.h"
#include "log.h"
#include "../src/llama-ext.h"
#pragma GCC diagnostic pop

struct bridge_template {
    common_chat_templates_ptr templates;
};

static void say(char *why, size_t cap, const char *text)
{
    snprintf(why, cap, "%s", text);
}

bridge_template *bridge_template_new(const llama_model *model, char *why, size_t why_cap)
{
    /* common/ logs through a thread of its own; nothing below output level may wake it */
    common_log_set_verbosity_thold(-1);
    try {
        return new bridge_template{common_chat_templates_init(model, "")};
    } catch (const std::exception &e) {
        say(why, why_cap, e.what());
    } catch (...) {
        say(why, why_cap, "not a chat template");
    }
    return nullptr;
}

void bridge_template_free(bridge_template *t)
{
    delete t;
}

int bridge_template_render(bridge_template *t, const bridge_turn *turns, size_t turns_n, bridge_text_fn *take,
                           void *user_data, char *why, size_t why_cap)
{
    try {
        common_chat_templates_inputs in;
        for (size_t i = 0; i < turns_n; i++) {
            common_chat_msg message;
            message.role.assign(turns[i].role, turns[i].role_n);
            message.content.assign(turns[i].content, turns[i].content_n);
            in.messages.push_back(std::move(message));
        }
        in.add_generation_prompt = true;
        in.use_jinja = true;
        /* without this, common/ works out how to parse tool calls by rendering the template dozens of times */
        in.force_pure_content = true;
        const std::string prompt = common_chat_templates_apply(t->templates.get(), in).prompt;
        take(prompt.data(), prompt.size(), user_data);
        return 1;
    } catch (const std::exception &e) {
        say(why, why_cap, e.what());
    } catch (...) {
        say(why, why_cap, "unknown complaint");
    }
    return 0;
}

int bridge_memory_of(const llama_context *ctx, bridge_memory *out)
{
    try {
        *out = bridge_memory{};
        for (const auto &[type, bytes] : llama_get_memory_breakdown(ctx)) {
            const bool mapped = std::strstr(ggml_backend_buft_name(type), "Mapped") != nullptr;
            (mapped ? out->mapped : out->copied) += bytes.model;
            out->context += bytes.context;
            out->compute += bytes.compute;
        }
        return 1;
    } catch (...) {
        return 0;
    }
}
