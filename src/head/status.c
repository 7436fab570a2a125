#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/dialect.h"
#include "base/limits.h"
#include "base/log.h"
#include "brain/kit/text.h"
#include "head/account.h"
#include "head/memory.h"
#include "head/page.h"
#include "head/stored.h"
#include "head/watch.h"
#include "json/write.h"
#include "os/memory.h"

/* Write the pages for people and scripts: /manta/status, /manta/actors, /v1/models. */

const char *worker_state_name(enum worker_state s)
{
    static const char *const names[WORKER_STATES] = {"ok", "slow", "hung", "cordoned", "draining", "lost"};
    return names[s];
}

static const char *health_name(enum actor_health health)
{
    static const char *const names[ACTOR_HEALTHS] = {"well", "resting", "ejected", "probed"};
    return names[health];
}

/* Counts model files and engine modules mapped into this process: `manta verify` expects none. */
static unsigned mapped_models(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned n = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strstr(line, ".gguf") != NULL || strstr(line, "manta-engine-") != NULL || strstr(line, "libllama") != NULL)
            n++;
    }
    if (f != NULL)
        fclose(f);
    return n;
}

static void put_head(struct head_program *p, struct jout *j)
{
    jout_key(j, "head");
    jout_object(j);
    jout_put_cstr(j, "version", p->o->version);
    jout_put_cstr(j, "coordinator", "prompt_coordinator");
    jout_put_bool(j, "stopping", p->leaving);
    jout_put_cstr(j, "balance", balance_name(p->o->brain.balance));
    jout_put_uint(j, "pid", (uint64_t)getpid()); /* `manta up` recognises its own head by it, whatever its key */
    jout_put_uint(j, "uptime_s", (net_now_us(p->loop) - p->started_us) / 1000000);
    jout_put_uint(j, "rss_bytes", memory_resident_bytes());
    jout_put_uint(j, "models_mapped", mapped_models());
    jout_put_uint(j, "connections", http_server_conns(p->server));
    const struct net_turns *turns = net_turns(p->loop);
    jout_put_uint(j, "loop_turns", turns->n);
    jout_put_uint(j, "loop_turn_cpu_max_us", turns->max_us);
    jout_put_uint(j, "loop_turns_long", turns->over);
    jout_object_end(j);
}

/* Writers for the fields of a view, by kind. Nodes' addresses, their processes, and the text of job
 * failures, which may quote a client's prompt, are for admins only. */
#define PUT_NONE(key, value)
#define PUT_UINT(key, value) jout_put_uint(j, key, value);
#define PUT_US_AS_MS(key, value) jout_put_uint(j, key, (value) / 1000);
#define PUT_STR(key, value) jout_put_str(j, key, value);
#define PUT_BOOL(key, value) jout_put_bool(j, key, value);
#define PUT_FIXED1(key, value) jout_put_fixed(j, key, (double)(value), 1);
#define PUT_FIXED2(key, value) jout_put_fixed(j, key, (double)(value), 2);
#define PUT_ABOVE_0(key, value) if ((value) > 0) jout_put_fixed(j, key, (double)(value), 1);
#define PUT_WORKER_STATE(key, value) jout_put_cstr(j, key, worker_state_name(value));
#define PUT_ACTOR_STATE(key, value) jout_put_cstr(j, key, actor_state_name(value));
#define PUT_HEALTH(key, value) jout_put_cstr(j, key, health_name(value));
#define PUT_AVAILABILITY(key, value) jout_put_cstr(j, key, availability_name(value));
#define PUT_KIND(key, value) jout_put_cstr(j, key, (value) == REQUEST_EMBED ? "embed" : "generate");
#define PUT_ADMIN_UINT(key, value) if (who->admin) jout_put_uint(j, key, value);
#define PUT_ADMIN_STR(key, value) if (who->admin) jout_put_str(j, key, value);
#define F(type, name, value, key, form) PUT_##form(key, v->name)

static void put_totals(const struct head_totals *v, struct jout *j)
{
    jout_put_uint(j, "nodes", v->workers + 1);
    jout_key(j, "resources");
    jout_object(j);
    jout_put_fixed(j, "CPU", (double)v->cpus, 1);
    jout_put_uint(j, "memory", v->memory_bytes);
    jout_object_end(j);
    HEAD_TOTALS(F)
}

static void put_worker(const struct head_worker_view *v, const struct owner *who, struct jout *j)
{
    jout_object(j);
    HEAD_WORKER_FIELDS(F)
    jout_object_end(j);
}

static void put_actor(const struct head_actor_view *v, const struct owner *who, struct jout *j)
{
    jout_object(j);
    HEAD_ACTOR_FIELDS(F)
    jout_object_end(j);
}

static void begin_list(struct page_writer *w, const char *name)
{
    if (w->index > 0)
        return;
    w->index = 1;
    jout_key(&w->j, name);
    jout_array(&w->j);
}

/* True if the list has reached its limit. */
static bool is_full(const struct page_writer *w)
{
    return w->listed_max > 0 && w->index > w->listed_max;
}

bool part_workers(struct page_writer *w)
{
    struct head_worker_view v;
    begin_list(w, "worker_nodes");
    for (int n = 0; n < PAGE_SLICE; n++) {
        if (is_full(w) || !head_worker_at(w->p->brain, w->from, net_now_us(w->p->loop), &v)) {
            jout_array_end(&w->j);
            return true;
        }
        put_worker(&v, w->who, &w->j);
        w->from = v.id + 1;
        w->index++;
    }
    return false;
}

