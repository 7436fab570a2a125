/* KV migration: a job that continues elsewhere takes its KV cache along, so that no worker
 * recomputes it.
 *
 * The happy path, at the source: kv_save -> AG_SAVE -> AGENT_SAVED -> kv_saved (the attempt is
 * over) -> kv_pull, kv_part … -> kv_drop. At the target: run with kv_bytes -> AG_RUN, the engine
 * holds it -> kv_part, kv_ack … -> all bytes are there and the checksum is right -> AG_GIVE. It can
 * fail by: at the source, nothing to save, too large a cache, or no memory left (moving_bytes_max:
 * caches that are saved, arrive, or were given to an engine that has not read them): kv_saved with
 * no bytes, and the job continues here; no pull for AGENT_CARRY_MS (the cache is forgotten; a later
 * pull gets an empty part). At the target, parts out of order or a wrong checksum (kv_ack with
 * `refused`), no room, kv_drop, a lost link: the engine is given nothing, and computes. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/sum.h"
#include "brain/agent/state.h"

/* ---- memory ---- */

enum { SAVED_BESIDE_BYTES = 1 << 20 }; /* token ids, marks and an engine's additions to the cells */

/* The memory for saving the job: one slot's cells, as far as there is room. */
static uint64_t save_bytes_max(const struct agent *a, const struct agent_job *j)
{
    const struct agent_actor *actor = agent_actor_find(a, j->key);
    bool known = actor != NULL && actor->is.kv_bytes > 0 && actor->is.slots > 0;
    uint64_t most = known ? actor->is.kv_bytes / actor->is.slots + SAVED_BESIDE_BYTES : a->cfg.moving_bytes_max / AGENT_CARRIES_MAX;
    most = most < WIRE_KV_BYTES_MAX ? most : WIRE_KV_BYTES_MAX;
    return most < agent_moving_left(a) ? most : agent_moving_left(a);
}

/* ---- the source ---- */

static struct agent_carry *carry_find(const struct agent *a, uint32_t head, uint64_t job, uint32_t attempt)
{
    LIST_EACH(at, &a->carries) {
        struct agent_carry *c = list_item(at, struct agent_carry, link);
        if (c->head == head && c->job == job && c->attempt == attempt)
            return c;
    }
    return NULL;
}

static void carry_free(struct agent *a, struct agent_carry *c)
{
    list_remove(&c->link);
    a->carries_n--;
    a->moving_bytes -= c->bytes.n;
    list_push(&a->spent, &c->link);
}

void agent_kv_clear(struct agent *a)
{
    LIST_EACH_SAFE(at, nxt, &a->spent) {
        struct agent_carry *c = list_item(at, struct agent_carry, link);
        list_remove(at);
        buf_fini(&c->bytes);
        free(c);
    }
}

static void say_nothing_saved(struct agent *a, const struct agent_job *j, struct str why)
{
    agent_send(a, j->head, WIRE_kv_saved)->kv_saved = (struct wire_kv_saved){.job = j->job, .attempt = j->attempt, .message = why};
}

void agent_kv_save(struct agent *a, uint32_t head, const struct wire_kv_save *m)
{
    struct agent_job *j = agent_job_find(a, head, m->job, m->attempt);
    if (j == NULL || j->cancelled)
        return; /* its `done` crossed this message on the way */
    if (j->saving)
        return; /* asked for twice */
    if (a->carries_n + a->saving_n >= AGENT_CARRIES_MAX || j->kv_bytes > 0) {
        say_nothing_saved(a, j, str_of(j->kv_bytes > 0 ? "it is only just coming here" : "others are being moved"));
        return;
    }
    uint64_t most = save_bytes_max(a, j);
    if (most == 0) {
        say_nothing_saved(a, j, str_of("others that move take all the memory for that (moving_bytes_max)"));
        return;
    }
    j->saving = true;
    a->saving_n++;
    agent_job_moves(a, j, most);
    struct ag *ag = agent_add(a, AG_SAVE);
    ag->bytes_max = most;
    ag->head = head;
    ag->key = j->key;
    ag->ticket = j->node.id;
}

void agent_kv_saved(struct agent *a, uint64_t ticket, struct buf *carry, struct str why)
{
    struct id_node *node = idtab_get(&a->jobs, ticket);
    struct agent_job *j = node != NULL ? id_item(node, struct agent_job, node) : NULL;
    if (j == NULL || j->cancelled)
        return; /* it ended, or no head wants it any more */
    bool fits = carry->n <= j->moving_bytes;
    agent_kv_forget(a, j);
    if (j->adrift) { /* its head was lost meanwhile: another head resumes from the journal */
        if (carry->n > 0)
            agent_job_left(a, j);
        return;
    }
    if (carry->n == 0) {
        say_nothing_saved(a, j, why);
        return;
    }
    MUST(fits); /* 9: AG_SAVE named the limit */
    struct agent_carry *c = xalloc(sizeof *c);
    *c = (struct agent_carry){.head = j->head, .job = j->job, .attempt = j->attempt,
                              .stream = j->journal != NULL ? j->journal->stream : 0, .branch = j->journal != NULL ? j->journal->branch : 0,
                              .bytes = *carry, .due_us = a->now_us + AGENT_CARRY_MS * 1000ull};
    *carry = buf_max(0);
    list_push(&a->carries, &c->link);
    a->carries_n++;
    a->moving_bytes += c->bytes.n;
    agent_send(a, c->head, WIRE_kv_saved)->kv_saved = (struct wire_kv_saved){
        .job = c->job, .attempt = c->attempt, .bytes = c->bytes.n, .sum = sum_of(buf_str(&c->bytes))};
    agent_job_left(a, j);
}

