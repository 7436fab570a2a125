#include "engine/llama/guide.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/request.h"
#include "engine/llama/await.h"
#include "engine/llama/budget.h"
#include "engine/llama/cut.h"
#include "engine/llama/guide_of.h"
#include "engine/llama/schema.h"
#include "engine/llama/llama_log.h"

#include "../src/llama-grammar.h"
#include "common.h"

struct grammar_free {
    void operator()(llama_grammar *g) const { llama_grammar_free_impl(g); }
};

struct engine_guide {
    const llama_vocab *vocab;
    std::vector<std::unique_ptr<llama_grammar, grammar_free>> grammars; /* the answer fits one of them; none: any token is allowed */
    std::unique_ptr<await> waits;   /* the grammars have not begun; NULL: they have */
    std::unique_ptr<cutter> cuts;   /* NULL: the answer is not cut */
    std::vector<llama_token> words; /* control tokens that the parser knows */
};

namespace {

const bridge_bounds step_bounds = {GUIDE_STEP_MEMORY_BYTES, GUIDE_STEP_CPU_MS * 1000u, nullptr, nullptr};

/* llama.cpp's parser appends all of the remaining text after "at": keeps one line of it. */
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

/* As llama_grammar_parser::parse(), which would print errors to standard error. */
void check(const llama_vocab *vocab, const char *text)
{
    llama_grammar_parser parser(vocab);
    for (const char *at = skip_blanks(text); *at != '\0';) {
        at = parser.parse_rule(at);
        if (parser.rules.size() > GUIDE_RULES_MAX)
            throw std::runtime_error("it has more rules than " + std::to_string(int(GUIDE_RULES_MAX)));
    }
    for (const auto &[name, id] : parser.symbol_ids)
        if (id >= parser.rules.size() || parser.rules[id].empty())
            throw std::runtime_error("the rule '" + name + "' is used but not defined");
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
    snprintf(why, cap, "%s", llama_log_or(one_line(what).c_str(), "llama.cpp cannot make a grammar of it"));
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

/* An error in the form of a chat's answer, not in its tools. */
struct bad_form : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* Stores the result of `make`, or the error message. */
template <typename Make> static bridge_end made(Make make, engine_guide **out, char *why, std::size_t why_cap)
{
    try {
        *out = make();
        return BRIDGE_DONE;
    } catch (const std::bad_alloc &) {
        say(why, why_cap, over_words(BRIDGE_MEMORY));
        return BRIDGE_MEMORY;
    } catch (const bad_form &) {
        throw;
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

bridge_end guide_new(const llama_vocab *vocab, unsigned form, const char *text, size_t text_n, const bridge_bounds *bounds, engine_guide **out,
                     char *why, size_t why_cap)
{
    const bridge_bounds b = less(bounds);
    const auto make = [&] {
        auto g = std::make_unique<engine_guide>();
        g->vocab = vocab;
        g->grammars.push_back(parse(vocab, grammar_of(form, std::string(text, text_n))));
        return g.release();
    };
    return made([&] { return bounded(&b, make); }, out, why, why_cap);
}

/* ---- chats ---- */

static std::vector<llama_token> words_of(const llama_vocab *vocab, const std::vector<std::string> &texts)
{
    std::vector<llama_token> words;
    for (const auto &text : texts) {
        const auto tokens = common_tokenize(vocab, text, false, true);
        if (tokens.size() == 1 && llama_vocab_is_control(vocab, tokens[0]) && !llama_vocab_is_eog(vocab, tokens[0]))
            words.push_back(tokens[0]);
    }
    return words;
}

/* A grammar that is not lazy also covers the text at the end of the prompt. */
static void prefill(llama_grammar &grammar, const std::string &text)
{
    for (const llama_token token : common_tokenize(grammar.vocab, text, false, true))
        llama_grammar_accept_impl(grammar, token);
}

/* Returns the texts that a part may begin or end with: text that may be their beginning cannot be
 * reported yet. */
static std::vector<std::string> marks_of(const common_chat_params &how)
{
    std::vector<std::string> marks = how.preserved_tokens;
    marks.push_back(how.thinking_start_tag);
    marks.insert(marks.end(), how.thinking_end_tags.begin(), how.thinking_end_tags.end());
    for (const auto &t : how.grammar_triggers)
        marks.push_back(t.value);
    return marks;
}

static void add_form(engine_guide &g, const chat_plan &plan)
{
    try {
        g.grammars.push_back(parse(g.vocab, grammar_of(plan.form, plan.form_text)));
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &e) {
        throw bad_form(e.what());
    }
}

static engine_guide *make(const llama_vocab *vocab, const chat_plan &plan)
{
    auto g = std::make_unique<engine_guide>();
    g->vocab = vocab;
    g->cuts = std::make_unique<cutter>(plan.reading, marks_of(plan.how), plan.single);
    g->words = words_of(vocab, plan.how.preserved_tokens);
    if (!plan.how.grammar.empty())
        g->grammars.push_back(parse(vocab, plan.how.grammar));
    if (!plan.how.grammar.empty() && plan.held && plan.prefilled)
        prefill(*g->grammars[0], plan.how.generation_prompt);
    if (plan.form != FORM_FREE)
        add_form(*g, plan);
    if (!g->grammars.empty() && (!plan.held || plan.thinking))
        g->waits = std::make_unique<await>(plan);
    return g.release();
}

bridge_end guide_of(const llama_vocab *vocab, const chat_plan &plan, const bridge_bounds *bounds, engine_guide **out, char *why, std::size_t why_cap)
{
    const bridge_bounds b = less(bounds);
    try {
        const bridge_end end = made([&] { return bounded(&b, [&] { return make(vocab, plan); }); }, out, why, why_cap);
        return end == BRIDGE_DONE || end == BRIDGE_STOPPED ? end : BRIDGE_TOOLS;
    } catch (const bad_form &e) {
        say(why, why_cap, e.what());
        return BRIDGE_FORM;
    }
}

void guide_free(engine_guide *g)
{
    delete g;
}

int guide_rests(const engine_guide *g)
{
    return g->grammars.empty() || g->waits != nullptr;
}

static bool is_word(const engine_guide *g, llama_token token)
{
    return std::find(g->words.begin(), g->words.end(), token) != g->words.end();
}

/* llama.cpp gives a control token a text, but an answer shows none, unless its parser knows the
 * token: a grammar must not match that text. */
static bool has_text(const engine_guide *g, llama_token token)
{
    return llama_vocab_is_eog(g->vocab, token) || !llama_vocab_is_control(g->vocab, token) || is_word(g, token);
}

/* Adds the tokens that this grammar allows to those already allowed. */
static void allow(const engine_guide *g, const llama_grammar &grammar, const int32_t *tokens, int32_t n, uint8_t *ok)
{
    std::vector<llama_token_data> data;
    data.reserve(static_cast<std::size_t>(n));
    for (int32_t i = 0; i < n; i++)
        data.push_back({tokens[i], 0, 0});
    llama_token_data_array all = {data.data(), data.size(), -1, false};
    llama_grammar_apply_impl(grammar, &all);
    for (std::size_t i = 0; i < data.size(); i++)
        ok[i] = ok[i] != 0 || (data[i].logit == 0 && has_text(g, data[i].id));
}

bridge_end guide_allow(const engine_guide *g, const int32_t *tokens, int32_t n, uint8_t *ok)
{
    try {
        const budget within(&step_bounds);
        std::memset(ok, 0, static_cast<std::size_t>(n));
        for (const auto &grammar : g->grammars)
            allow(g, *grammar, tokens, n, ok);
        return BRIDGE_DONE;
    } catch (const over_budget &over) {
        return over.why;
    } catch (...) {
        return BRIDGE_MEMORY;
    }
}

/* Drops the grammars that no longer match; if the last one fails, passes on its exception. */
template <typename Step> static void go_on(engine_guide *g, Step step)
{
    for (std::size_t i = g->grammars.size(); i > 0; i--) {
        try {
            step(*g->grammars[i - 1]);
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception &) {
            if (g->grammars.size() == 1)
                throw;
            g->grammars.erase(g->grammars.begin() + static_cast<std::ptrdiff_t>(i - 1));
        }
    }
}

/* Starts the grammars, with the tokens that contained the trigger. */
static void begin(engine_guide *g)
{
    for (const auto &heard : g->waits->tokens())
        go_on(g, [&](llama_grammar &grammar) { llama_grammar_accept_token(grammar, heard.first, heard.second); });
    g->waits.reset();
}

static void follow(engine_guide *g, llama_token token)
{
    if (g->grammars.empty() || llama_vocab_is_eog(g->vocab, token)) /* llama.cpp would abort on an end token that is not allowed */
        return;
    if (g->waits == nullptr)
        go_on(g, [&](llama_grammar &grammar) { llama_grammar_accept_impl(grammar, token); });
    else if (g->waits->add(token, common_token_to_piece(g->vocab, token, is_word(g, token))))
        begin(g);
}

bridge_end guide_accept(engine_guide *g, int32_t token)
{
    try {
        const budget within(&step_bounds);
        follow(g, token);
        return BRIDGE_DONE;
    } catch (const over_budget &over) {
        return over.why;
    } catch (const std::bad_alloc &) {
        return BRIDGE_MEMORY;
    } catch (...) {
        return BRIDGE_REFUSED;
    }
}

/* ---- parts ---- */

int guide_is_cutter(const engine_guide *g)
{
    return g->cuts != nullptr;
}

bridge_end guide_cut(engine_guide *g, const char *text, size_t text_n, int ended, guide_parts *out)
{
    try {
        const budget within(&step_bounds);
        g->cuts->add(std::string(text, text_n), ended != 0);
        *out = {g->cuts->text().data(), g->cuts->text().size(), g->cuts->parts().data(), g->cuts->parts().size(), g->cuts->calls(), g->cuts->over()};
        return BRIDGE_DONE;
    } catch (const over_budget &over) {
        return over.why;
    } catch (const two_ways &) {
        return BRIDGE_REFUSED;
    } catch (...) {
        return BRIDGE_MEMORY;
    }
}

int32_t guide_piece(const engine_guide *g, int32_t token, char *out, int32_t cap)
{
    if (!is_word(g, token))
        return 0;
    const int32_t n = llama_token_to_piece(g->vocab, token, out, cap, 0, true);
    return n > 0 ? n : 0;
}
