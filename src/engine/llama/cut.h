/* Cut an answer into parts, with the parser that common/ made for the model's family. C++ only.
 *
 * That parser reads a whole text and cannot continue with the next piece. The cutter therefore rereads the
 * whole text as it grows, but not for every token: text that certainly only extends the last part is reported
 * at once; otherwise the text must have grown by a 128th (at most by 4 KiB), so that the total cost is linear
 * in the length of the answer. The tokens that trigger a reading depend only on the text: whoever replays the
 * tokens cuts at the same bytes.
 *
 * Arguments are reported as compact JSON, which is also how clients write them when they send a call
 * back. */
#ifndef MANTA_ENGINE_LLAMA_CUT_H
#define MANTA_ENGINE_LLAMA_CUT_H

#include <stdexcept>
#include <string>
#include <vector>

#include "base/part.h"
#include "engine/llama/chat_plan.h"

/* Removes the white space of JSON as it arrives. */
class compact {
public:
    void add(const std::string &json, std::string &out);
    bool whole() const { return begun && depth == 0 && !in_string; } /* the value is complete */
    bool in_text() const { return in_string && !escaped; }

private:
    bool begun = false, in_string = false, escaped = false;
    int depth = 0;
};

/* The parser's reading of a call contradicts what was already reported, or it finds implausibly many
 * calls. */
struct two_ways : std::runtime_error {
    two_ways() : std::runtime_error("the call differs from what was already reported") {}
};

class cutter {
public:
    /* `marks`: texts that a part may begin or end with; `single`: the answer ends with its first
     * call. */
    cutter(common_chat_parser_params how, const std::vector<std::string> &marks, bool single);
    /* Adds the next piece of the text; `ended`: it is the last one. */
    void add(const std::string &text, bool ended);
    /* The output of the last add(). */
    const std::string &text() const { return out; }
    const std::vector<part> &parts() const { return list; }
    bool calls() const; /* as in struct engine_cut, as over() */
    bool over() const { return single && calls(); }

private:
    struct call {
        std::string arguments; /* parsed arguments, as far as they were reported */
        compact form;
    };

    common_chat_parser_params how;
    const bool single;
    bool special[256] = {};
    std::string raw;
    std::size_t read = 0;       /* bytes of `raw` that were read */
    std::size_t understood = 0; /* … and of which the parser made parts */
    std::string reasoning, content; /* as far as they were reported */
    std::vector<call> called;
    part_kind last = PART_TEXT; /* kind of the last part reported */
    bool at_end = false;        /* the last part reported ends where the text does */
    std::string out;
    std::vector<part> list;

    bool only_longer(const std::string &text) const;
    void longer(const std::string &text);
    void look(bool ended);
    void put(part_kind kind, const std::string &text);
    std::string tell(part_kind kind, std::string &said, const std::string &now);
    std::string tell_call(std::size_t i, const common_chat_tool_call &now, bool ended);
    void rest_is_text();
};

#endif
