/* Render chats with llama.cpp's common/, and describe how their answers are parsed. C++ only; C
 * uses bridge.h.
 *
 * Each model family has its own syntax for tool calls and reasoning. common/ derives the syntax
 * from the family's template. For models whose template has no tools there is a generic syntax: a
 * system text that describes them, and calls between <tool_call> and </tool_call>, which many
 * models have seen in training. */
#ifndef MANTA_ENGINE_LLAMA_CHAT_PLAN_H
#define MANTA_ENGINE_LLAMA_CHAT_PLAN_H

#include <string>
#include <vector>

#include "engine/llama/bridge.h"

#include "chat.h"

/* Capabilities of a template; all false without one. */
struct chat_family {
    bool calls = false;    /* it describes tools and renders calls */
    bool several = false;  /* … several in one answer */
    bool thinks = false;   /* it supports reasoning */
};
/* Throws std::exception if common/ cannot interpret the template. */
chat_family chat_family_of(const common_chat_templates *templates);

struct chat_plan {
    std::string prompt;
    bool cuts = false;       /* the answer is cut into parts; else the members below are unused */
    bool forced = false;     /* the answer must call a tool */
    bool held = false;       /* the grammar applies from the first token, or from the end of the reasoning; else from a call on */
    unsigned form = 0;       /* enum request_form of an answer without calls … */
    std::string form_text;   /* … and its text */
    bool single = false;     /* the answer ends after its first call */
    bool thinking = false;   /* the prompt ends within reasoning */
    bool prefilled = true;   /* a grammar that is not lazy begins with how.generation_prompt */
    common_chat_params how;  /* grammar, its triggers, parser, … */
    common_chat_parser_params reading;
};
/* templates: NULL, or the templates of the family. Throws std::exception with an error message. */
chat_plan chat_make(const common_chat_templates *templates, const chat_family &family, const bridge_chat &chat);

/* An error in the tools of a request, not in its template. */
struct bad_tools : std::runtime_error {
    using std::runtime_error::runtime_error;
};

#endif