bool part_actors(struct page_writer *w)
{
    struct head_actor_view a;
    begin_list(w, "actor_list");
    for (int n = 0; n < PAGE_SLICE; n++) {
        if (is_full(w) || !head_actor_at(w->p->brain, (uint32_t)w->from, &a)) {
            jout_array_end(&w->j);
            return true;
        }
        put_actor(&a, w->who, &w->j);
        w->from = a.id + 1;
        w->index++;
    }
    return false;
}

static void put_limits(struct head_program *p, struct jout *j)
{
    const struct head_config *c = &p->o->brain;
    jout_key(j, "limits");
    jout_object(j);
#define L(name, value, unit, flag, then) jout_put_uint(j, #name, value);
    LIMITS(L)
#undef L
    jout_object_end(j);
}

/* Writes the budget: the limits that add up to memory_bytes_max, their present use, and the effect
 * of reaching each. */
static void put_memory(struct head_program *p, struct jout *j)
{
    struct memory_part parts[MEMORY_PARTS_MAX];
    size_t n = memory_parts(p, parts);
    jout_key(j, "memory");
    jout_object(j);
    jout_put_uint(j, "bytes_max", memory_bytes_max(p));
    jout_key(j, "parts");
    jout_array(j);
    for (size_t i = 0; i < n; i++) {
        jout_object(j);
        jout_put_cstr(j, "name", parts[i].name);
        jout_put_uint(j, "bytes_max", parts[i].bytes_max);
        jout_put_uint(j, "bytes", parts[i].bytes);
        jout_put_cstr(j, "then", parts[i].then);
        jout_object_end(j);
    }
    jout_array_end(j);
    jout_object_end(j);
}

void part_overview(struct page_writer *w)
{
    struct head_totals t;
    head_totals(w->p->brain, &t);
    put_head(w->p, &w->j);
    put_totals(&t, &w->j);
    put_scale(w->p, &w->j);
    put_tenants(w->p, w->who, &w->j);
}

static bool begin_status(struct page_writer *w)
{
    jout_object(&w->j);
    part_overview(w);
    return true;
}

static bool end_status(struct page_writer *w)
{
    put_limits(w->p, &w->j);
    put_memory(w->p, &w->j);
    jout_object_end(&w->j);
    return true;
}

void reply_status(struct head_program *p, struct http_request *r, const struct owner *who)
{
    static page_part_fn *const parts[] = {begin_status, part_workers, part_actors, end_status, NULL};
    page_ask(p, r, who, parts, "application/json; charset=utf-8", NULL);
}

static bool begin_actors(struct page_writer *w)
{
    struct head_totals t;
    head_totals(w->p->brain, &t);
    jout_object(&w->j);
    jout_put_uint(&w->j, "actors", t.actors_ready);
    return true;
}

static bool end_object(struct page_writer *w)
{
    jout_object_end(&w->j);
    return true;
}

void reply_actors(struct head_program *p, struct http_request *r, const struct owner *who)
{
    static page_part_fn *const parts[] = {begin_actors, part_actors, end_object, NULL};
    page_ask(p, r, who, parts, "application/json; charset=utf-8", NULL);
}

/* ---- models: the names of ready actors, each once ---- */

enum { MODELS_LISTED_MAX = 256 };

/* Lists the models that a request would wake a worker for, when no worker runs because none was
 * needed. */
static size_t collect_sleeping(struct head_program *p, struct api_model *out)
{
    struct head_scale_model models[MODELS_LISTED_MAX];
    struct head_scale_view scale;
    head_scale_view(p->brain, &scale);
    size_t n = scale.sleeps ? head_scale_models(p->brain, models, MODELS_LISTED_MAX) : 0;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct api_model){.id = models[i].name, .created = p->started_unix_s};
    return n;
}

static size_t collect_models(struct head_program *p, struct api_model *out)
{
    struct head_actor_view a;
    size_t n = 0;
    for (uint32_t from = 0; n < MODELS_LISTED_MAX && head_actor_at(p->brain, from, &a); from = a.id + 1) {
        size_t i = 0;
        while (i < n && !str_eq(out[i].id, a.model))
            i++;
        if (a.state == WIRE_ACTOR_READY && i == n)
            out[n++] = (struct api_model){.id = a.model, .created = p->started_unix_s, .bytes = a.weights_bytes, .digest = a.digest, .family = a.family,
                                          .quantization = a.quantization, .parameters = a.parameters, .context = a.context,
                                          .embeds = a.kind == REQUEST_EMBED, .chats = a.has_template};
    }
    return n > 0 ? n : collect_sleeping(p, out);
}

void write_models(struct head_program *p, const struct api_dialect *d)
{
    struct api_model models[MODELS_LISTED_MAX];
    size_t n = collect_models(p, models);
    d->models(&p->json, models, n);
}

bool write_model(struct head_program *p, struct str id, const struct api_dialect *d)
{
    struct api_model models[MODELS_LISTED_MAX];
    size_t n = collect_models(p, models);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(models[i].id, id)) {
            d->model(&p->json, &models[i]);
            return true;
        }
    }
    return false;
}
