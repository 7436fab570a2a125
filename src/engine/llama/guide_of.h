/* Make the guide of a chat's answer; implemented in guide.cpp, used by bridge.cpp. C++ only. */
#ifndef MANTA_ENGINE_LLAMA_GUIDE_OF_H
#define MANTA_ENGINE_LLAMA_GUIDE_OF_H

#include "engine/llama/chat_plan.h"

struct llama_vocab;

/* As guide_new(), for an answer that is cut: plan.cuts. */
bridge_end guide_of(const llama_vocab *vocab, const chat_plan &plan, const bridge_bounds *bounds, engine_guide **out, char *why, std::size_t why_cap);

#endif
