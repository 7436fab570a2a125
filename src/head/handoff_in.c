/* Take the place of a running head, with the clients that wait there.
 *
 * handoff_out.c has the happy path. This side prepares everything before it confirms the handoff:
 * the listener, the connections, and a call for each waiting client, which the brain takes over
 * (brain/recover/handoff_in.c). No effect is visible before the loop runs. It can fail by: no
 * running head, another format, invalid messages, and errors of descriptor passing. Then everything
 * is released, and the other head continues undisturbed.
 *
 * The messages come from a process of the same user, and are checked all the same: sizes first. */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "head/account.h"
#include "head/handoff.h"

#define TAG "HEAD NODE STARTING"

/* A message that outlives the next one. */
struct kept_job {
    char *frame;             /* owned */
    struct wire_arena arena; /* owned */
    struct wire_msg msg;
};

struct taking {
    struct head_program *p;
    struct net_fdpass *fdpass;              /* owned */
    struct wire_arena arena, run, lists;  /* owned */
    struct kept_job jobs[API_BRANCHES_MAX];
    const struct wire_moved_job *told[API_BRANCHES_MAX]; /* the messages of `jobs`, as the brain expects them */
    uint32_t jobs_n;                      /* of both arrays */
    struct account *account;              /* owned; of the next call, or NULL */
    uint32_t workers;                     /* number of workers of the other head */
    uint32_t conns, calls;                /* received so far */
    struct fault *f;
};

static int nonsense(const struct taking *t, const char *what)
{
    return fault_set(t->f, ERR_PROTOCOL, "invalid handoff from the running head: %s", what);
}

/* ---- jobs: sent before their call ---- */

static void drop_jobs(struct taking *t)
{
    for (uint32_t i = 0; i < t->jobs_n; i++) {
        free(t->jobs[i].frame);
        wire_arena_fini(&t->jobs[i].arena);
    }
    t->jobs_n = 0;
}

static int keep_job(struct taking *t, const struct wire_moved_job *m)
{
    struct buf frame = buf_max(WIRE_FRAME_BYTES_MAX);
    if (t->jobs_n == API_BRANCHES_MAX || m->said > HEAD_RESUME_TOKENS_MAX || (m->ids.n != m->said && m->ids.n != 0) ||
        (m->said > 0 && m->same_file.n == 0) || m->branch >= API_BRANCHES_MAX || m->attempt > INT32_MAX)
        return nonsense(t, "an answer longer than the limits");
    if (head_moved_job(t->told, t->jobs_n, m->branch) != NULL)
        return nonsense(t, "the same answer twice");
    struct kept_job *job = &t->jobs[t->jobs_n];
    t->told[t->jobs_n++] = &job->msg.moved_job;
    *job = (struct kept_job){0};
    int err = wire_encode(&frame, &(struct wire_msg){.type = WIRE_moved_job, .moved_job = *m});
    job->frame = frame.p;
    return err == 0 ? wire_decode(&job->msg, &job->arena, buf_str(&frame), t->f) : err;
}

/* ---- a call ---- */

static int read_request(struct taking *t, const struct wire_moved_call *m, struct request *out)
{
    struct wire_msg run;
    int err = wire_decode(&run, &t->run, m->run, t->f);
    if (err == 0 && run.type != WIRE_run)
        err = nonsense(t, "a message that is no request");
    if (err != 0)
        return err;
    wire_run_to_request(&run.run, out, &t->lists);
    out->model = m->model;
    out->affinity = m->affinity;
    out->tenant = m->tenant;
    out->priority = m->priority;
    bool embeds = out->kind == REQUEST_EMBED;
    uint32_t branches_max = embeds ? REQUEST_INPUTS_MAX : API_BRANCHES_MAX;
    if (m->inputs_n > (out->kind != REQUEST_CHAT ? branches_max : 0) || m->branches == 0 || m->branches > branches_max || m->count > API_ACTORS_MAX ||
        (m->spread_pending && m->branches != 1))
        return nonsense(t, "a request with too many answers");
    if (m->model.n > API_FIELD_BYTES_MAX || m->tenant.n > HEAD_TENANT_NAME_BYTES_MAX || m->affinity.n > API_FIELD_BYTES_MAX ||
        m->client_id.n > CLIENT_ID_BYTES_MAX || request_bytes(out) > HEAD_REQUEST_BYTES_MAX)
        return nonsense(t, "a request over the size limits");
    return 0;
}

