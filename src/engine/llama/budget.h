/* Bound the memory, processor time and recursion depth of third-party C++ code.
 *
 * Templates and tokenizers of llama.cpp accept no limits, but nearly everything they do allocates
 * memory. The module's operator new therefore counts what the thread holds, checks the clock, and
 * throws when a bound is exceeded. The thrown type is not a std::exception, because the template
 * interpreter would catch and report one.
 *
 * Some operations compute for a long time without allocating: `('' * 4611686018427387904)`, a
 * search for half of a long text in it, a million replacements by something shorter. For these, a
 * timer of the thread's processor time ticks once the bound has passed. If nothing was allocated or
 * freed between two ticks, the thread is in such a loop of plain arithmetic, holds no lock, and is
 * taken out of it by siglongjmp(). The memory it held is leaked; when too much has leaked, no
 * template is rendered any more. */
#ifndef MANTA_ENGINE_LLAMA_BUDGET_H
#define MANTA_ENGINE_LLAMA_BUDGET_H

#include <csetjmp>

#include "engine/llama/bridge.h"

struct over_budget {
    bridge_end why;
};

/* While an object of this class exists, C++ code of its thread runs within bounds. One at a
 * time. */
class budget {
public:
    explicit budget(const bridge_bounds *bounds); /* NULL: no bounds; borrowed */
    ~budget();
    budget(const budget &) = delete;
    budget &operator=(const budget &) = delete;

    static sigjmp_buf &place();  /* the jump target, from arm() on */
    static void arm();           /* starts the timer: three system calls, which a step of a stream avoids */
    static void taken_out();     /* call it after the jump: counts the leaked memory */
    static bool lost_too_much(); /* in all threads so far */
};

/* Calls it within bounds: throws over_budget if one is exceeded, and passes on exceptions of the
 * call. */
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
