#include <stdlib.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "head/account.h"
#include "head/desk.h"
#include "head/memory.h"
#include "head/stored.h"

/* Clients that wait for answers: from the parsed request to the brain, and from the brain's effects
 * to answer.c.
 *
 * Happy path: call_begin -> HEAD_PROMPT -> FX_STARTED, FX_TOKENS …, FX_BRANCH_DONE per branch ->
 * FX_CALL_END -> answered. A client that sends Last-Event-ID: HEAD_RESUME -> FX_RESUMED -> as
 * above, from its place. If no worker has the stream, its head and its worker were lost together:
 * if the client sent its request, the call starts anew, under the same name and with the same seed;
 * the part that the client has is computed again, but not sent again.
 * It can fail by: FX_CALL_FAILED at any time; the client disconnecting (HEAD_CALL_GONE); a client
 * that reads too slowly for too long (doomed: the client gets an error, then HEAD_CALL_GONE). */

struct call *call_find(struct head_program *p, uint64_t id)
{
    struct id_node *n = idtab_get(&p->calls, id);
    return n != NULL ? id_item(n, struct call, node) : NULL;
}

void call_branch_fini(struct branch *b)
{
    backlog_fini(&b->whole);
    held_fini(&b->held);
    free(b->vector);
    free(b->prompt_ids);
    free(b->model);
    free(b->node);
    free(b->address);
    free(b->stop);
}

void call_free(struct head_program *p, struct call *c)
{
    stored_drop(p, c);
    account_free(p, c->account);
    idtab_remove(&p->calls, &c->node);
    list_remove(&c->doomed);
    for (uint32_t i = 0; i < c->branches_n; i++)
        call_branch_fini(&c->branches[i]);
    free(c->branches);
    free(c->from);
    free(c->brought);
    free(c->texts);
    memory_of_call(p, c, -(int64_t)c->bytes);
    free(c->client_id);
    free(c->tenant);
    api_call_fini(&c->api);
    free(c->availability);
    free(c->model);
    free(c->echo);
    free(c);
}

void call_written(struct head_program *p, struct call *c, struct buf *text)
{
    if (c->r != NULL)
        answer_written(p, c, text);
    call_free(p, c);
}

/* ---- from clients ---- */

/* Returns a name that cannot be guessed, although only clients with the tenant's key can continue the
 * stream. */
static uint64_t stream_name(struct head_program *p)
{
    uint64_t name = 0;
    if (getrandom(&name, sizeof name, GRND_NONBLOCK) != sizeof name || name == 0)
        name = rng_next(&p->seeds) | 1; /* the kernel has just started and has no entropy yet */
    return name;
}

/* Sets the owner, and derives the stream's name for workers. */
static void set_owner(struct call *c, const struct owner *who)
{
    c->owner = who->id;
    c->admin = who->admin;
    c->sealed = seal_stream(&who->seal, c->stream);
    c->tenant = xstrdup(who->tenant);
}

struct call *call_new(struct head_program *p, struct http_request *r)
{
    struct call *c = xalloc(sizeof *c);
    c->r = r;
    c->started_us = net_now_us(p->loop);
    http_set_user_data(r, &c->asker);
    idtab_add(&p->calls, &c->node, p->next_call++);
    return c;
}

/* Requests with the same session go to the same actor while that costs little: its cache has the
 * conversation. The first header is manta's; clients of other routers send the others. */
static struct str session_header(const struct http_request *r)
{
    static const char *const names[] = {"x-session-id", "x-smg-routing-key", "x-dynamo-session-id"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str session = http_header(r, names[i]);
        if (session.n > 0 && session.n <= API_FIELD_BYTES_MAX)
            return session;
    }
    return str_n(NULL, 0);
}

void call_keep_texts(struct head_program *p, struct call *c, const struct request *r)
{
    if (c->api.shape != API_RERANK || !c->api.with_prompt)
        return;
    struct request texts = {.inputs = r->inputs, .inputs_n = r->inputs_n};
    c->texts = request_clone(&texts);
    memory_of_call(p, c, (int64_t)request_bytes(c->texts));
}