/* An embedding's options are not in its note. */
static int fill_shape(const struct taking *t, struct call *c, const struct wire_moved_call *m, const struct request *r)
{
    bool embeds = r->kind == REQUEST_EMBED;
    if (!note_read(m->client, c) || call_dialect(c)->vectors != embeds)
        return nonsense(t, "a request with a note that no head of this version wrote");
    if (!embeds)
        return 0;
    c->api.base64 = m->base64 != 0;
    c->api.dimensions = m->dimensions;
    c->api.request.inputs_n = m->inputs_n;
    c->api.request.sampling.prompt_ids = r->sampling.prompt_ids;
    return 0;
}

/* A branch that has ended or failed is sent again from its beginning. A branch that is computed
 * again sends again what the former head had not reached. The client gets no part twice. */
static void fill_branches(const struct taking *t, struct call *c, const struct wire_moved_call *m, const struct api_stream_id *at)
{
    call_places(c, at, false);
    for (uint32_t i = 0; i < c->branches_n; i++) {
        struct branch *b = &c->branches[i];
        b->started_sent = i < 64 && (m->started >> i & 1) != 0;
        const struct wire_moved_job *job = head_moved_job(t->told, t->jobs_n, i);
        if (job != NULL && job->said < b->sent && !call_keeps_text(c))
            c->computed_again = true;
        if (job == NULL || job->said < b->sent) {
            b->mute = b->sent;
            b->heard = job != NULL ? job->said : 0;
        }
    }
}

static void feed(struct taking *t, struct call *c, const struct wire_moved_call *m, const struct request *r)
{
    head_feed(t->p, (struct head_event){.kind = HEAD_HANDOFF,
                                        .call = c->node.id,
                                        .request = r,
                                        .count = m->count,
                                        .spread = m->spread != 0,
                                        .stream = call_dialect(c)->streams && request_can_be_sought(r) ? c->sealed.name : 0,
                                        .claim = c->sealed.claim,
                                        .client = m->client,
                                        .deadline_ms = m->deadline_ms,
                                        .moved = m,
                                        .moved_jobs = t->told,
                                        .moved_jobs_n = t->jobs_n,
                                        .workers = t->workers});
}

static struct call *make_call(struct taking *t, struct http_request *r, bool streaming, const struct wire_moved_call *m)
{
    uint64_t now_us = net_now_us(t->p->loop);
    struct call *c = call_new(t->p, r);
    c->started_us = now_us > m->age_us ? now_us - m->age_us : 0;
    c->stream = m->name;
    c->sealed = (struct seal_stream){.name = m->stream, .claim = m->claim};
    c->owner = m->owner;
    c->admin = m->admin != 0;
    c->total = m->total;
    c->begun = m->begun != 0;
    c->streaming = streaming;
    c->client_id = m->client_id.n > 0 ? xstr_dup(m->client_id) : NULL;
    c->tenant = xstr_dup(m->tenant);
    c->model = xstr_dup(m->model);
    c->api.shape = API_CHAT;
    c->head = (struct api_head){.shape = API_CHAT, .id = m->name, .model = str_of(c->model)};
    c->account = t->account;
    t->account = NULL;
    if (c->account != NULL)
        *account_add_step(c->account) = (struct account_step){.kind = STEP_NEW_HEAD, .at_us = m->age_us};
    t->calls++;
    return c;
}

/* Restores the kind of answer that the client waits for. */
static int fill_asked(const struct taking *t, struct call *c, const struct wire_moved_call *m, const struct request *r)
{
    int err = fill_shape(t, c, m, r);
    return err == 0 && c->streaming && !c->api.stream ? nonsense(t, "an answer that is both whole and streamed") : err;
}

/* Asks the workers again. A request that the client sent is kept until it is known whether a worker
 * has the stream. */
static int seek_on(const struct taking *t, struct call *c, const struct wire_moved_call *m, const struct api_stream_id *at, const struct request *r)
{
    if (m->run.n > 0) {
        int err = r->kind != REQUEST_EMBED ? fill_asked(t, c, m, r) : nonsense(t, "a stream of vectors");
        if (err != 0)
            return err;
        c->brought = request_clone(r);
        c->api.request = *c->brought;
        c->api.timeout_ms = m->deadline_ms;
        c->has_body = true;
    }
    call_resume(t->p, c, at);
    return 0;
}

