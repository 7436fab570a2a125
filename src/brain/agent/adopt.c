/* Heads seek and adopt streams that other heads had: the journal is replayed, or the answer is
 * recomputed. journal.c has the story. */
#include "base/must.h"
#include "brain/agent/state.h"

#define TAG "FAILOVER"

/* ---- seek ---- */

/* The client may have left this head without a sign; then its stream is at the head that asked for
 * it later, or at the head for which it runs. */
static bool is_elsewhere(const struct journal *k, uint32_t head)
{
    return (k->seeker != AGENT_HEADS_MAX && k->seeker != head) || (k->job != NULL && !k->job->adrift && k->job->head != head);
}

void agent_journal_seek(struct agent *a, uint32_t head, const struct wire_seek *seek)
{
    for (struct journal *k = agent_journal_first(a, seek->stream); k != NULL; k = k->next) {
        if (k->stream != seek->stream || (seek->taken && is_elsewhere(k, head)))
            continue;
        k->seeker = head;
        k->told = k->key;
        if (list_linked(&k->expiring)) /* a head asks: the full time begins again */
            agent_journal_expire_later(a, k);
        uint32_t said = k->branch < seek->said.n && seek->said.p[k->branch] > 0 ? (uint32_t)seek->said.p[k->branch] : 0;
        struct wire_msg *msg = agent_send(a, head, WIRE_held);
        msg->held = (struct wire_held){
            .stream = k->stream,
            .branch = k->branch,
            .found = 1,
            .key = k->key,
            .ids = {.p = (const int32_t *)(const void *)k->ids.p, .n = said < agent_journal_ids_n(k) ? said : agent_journal_ids_n(k)},
            .run = buf_str(&k->run),
        };
    }
    agent_send(a, head, WIRE_held)->held = (struct wire_held){.stream = seek->stream}; /* end of the answer */
}

void agent_journal_unseek(struct agent *a, uint32_t head)
{
    LIST_EACH(pos, &a->journals) {
        struct journal *k = list_item(pos, struct journal, all);
        if (k->seeker == head)
            k->seeker = AGENT_HEADS_MAX;
    }
}

/* ---- adopt ---- */

static const char moved_on[] = "the client continued this stream elsewhere";

static struct str frame_at(const struct journal *k, size_t at)
{
    size_t bytes = 0;
    MUST(wire_frame(str_n(k->log.p + at, k->log.n - at), WIRE_FRAME_BYTES_MAX, &bytes) == 0 && bytes > 0);
    return str_n(k->log.p + at, bytes);
}

/* Returns the offset in the log of the frame whose first token has index `said`; of `done`, or the log's
 * end, when all earlier tokens are in it. SIZE_MAX: the log begins later, or no frame begins there. */
static size_t log_find(struct agent *a, const struct journal *k, uint32_t said)
{
    if (k->log.n == 0) /* no message yet: it continues after the tokens that it started with */
        return agent_journal_ids_n(k) == said ? 0 : SIZE_MAX;
    bool prefilled = false;
    uint32_t next = agent_journal_ids_n(k); /* index of the log's next token */
    for (size_t at = 0; at < k->log.n;) {
        struct str frame = frame_at(k, at);
        struct wire_msg msg;
        MUST(wire_decode(&msg, &a->arena, frame, NULL) == 0);
        if (msg.type == WIRE_done || (msg.type == WIRE_tokens && msg.tokens.first == said && msg.tokens.ids.n > 0))
            return prefilled && (msg.type != WIRE_done || next == said) ? at : SIZE_MAX;
        if (msg.type == WIRE_tokens)
            next = msg.tokens.first + msg.tokens.ids.n;
        prefilled = prefilled || msg.type == WIRE_prefilled;
        at += frame.n;
    }
    return prefilled && next == said ? k->log.n : SIZE_MAX;
}

static void send_frames(struct agent *a, uint32_t head, struct str frames)
{
    struct ag *ag = agent_add(a, AG_SEND_FRAMES);
    ag->head = head;
    ag->text = frames;
}

