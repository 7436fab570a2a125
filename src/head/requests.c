#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "head/account.h"
#include "json/write.h"

/* Show waiting and running requests to the clients that sent them: /manta/requests. Only an admin
 * sees other clients' requests. */

enum { REQUESTS_LISTED_MAX = 256 };

/* ---- the state of a request ---- */

static const char *state_of(const struct head_call_view *v)
{
    if (v->running > 0)
        return v->prefilled > 0 ? "running" : "prefill";
    if (v->wait.place > 0 && v->wait.ready == 0)
        return v->wait.loading >= 0 ? "loading" : v->wait.starting > 0 ? "starting a worker" : "no worker yet";
    return "queued";
}

static void put_wait(const struct head_wait *w, struct jout *j)
{
    if (w->place == 0)
        return;
    jout_put_uint(j, "place", w->place);
    if (w->eta_s > 0)
        jout_put_fixed(j, "eta_s", w->eta_s, 1);
    if (w->loading >= 0)
        jout_put_fixed(j, "loading", (double)w->loading, 2);
    if (w->ready == 0 && w->starting > 0)
        jout_put_uint(j, "workers_starting", w->starting);
    if (w->ready == 0 && w->start_s > 0)
        jout_put_fixed(j, "start_eta_s", w->start_s, 1);
}

static void put_request(struct head_program *p, const struct call *c, const struct head_call_view *v, struct jout *j)
{
    char id[CALL_NAME_BYTES];
    call_name(c, id);
    jout_object(j);
    jout_put_cstr(j, "id", id);
    if (c->client_id != NULL)
        jout_put_cstr(j, "client_id", c->client_id);
    jout_put_cstr(j, "state", state_of(v));
    put_wait(&v->wait, j);
    if (v->actor != UINT32_MAX) {
        jout_put_uint(j, "actor", v->actor);
        jout_put_str(j, "node", v->node);
    }
    jout_put_uint(j, "tokens", v->tokens);
    jout_put_uint(j, "answers", v->branches);
    jout_put_uint(j, "answers_ended", v->ended);
    jout_put_fixed(j, "age_s", (double)(net_now_us(p->loop) - c->started_us) / 1e6, 2);
    jout_put_str(j, "model", v->model);
    jout_put_str(j, "tenant", v->tenant);
    jout_put_int(j, "priority", v->priority);
    jout_put_bool(j, "stream", c->api.stream);
    jout_object_end(j);
}

static bool sees(const struct owner *who, const struct call *c)
{
    return who->all || c->owner == who->id;
}

/* Writes the counts of all requests, or of one tenant's. */
static void put_counts(struct head_program *p, const struct owner *who, struct jout *j)
{
    struct head_totals t;
    struct head_tenant_view v;
    uint64_t own = 0;
    head_totals(p->brain, &t);
    if (!who->all)
        t.queued = t.running = 0;
    IDTAB_EACH(pos, &p->calls)
        own += sees(who, id_item(pos, struct call, node));
    for (uint64_t from = 0; !who->all && head_tenant_at(p->brain, from, &v); from = v.id + 1) {
        if (owner_sees_tenant(who, v.name)) {
            t.queued = v.queued;
            t.running = v.running;
        }
    }
    jout_put_uint(j, "requests", who->all ? t.calls : own);
    jout_put_uint(j, "queued", t.queued);
    jout_put_uint(j, "running", t.running);
}

void put_requests(struct head_program *p, const struct owner *who, struct jout *j)
{
    struct head_call_view v;
    uint32_t listed = 0;
    jout_object(j);
    put_counts(p, who, j);
    jout_key(j, "request_list"); /* oldest first */
    jout_array(j);
    IDTAB_EACH(pos, &p->calls)
    {
        const struct call *c = id_item(pos, struct call, node);
        if (listed < REQUESTS_LISTED_MAX && sees(who, c) && head_call_view(p->brain, c->node.id, &v)) {
            put_request(p, c, &v, j);
            listed++;
        }
    }
    jout_array_end(j);
    jout_key(j, "ended_list"); /* newest first */
    put_ended(p, who, j);
    jout_object_end(j);
}

static bool goes_by(const struct call *c, struct str name)
{
    char id[CALL_NAME_BYTES];
    call_name(c, id);
    return str_is(name, id) || (c->client_id != NULL && str_is(name, c->client_id));
}

