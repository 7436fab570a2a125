#include "engine/llama/cut.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

enum {
    READ_PART = 128,
    READ_BYTES = 4096, /* limit per reading, so that it brings few parts: a call takes about 50 bytes */
};

/* ---- compact JSON ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void compact::add(const std::string &json, std::string &to)
{
    for (const char c : json) {
        if (!in_string && is_blank(c))
            continue;
        to += c;
        begun = true;
        if (in_string) {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
}

/* ---- text that needs no reading ---- */

static bool starts_with(const std::string &s, const std::string &with)
{
    return s.compare(0, with.size(), with) == 0;
}

static bool ends_with(const std::string &s, const std::string &with)
{
    return s.size() >= with.size() && s.compare(s.size() - with.size(), with.size(), with) == 0;
}

cutter::cutter(common_chat_parser_params params, const std::vector<std::string> &marks, bool one) : how(std::move(params)), single(one)
{
    static const char structure[] = "<>[]{}|`\"\\\t\n\r";
    for (const char *c = structure; *c != '\0'; c++)
        special[static_cast<std::uint8_t>(*c)] = true;
    for (const auto &mark : marks)
        if (!mark.empty())
            special[static_cast<std::uint8_t>(mark[0])] = true;
    if (!how.is_continuation)
        return;
    look(false); /* the beginning of a continued answer came from the client: not reported */
    out.clear();
    list.clear();
    at_end = false;
}

/* In every family's syntax these characters only extend a string in arguments; a ':' may end a
 * key. */
static bool is_word(char c)
{
    const auto u = static_cast<std::uint8_t>(c);
    return u >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' || c == '.' || c == '_' || c == '-';
}

bool cutter::only_longer(const std::string &text) const
{
    const bool arguments = last == PART_TOOL_ARGUMENTS;
    if (!at_end || text.empty() || (arguments && !called.back().form.in_text()))
        return false;
    for (const char c : text)
        if (special[static_cast<std::uint8_t>(c)] || (arguments && !is_word(c)))
            return false;
    return true;
}

void cutter::longer(const std::string &text)
{
    (last == PART_TEXT ? content : last == PART_REASONING ? reasoning : called.back().arguments) += text;
    if (last == PART_TOOL_ARGUMENTS) {
        std::string form;
        called.back().form.add(text, form);
        put(last, form);
    } else {
        put(last, text);
    }
    read = raw.size();
}

/* ---- reporting ---- */

void cutter::put(part_kind kind, const std::string &text)
{
    const std::uint32_t number = kind == PART_TOOL_NAME || kind == PART_TOOL_ARGUMENTS ? static_cast<std::uint32_t>(called.size() - 1) : 0;
    last = kind;
    if (text.empty())
        return;
    out += text;
    if (kind != PART_TOOL_NAME && !list.empty() && list.back().kind == kind && list.back().call == number)
        list.back().bytes += static_cast<std::uint32_t>(text.size());
    else if (list.size() == PARTS_MAX)
        throw two_ways();
    else
        list.push_back({static_cast<std::uint8_t>(kind), number, static_cast<std::uint32_t>(text.size())});
}

/* Reports the new text of a part. A parser may later assign less text to it; reported text is not taken
 * back. */
std::string cutter::tell(part_kind kind, std::string &said, const std::string &now)
{
    if (now.size() <= said.size() || !starts_with(now, said))
        return "";
    const std::string more = now.substr(said.size());
    said = now;
    put(kind, more);
    return more;
}

std::string cutter::tell_call(std::size_t i, const common_chat_tool_call &now, bool ended)
{
    if (i + 1 < called.size() || now.name.empty() || (single && i > 0))
        return ""; /* another call has begun since */
    if (i == called.size()) {
        called.emplace_back();
        put(PART_TOOL_NAME, now.name);
    }
    call &c = called.back();
    if (ended && !starts_with(now.arguments, c.arguments)) /* better no end than a wrong one that looks right */
        throw two_ways();
    if (now.arguments.size() <= c.arguments.size() || !starts_with(now.arguments, c.arguments))
        return "";
    const std::string more = now.arguments.substr(c.arguments.size());
    std::string form;
    c.arguments = now.arguments;
    c.form.add(more, form);
    put(PART_TOOL_ARGUMENTS, form);
    return more;
}

/* The parser failed on the answer: reports the rest as text. */
void cutter::rest_is_text()
{
    const std::size_t from = starts_with(raw, content) ? content.size() : understood;
    if (called.empty())
        put(PART_TEXT, raw.substr(from));
}

void cutter::look(bool ended)
{
    const std::string news = raw.substr(read);
    std::string more;
    common_chat_msg msg;
    read = raw.size();
    try {
        msg = common_chat_parse(raw, !ended, how);
    } catch (const std::exception &) {
        at_end = false;
        if (ended)
            rest_is_text();
        return;
    }
    understood = raw.size();
    for (const auto &now : {tell(PART_REASONING, reasoning, msg.reasoning_content), tell(PART_TEXT, content, msg.content)})
        more = now.empty() ? more : now;
    for (std::size_t i = called.empty() ? 0 : called.size() - 1; i < msg.tool_calls.size(); i++) {
        const std::string now = tell_call(i, msg.tool_calls[i], ended);
        more = now.empty() ? more : now;
    }
    at_end = !news.empty() && ends_with(more, news);
}

void cutter::add(const std::string &text, bool ended)
{
    out.clear();
    list.clear();
    raw += text;
    if (!ended && only_longer(text))
        longer(text);
    else if (ended || raw.size() - read > std::min(raw.size() / READ_PART, std::size_t(READ_BYTES)))
        look(ended);
    else
        at_end = at_end && text.empty();
    if (ended && !called.empty() && called.back().arguments.empty()) {
        std::string none;
        called.back().form.add("{}", none);
        put(PART_TOOL_ARGUMENTS, none);
    }
}

bool cutter::calls() const
{
    for (const auto &c : called)
        if (!c.form.whole())
            return false;
    return !called.empty();
}