void call_prompt(struct head_program *p, struct call *c)
{
    struct buf note = buf_max(NOTE_BYTES_MAX);
    note_write(&note, c);
    struct head_event ev = {
        .kind = HEAD_PROMPT,
        .call = c->node.id,
        .request = &c->api.request,
        .count = c->api.n,
        .spread = c->api.spread,
        .stream = call_dialect(c)->streams && request_can_be_sought(&c->api.request) ? c->sealed.name : 0,
        .claim = c->sealed.claim,
        .client = buf_str(&note),
        .deadline_ms = c->api.timeout_ms,
    };
    uint64_t id = c->node.id;
    head_feed(p, ev); /* may have answered already */
    buf_fini(&note);
    c = call_find(p, id);
    if (c == NULL)
        return;
    api_call_forget(&c->api); /* the brain has its own copy of running jobs */
    free(c->brought);
    c->brought = NULL;
}

bool call_may_begin_anew(const struct call *c)
{
    if (c->from == NULL || !c->has_body)
        return false;
    for (uint32_t i = 0; i < c->from->n; i++) {
        if (c->from->at[i].tokens > 0 || c->from->at[i].done)
            return false;
    }
    return true;
}

/* True if no worker has the stream, and the request can be the one that began it. */
bool call_may_be_computed_again(const struct call *c)
{
    return c->from != NULL && c->has_body && (c->api.spread || c->from->n <= c->api.n || call_may_begin_anew(c));
}

/* Asks for the output after the places in `from`, or for all of it if the end of the answer is made
 * of the whole. */
void call_resume(struct head_program *p, struct call *c, const struct api_stream_id *from)
{
    int32_t said[API_BRANCHES_MAX] = {0};
    c->from = xalloc(sizeof *c->from);
    *c->from = *from;
    for (uint32_t i = 0; i < from->n && !from->whole; i++)
        said[i] = (int32_t)from->at[i].tokens;
    head_feed(p, (struct head_event){.kind = HEAD_RESUME,
                                     .call = c->node.id,
                                     .stream = c->sealed.name,
                                     .claim = c->sealed.claim,
                                     .tenant = c->tenant != NULL ? str_of(c->tenant) : str_n(NULL, 0),
                                     .said = {.p = said, .n = from->n},
                                     .anew = call_may_begin_anew(c),
                                     .deadline_ms = c->api.timeout_ms});
}

static void call_parsed(struct head_program *p, struct http_request *r, enum api_shape shape, int err, struct api_call *api, struct api_error *e)
{
    struct api_stream_id from = {0};
    struct str last = http_header(r, "last-event-id");
    struct fault f = {0};
    if (p->leaving)
        fault_set(&f, ERR_UNAVAILABLE, "this head is stopping: ask another one, or again when it is back");
    else if (last.n > 0 && err == 0 && api->request.inputs_n > 0 && api_dialect(shape)->streams)
        fault_set(&f, ERR_NOT_FOUND, "a stream of answers to several prompts ends with its connection: ask again without last-event-id");
    else if (last.n > 0 && api_dialect(shape)->streams)
        api_parse_stream_id(last, &from, &f);
    if (f.err != 0 || err != 0) {
        if (err == 0)
            api_call_fini(api);
        if (f.err != 0)
            reply_fault(p, r, &f);
        else
            reply_api_error(p, r, e);
        return;
    }
    struct owner who;
    if (owner_of(p, r, &who, &e->fault) != 0) {
        api_call_fini(api);
        reply_api_error(p, r, e);
        return;
    }
    if (!p->o->keep_billing)
        api_drop_billing(api);
    struct str session = session_header(r);
    if (session.n > 0)
        api->request.affinity = session; /* takes precedence over `prompt_cache_key` and `user` */
    struct call *c = call_new(p, r);
    uint64_t id = c->node.id;
    c->api = *api;
    c->model = xstr_dup(api->request.model);
    c->echo = api->echo.n > 0 ? xstr_dup(api->echo) : NULL;
    c->client_id = request_client_id(r);
    c->stream = from.stream != 0 ? from.stream : stream_name(p);
    set_owner(c, &who);
    if (!api->seed_given) /* a client that repeats the request under the stream's name gets the same draws; the seed
                           * reveals nothing to workers */
        c->api.request.sampling.seed = rng_mix(c->sealed.name);
    c->api.request.tenant = str_of(c->tenant);
    c->api.request.scope = p->o->share_prefix ? 0 : who.id;
    c->total = api->spread ? 0 : api->n;
    c->has_body = true;
    c->head = (struct api_head){.shape = shape, .id = c->stream, .created = clock_unix_s(), .model = str_of(c->model),
                                .include_usage = api->include_usage, .echo = str_n(c->echo, api->echo.n), .summary = api->summary};
    call_keep_texts(p, c, &c->api.request);
    struct fault lost = {0};
    if (stored_begin(p, c, &lost) != 0 && from.stream == 0) {
        answer_fault(p, c, &lost, 0);
        call_free(p, c);
        return;
    }
    if (lost.err != 0) /* a running stream can be continued, but not started anew */
        c->has_body = false;
    if (from.stream != 0)
        call_resume(p, c, &from);
    else
        call_prompt(p, c);
    c = call_find(p, id);
    if (c != NULL) {
        c->api.request.affinity = str_n(NULL, 0); /* may have pointed into the request, which is freed now */
        http_forget(c->r);
    }
}