/* Client ids are per owner: two tenants may use the same one. */
bool write_request(struct head_program *p, struct str name, const struct owner *who)
{
    struct jout j = jout_to(&p->json);
    struct head_call_view v;
    IDTAB_EACH(pos, &p->calls)
    {
        const struct call *c = id_item(pos, struct call, node);
        if (sees(who, c) && goes_by(c, name) && head_call_view(p->brain, c->node.id, &v)) {
            put_request(p, c, &v, &j);
            return true;
        }
    }
    return false;
}

/* Names the possible reasons: records are in the memory of the head that had the request, so this one cannot know which it is. */
static int not_explained(const struct head_program *p, struct str id, struct fault *f)
{
    unsigned long long age_s = (net_now_us(p->loop) - p->started_us) / 1000000;
    return fault_set(f, ERR_NOT_FOUND, "there is no request '%.*s' here: this head began %llu s ago%s and keeps the last %u requests; "
                                       "those of a head that was lost are lost with it. `manta requests` or GET /manta/requests lists them",
                     STR_ARG(utf8_head(id, 128)), age_s, p->o->replace ? ", with the requests of the head it replaced," : "", ACCOUNTS_MAX);
}

int request_told(struct head_program *p, struct str rest, const struct owner *who, struct fault *f)
{
    static const char explain[] = "/explain";
    size_t tail = sizeof explain - 1;
    bool explains = rest.n > tail && memcmp(rest.p + rest.n - tail, explain, tail) == 0;
    struct str id = str_n(rest.p, rest.n - (explains ? tail : 0));
    struct buf name = buf_max(API_FIELD_BYTES_MAX);
    bool known = http_decode(&name, id, false) == 0 && (explains ? write_explained : write_request)(p, buf_str(&name), who);
    buf_fini(&name);
    if (known)
        return 0;
    return explains ? not_explained(p, id, f)
                    : fault_set(f, ERR_NOT_FOUND, "no request '%.*s' is here now: it has ended, or it never was; GET /manta/requests lists those there are",
                                STR_ARG(utf8_head(id, 128)));
}

/* Returns the client's id; empty: none, or one that a header or log could not hold. */
static struct str client_id(const struct http_request *r)
{
    struct str s = http_header(r, "x-request-id");
    bool usable = s.n > 0 && s.n <= CLIENT_ID_BYTES_MAX;
    for (size_t i = 0; usable && i < s.n; i++)
        usable = (unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f;
    return usable ? s : (struct str){0};
}

char *request_client_id(const struct http_request *r)
{
    struct str s = client_id(r);
    return s.n > 0 ? xstr_dup(s) : NULL;
}

void request_put_client_id(const struct http_request *r, struct buf *lines)
{
    struct str s = client_id(r);
    if (s.n > 0)
        buf_printf(lines, "x-request-id: %.*s\r\n", STR_ARG(s));
}

/* ---- tenants that share the queue ---- */

bool owner_sees_tenant(const struct owner *who, struct str name)
{
    return who->all || str_is(name, who->tenant[0] != '\0' ? who->tenant : "common");
}

void put_tenants(struct head_program *p, const struct owner *who, struct jout *j)
{
    struct head_tenant_view v;
    uint32_t known = 0;
    jout_key(j, "tenants");
    jout_array(j);
    for (uint64_t from = 0; head_tenant_at(p->brain, from, &v); from = v.id + 1) {
        if (!owner_sees_tenant(who, v.name))
            continue;
        known++;
        if (!v.labelled)
            continue;
        jout_object(j);
        jout_put_str(j, "name", v.name);
        jout_put_uint(j, "queued", v.queued);
        jout_put_uint(j, "running", v.running);
        jout_put_uint(j, "bytes", v.bytes);
        jout_put_uint(j, "calls_total", v.calls_total);
        jout_put_uint(j, "calls_refused", v.calls_refused);
        jout_put_uint(j, "prompt_tokens", v.prompt_tokens);
        jout_put_uint(j, "answer_tokens", v.answer_tokens);
        jout_object_end(j);
    }
    jout_array_end(j);
    jout_put_uint(j, "tenants_known", known);
}
