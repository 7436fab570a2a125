#include "engine/llama/budget.h"

#include "engine/llama/starve.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include <malloc.h>

/* Sanitizers bring their own operator new. With them no bounds are enforced. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
#else
#define COUNTS 1
#endif

namespace {

enum {
    LOOK_EVERY = 256,     /* allocations between two reads of the clock: a read takes a third of a microsecond */
    GRACE = 4096,         /* allocations allowed after a throw, for unwinding; if code has caught the exception and
                           * continues, it is thrown again */
    STACK_SPARE = 1 << 18, /* stack reserved for code that does not allocate */
    TICK_MS = 100,         /* interval after the bound; allocations are thousands of times as frequent */
    TICK_SIGNAL = SIGVTALRM,
    LOST_BYTES_MAX = 64 << 20,
};

struct state {
    const bridge_bounds *bounds;
    std::int64_t held;       /* bytes; may be negative if older memory is freed */
    std::uint64_t end_us;    /* of the thread's processor time */
    const char *stack_floor;
    unsigned until_look;
    unsigned starves;        /* countdown to the allocation that fails; 0: none */
    bool ticks;              /* there is a timer */
    timer_t timer;
    volatile bool armed;     /* `place` is valid */
    volatile unsigned asked; /* incremented before and after each allocation and free; odd: inside one */
    unsigned asked_before;   /* value of `asked` at the last tick */
    sigjmp_buf place;
};

thread_local state now;
std::atomic<std::int64_t> lost_bytes;

[[maybe_unused]] void on_tick(int)
{
    if (now.armed && now.asked == now.asked_before && now.asked % 2 == 0)
        siglongjmp(now.place, 1);
    now.asked_before = now.asked;
}

[[maybe_unused]] void start_ticks(std::uint64_t after_us)
{
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction how{};
        how.sa_handler = on_tick;
        how.sa_flags = SA_RESTART;
        sigaction(TICK_SIGNAL, &how, nullptr);
    });
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, TICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
    sigevent to{};
    to.sigev_notify = SIGEV_THREAD_ID;
    to.sigev_signo = TICK_SIGNAL;
    to._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &to, &now.timer) != 0)
        return;
    now.ticks = true;
    after_us += TICK_MS * 1000;
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(after_us / 1000000);
    when.it_value.tv_nsec = static_cast<long>(after_us % 1000000) * 1000;
    when.it_interval.tv_nsec = TICK_MS * 1000000L;
    timer_settime(now.timer, 0, &when, nullptr);
}

std::uint64_t thread_us()
{
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1000000u + static_cast<std::uint64_t>(t.tv_nsec) / 1000u;
}

[[maybe_unused]] const char *find_stack_floor()
{
    pthread_attr_t attr;
    void *low = nullptr;
    std::size_t bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return nullptr;
    pthread_attr_getstack(&attr, &low, &bytes);
    pthread_attr_destroy(&attr);
    return bytes > 2 * STACK_SPARE ? static_cast<const char *>(low) + STACK_SPARE : nullptr;
}

#if COUNTS

[[noreturn]] void give_up(bridge_end why)
{
    now.until_look = GRACE;
    throw over_budget{why};
}

void look(std::size_t bytes)
{
    const char here = 0;
    const bridge_bounds *b = now.bounds;
    now.until_look = LOOK_EVERY;
    if (b->memory_bytes != 0 && now.held + static_cast<std::int64_t>(bytes) > static_cast<std::int64_t>(b->memory_bytes))
        give_up(BRIDGE_MEMORY);
    if (now.stack_floor != nullptr && &here < now.stack_floor)
        give_up(BRIDGE_DEPTH);
    if (b->cpu_us != 0 && thread_us() > now.end_us)
        give_up(BRIDGE_TIME);
    if (b->stopped != nullptr && b->stopped(b->user_data))
        give_up(BRIDGE_STOPPED);
}

/* A large allocation is checked before it is made. */
void spend(std::size_t bytes)
{
    if (now.until_look == 0 || (bytes > 4096 && now.until_look <= LOOK_EVERY))
        look(bytes);
    else
        now.until_look--;
}

#endif

} // namespace

void starve_at(unsigned n)
{
    now.starves = n;
}

budget::budget(const bridge_bounds *bounds)
{
    now = state{};
    now.bounds = bounds;
    if (bounds == nullptr)
        return;
    static thread_local const char *const floor = find_stack_floor(); /* a thread keeps its stack, and finding it takes microseconds */
    now.stack_floor = floor;
    now.end_us = thread_us() + bounds->cpu_us;
}

budget::~budget()
{
    now.armed = false;
    if (now.ticks)
        timer_delete(now.timer);
    now.bounds = nullptr;
}

sigjmp_buf &budget::place()
{
    return now.place;
}

void budget::arm()
{
    now.armed = true;
#if COUNTS
    if (now.bounds != nullptr && now.bounds->cpu_us != 0)
        start_ticks(now.bounds->cpu_us);
#endif
}

void budget::taken_out()
{
    now.armed = false;
    lost_bytes += now.held > 0 ? now.held : 0;
}

bool budget::lost_too_much()
{
    return lost_bytes > LOST_BYTES_MAX;
}

#if COUNTS

void *operator new(std::size_t bytes)
{
    if (now.bounds != nullptr)
        spend(bytes);
    now.asked = now.asked + 1;
    const bool starved = now.starves != 0 && --now.starves == 0;
    void *p = starved ? nullptr : std::malloc(bytes > 0 ? bytes : 1);
    now.asked = now.asked + 1;
    if (p == nullptr)
        throw std::bad_alloc();
    if (now.bounds != nullptr)
        now.held += static_cast<std::int64_t>(malloc_usable_size(p));
    return p;
}

void operator delete(void *p) noexcept
{
    if (now.bounds != nullptr && p != nullptr)
        now.held -= static_cast<std::int64_t>(malloc_usable_size(p));
    now.asked = now.asked + 1;
    std::free(p);
    now.asked = now.asked + 1;
}

void *operator new[](std::size_t bytes)
{
    return operator new(bytes);
}

void operator delete[](void *p) noexcept
{
    operator delete(p);
}

void operator delete(void *p, std::size_t) noexcept
{
    operator delete(p);
}

void operator delete[](void *p, std::size_t) noexcept
{
    operator delete(p);
}

#endif
