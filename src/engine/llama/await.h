/* Detect where the grammar of an answer begins. If the answer may call tools, the grammar applies from the
 * first word of a call on; if it must call tools, or has a form, from the end of the reasoning on. C++
 * only. */
#ifndef MANTA_ENGINE_LLAMA_AWAIT_H
#define MANTA_ENGINE_LLAMA_AWAIT_H

#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "engine/llama/chat_plan.h"

class await {
public:
    explicit await(const chat_plan &plan);
    /* Adds the answer's next token. Returns true if the grammar begins; it then receives
     * tokens(). */
    bool add(llama_token token, const std::string &piece);
    const std::vector<std::pair<llama_token, std::string>> &tokens() const { return replay; }

private:
    struct trigger {
        std::string word;   /* empty: the pattern */
        std::regex pattern;
        bool anchored = false; /* must match at the beginning of the answer */
    };
    struct heard_token {
        llama_token id;
        std::string piece;
    };

    bool held, thinking;
    bool cut = false; /* `heard` has lost its beginning */
    std::string think_start;
    std::vector<std::string> think_ends;
    std::vector<trigger> triggers;
    std::vector<heard_token> tail; /* the last tokens … */
    std::string heard;             /* … and their concatenated text */
    std::vector<std::pair<llama_token, std::string>> replay;

    std::size_t find_trigger() const;
    std::size_t find_first(const std::vector<std::string> &words, std::size_t *length) const;
    void forget(std::size_t bytes);
    void begin_at(std::size_t at);
};

#endif
