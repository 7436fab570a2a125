/* Convert C arguments to common/'s types, and its exceptions to messages. */
#include "engine/llama/bridge.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>

#include "engine/llama/budget.h"
#include "engine/llama/chat_plan.h"
#include "engine/llama/guide.h"
#include "engine/llama/guide_of.h"

#include "jinja/runtime.h"
#include "jinja/value.h"
#include "log.h"
#include "../src/llama-ext.h"

struct bridge_template {
    common_chat_templates_ptr templates;
    chat_family family;
};

/* Extracts the sentence from a template's error. The interpreter writes the location over several
 * lines, and the reason last: "
 * ------------
 * While executing CallExpression at line 1 … in source:
 * …
 * Error: Jinja Exception: two turns at most". */
static std::string complaint(const std::string &what)
{
    static const char *const before[] = {"\nError: ", "Jinja Exception: "};
    std::size_t at = 0;
    for (const char *mark : before) {
        const std::size_t found = what.find(mark, at);
        if (found != std::string::npos)
            at = found + std::strlen(mark);
    }
    return what.substr(at);
}

/* For a template with a syntax error the message comes first, then an excerpt with a marker below
 * it: "parser: … (Got }})
 * ...{{ (1 }}". */
static std::string first_line(const std::string &what)
{
    static const char *const before[] = {"lexer: ", "parser: ", "Parser Error: "};
    std::string words = what.substr(0, what.find('\n', 1));
    for (const char *mark : before)
        if (words.compare(0, std::strlen(mark), mark) == 0)
            words.erase(0, std::strlen(mark));
    return words;
}

static void say(char *why, size_t cap, const std::string &what)
{
    snprintf(why, cap, "%s", complaint(what).c_str());
}

static void say_over(char *why, size_t cap, const over_budget &over)
{
    snprintf(why, cap, "%s", over.why == BRIDGE_MEMORY ? "it takes more memory than a template may"
                             : over.why == BRIDGE_DEPTH ? "its recursion does not end"
                                                        : "it computes for longer than a template may");
}

/* common_chat_templates_init() throws a sliced copy of the exception, without its message. */
static std::string why_not(const llama_model *model, const char *given, const char *what)
{
    const char *source = given[0] != '\0' ? given : llama_model_chat_template(model, nullptr);
    try {
        common_chat_template again(source != nullptr ? source : "", "", "");
    } catch (const std::exception &e) {
        return e.what();
    }
    return what;
}

/* Makes the test `divisibleby` safe. It is the only operation of templates that divides integers,
 * and it does not check the divisor: 0 would crash the process, as would -1 for the least integer.
 * `select` and `reject` look it up in the same table. */
static void mend_division()
{
    auto &known = const_cast<jinja::func_builtins &>(jinja::global_builtins());
    const auto found = known.find("test_is_divisibleby");
    if (found == known.end())
        return;
    const jinja::func_handler divide = found->second;
    found->second = [divide](const jinja::func_args &args) -> jinja::value {
        const bool whole = args.count() > 1 && jinja::is_val<jinja::value_int>(args.get_pos(1));
        const std::int64_t by = whole ? args.get_pos(1)->as_int() : 1;
        if (by == 0)
            throw jinja::raised_exception("nothing is divisible by 0");
        return by == -1 ? jinja::value(jinja::mk_val<jinja::value_bool>(true)) : divide(args);
    };
}

/* A template whose tool syntax cannot be determined counts as one without tools. */
static void find_family(bridge_template *t, const bridge_bounds *bounds)
{
    try {
        if (t != nullptr)
            t->family = bounded(bounds, [&] { return chat_family_of(t->templates.get()); });
    } catch (...) {
        t->family = chat_family();
    }
}

bridge_template *bridge_template_new(const llama_model *model, const char *source, const bridge_bounds *bounds, char *why, size_t why_cap)
{
    /* common/ logs through a thread of its own; messages below this level do not wake it */
    common_log_set_verbosity_thold(-1);
    static std::once_flag mended;
    std::call_once(mended, mend_division);
    try {
        bridge_template *t = bounded(bounds, [&]() -> bridge_template * {
            try {
                return new bridge_template{common_chat_templates_init(model, source), {}};
            } catch (const std::exception &e) {
                say(why, why_cap, first_line(why_not(model, source, e.what())));
                return nullptr;
            }
        });
        find_family(t, bounds);
        return t;
    } catch (const over_budget &over) {
        say_over(why, why_cap, over);
    } catch (...) {
        say(why, why_cap, "not a chat template");
    }
    return nullptr;
}

void bridge_template_free(bridge_template *t)
{
    delete t;
}

bridge_end bridge_template_render(const bridge_template *t, const llama_vocab *vocab, const bridge_chat *chat, const bridge_bounds *bounds,
                                  bridge_text_fn *take, void *user_data, engine_guide **guide, char *why, size_t why_cap)
{
    *guide = nullptr;
    try {
        if (budget::lost_too_much())
            throw over_budget{BRIDGE_TIME};
        const chat_plan plan = bounded(
            bounds, [&] { return t != nullptr ? chat_make(t->templates.get(), t->family, *chat) : chat_make(nullptr, chat_family(), *chat); });
        if (plan.cuts) {
            const bridge_end end = guide_of(vocab, plan, bounds, guide, why, why_cap);
            if (end != BRIDGE_DONE)
                return end;
        }
        take(plan.prompt.data(), plan.prompt.size(), user_data);
        return BRIDGE_DONE;
    } catch (const over_budget &over) {
        say_over(why, why_cap, over);
        return over.why;
    } catch (const bad_tools &e) {
        say(why, why_cap, e.what());
        return BRIDGE_TOOLS;
    } catch (const std::exception &e) {
        say(why, why_cap, e.what());
    } catch (...) {
        say(why, why_cap, "unknown error");
    }
    return BRIDGE_REFUSED;
}

bridge_end bridge_tokenize(const llama_vocab *vocab, const char *text, int32_t text_n, int control, const bridge_bounds *bounds,
                           int32_t *out, int32_t cap, int32_t *out_n)
{
    try {
        *out_n = bounded(bounds, [&] { return llama_tokenize(vocab, text, text_n, out, cap, false, control != 0); });
        return BRIDGE_DONE;
    } catch (const over_budget &over) {
        return over.why;
    } catch (const std::bad_alloc &) {
        return BRIDGE_MEMORY;
    } catch (const std::out_of_range &) { /* a vocabulary without a token for some byte */
        return BRIDGE_REFUSED;
    } catch (...) { /* a regular expression that gave up */
        return BRIDGE_DEPTH;
    }
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
