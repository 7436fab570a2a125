/* Hand this head's place to another process of the same user.
 *
 * The happy path is: the new head dials the listener and sends `replace` -> its format matches ours
 * -> `yields` with the listener -> the records of requests that ended -> each connection with its
 * unread and unsent bytes, and the call that waits on it -> `moved_all` to the new head, back (it has
 * everything), and to it again (it owns everything) -> the connections that only end here -> this
 * process ends with 0. It can fail by: another format, a head of `manta up` (its launcher would end
 * with it), and errors of descriptor passing. Then this head continues as if nothing had been asked:
 * describing a connection changes nothing, and the new process reads none before the last `moved_all`.
 *
 * All of it happens in one callback of the loop, so the state is of one moment. Workers' links are
 * not handed over: they end with this process, the workers dial again at once, and the new head
 * finds the running jobs (brain/recover/handoff_in.c). */
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "base/utf8.h"
#include "head/account.h"
#include "head/handoff.h"
#include "head/watch.h"
#include "net/supervisor.h"

#define TAG "CLUSTER STATUS"

struct yielding {
    struct head_program *p;
    struct net_fdpass *fdpass;
    struct wire_arena arena; /* owned */
    bool ends;               /* this pass sends the connections that only end, else the others */
    uint32_t conns, calls;   /* sent so far */
    struct fault *f;
};

static int say(const struct yielding *y, const struct wire_msg *msg)
{
    return handoff_say(y->fdpass, &y->p->frame, msg, y->f);
}

/* ---- calls ---- */

/* Tokens of a branch that the client has; a whole answer counts as unsent until its end. */
static uint32_t sent_of(const struct call *c, uint32_t branch)
{
    return branch < c->branches_n && !call_keeps_text(c) ? c->branches[branch].sent : 0;
}

static int say_jobs(const struct yielding *y, const struct call *c)
{
    struct wire_msg msg = {.type = WIRE_moved_job};
    struct wire_moved_job *m = &msg.moved_job;
    int err = 0;
    for (uint32_t next = 0; err == 0 && head_call_job_moves(y->p->brain, c->node.id, &next, m);) {
        uint32_t sent = sent_of(c, m->branch);
        if (c->computed_again && sent > m->said)
            sent = m->said; /* recomputed only up to here */
        MUST(sent <= m->said);
        m->said = sent;
        m->ids.n = m->ids.n < sent ? m->ids.n : sent;
        if (sent == 0) /* then any actor may start it */
            m->same_file = m->same_bits = str_n(NULL, 0);
        err = say(y, &msg);
    }
    return err;
}

static uint64_t started_of(const struct call *c)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < c->branches_n && i < 64; i++)
        bits |= (uint64_t)c->branches[i].started_sent << i;
    return bits;
}

/* Fills in this room's part of the call. */
static void fill_call(const struct yielding *y, const struct call *c, struct wire_moved_call *m)
{
    m->name = c->head.id;
    m->stream = c->sealed.name;
    m->claim = c->sealed.claim;
    m->owner = c->owner;
    m->admin = c->admin;
    m->tenant = c->tenant != NULL ? str_of(c->tenant) : str_n(NULL, 0);
    m->started = started_of(c);
    m->begun = c->begun;
    m->total = c->total;
    m->base64 = c->api.base64;
    m->dimensions = c->api.dimensions;
    if (c->client_id != NULL)
        m->client_id = str_of(c->client_id);
    m->age_us = net_now_us(y->p->loop) - c->started_us;
}

/* Describes a call that workers are still asked for. If its client sent the request and has nothing
 * of the answer, the call is described as one that runs, or, with fan-out, as one that just
 * arrived. All others seek on the new head, with the request if the client sent it. */
static int say_seeking(const struct yielding *y, const struct call *c, struct wire_moved_call *m, struct wire_run *run, struct wire_arena *arena)
{
    struct wire_msg job = {.type = WIRE_moved_job};
    m->seeks = !call_may_begin_anew(c);
    if (!c->has_body)
        return 0;
    wire_run_from_request(run, &c->api.request, arena);
    m->model = c->api.request.model;
    m->affinity = c->api.request.affinity;
    m->tenant = c->api.request.tenant;
    m->priority = c->api.request.priority;
    m->count = c->api.n;
    m->spread = m->spread_pending = c->api.spread;
    m->deadline_ms = c->api.timeout_ms;
    m->branches = c->api.spread ? 1 : c->api.n;
    return c->api.spread && !m->seeks ? say(y, &job) : 0;
}

/* The client's place. A seeking call knows only what its client claimed; output held for a slow
 * reader is sought, too. */
static void places_of(const struct call *c, bool seeks, struct api_stream_id *out)
{
    if (!c->ended && (seeks || (c->from != NULL && c->from->n <= c->total)))
        *out = *c->from;
    else
        answer_place(c, out);
}

