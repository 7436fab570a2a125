#include "worker/words.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/last_words.h"
#include "base/must.h"
#include "cluster/agent.h"
#include "wire/wire.h"

enum { FRAME_BYTES = WIRE_HEADER_BYTES + 8 + 4 + 1 + 4 }; /* `crashed`: the last five bytes are filled in when it happens */

/* By the ticket's last digits: of two jobs with the same ones, which can hardly live at once, the older is not named. */
static struct entry {
    _Atomic uint64_t ticket;
    uint32_t head, life; /* of its link: on the next one the numbers mean nothing */
    char frame[FRAME_BYTES];
} entries[AGENT_JOBS_MAX];

static atomic_int fds[AGENT_HEADS_MAX];
static atomic_uint lives[AGENT_HEADS_MAX];

/* In the handler of a signal. */
static void say(int signum, const uint64_t *tickets, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct entry *e = &entries[tickets[i] % AGENT_JOBS_MAX];
        int fd = atomic_load(&fds[e->head]);
        if (atomic_load(&e->ticket) != tickets[i] || fd < 0 || e->life != atomic_load(&lives[e->head]))
            continue;
        char *tail = &e->frame[FRAME_BYTES - 5];
        *tail++ = (char)signum;
        for (int shift = 0; shift < 32; shift += 8)
            *tail++ = (char)(n >> shift);
        ssize_t written = write(fd, e->frame, FRAME_BYTES);
        (void)written; /* nobody is left to do anything about it */
    }
}

void words_begin(void)
{
    for (uint32_t h = 0; h < AGENT_HEADS_MAX; h++)
        atomic_store(&fds[h], -1);
    last_words_to(say);
}

void words_link(uint32_t head, int fd)
{
    atomic_store(&fds[head], fd);
    atomic_fetch_add(&lives[head], 1);
}

void words_job(uint64_t ticket, uint32_t head, uint64_t job, uint32_t attempt)
{
    struct entry *e = &entries[ticket % AGENT_JOBS_MAX];
    struct buf frame = buf_max(FRAME_BYTES);
    struct wire_msg msg = {.type = WIRE_crashed, .crashed = {.job = job, .attempt = attempt}};
    atomic_store(&e->ticket, 0);
    MUST(wire_encode(&frame, &msg) == 0 && frame.n == FRAME_BYTES);
    memcpy(e->frame, frame.p, FRAME_BYTES);
    e->head = head;
    e->life = atomic_load(&lives[head]);
    atomic_store(&e->ticket, ticket);
    buf_fini(&frame);
}