static int go_on(struct taking *t, struct call *c, const struct wire_moved_call *m, const struct api_stream_id *at, struct request *r)
{
    int err = fill_asked(t, c, m, r);
    if (err != 0)
        return err;
    if (r->kind != REQUEST_EMBED)
        fill_branches(t, c, m, at);
    struct input *inputs = xalloc_array(m->inputs_n + 1, sizeof *inputs);
    for (uint32_t i = 0; i < m->inputs_n; i++)
        inputs[i] = (struct input){.text = m->inputs[i].text, .tokens = m->inputs[i].tokens.p, .tokens_n = m->inputs[i].tokens.n};
    r->inputs = inputs;
    r->inputs_n = m->inputs_n;
    call_keep_texts(t->p, c, r);
    feed(t, c, m, r);
    free(inputs);
    return 0;
}

static int take_call(struct taking *t, struct http_request *r, bool streaming, const struct wire_moved_call *m)
{
    struct request request = {0};
    struct api_stream_id at;
    int err = api_parse_stream_id(m->places, &at, t->f);
    if (err == 0 && (m->name == 0 || m->stream == 0 || m->tenant.n > HEAD_TENANT_NAME_BYTES_MAX || at.stream != m->name || m->total > API_ACTORS_MAX))
        err = nonsense(t, "a stream under two names");
    if (err == 0 && (!m->seeks || m->run.n > 0))
        err = read_request(t, m, &request);
    if (err != 0)
        return err;
    struct call *c = make_call(t, r, streaming, m);
    return m->seeks ? seek_on(t, c, m, &at, &request) : go_on(t, c, m, &at, &request);
}

static int keep_account(struct taking *t, const struct wire_moved_account *m)
{
    if (t->account != NULL)
        return nonsense(t, "the same request twice");
    return account_take(t->p, m, &t->account, t->f);
}

/* Receives a call's jobs and its record, then the call itself. */
static int hear_call(struct taking *t, struct http_request *r, bool streaming)
{
    struct wire_msg m;
    int err;
    while ((err = handoff_hear(t->fdpass, &t->arena, &m, t->f)) == 0 && (m.type == WIRE_moved_job || m.type == WIRE_moved_account)) {
        err = m.type == WIRE_moved_job ? keep_job(t, &m.moved_job) : keep_account(t, &m.moved_account);
        if (err != 0)
            break;
    }
    if (err == 0)
        err = m.type == WIRE_moved_call ? take_call(t, r, streaming, &m.moved_call) : nonsense(t, "a client without its request");
    drop_jobs(t);
    account_free(t->p, t->account);
    t->account = NULL;
    return err;
}

/* ---- connections ---- */

static int hear_bytes(struct taking *t, size_t n, struct buf *out)
{
    struct wire_msg m;
    int err = n <= out->max ? 0 : nonsense(t, "too many bytes of a connection");
    while (err == 0 && out->n < n) {
        err = handoff_hear(t->fdpass, &t->arena, &m, t->f);
        if (err == 0 && (m.type != WIRE_moved_bytes || m.moved_bytes.bytes.n == 0 || m.moved_bytes.bytes.n > n - out->n))
            err = nonsense(t, "bytes that do not match their announcement");
        if (err == 0)
            err = buf_add_str(out, m.moved_bytes.bytes);
    }
    return err;
}

static int take_conn(struct taking *t, const struct wire_moved_conn *told)
{
    struct wire_moved_conn m = *told; /* `told` is invalid after the next message */
    struct buf lines = buf_max(HTTP_LINES_BYTES_MAX); /* stays empty if there are too many */
    struct buf came = buf_max(NET_PENDING_BYTES_MAX), unsent = buf_max(NET_PENDING_BYTES_MAX);
    bool carries = net_fdpass_carries(t->fdpass), asked = m.stage == HTTP_ANSWERING || m.stage == HTTP_STREAMING;
    if (!carries || m.stage < HTTP_IDLE || m.stage > HTTP_CLOSING || asked != (m.asks != 0))
        return nonsense(t, "a message that is no valid connection");
    (void)buf_add_str(&lines, told->lines);
    int fd = net_fdpass_keep(t->fdpass);
    int err = hear_bytes(t, m.came_bytes, &came);
    if (err == 0)
        err = hear_bytes(t, m.unsent_bytes, &unsent);
    if (err != 0) {
        net_fd_drop(fd);
    } else {
        struct http_state is = {.stage = m.stage, .keep_alive = m.keep_alive != 0, .old = m.old != 0, .head_only = m.head_only != 0,
                                .continued = m.continued != 0, .lines = buf_str(&lines), .came = buf_str(&came), .unsent = buf_str(&unsent)};
        struct http_request *r = http_server_take_conn(t->p->server, fd, &is);
        t->conns++;
        if (asked)
            err = r != NULL ? hear_call(t, r, m.stage == HTTP_STREAMING) : nonsense(t, "too many connections");
    }
    buf_fini(&lines);
    buf_fini(&came);
    buf_fini(&unsent);
    return err;
}