void call_begin(struct head_program *p, struct http_request *r, enum api_shape shape)
{
    struct api_error e = {0};
    struct api_call api;
    if (http_body(r).n >= DESK_BYTES)
        reading_begin(p, r, shape, call_parsed);
    else
        call_parsed(p, r, shape, api_parse(shape, http_body(r), &api, &e), &api, &e);
}

void call_begin_resume(struct head_program *p, struct http_request *r, const struct api_stream_id *at)
{
    struct api_stream_id from = *at;
    struct fault f = {0};
    struct owner who;
    struct str last = http_header(r, "last-event-id");
    if ((last.n > 0 && api_parse_stream_id(last, &from, &f) != 0) || owner_of(p, r, &who, &f) != 0) {
        reply_fault(p, r, &f);
        return;
    }
    struct call *c = call_new(p, r);
    uint64_t id = c->node.id;
    c->stream = from.stream;
    set_owner(c, &who);
    c->api.shape = API_CHAT; /* until its note is found */
    c->head = (struct api_head){.shape = API_CHAT, .id = c->stream};
    call_resume(p, c, &from);
    c = call_find(p, id);
    if (c != NULL)
        http_forget(c->r);
}

void call_begin_scale(struct head_program *p, struct http_request *r, const struct api_scale *what)
{
    struct call *c = call_new(p, r);
    struct head_scale_ask ask = {
        .mode = what->by_load ? SCALE_AUTO : SCALE_FIXED, .workers = what->workers, .min = what->min, .max = what->max};
    c->scale = true;
    head_feed(p, (struct head_event){.kind = HEAD_SCALE, .call = c->node.id, .scale = &ask});
}

void call_begin_availability(struct head_program *p, struct http_request *r, uint8_t availability, const struct api_availability *what)
{
    struct call *c = call_new(p, r);
    c->availability = xalloc(sizeof *c->availability);
    *c->availability = *what;
    c->availability_to = availability;
    head_feed(p, (struct head_event){.kind = HEAD_AVAILABILITY, .call = c->node.id, .text = str_of(c->availability->worker), .availability = availability,
                                     .grace_ms = what->grace_s * 1000, .move = what->move});
}

void call_gone(struct head_program *p, struct http_request *r)
{
    struct call *c = http_user_data(r);
    if (c == NULL)
        return;
    if (c->writing != NULL) { /* the brain has dropped the call */
        if (writing_gone(c))
            call_free(p, c);
        return;
    }
    uint64_t id = c->node.id;
    account_end(p, c, err_http(ERR_CANCELLED), "its client went away");
    call_free(p, c);
    head_feed(p, (struct head_event){.kind = HEAD_CALL_GONE, .call = id});
}