static int say_request(const struct yielding *y, const struct call *c, struct wire_msg *msg, const struct wire_run *run)
{
    struct wire_msg frame = {.type = WIRE_run, .run = *run};
    struct buf bytes = buf_max(WIRE_FRAME_BYTES_MAX);
    int err = msg->moved_call.seeks && !c->has_body ? 0 : wire_encode(&bytes, &frame);
    msg->moved_call.run = buf_str(&bytes);
    err = err != 0 ? fault_set(y->f, err, "a request is too large for a handoff") : say(y, msg);
    buf_fini(&bytes);
    return err;
}

static int say_call(struct yielding *y, const struct call *c)
{
    struct wire_input inputs[REQUEST_INPUTS_MAX];
    struct wire_msg msg = {.type = WIRE_moved_call};
    struct wire_moved_call *m = &msg.moved_call;
    struct wire_run run = {0};
    struct wire_arena arena = {0};
    const struct request *r = NULL;
    struct api_stream_id at = {0};
    struct buf note = buf_max(NOTE_BYTES_MAX), places = buf_max(16 << 10);
    int err = 0;
    fill_call(y, c, m);
    note_write(&note, c);
    m->client = buf_str(&note);
    if (!head_call_moves(y->p->brain, c->node.id, m, &run, &r))
        err = say_seeking(y, c, m, &run, &arena);
    else if (call_dialect(c)->streams)
        err = say_jobs(y, c);
    for (uint32_t i = 0; r != NULL && i < r->inputs_n; i++)
        inputs[i] = (struct wire_input){.text = r->inputs[i].text, .tokens = {.p = r->inputs[i].tokens, .n = r->inputs[i].tokens_n}};
    m->inputs = inputs;
    m->inputs_n = r != NULL ? r->inputs_n : 0;
    places_of(c, m->seeks != 0, &at);
    api_write_stream_id(&places, &at);
    m->places = buf_str(&places);
    if (err == 0 && c->account != NULL) {
        account_heard(c->account, c);
        err = account_tell(c->account, y->fdpass, &y->p->frame, y->f);
    }
    if (err == 0)
        err = say_request(y, c, &msg, &run);
    y->calls++;
    wire_arena_fini(&arena);
    buf_fini(&places);
    buf_fini(&note);
    return err;
}

/* ---- connections ---- */

static int say_bytes(const struct yielding *y, struct str bytes)
{
    struct wire_msg msg = {.type = WIRE_moved_bytes};
    int err = 0;
    for (size_t at = 0, n; err == 0 && at < bytes.n; at += n) {
        n = bytes.n - at < REPLACE_PART_BYTES ? bytes.n - at : REPLACE_PART_BYTES;
        msg.moved_bytes.bytes = str_n(bytes.p + at, n);
        err = say(y, &msg);
    }
    return err;
}

static int say_conn(struct net_conn *link, struct http_request *r, const struct http_state *is, void *user_data)
{
    struct yielding *y = user_data;
    const struct call *c = r != NULL ? http_user_data(r) : NULL;
    if ((is->stage == HTTP_CLOSING) != y->ends)
        return 0;
    if (r != NULL && (c == NULL || c->asker.kind != ASKER_CALL || c->writing != NULL || c->scale || c->availability != NULL))
        return fault_set(y->f, ERR_BUSY, "a command or a page is being answered: try again");
    struct wire_msg msg = {.type = WIRE_moved_conn};
    msg.moved_conn = (struct wire_moved_conn){
        .stage = is->stage, .keep_alive = is->keep_alive, .old = is->old, .head_only = is->head_only, .continued = is->continued, .lines = is->lines,
        .came_bytes = (uint32_t)is->came.n, .unsent_bytes = (uint32_t)is->unsent.n, .asks = r != NULL};
    buf_reset(&y->p->frame);
    MUST(wire_encode(&y->p->frame, &msg) == 0);
    int err = net_fdpass_send_conn(y->fdpass, buf_str(&y->p->frame), link, y->f);
    if (err == 0)
        err = say_bytes(y, is->came);
    if (err == 0)
        err = say_bytes(y, is->unsent);
    y->conns++;
    return err == 0 && c != NULL ? say_call(y, c) : err;
}

/* ---- the conversation ---- */

static int check(const struct yielding *y, const struct wire_msg *m)
{
    if (m->type != WIRE_replace)
        return fault_set(y->f, ERR_PROTOCOL, "expected 'replace' from a new head, got '%s'", wire_name(m->type));
    if (m->replace.format != WIRE_HANDED)
        return fault_set(y->f, ERR_VERSION,
                         "the running head is manta %s with handoff format %d, the new one is manta %.*s with format %u: stop the "
                         "running one and start the new one; clients resume with Last-Event-ID",
                         y->p->o->version, WIRE_HANDED, STR_ARG(utf8_head(m->replace.version, 64)),
                         m->replace.format);
    if (y->p->o->launched)
        return fault_set(y->f, ERR_UNSUPPORTED, "the running head was started by `manta up`, which ends with it: it cannot be replaced");
    return 0;
}

