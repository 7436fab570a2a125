#include "engine/llama/guide.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/request.h"
#include "engine/llama/budget.h"
#include "engine/llama/schema.h"
#include "engine/llama/words.h"

/* their headers, their warnings */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "../src/llama-grammar.h"
#pragma GCC diagnostic pop

struct grammar_free {
    void operator()(llama_grammar *g) const { llama_grammar_free_impl(g); }
};

struct engine_guide {
    const llama_vocab *vocab;
    std::unique_ptr<llama_grammar, grammar_free> grammar;
};

namespace {

const bridge_bounds step_bounds = {GUIDE_STEP_MEMORY_BYTES, GUIDE_STEP_CPU_MS * 1000u, nullptr, nullptr};

/* llama.cpp's parser writes all that is left of the text behind "at": a line of it tells where. */
std::string one_line(const std::string &what)
{
    const std::size_t at = what.find(" at ");
    const std::string words = at != std::string::npos ? what.substr(0, at) : what;
    if (at == std::string::npos || at + 4 == what.size())
        return words + (at != std::string::npos ? " at the end" : "");
    std::string place = what.substr(at + 4, what.find('\n', at + 4) - at - 4);
    return words + " at '" + place.substr(0, 60) + (place.size() > 60 ? "…" : "") + "'";
}

const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n' || *at == '#')
        if (*at++ == '#')
            at += std::strcspn(at, "\n");
    return at;
}

/* As llama_grammar_parser::parse(), which prints what is wrong where nobody reads it. */
void check(const llama_vocab *vocab, const char *text)
{
    llama_grammar_parser parser(vocab);
    for (const char *at = skip_blanks(text); *at != '\0';) {
        at = parser.parse_rule(at);
        if (parser.rules.size() > GUIDE_RULES_MAX)
            throw std::runtime_error("it has too many rules, more than " + std::to_string(int(GUIDE_RULES_MAX)));
    }
    for (const auto &[name, id] : parser.symbol_ids)
        if (id >= parser.rules.size() || parser.rules[id].empty())
            throw std::runtime_error("the rule '" + name + "' is used and not there");
    if (parser.symbol_ids.find("root") == parser.symbol_ids.end())
        throw std::runtime_error("it has no rule 'root'");
}

std::unique_ptr<llama_grammar, grammar_free> parse(const llama_vocab *vocab, const std::string &text)
{
    check(vocab, text.c_str());
    std::unique_ptr<llama_grammar, grammar_free> g(
        llama_grammar_init_impl(vocab, text.c_str(), "root", false, nullptr, 0, nullptr, 0));
    if (g == nullptr)
        throw std::runtime_error("a rule begins with itself (left recursion)");
    if (g->stacks.empty())
        throw std::runtime_error("no text fits it");
    return g;
}

std::string grammar_of(unsigned form, const std::string &text)
{
    switch (form) {
    case FORM_JSON: return schema_to_grammar("{\"type\":\"object\"}");
    case FORM_SCHEMA: return schema_to_grammar(text);
    case FORM_REGEX: return regex_to_grammar(text);
    default: return text;
    }
}

void say(char *why, std::size_t cap, const std::string &what)
{
    snprintf(why, cap, "%s", words_or(one_line(what).c_str(), "llama.cpp cannot make a grammar of it"));
}

const char *over_words(bridge_end end)
{
    return end == BRIDGE_DEPTH    ? "it is nested too deeply"
           : end == BRIDGE_MEMORY ? "it takes more memory than a grammar may"
                                  : "it takes longer than a grammar may";
}

bridge_bounds less(const bridge_bounds *bounds)
{
    bridge_bounds b = bounds != nullptr ? *bounds : bridge_bounds{};
    if (b.memory_bytes == 0 || b.memory_bytes > GUIDE_MEMORY_BYTES)
        b.memory_bytes = GUIDE_MEMORY_BYTES;
    return b;
}

} // namespace

bridge_end guide_new(const llama_vocab *vocab, unsigned form, const char *text, size_t text_n, const bridge_bounds *bounds, engine_guide **out,
                     char *why, size_t why_cap)
{
    const bridge_bounds b = less(bounds);
    try {
        *out = bounded(&b, [&] {
            auto g = std::make_unique<engine_guide>();
            g->vocab = vocab;
            g->grammar = parse(vocab, grammar_of(form, std::string(text, text_n)));
            return g.release();
        });
        return BRIDGE_DONE;
    } catch (const std::bad_alloc &) {
        say(why, why_cap, over_words(BRIDGE_MEMORY));
        return BRIDGE_MEMORY;
    } catch (const std::exception &e) {
        say(why, why_cap, e.what());
    } catch (const over_budget &over) {
        say(why, why_cap, over_words(over.why));
        return over.why;
    } catch (...) {
        say(why, why_cap, "");
    }
    return BRIDGE_REFUSED;
}

void guide_free(engine_guide *g)
{
    delete g;
}

/* A control token has a text for llama.cpp and none in an answer: a grammar must not count it as that text. */
static bool has_text(const llama_vocab *vocab, llama_token token)
{
    return llama_vocab_is_eog(vocab, token) || !llama_vocab_is_control(vocab, token);
}

bridge_end guide_allow(const engine_guide *g, const int32_t *tokens, int32_t n, uint8_t *ok)
{
    try {
        const budget within(&step_bounds);
        std::vector<llama_token_data> data;
        data.reserve(static_cast<std::size_t>(n));
        for (int32_t i = 0; i < n; i++)
            data.push_back({tokens[i], 0, 0});
        llama_token_data_array all = {data.data(), data.size(), -1, false};
        llama_grammar_apply_impl(*g->grammar, &all);
        for (std::size_t i = 0; i < data.size(); i++)
            ok[i] = data[i].logit == 0 && has_text(g->vocab, data[i].id);
        return BRIDGE_DONE;
    } catch (const over_budget &over) {
        return over.why;
    } catch (...) {
        return BRIDGE_MEMORY;
    }
}

bridge_end guide_accept(engine_guide *g, int32_t token)
{
    try {
        const budget within(&step_bounds);
        if (!llama_vocab_is_eog(g->vocab, token)) /* of which llama.cpp would make an end of the process, where it may not come */
            llama_grammar_accept_impl(*g->grammar, token);
        return BRIDGE_DONE;
    } catch (const over_budget &over) {
        return over.why;
    } catch (const std::bad_alloc &) {
        return BRIDGE_MEMORY;
    } catch (...) {
        return BRIDGE_REFUSED;
    }
}
