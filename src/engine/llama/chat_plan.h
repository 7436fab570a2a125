/* Chats as llama.cpp's common/ renders them, and how their answers are read. For C++ alone; C has bridge.h.
 *
 * Model families write calls of tools, and reasoning, each in a way of its own. common/ finds a family's way out of its template. For
 * models whose template knows no tools there is a way of ours: a system text that tells of them, and calls between <tool_call> and
 * </tool_call>, as many models have seen them. */
#ifndef MANTA_ENGINE_LLAMA_CHAT_PLAN_H
#define MANTA_ENGINE_LLAMA_CHAT_PLAN_H

#include <string>
#include <vector>

#include "engine/llama/bridge.h"

#include "chat.h"

/* What a template can do; all false without one. */
struct chat_family {
    bool calls = false;    /* it tells of tools, and shows calls */
    bool several = false;  /* … several in one answer */
    bool thinks = false;   /* it knows of reasoning */
};
/* Throws std::exception where common/ makes nothing of the template. */
chat_family chat_family_of(const common_chat_templates *templates);

struct chat_plan {
    std::string prompt;
    bool cuts = false;       /* the answer is cut into parts; else nothing below counts */
    bool forced = false;     /* it must call */
    bool held = false;       /* its grammars hold from the first token on, or from the end of the reasoning; else from a call on */
    unsigned form = 0;       /* enum request_form: what it is where it does not call … */
    std::string form_text;   /* … and its text */
    bool single = false;     /* the answer ends with its first call */
    bool thinking = false;   /* the prompt ends within a reasoning */
    bool prefilled = true;   /* a grammar that is not lazy begins with how.generation_prompt */
    common_chat_params how;  /* grammar, what begins it, parser, … */
    common_chat_parser_params reading;
};
/* templates: NULL, or those of the family. Throws std::exception with a complaint. */
chat_plan chat_make(const common_chat_templates *templates, const chat_family &family, const bridge_chat &chat);

/* What is wrong with the tools of a request, not with its template. */
struct bad_tools : std::runtime_error {
    using std::runtime_error::runtime_error;
};

#endif