/* Sends the frames as they are, under the job's new number. */
static void replay(struct agent *a, struct journal *k, uint32_t head, const struct wire_adopt *m, size_t from)
{
    if (k->log.n == 0)
        return;
    for (size_t at = 0; at < k->log.n; at += frame_at(k, at).n)
        wire_set_job(k->log.p + at, m->job, m->attempt);
    size_t first = frame_at(k, 0).n; /* prefilled */
    send_frames(a, head, str_n(k->log.p, first));
    if (from < first)
        from = first;
    if (k->log.n > from)
        send_frames(a, head, str_n(k->log.p + from, k->log.n - from));
}

/* Recomputes the answer after the tokens that the client has. */
static void rewind_to(struct agent *a, struct journal *k, uint32_t head, const struct wire_adopt *m)
{
    struct wire_msg msg;
    if (k->job != NULL)
        agent_job_orphan(a, k->job);
    list_remove(&k->expiring); /* agent_job_orphan() put it there */
    k->done = false;
    buf_reset(&k->log);
    k->ids.n = m->said * sizeof(int32_t);
    MUST(wire_decode(&msg, &a->arena, buf_str(&k->run), NULL) == 0);
    msg.run.job = m->job;
    msg.run.attempt = m->attempt;
    msg.run.resume = (struct wire_i32s){.p = (const int32_t *)(const void *)k->ids.p, .n = m->said};
    agent_job_start(a, head, &msg.run, k);
}

/* The client left another head for this one: that head gets nothing more of the stream. */
static void take_from(struct agent *a, struct journal *k)
{
    struct agent_job *j = k->job;
    if (j == NULL || j->adrift)
        return;
    agent_job_refuse(a, j->head, j->job, j->attempt, ERR_CANCELLED, moved_on);
    agent_job_adrift(a, j);
}

/* The head counts on a slot of the actor that `held` named. Meanwhile the stream may have run on
 * another actor, for a head that did not yet know of its client's departure; continuing there would
 * take a slot that this head gives to others. */
static bool is_where_it_was(const struct journal *k)
{
    return k->told == UINT32_MAX || k->told == k->key;
}

void agent_journal_adopt(struct agent *a, uint32_t head, const struct wire_adopt *m)
{
    struct journal *k = agent_journal_find(a, m->stream, m->branch);
    const struct agent_actor *actor = k != NULL ? agent_actor_find(a, k->key) : NULL;
    if (agent_job_find(a, head, m->job, m->attempt) != NULL) {
        agent_job_refuse(a, head, m->job, m->attempt, ERR_UNAVAILABLE, "a job of this number and attempt is running already");
        return;
    }
    if (k == NULL || m->stream == 0 || m->said > agent_journal_ids_n(k)) {
        agent_job_refuse(a, head, m->job, m->attempt, ERR_UNAVAILABLE, "nothing is kept any more of that stream");
        return;
    }
    if (k->seeker != AGENT_HEADS_MAX && k->seeker != head) {
        agent_job_refuse(a, head, m->job, m->attempt, ERR_CANCELLED, moved_on);
        return;
    }
    size_t from = log_find(a, k, m->said);
    bool replays = from != SIZE_MAX && (k->done || k->job != NULL);
    bool may_run = actor != NULL && actor->is.state == WIRE_ACTOR_READY && a->availability == WIRE_SERVING && a->jobs.n < AGENT_JOBS_MAX;
    if (!is_where_it_was(k) || (!replays && !may_run)) {
        agent_job_refuse(a, head, m->job, m->attempt, ERR_UNAVAILABLE, "the actor that began the stream takes no jobs now");
        return;
    }
    take_from(a, k);
    list_remove(&k->expiring);
    k->alone = false;
    agent_log(a, LOG_INFO, TAG, EVENT("stream_adopted", event_id("stream", k->stream), KV("token", m->said), KV("computed_again", !replays), KV("head", head)),
              "resuming a stream at token %u of %u%s", m->said, agent_journal_ids_n(k), replays ? "" : ", computed again");
    if (!replays) {
        rewind_to(a, k, head, m);
        return;
    }
    replay(a, k, head, m, from);
    if (k->job != NULL)
        agent_job_rename(a, k->job, head, m->job, m->attempt);
    else
        agent_journal_expire_later(a, k); /* the job has ended, and this head has its whole answer */
}