void agent_kv_pull(struct agent *a, uint32_t head, const struct wire_kv_pull *m)
{
    struct agent_carry *c = carry_find(a, head, m->job, m->attempt);
    struct wire_msg *msg = agent_send(a, head, WIRE_kv_part);
    msg->kv_part = (struct wire_kv_part){.job = m->job, .attempt = m->attempt, .offset = m->offset};
    if (c == NULL || m->offset >= c->bytes.n)
        return;
    size_t n = m->bytes < WIRE_KV_PART_BYTES ? m->bytes : WIRE_KV_PART_BYTES, left = c->bytes.n - (size_t)m->offset;
    msg->kv_part.bytes = str_n(c->bytes.p + m->offset, n < left ? n : left);
    c->due_us = a->now_us + AGENT_CARRY_MS * 1000ull;
}

/* ---- the target ---- */

static bool is_next(const struct agent_job *j, const struct wire_kv_part *m)
{
    return m->offset == j->kv.n && m->bytes.n > 0 && m->bytes.n <= j->kv_bytes - j->kv.n;
}

void agent_kv_part(struct agent *a, uint32_t head, const struct wire_kv_part *m)
{
    struct agent_job *j = agent_job_find(a, head, m->job, m->attempt);
    if (j == NULL || j->kv_bytes == 0)
        return; /* it ended, or stopped waiting, while this part was on the way */
    bool fits = is_next(j, m);
    if (fits && j->kv.n == 0)
        fits = buf_reserve(&j->kv, (size_t)j->kv_bytes) == 0;
    if (fits)
        buf_add_str(&j->kv, m->bytes);
    bool all = fits && j->kv.n == j->kv_bytes, right = all && sum_of(buf_str(&j->kv)) == j->kv_sum;
    agent_kv_say_ack(a, j, !fits || (all && !right));
    if (!fits || all)
        agent_kv_give(a, j, right);
}

/* ---- both ---- */

void agent_kv_drop(struct agent *a, uint32_t head, const struct wire_kv_drop *m)
{
    struct agent_carry *c = carry_find(a, head, m->job, m->attempt);
    struct agent_job *j = agent_job_find(a, head, m->job, m->attempt);
    if (c != NULL)
        carry_free(a, c);
    if (j != NULL && j->kv_bytes > 0)
        agent_kv_give(a, j, false);
}

void agent_kv_lost(struct agent *a, uint32_t head)
{
    LIST_EACH_SAFE(at, nxt, &a->carries) {
        struct agent_carry *c = list_item(at, struct agent_carry, link);
        if (c->head != head)
            continue;
        agent_journal_left_alone(a, c->stream, c->branch, head); /* the next head cannot use the KV cache, but the token ids */
        carry_free(a, c);
    }
    IDTAB_EACH(node, &a->jobs)
    {
        struct agent_job *j = id_item(node, struct agent_job, node);
        if (j->head == head && j->kv_bytes > 0)
            agent_kv_give(a, j, false);
    }
}

void agent_kv_tick(struct agent *a)
{
    LIST_EACH_SAFE(at, nxt, &a->carries) {
        struct agent_carry *c = list_item(at, struct agent_carry, link);
        if (a->now_us >= c->due_us)
            carry_free(a, c);
    }
}

uint64_t agent_kv_deadline(const struct agent *a)
{
    uint64_t due = AGENT_NEVER;
    LIST_EACH(at, &a->carries) {
        const struct agent_carry *c = list_item(at, struct agent_carry, link);
        due = c->due_us < due ? c->due_us : due;
    }
    return due;
}

void agent_kv_check(const struct agent *a)
{
    uint32_t carries = 0, saving = 0, coming = 0;
    uint64_t bytes = 0;
    LIST_EACH(at, &a->carries) {
        const struct agent_carry *c = list_item(at, struct agent_carry, link);
        MUST(c->bytes.n > 0);
        bytes += c->bytes.n;
        MUST(a->left || uplink_is_welcomed(a, c->head));
        carries++;
    }
    IDTAB_EACH(node, &a->jobs)
    {
        const struct agent_job *j = id_item(node, struct agent_job, node);
        MUST(j->kv.n <= j->kv_bytes && (j->kv_bytes == 0 || !j->cancelled));
        MUST(j->kv_bytes <= j->moving_bytes);
        bytes += j->moving_bytes;
        saving += j->saving;
        coming += j->kv_bytes > 0;
    }
    MUST(carries == a->carries_n && saving == a->saving_n && carries + saving <= AGENT_CARRIES_MAX);
    MUST(bytes == a->moving_bytes && bytes <= a->cfg.moving_bytes_max); /* 9 */
    MUST(coming == a->coming_n && coming <= AGENT_CARRIES_MAX);
}

void agent_kv_free(struct agent *a)
{
    LIST_EACH_SAFE(at, nxt, &a->carries)
        carry_free(a, list_item(at, struct agent_carry, link));
    agent_kv_clear(a);
    IDTAB_EACH(node, &a->jobs)
        agent_kv_forget(a, id_item(node, struct agent_job, node));
}
