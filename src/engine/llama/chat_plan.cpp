#include "engine/llama/chat_plan.h"

#include <exception>
#include <stdexcept>
#include <utility>

#include "base/request.h"
#include "engine/llama/schema.h"

#include "chat-peg-parser.h"
#include "json-schema-to-grammar.h"

namespace {

using json = common_json;

const char *const call_start = "<tool_call>";
const char *const call_end = "</tool_call>";

/* ---- parts of a request ---- */

std::string text_of(const char *p, std::size_t n)
{
    return n > 0 ? std::string(p, n) : std::string();
}

std::string string_in(const json &o, const char *name)
{
    return o.contains(name) && o.at(name).is_string() ? o.at(name).get<std::string>() : std::string();
}

common_chat_msg message_of(const bridge_turn &turn)
{
    common_chat_msg m;
    m.role = text_of(turn.role, turn.role_n);
    m.content = text_of(turn.content, turn.content_n);
    if (turn.extra_n == 0)
        return m;
    const json extra = json::parse(text_of(turn.extra, turn.extra_n));
    m.tool_call_id = string_in(extra, "tool_call_id");
    m.tool_name = string_in(extra, "name");
    m.reasoning_content = string_in(extra, "reasoning_content");
    if (extra.contains("tool_calls"))
        for (const auto &call : extra.at("tool_calls")) {
            const json &f = call.at("function");
            m.tool_calls.push_back({string_in(f, "name"), string_in(f, "arguments"), string_in(call, "id")});
        }
    return m;
}

std::vector<common_chat_msg> messages_of(const bridge_chat &chat)
{
    std::vector<common_chat_msg> all;
    for (std::size_t i = 0; i < chat.turns_n; i++)
        all.push_back(message_of(chat.turns[i]));
    return all;
}

/* Returns the tools, with schemas that common/ converts completely. */
json tools_of(const bridge_chat &chat)
{
    json all = json::parse(text_of(chat.tools, chat.tools_n));
    for (std::size_t i = 0; i < all.size(); i++) {
        json &f = all[i]["function"];
        const bool strict = f.contains("strict") && f.at("strict").is_boolean() && f.at("strict").get<bool>();
        try {
            if (f.contains("parameters"))
                f["parameters"] = arguments_schema(f.at("parameters"), strict);
        } catch (const std::exception &e) {
            throw bad_tools("'" + string_in(f, "name") + "' is strict, but its schema cannot be enforced: " + e.what());
        }
    }
    return all;
}

void take_arguments(common_chat_templates_inputs &in, const bridge_chat &chat)
{
    if (chat.template_args_n == 0)
        return;
    const json args = json::parse(text_of(chat.template_args, chat.template_args_n));
    for (const auto &[name, value] : args.items()) {
        in.chat_template_kwargs[name] = value.dump();
        if (name == "enable_thinking" && value.is_boolean())
            in.enable_thinking = value.get<bool>();
    }
}

common_chat_templates_inputs inputs_of(const bridge_chat &chat, std::vector<common_chat_msg> messages)
{
    common_chat_templates_inputs in;
    in.messages = std::move(messages);
    in.add_generation_prompt = chat.closed == 0;
    in.use_jinja = true;
    take_arguments(in, chat);
    return in;
}

/* ---- tools for templates without tools ---- */

std::string call_text(const common_chat_tool_call &call)
{
    return std::string(call_start) + "\n{\"name\": " + json(call.name).dump() + ", \"arguments\": " + (call.arguments.empty() ? "{}" : call.arguments) +
           "}\n" + call_end;
}

/* Rewrites calls in our syntax, and tool results as user messages; a result is merged with the user
 * message that follows it, because some templates require user and assistant to alternate. */
std::vector<common_chat_msg> without_tools(std::vector<common_chat_msg> messages)
{
    std::vector<common_chat_msg> out;
    bool results = false; /* the last message contains results */
    for (auto &m : messages) {
        for (const auto &call : m.tool_calls)
            m.content += (m.content.empty() ? "" : "\n") + call_text(call);
        m.tool_calls.clear();
        m.tool_call_id.clear();
        m.tool_name.clear();
        const bool result = m.role == "tool";
        if (result) {
            m.role = "user";
            m.content = "<tool_response>\n" + m.content + "\n</tool_response>";
        }
        if (results && m.role == "user") {
            out.back().content += "\n" + m.content;
            continue;
        }
        results = result;
        out.push_back(std::move(m));
    }
    return out;
}

std::string words_about(const json &tools, bool may_call)
{
    std::string s = "# Tools\n\nThese functions exist, each told of by a JSON object:\n<tools>\n";
    for (const auto &tool : tools)
        s += tool.at("function").dump() + "\n";
    s += "</tools>\n\n";
    if (!may_call)
        return s + "Answer without calling any of them.";
    return s + "To call a function, write its name and its arguments as a JSON object between " + call_start + " and " + call_end + ":\n" + call_start +
           "\n{\"name\": \"NAME\", \"arguments\": {\"ARGUMENT\": \"VALUE\"}}\n" + call_end;
}

void tell_of_tools(std::vector<common_chat_msg> &messages, const json &tools, bool may_call)
{
    const std::string words = words_about(tools, may_call);
    if (!messages.empty() && messages.front().role == "system") {
        messages.front().content += (messages.front().content.empty() ? "" : "\n\n") + words;
        return;
    }
    common_chat_msg system;
    system.role = "system";
    system.content = words;
    messages.insert(messages.begin(), system);
}

/* ---- rendering ---- */

/* A base model has no roles: it continues the text. */
std::string joined(const std::vector<common_chat_msg> &messages)
{
    std::string s;
    for (std::size_t i = 0; i < messages.size(); i++)
        s += (i > 0 ? "\n" : "") + messages[i].content;
    return s;
}

/* Renders a chat whose answer is not parsed: common/ need not derive a parser, for which it would
 * render the template dozens of times. */
std::string rendered_plainly(const common_chat_templates *templates, const bridge_chat &chat, std::vector<common_chat_msg> messages)
{
    std::string begun;
    if (templates == nullptr)
        return joined(messages);
    if (chat.continues != 0) {
        begun = messages.back().content;
        messages.pop_back();
    }
    auto in = inputs_of(chat, std::move(messages));
    in.force_pure_content = true;
    return common_chat_templates_apply(templates, in).prompt + begun;
}

common_chat_parser_params reading_of(const common_chat_params &how, const std::string &parser, bool continues)
{
    common_chat_parser_params reading(how);
    reading.is_continuation = continues;
    reading.parser.load(parser);
    return reading;
}

/* ---- grammars ---- */

/* Returns the position of a rule in a grammar: its line begins with the name. */
std::size_t line_of(const std::string &grammar, const std::string &name)
{
    const std::string head = name + " ::= ";
    if (grammar.compare(0, head.size(), head) == 0)
        return 0;
    const std::size_t at = grammar.find("\n" + head);
    return at == std::string::npos ? at : at + 1;
}

/* common/'s grammar for an answer that must call allows text before the call, and a small model may
 * write text to the end. Makes the grammar begin with a call. */
bool begin_with_call(std::string &grammar, bool blank)
{
    const std::size_t root = line_of(grammar, "root");
    const char *const name = line_of(grammar, "tool-calls") != std::string::npos ? "tool-calls" : "tool-call";
    if (root == std::string::npos || line_of(grammar, name) == std::string::npos)
        return false;
    const std::size_t end = grammar.find('\n', root);
    const std::string rule = std::string("root ::= ") + (blank ? "[ \\t\\n]{0,4} " : "") + name;
    grammar.replace(root, end == std::string::npos ? end : end - root, rule);
    return true;
}

/* Returns whether the prompt ends within reasoning. */
bool is_thinking(const common_chat_params &how)
{
    const std::size_t start = how.thinking_start_tag.empty() ? std::string::npos : how.generation_prompt.rfind(how.thinking_start_tag);
    if (start == std::string::npos)
        return false;
    for (const auto &tag : how.thinking_end_tags)
        if (how.generation_prompt.find(tag, start + how.thinking_start_tag.size()) != std::string::npos)
            return false;
    return true;
}

/* ---- native and generic syntax ---- */

bool wants_several(const bridge_chat &chat, const chat_family &family)
{
    return chat.tool_calls == TOOL_CALLS_MANY || (chat.tool_calls == TOOL_CALLS_OWN && family.several);
}

/* A form constrains an answer that need not call tools. */
void take_form(chat_plan &plan, const bridge_chat &chat)
{
    plan.forced = chat.tools_n > 0 && chat.tool_choice == TOOLS_REQUIRED;
    plan.form = plan.forced ? unsigned(FORM_FREE) : chat.form;
    plan.form_text = text_of(chat.form_text, chat.form_text_n);
    plan.held = plan.forced || plan.form != FORM_FREE;
}

/* Uses the family's own syntax. */
chat_plan make_native(const common_chat_templates *templates, const chat_family &family, const bridge_chat &chat, std::vector<common_chat_msg> messages)
{
    chat_plan plan;
    auto in = inputs_of(chat, std::move(messages));
    const bool tools = chat.tools_n > 0;
    take_form(plan, chat);
    if (tools)
        in.tools = common_chat_tools_parse_oaicompat(tools_of(chat));
    in.tool_choice = chat.tool_choice == TOOLS_NONE ? COMMON_CHAT_TOOL_CHOICE_NONE
                     : plan.forced            ? COMMON_CHAT_TOOL_CHOICE_REQUIRED
                                              : COMMON_CHAT_TOOL_CHOICE_AUTO;
    in.parallel_tool_calls = wants_several(chat, family);
    plan.single = !in.parallel_tool_calls; /* most of common/'s grammars allow several calls anyway */
    in.reasoning_format = chat.split_reasoning != 0 ? COMMON_REASONING_FORMAT_AUTO : COMMON_REASONING_FORMAT_NONE;
    if (chat.continues != 0) {
        in.continue_final_message = COMMON_CHAT_CONTINUATION_AUTO;
        in.add_generation_prompt = false;
    }
    plan.how = common_chat_templates_apply(templates, in);
    plan.prompt = plan.how.prompt;
    plan.cuts = true;
    plan.reading = reading_of(plan.how, plan.how.parser, chat.continues != 0);
    plan.thinking = is_thinking(plan.how);
    if (in.tool_choice == COMMON_CHAT_TOOL_CHOICE_AUTO && tools && plan.held) { /* with a form, a call is one of two possible answers */
        in.tool_choice = COMMON_CHAT_TOOL_CHOICE_REQUIRED;
        plan.how.grammar = common_chat_templates_apply(templates, in).grammar;
    }
    if (tools && plan.held && begin_with_call(plan.how.grammar, plan.thinking))
        plan.prefilled = false;
    return plan;
}

/* Uses our generic syntax. */
chat_plan make_own(const common_chat_templates *templates, const bridge_chat &chat, std::vector<common_chat_msg> messages)
{
    chat_plan plan;
    const json tools = tools_of(chat);
    const bool may = chat.tool_choice != TOOLS_NONE;
    tell_of_tools(messages, tools, may);
    plan.prompt = rendered_plainly(templates, chat, std::move(messages));
    plan.cuts = may;
    take_form(plan, chat);
    plan.single = chat.tool_calls != TOOL_CALLS_MANY;
    if (!may)
        return plan;
    const auto parser = build_chat_peg_parser([&](common_chat_peg_builder &p) {
        auto call = p.standard_json_tools(call_start, call_end, tools, false, true, "name", "arguments");
        auto calls = p.trigger_rule("tool-calls", chat.tool_calls == TOOL_CALLS_MANY ? p.one_or_more(call + p.space()) : call + p.space());
        return p.optional(p.content(p.until(call_start))) + (plan.forced ? calls : p.optional(calls)) + p.end();
    });
    plan.how.format = COMMON_CHAT_FORMAT_PEG_NATIVE;
    plan.how.grammar = build_grammar([&](const common_grammar_builder &builder) { parser.build_grammar(builder, true); });
    plan.how.grammar_triggers = {{COMMON_GRAMMAR_TRIGGER_TYPE_WORD, call_start}};
    plan.prefilled = false;
    plan.reading = reading_of(plan.how, parser.save(), false);
    return plan;
}

} // namespace

chat_family chat_family_of(const common_chat_templates *templates)
{
    auto caps = common_chat_templates_get_caps(templates);
    chat_family family;
    common_chat_templates_inputs in;
    common_chat_msg m;
    m.role = "user";
    m.content = "hello";
    in.messages.push_back(m);
    in.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    family.thinks = common_chat_templates_apply(templates, in).supports_thinking;
    family.calls = caps["supports_tools"] && caps["supports_tool_calls"];
    family.several = family.calls && caps["supports_parallel_tool_calls"];
    return family;
}

chat_plan chat_make(const common_chat_templates *templates, const chat_family &family, const bridge_chat &chat)
{
    auto messages = messages_of(chat);
    if (!family.calls)
        messages = without_tools(std::move(messages));
    if (chat.tools_n > 0 && !family.calls)
        return make_own(templates, chat, std::move(messages));
    if (chat.tools_n > 0 || (family.thinks && (chat.split_reasoning != 0 || chat.continues != 0)))
        return make_native(templates, family, chat, std::move(messages));
    chat_plan plan;
    plan.prompt = rendered_plainly(templates, chat, std::move(messages));
    return plan;
}