/* Receives connections, and the records of requests that ended, until the message that ends them. */
static int take_conns(struct taking *t)
{
    struct wire_msg m;
    int err;
    while ((err = handoff_hear(t->fdpass, &t->arena, &m, t->f)) == 0 && (m.type == WIRE_moved_conn || m.type == WIRE_moved_account)) {
        err = m.type == WIRE_moved_conn ? take_conn(t, &m.moved_conn) : account_take(t->p, &m.moved_account, NULL, t->f);
        if (err != 0)
            return err;
    }
    if (err == 0 && (m.type != WIRE_moved_all || m.moved_all.conns != t->conns || m.moved_all.calls != t->calls))
        err = nonsense(t, "the number of clients does not match its announcement");
    return err;
}

/* ---- the conversation ---- */

static int dial(struct taking *t)
{
    const struct head_options *o = t->p->o;
    char path[REPLACE_PATH_BYTES];
    int err = handoff_path(o->host, o->port, path, sizeof path, t->f);
    if (err == 0)
        err = net_fdpass_dial(path, REPLACE_PATIENCE_MS, &t->fdpass, t->f);
    if (err == ERR_NOT_FOUND)
        err = fault_set(t->f, ERR_UNAVAILABLE,
                        "--replace: no head of this user runs at %s (no process listens at %s): start without "
                        "--replace, or give the --host and --port of the running one",
                        net_place(o->host, o->port).text, path);
    return err;
}

/* The listener's address may differ from our --host by now, and the other head may have had keys that we
 * lack. */
static int check_listener(struct taking *t)
{
    char address[NET_ADDRESS_BYTES];
    net_listener_host(http_server_listener(t->p->server), address);
    return check_exposure(t->p->o, address, t->f);
}

static int ask(struct taking *t, const struct http_server_calls *calls)
{
    struct wire_msg m = {.type = WIRE_replace};
    m.replace = (struct wire_replace){.format = WIRE_HANDED, .version = str_of(t->p->o->version), .pid = (uint32_t)getpid()};
    int err = handoff_say(t->fdpass, &t->p->frame, &m, t->f);
    if (err == 0)
        err = handoff_hear(t->fdpass, &t->arena, &m, t->f);
    if (err == 0 && (m.type != WIRE_yields || !net_fdpass_carries(t->fdpass)))
        err = nonsense(t, "no listener");
    if (err != 0)
        return err;
    t->workers = m.yields.workers;
    err = http_server_take(t->p->loop, net_fdpass_keep(t->fdpass), calls, t->p, &t->p->server, t->f);
    return err == 0 ? check_listener(t) : err;
}

static int take_all(struct taking *t)
{
    struct wire_msg m = {.type = WIRE_moved_all};
    int err = take_conns(t);
    m.moved_all = (struct wire_moved_all){.conns = t->conns, .calls = t->calls};
    if (err == 0)
        err = handoff_say(t->fdpass, &t->p->frame, &m, t->f);
    if (err == 0)
        err = handoff_hear(t->fdpass, &t->arena, &m, t->f);
    if (err == 0 && m.type != WIRE_moved_all)
        err = nonsense(t, "the confirmation is missing");
    return err;
}

static void undo(struct head_program *p)
{
    if (p->server != NULL)
        http_server_let_go(p->server);
    p->server = NULL;
    replace_forget_calls(p);
    accounts_end(p);
}

int take_place(struct head_program *p, const struct http_server_calls *calls, struct fault *f)
{
    struct taking *t = xalloc(sizeof *t);
    struct fault late = {0};
    t->p = p;
    t->f = f;
    int err = dial(t);
    if (err == 0)
        err = ask(t, calls);
    if (err == 0)
        err = take_all(t);
    if (err != 0) {
        undo(p);
    } else {
        t->f = &late;
        if (take_conns(t) != 0) /* all other clients are ours from here on */
            log_warn(TAG, EVENT("ends_lost", KV("code", err_name(late.err))),
                     "the ends of complete answers were not transferred: %s", late.text);
        log_info(TAG, EVENT("took_over", KV("connections", t->conns), KV("requests", t->calls), KV("workers", t->workers)),
                 "took the place of the head that ran here: %u connections, %u requests under way, %u workers that will dial again",
                 t->conns, t->calls, t->workers);
    }
    net_fdpass_free(t->fdpass);
    wire_arena_fini(&t->arena);
    wire_arena_fini(&t->run);
    wire_arena_fini(&t->lists);
    free(t);
    return err;
}
