/* Let C++ code that we do not know run within bounds: memory, processor time, depth of calls.
 *
 * Templates and tokenizers of llama.cpp take no limits, but nearly all that they do asks for memory. So the module's operator new
 * counts what the thread holds and looks at the clock, and throws where a bound is met. What is thrown is no std::exception, which
 * a template's interpreter would catch and write about.
 *
 * Some things compute for long and ask for nothing: `('' * 4611686018427387904)`, a search for half of a long text in it, a
 * replacement by something shorter, a million times. For these a timer of the thread's processor time ticks behind the bound. Once
 * nothing was asked for and nothing given back between two ticks, the thread is in such a loop of plain arithmetic, holds no lock, and is
 * taken out of it by siglongjmp(). What it held is lost; when that has become too much, no template is rendered any more. */
#ifndef MANTA_ENGINE_LLAMA_BUDGET_H
#define MANTA_ENGINE_LLAMA_BUDGET_H

#include <csetjmp>

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

    static sigjmp_buf &place();  /* where the thread is taken to, from arm() on */
    static void arm();           /* the timer ticks from now on: three system calls, which a step of a stream does without */
    static void taken_out();     /* it was: counts what is lost */
    static bool lost_too_much(); /* by all threads so far */
};

/* Calls it within bounds: throws over_budget where one is met, and what the call throws. */
template <typename Call> auto bounded(const bridge_bounds *bounds, Call call) -> decltype(call())
{
    const budget within(bounds);
    if (sigsetjmp(budget::place(), 1) != 0) {
        budget::taken_out();
        throw over_budget{BRIDGE_TIME};
    }
    budget::arm();
    return call();
}

#endif
