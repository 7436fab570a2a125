/* When does a grammar begin? That of an answer which may call tools holds from the first word of a call on, and not before; one that must
 * call, or has a form, begins when the model has thought. For C++ alone. */
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
    /* The answer's next token. True: the grammar begins, and gets what tokens() has. */
    bool add(llama_token token, const std::string &piece);
    const std::vector<std::pair<llama_token, std::string>> &tokens() const { return replay; }

private:
    struct trigger {
        std::string word;   /* empty: the pattern */
        std::regex pattern;
        bool anchored = false; /* it must begin with the answer */
    };
    struct heard_token {
        llama_token id;
        std::string piece;
    };

    bool held, thinking;
    bool cut = false; /* `heard` is not all there was */
    std::string think_start;
    std::vector<std::string> think_ends;
    std::vector<trigger> triggers;
    std::vector<heard_token> tail; /* the last tokens … */
    std::string heard;             /* … and their text, one behind the other */
    std::vector<std::pair<llama_token, std::string>> replay;

    std::size_t find_trigger() const;
    std::size_t find_first(const std::vector<std::string> &words, std::size_t *length) const;
    void forget(std::size_t bytes);
    void begin_at(std::size_t at);
};

#endif