static int say_listener(const struct yielding *y)
{
    struct head_totals t;
    head_totals(y->p->brain, &t);
    struct wire_msg msg = {.type = WIRE_yields, .yields.workers = t.workers};
    buf_reset(&y->p->frame);
    MUST(wire_encode(&y->p->frame, &msg) == 0);
    return net_fdpass_send_listener(y->fdpass, buf_str(&y->p->frame), http_server_listener(y->p->server), y->f);
}

/* Sends the records of the requests that ended. */
static int say_accounts(const struct yielding *y)
{
    int err = 0;
    for (const struct list *pos = y->p->accounts.next; err == 0 && pos != &y->p->accounts; pos = pos->next)
        err = account_tell(list_item(pos, const struct account, link), y->fdpass, &y->p->frame, y->f);
    return err;
}

static int say_all(const struct yielding *y)
{
    return say(y, &(struct wire_msg){.type = WIRE_moved_all, .moved_all = {.conns = y->conns, .calls = y->calls}});
}

/* Hands over everything; after its last message this process owns nothing. */
static int give(struct yielding *y, uint32_t *out_pid)
{
    struct wire_msg m;
    int err = handoff_hear(y->fdpass, &y->arena, &m, y->f);
    if (err == 0)
        err = check(y, &m);
    if (err != 0) {
        struct fault ignored = {0};
        (void)handoff_say(y->fdpass, &y->p->frame,
                          &(struct wire_msg){.type = WIRE_refuse, .refuse = {.error = (uint16_t)-err, .message = str_of(y->f->text)}}, &ignored);
        return err;
    }
    *out_pid = m.replace.pid;
    watch_dismiss(y->p); /* their clients reconnect, and reach the new head */
    err = say_listener(y);
    if (err == 0)
        err = say_accounts(y);
    if (err == 0)
        err = http_server_each(y->p->server, say_conn, y);
    if (err == 0)
        err = say_all(y);
    if (err == 0)
        err = handoff_hear(y->fdpass, &y->arena, &m, y->f);
    if (err == 0 && (m.type != WIRE_moved_all || m.moved_all.conns != y->conns || m.moved_all.calls != y->calls))
        err = fault_set(y->f, ERR_PROTOCOL, "the new head did not receive everything");
    return err != 0 ? err : say_all(y);
}

/* From here on, only the ends of complete answers can fail. */
static void let_go(struct yielding *y)
{
    y->ends = true;
    if (http_server_each(y->p->server, say_conn, y) == 0)
        (void)say_all(y);
    http_server_let_go(y->p->server);
    y->p->server = NULL;
    replace_forget_calls(y->p);
    y->p->handed = true;
    net_loop_stop(y->p->loop);
}

static void on_call(struct net_fdpass *fdpass, void *user_data)
{
    struct head_program *p = user_data;
    struct fault f = {0};
    uint32_t pid = 0;
    struct yielding y = {.p = p, .fdpass = fdpass, .f = &f};
    if (!p->handed && give(&y, &pid) == 0) {
        log_info(TAG, EVENT("handed_over", KV("pid", pid), KV("connections", y.conns), KV("requests", y.calls)),
                 "head handed its place to process %u: %u connections, %u requests under way", pid, y.conns, y.calls);
        net_supervisor_say("MAINPID=%u", pid); /* before this process can end */
        let_go(&y);
    } else if (!p->handed) {
        log_warn(TAG, EVENT("handover_refused", KV("code", err_name(f.err))),
                 "refused a new head that asked to replace this one: %s", f.text);
    }
    wire_arena_fini(&y.arena);
    net_fdpass_free(fdpass);
}

void handoff_out_begin(struct head_program *p, bool over)
{
    char path[REPLACE_PATH_BYTES];
    struct fault f = {0};
    int err = handoff_path(p->o->host, http_server_port(p->server), path, sizeof path, &f);
    if (err == 0)
        err = net_fdpass_listener_open(p->loop, path, over, REPLACE_PATIENCE_MS, on_call, p, &p->listener, &f);
    if (err != 0)
        log_info(TAG, EVENT("not_replaceable", KV("code", err_name(f.err))),
                 "this head cannot be replaced while it runs (manta head --replace): %s", f.text);
}

void handoff_out_end(struct head_program *p)
{
    net_fdpass_listener_close(p->listener, !p->handed);
    p->listener = NULL;
}
