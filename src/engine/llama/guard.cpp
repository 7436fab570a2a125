#include <gguf.h>
#include <llama.h>

#include "engine/llama/guard.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "engine/llama/starve.h"
#include "engine/llama/llama_log.h"

namespace {

enum { COPY_BYTES = 1 << 20 };

/* Returns the number after the call's name in MANTA_DEBUG_MEMORY; 0: no allocation fails. */
unsigned starved_at(const char *name)
{
    const char *words = std::getenv("MANTA_DEBUG_MEMORY");
    const std::size_t n = std::strlen(name);
    if (words == nullptr || std::strncmp(words, name, n) != 0 || words[n] != ' ')
        return 0;
    return static_cast<unsigned>(std::strtoul(words + n, nullptr, 10));
}

class hunger {
public:
    explicit hunger(const char *name) { starve_at(starved_at(name)); }
    ~hunger() { starve_at(0); }
    hunger(const hunger &) = delete;
    hunger &operator=(const hunger &) = delete;
};

/* Returns the result of `call`, or of `threw` for the kind of exception. */
template <typename Call, typename Threw> auto guarded(const char *name, Call call, Threw threw) -> decltype(call())
{
    try {
        const hunger while_it_lives(name);
        return call();
    } catch (const std::bad_alloc &) {
        llama_log_say("this worker has no memory left");
        return threw(GUARD_NO_MEMORY);
    } catch (const std::exception &e) {
        llama_log_say(e.what());
    } catch (...) {
        llama_log_say("llama.cpp failed without a message");
    }
    return threw(GUARD_THREW);
}

int32_t number(int32_t why)
{
    return why;
}

} // namespace

int32_t guard_decode(llama_context *ctx, llama_batch batch)
{
    return guarded("decode", [&] { return llama_decode(ctx, batch); }, number);
}

int32_t guard_encode(llama_context *ctx, llama_batch batch)
{
    return guarded("decode", [&] { return llama_encode(ctx, batch); }, number);
}

guard_copy guard_seq_copy(llama_memory_t memory, llama_seq_id from, llama_seq_id to)
{
    volatile bool begun = false;
    const auto copy = [&] {
        ::operator delete(::operator new(COPY_BYTES)); /* tests for memory: the copy itself makes many small allocations */
        begun = true;
        llama_memory_seq_cp(memory, from, to, -1, -1);
        return GUARD_COPIED;
    };
    return guarded("copy", copy, [&](int32_t) { return begun ? GUARD_TORN : GUARD_NOT_BEGUN; });
}

llama_model *guard_model_load(const char *path, llama_model_params params)
{
    return guarded("model", [&] { return llama_model_load_from_file(path, params); }, [](int32_t) -> llama_model * { return nullptr; });
}

llama_context *guard_context_new(llama_model *model, llama_context_params params)
{
    return guarded("context", [&] { return llama_init_from_model(model, params); }, [](int32_t) -> llama_context * { return nullptr; });
}

llama_sampler *guard_dry_new(const llama_vocab *vocab, const guard_dry *dry)
{
    const auto make = [&] {
        return llama_sampler_init_dry(vocab, dry->multiplier, dry->base, dry->allowed_length, dry->last_n, dry->breakers, dry->breakers_n);
    };
    return guarded("dry", make, [](int32_t) -> llama_sampler * { return nullptr; });
}

gguf_context *guard_header(const char *path)
{
    const gguf_init_params without_data = {/* no_alloc */ true, /* ctx */ nullptr};
    return guarded("header", [&] { return gguf_init_from_file(path, without_data); }, [](int32_t) -> gguf_context * { return nullptr; });
}
