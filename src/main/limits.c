#include "main/limits.h"

#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include <errno.h>

#include "base/log.h"
#include "os/cgroup.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool data_can_be_limited = false; /* a sanitizer maps terabytes */
#else
static const bool data_can_be_limited = true;
#endif

/* RLIMIT_DATA counts private writable memory, so the weights, mapped from their file, are not
 * included. */
static bool limit_data(uint64_t bytes)
{
    if (!data_can_be_limited)
        return false;
    struct rlimit r;
    if (getrlimit(RLIMIT_DATA, &r) != 0)
        return false;
    if (r.rlim_max != RLIM_INFINITY && bytes > r.rlim_max)
        return true; /* the present limit is lower */
    r.rlim_cur = bytes;
    return setrlimit(RLIMIT_DATA, &r) == 0;
}

void limits_apply(uint64_t memory_bytes, uint32_t cpus)
{
    struct cgroup_limits now;
    struct fault f = {0};
    if (memory_bytes == 0 && cpus == 0)
        return;
    cgroup_read(&now);
    bool has_memory = memory_bytes == 0 || (now.memory_bytes > 0 && now.memory_bytes <= memory_bytes);
    bool has_cpus = cpus == 0 || (now.cpus > 0 && now.cpus <= (double)cpus);
    bool data = memory_bytes > 0 && limit_data(memory_bytes);
    int err = cgroup_enter(has_memory ? 0 : memory_bytes, has_cpus ? 0 : cpus, &f);
    cgroup_read(&now);
    bool memory_held = memory_bytes > 0 && now.memory_bytes > 0 && now.memory_bytes <= memory_bytes;
    bool cpus_held = cpus > 0 && now.cpus > 0 && now.cpus <= (double)cpus;
    if (memory_bytes > 0)
        log_info("LIMITS", EVENT("limit_memory", KV("bytes", memory_bytes), KV("control_group", memory_held), KV("data_segment", data)),
                 "memory %.1f GB: control group %s, data segment (RLIMIT_DATA) %s", (double)memory_bytes / 1e9,
                 memory_held ? "applied" : "not applied", data ? "applied" : "not applied");
    if (cpus > 0)
        log_info("LIMITS", EVENT("limit_cpus", KV("cpus", cpus), KV("control_group", cpus_held)),
                 "processors %u: control group %s", cpus, cpus_held ? "applied" : "not applied, only the number of threads");
    if (err != 0)
        log_info("LIMITS", EVENT("no_control_group", KV("code", err_name(err))),
                 "the system does not let this process limit itself by a control group: %s", f.text);
}

void limits_hold(uint64_t memory_bytes)
{
    struct cgroup_limits now;
    struct fault f = {0};
    if (memory_bytes == 0 || !data_can_be_limited)
        return;
    cgroup_read(&now);
    bool held = now.memory_bytes > 0 && now.memory_bytes <= memory_bytes;
    bool data = limit_data(memory_bytes);
    int err = held ? 0 : cgroup_enter(memory_bytes, 0, &f);
    if (log_traces("limits"))
        log_line(LOG_TRACE, "limits", NULL, "memory %.1f GB: control group %s%s, data segment (RLIMIT_DATA) %s", (double)memory_bytes / 1e9,
                 err == 0 ? "applied" : "not applied: ", f.text, data ? "applied" : "not applied");
}

void limits_end(void)
{
    cgroup_leave();
}

uint64_t limits_memory(uint64_t wanted)
{
    struct cgroup_limits now;
    cgroup_read(&now);
    if (now.memory_bytes == 0 || (wanted > 0 && now.memory_bytes >= wanted))
        return wanted;
    log_warn("LIMITS", EVENT("memory_held", KV("bytes", now.memory_bytes)),
             "the control group of this worker (its container?) allows %.1f GB of memory: planning with that, not with %.1f GB",
             (double)now.memory_bytes / 1e9, (double)wanted / 1e9);
    return now.memory_bytes;
}
