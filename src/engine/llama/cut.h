/* Cut an answer into parts, with the parser that common/ made for the model's family. For C++ alone.
 *
 * That parser reads a whole text, not the next piece of one. So it reads all of it again when there is more, but not for every token:
 * text that surely only makes the last part longer is told at once, and otherwise the text must have grown by a 128th (at most by 4 KiB),
 * so what all readings of an answer cost grows as the answer does. Which tokens are read with is a function of the text alone: whoever replays
 * the tokens cuts at the same bytes.
 *
 * Arguments come as compact JSON: clients write them so, and what they send back is then what they were sent. */
#ifndef MANTA_ENGINE_LLAMA_CUT_H
#define MANTA_ENGINE_LLAMA_CUT_H

#include <stdexcept>
#include <string>
#include <vector>

#include "base/part.h"
#include "engine/llama/chat_plan.h"

/* JSON without white space, as it comes. */
class compact {
public:
    void add(const std::string &json, std::string &out);
    bool whole() const { return begun && depth == 0 && !in_string; } /* the value has ended */
    bool in_text() const { return in_string && !escaped; }

private:
    bool begun = false, in_string = false, escaped = false;
    int depth = 0;
};

/* A parser has taken a call in two ways, so that what was told of it is not what it is; or it finds more calls than anybody makes. */
struct two_ways : std::runtime_error {
    two_ways() : std::runtime_error("what was told of a call is not what it is in the end") {}
};

class cutter {
public:
    /* `marks`: what a part may begin or end with; `single`: the answer ends with its first call. */
    cutter(common_chat_parser_params how, const std::vector<std::string> &marks, bool single);
    /* The next piece of the text; `ended`: the last one. */
    void add(const std::string &text, bool ended);
    /* What that brought. */
    const std::string &text() const { return out; }
    const std::vector<part> &parts() const { return list; }
    bool calls() const; /* as struct engine_cut has it, as is the next */
    bool over() const { return single && calls(); }

private:
    struct call {
        std::string arguments; /* as the parser has them, as far as they were told */
        compact form;
    };

    common_chat_parser_params how;
    const bool single;
    bool special[256] = {};
    std::string raw;
    std::size_t read = 0;       /* bytes of it that were read */
    std::size_t understood = 0; /* … and that the parser made something of */
    std::string reasoning, content; /* as far as they were told */
    std::vector<call> called;
    part_kind last = PART_TEXT; /* that was told */
    bool at_end = false;        /* the last part that was told ends where the text does */
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
