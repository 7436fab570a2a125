/* The memory of KV caches that move: how much a job takes, what it waits for, and when it is
 * released. kv.c has the story. */
#include "brain/agent/state.h"

void agent_job_moves(struct agent *a, struct agent_job *j, uint64_t bytes)
{
    a->moving_bytes += bytes - j->moving_bytes;
    j->moving_bytes = bytes;
}

uint64_t agent_moving_left(const struct agent *a)
{
    return a->cfg.moving_bytes_max - a->moving_bytes;
}

void agent_kv_say_ack(struct agent *a, const struct agent_job *j, bool refused)
{
    agent_send(a, j->head, WIRE_kv_ack)->kv_ack =
        (struct wire_kv_ack){.job = j->job, .attempt = j->attempt, .bytes = refused ? 0 : j->kv.n, .refused = refused};
}

bool agent_kv_expect(struct agent *a, struct agent_job *j, const struct wire_run *run)
{
    if (run->kv_bytes == 0)
        return false;
    if (run->kv_bytes > WIRE_KV_BYTES_MAX || a->coming_n >= AGENT_CARRIES_MAX || run->kv_bytes > agent_moving_left(a)) {
        agent_kv_say_ack(a, j, true);
        return false;
    }
    j->kv_bytes = run->kv_bytes;
    j->kv_sum = run->kv_sum;
    j->kv = buf_max((size_t)run->kv_bytes);
    a->coming_n++;
    agent_job_moves(a, j, run->kv_bytes);
    return true;
}

void agent_kv_give(struct agent *a, struct agent_job *j, bool all)
{
    struct ag *ag = agent_add(a, AG_GIVE);
    ag->head = j->head;
    ag->key = j->key;
    ag->ticket = j->node.id;
    uint64_t given = all ? j->kv_bytes : 0;
    if (all) {
        ag->carry = j->kv;
        j->kv = buf_max(0);
    }
    agent_kv_forget(a, j);
    agent_job_moves(a, j, given); /* until the engine has read it */
}

void agent_kv_prefilled(struct agent *a, struct agent_job *j)
{
    if (!j->saving && j->kv_bytes == 0)
        agent_job_moves(a, j, 0);
}

void agent_kv_forget(struct agent *a, struct agent_job *j)
{
    agent_job_moves(a, j, 0);
    a->saving_n -= j->saving;
    a->coming_n -= j->kv_bytes > 0;
    j->saving = false;
    j->kv_bytes = 0;
    buf_fini(&j->kv);
}
