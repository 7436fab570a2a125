#include "worker/crash_note.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "brain/agent.h"
#include "net/net.h"
#include "os/cgroup.h"
#include "os/last_words.h"
#include "wire/wire.h"
#include "worker/last_run.h"

enum { FRAME_BYTES = WIRE_HEADER_BYTES + 8 + 4 + 1 + 4 }; /* `crashed`: the handler fills in the last five bytes */

/* Indexed by ticket modulo AGENT_JOBS_MAX. Two jobs in one entry can hardly live at once; the
 * older one would not be reported. */
struct entry {
    _Atomic uint64_t ticket;
    uint32_t head, life; /* number of its link's connection: on the next one the job's ids mean nothing */
    char frame[FRAME_BYTES];
};

/* Shared with the witness, which reads it after this process is gone. */
static struct shared {
    struct entry entries[AGENT_JOBS_MAX];
    atomic_uint lives[AGENT_HEADS_MAX];
    atomic_bool said; /* the process itself has sent its last words */
} own, *shared = &own;

static atomic_int fds[AGENT_HEADS_MAX];
/* For the witness: the kernel's counts at its looks, one a second. A killed process takes its
 * time to end. */
enum { LOOKS = 4, LOOK_US = 900000 };
static uint64_t oom_kills[LOOKS], looked_us;

/* Runs in a signal handler. */
static void say(int signum, const uint64_t *tickets, uint32_t n)
{
    atomic_store(&shared->said, true);
    if (signum != SIGKILL) /* sent by the witness */
        last_run_crashes();
    for (uint32_t i = 0; i < n; i++) {
        struct entry *e = &shared->entries[tickets[i] % AGENT_JOBS_MAX];
        int fd = atomic_load(&fds[e->head]);
        if (atomic_load(&e->ticket) != tickets[i] || fd < 0 || e->life != atomic_load(&shared->lives[e->head]))
            continue;
        char *tail = &e->frame[FRAME_BYTES - 5];
        *tail++ = (char)signum;
        for (int shift = 0; shift < 32; shift += 8)
            *tail++ = (char)(n >> shift);
        ssize_t written = write(fd, e->frame, FRAME_BYTES);
        (void)written; /* a failure changes nothing for a dying process */
    }
}

/* ---- in the witness ---- */

static void on_look(const int held[NET_WITNESS_PLACES])
{
    (void)held;
    uint64_t now_us = clock_us();
    if (looked_us != 0 && now_us - looked_us < LOOK_US)
        return;
    uint64_t count = cgroup_oom_kills();
    for (int i = LOOKS - 1; i > 0; i--)
        oom_kills[i] = looked_us != 0 ? oom_kills[i - 1] : count;
    oom_kills[0] = count;
    looked_us = now_us;
}

/* A process killed for its memory cannot report it. The witness concludes it when the kernel
 * killed a process in these seconds and this one is gone without last words of its own. */
static void on_gone(const int held[NET_WITNESS_PLACES])
{
    uint64_t tickets[LAST_WORDS_NOTES_MAX];
    uint32_t n = last_words_of_all(tickets, LAST_WORDS_NOTES_MAX);
    if (atomic_load(&shared->said) || cgroup_oom_kills() == oom_kills[LOOKS - 1])
        return;
    for (uint32_t h = 0; h < AGENT_HEADS_MAX; h++)
        atomic_store(&fds[h], held[h]);
    say(SIGKILL, tickets, n);
}

/* ---- in the worker ---- */

void crash_note_begin(void)
{
    _Static_assert((int)AGENT_HEADS_MAX <= (int)NET_WITNESS_PLACES, "a place for each head");
    void *mapped = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared = mapped != MAP_FAILED ? mapped : &own;
    last_words_share();
    for (uint32_t h = 0; h < AGENT_HEADS_MAX; h++)
        atomic_store(&fds[h], -1);
    last_words_to(say);
    if (net_witness_start(on_look, on_gone) != 0)
        log_warn("WORKER NODE STARTING", EVENT("no_witness"),
                 "no witness process for this worker: if the kernel kills it for its memory use, the request that caused it stays unknown");
}

void crash_note_link(uint32_t head, int fd)
{
    atomic_store(&fds[head], fd);
    atomic_fetch_add(&shared->lives[head], 1);
    net_witness_hold(head, fd);
}

void crash_note_job(uint64_t ticket, uint32_t head, uint64_t job, uint32_t attempt)
{
    struct entry *e = &shared->entries[ticket % AGENT_JOBS_MAX];
    struct buf frame = buf_max(FRAME_BYTES);
    struct wire_msg msg = {.type = WIRE_crashed, .crashed = {.job = job, .attempt = attempt}};
    atomic_store(&e->ticket, 0);
    MUST(wire_encode(&frame, &msg) == 0 && frame.n == FRAME_BYTES);
    memcpy(e->frame, frame.p, FRAME_BYTES);
    e->head = head;
    e->life = atomic_load(&shared->lives[head]);
    atomic_store(&e->ticket, ticket);
    buf_fini(&frame);
}
