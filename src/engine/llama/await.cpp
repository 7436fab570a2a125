#include "engine/llama/await.h"

#include <algorithm>

enum { HEARD_MAX = 1024, HEARD_KEPT = 512 }; /* bytes: longer than the trigger words of any family; patterns are tried on no more */

await::await(const chat_plan &plan)
    : held(plan.held), thinking(plan.thinking), think_start(plan.how.thinking_start_tag), think_ends(plan.how.thinking_end_tags)
{
    for (const auto &t : plan.how.grammar_triggers) {
        trigger to;
        if (t.type == COMMON_GRAMMAR_TRIGGER_TYPE_WORD) {
            to.word = t.value.substr(0, t.value.find_last_not_of(" \t\n") + 1); /* the grammar itself requires the white space after it */
        } else {
            to.pattern = std::regex(t.value);
            to.anchored = !t.value.empty() && t.value.front() == '^';
        }
        triggers.push_back(std::move(to));
    }
}

/* Returns the first position of one of the words; npos: none. */
std::size_t await::find_first(const std::vector<std::string> &words, std::size_t *length) const
{
    std::size_t first = std::string::npos;
    for (const auto &word : words) {
        const std::size_t at = word.empty() ? std::string::npos : heard.find(word);
        if (at < first) {
            first = at;
            *length = word.size();
        }
    }
    return first;
}

/* If a pattern has a group, the grammar begins with the group. */
static std::size_t start_of(const std::smatch &match)
{
    for (std::size_t i = 1; i < match.size(); i++)
        if (match.length(i) > 0)
            return static_cast<std::size_t>(match.position(i));
    return static_cast<std::size_t>(match.position(0));
}

std::size_t await::find_trigger() const
{
    std::size_t first = std::string::npos;
    for (const auto &t : triggers) {
        std::smatch match;
        if (!t.word.empty())
            first = std::min(first, heard.find(t.word));
        else if ((!t.anchored || !cut) && std::regex_search(heard, match, t.pattern))
            first = std::min(first, start_of(match));
    }
    return first;
}

/* Drops the first `bytes` bytes of the text heard. */
void await::forget(std::size_t bytes)
{
    heard.erase(0, bytes);
    while (!tail.empty() && bytes > 0) {
        const std::size_t n = std::min(bytes, tail.front().piece.size());
        tail.front().piece.erase(0, n);
        bytes -= n;
        if (tail.front().piece.empty())
            tail.erase(tail.begin());
    }
}

void await::begin_at(std::size_t at)
{
    forget(at);
    for (auto &t : tail)
        replay.emplace_back(t.id, std::move(t.piece));
    tail.clear();
}

bool await::add(llama_token token, const std::string &piece)
{
    std::size_t length = 0;
    if (!piece.empty())
        tail.push_back({token, piece});
    heard += piece;
    if (thinking) {
        const std::size_t end = find_first(think_ends, &length);
        if (end != std::string::npos) {
            thinking = false;
            if (held)
                begin_at(end + length);
            else
                forget(end);
            cut = true;
            if (held)
                return true;
        }
    } else if (!think_start.empty() && heard.find(think_start) != std::string::npos) {
        thinking = true;
        cut = true;
        forget(heard.find(think_start) + think_start.size());
    }
    const std::size_t at = thinking || held ? std::string::npos : find_trigger();
    if (at != std::string::npos) {
        begin_at(at);
        return true;
    }
    if (heard.size() > HEARD_MAX) {
        forget(heard.size() - HEARD_KEPT);
        cut = true;
    }
    return false;
}
