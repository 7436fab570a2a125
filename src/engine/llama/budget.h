/* Let C++ code that we do not know run within bounds: memory, processor time, depth of calls.
 *
 * Templates and tokenizers of llama.cpp take no limits, but none of them computes for long without asking for memory. So the
 * module's operator new counts what the thread holds and looks at the clock, and throws where a bound is met. What is thrown
 * is no std::exception, which a template's interpreter would catch and write about. */
#ifndef MANTA_ENGINE_LLAMA_BUDGET_H
#define MANTA_ENGINE_LLAMA_BUDGET_H

#include "engine/llama/bridge.h"

struct over_budget {
    bridge_end why;
};

/* This thread's C++ is within bounds while one of these lives. One at a time. */
class budget {
public:
    explicit budget(const bridge_bounds *bounds); /* NULL: none; borrowed */
    ~budget();
    budget(const budget &) = delete;
    budget &operator=(const budget &) = delete;
};

#endif
