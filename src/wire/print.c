#include "wire/wire.h"

/* One line per message for traces: the fields that a reader follows a job by. */

static void print_job(struct buf *out, uint64_t job, uint32_t attempt)
{
    buf_printf(out, " job=%llu attempt=%u", (unsigned long long)job, attempt);
}

static void print_text(struct buf *out, const char *name, struct str s)
{
    buf_printf(out, " %s=", name);
    buf_add_str(out, str_n(s.p, s.n < 60 ? s.n : 60));
}

static void print_actor(struct buf *out, const struct wire_actor *a)
{
    static const char *const states[] = {"?", "loading", "ready", "failed", "gone"};
    buf_printf(out, " key=%u state=%s slots=%u", a->key, states[a->state < 5 ? a->state : 0], a->slots);
    print_text(out, "model", a->model);
}

void wire_print(struct buf *out, const struct wire_msg *m)
{
    buf_puts(out, wire_name(m->type));
    switch (m->type) {
    case WIRE_hello: print_text(out, "node", m->hello.node); break;
    case WIRE_actor: print_actor(out, &m->actor); break;
    case WIRE_progress:
        print_job(out, m->progress.job, m->progress.attempt);
        buf_printf(out, " prompt=%u done=%u", m->progress.prompt_tokens, m->progress.done_tokens);
        break;
    case WIRE_prefilled:
        print_job(out, m->prefilled.job, m->prefilled.attempt);
        buf_printf(out, " prompt=%u cached=%u", m->prefilled.prompt_tokens, m->prefilled.cached_tokens);
        break;
    case WIRE_tokens:
        print_job(out, m->tokens.job, m->tokens.attempt);
        buf_printf(out, " first=%u text=%zuB ids=%u", m->tokens.first, m->tokens.text.n, m->tokens.ids.n);
        break;
    case WIRE_done:
        print_job(out, m->done.job, m->done.attempt);
        buf_printf(out, " finish=%u tokens=%u", m->done.finish, m->done.completion_tokens);
        if (m->done.message.n > 0)
            print_text(out, "message", m->done.message);
        break;
    case WIRE_crashed:
        print_job(out, m->crashed.job, m->crashed.attempt);
        buf_printf(out, " signal=%u company=%u", m->crashed.signal, m->crashed.company);
        break;
    case WIRE_bye: print_text(out, "reason", m->bye.reason); break;
    case WIRE_scale_state: buf_printf(out, " running=%u target=%u policy=%u", m->scale_state.running, m->scale_state.target, m->scale_state.policy); break;
    case WIRE_welcome: buf_printf(out, " worker=%llu", (unsigned long long)m->welcome.worker); break;
    case WIRE_refuse:
        print_text(out, "message", m->refuse.message);
        buf_printf(out, " final=%u", m->refuse.final);
        break;
    case WIRE_actor_ack: buf_printf(out, " key=%u id=%u", m->actor_ack.key, m->actor_ack.id); break;
    case WIRE_run:
        print_job(out, m->run.job, m->run.attempt);
        buf_printf(out, " key=%u resume=%u", m->run.key, m->run.resume.n);
        break;
    case WIRE_cancel: print_job(out, m->cancel.job, m->cancel.attempt); break;
    case WIRE_scale: buf_printf(out, " workers=%u policy=%u", m->scale.workers, m->scale.policy); break;
    case WIRE_availability:
        buf_printf(out, " availability=%u", m->availability.availability);
        print_text(out, "reason", m->availability.reason);
        break;
    case WIRE_seek: buf_printf(out, " stream=%016llx branches=%u", (unsigned long long)m->seek.stream, m->seek.said.n); break;
    case WIRE_held:
        buf_printf(out, " stream=%016llx branch=%u found=%u ids=%u", (unsigned long long)m->held.stream, m->held.branch,
                   m->held.found, m->held.ids.n);
        break;
    case WIRE_adopt:
        print_job(out, m->adopt.job, m->adopt.attempt);
        buf_printf(out, " stream=%016llx branch=%u said=%u", (unsigned long long)m->adopt.stream, m->adopt.branch, m->adopt.said);
        break;
    case WIRE_kv_saved:
        print_job(out, m->kv_saved.job, m->kv_saved.attempt);
        buf_printf(out, " bytes=%llu", (unsigned long long)m->kv_saved.bytes);
        print_text(out, "message", m->kv_saved.message);
        break;
    case WIRE_kv_part:
        print_job(out, m->kv_part.job, m->kv_part.attempt);
        buf_printf(out, " offset=%llu bytes=%zu", (unsigned long long)m->kv_part.offset, m->kv_part.bytes.n);
        break;
    case WIRE_kv_ack:
        print_job(out, m->kv_ack.job, m->kv_ack.attempt);
        buf_printf(out, " bytes=%llu refused=%u", (unsigned long long)m->kv_ack.bytes, m->kv_ack.refused);
        break;
    case WIRE_kv_save: print_job(out, m->kv_save.job, m->kv_save.attempt); break;
    case WIRE_kv_pull:
        print_job(out, m->kv_pull.job, m->kv_pull.attempt);
        buf_printf(out, " offset=%llu bytes=%u", (unsigned long long)m->kv_pull.offset, m->kv_pull.bytes);
        break;
    case WIRE_kv_drop: print_job(out, m->kv_drop.job, m->kv_drop.attempt); break;
    case WIRE_cordon: buf_printf(out, " on=%u", m->cordon.on); break;
    case WIRE_drain: buf_printf(out, " grace_ms=%u", m->drain.grace_ms); break;
    case WIRE_replace: buf_printf(out, " format=%u pid=%u", m->replace.format, m->replace.pid); break;
    case WIRE_yields: buf_printf(out, " workers=%u", m->yields.workers); break;
    case WIRE_moved_conn: buf_printf(out, " stage=%u asks=%u", m->moved_conn.stage, m->moved_conn.asks); break;
    case WIRE_moved_bytes: buf_printf(out, " bytes=%zu", m->moved_bytes.bytes.n); break;
    case WIRE_moved_job: buf_printf(out, " branch=%u attempt=%u said=%u", m->moved_job.branch, m->moved_job.attempt, m->moved_job.said); break;
    case WIRE_moved_call: buf_printf(out, " stream=%016llx branches=%u", (unsigned long long)m->moved_call.name, m->moved_call.branches); break;
    case WIRE_moved_account: buf_printf(out, " ended=%u steps=%u", m->moved_account.ended, m->moved_account.steps_n); break;
    case WIRE_moved_all: buf_printf(out, " conns=%u calls=%u", m->moved_all.conns, m->moved_all.calls); break;
    case WIRE_beat:
    case WIRE_beat_ack: break;
    }
}
