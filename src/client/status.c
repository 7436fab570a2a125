#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/plain.h"
#include "client/fetch.h"
#include "client/page.h"
#include "client/rows.h"
#include "client/show.h"
#include "client/table.h"

/* `manta status` and `manta actors`: the head's answer as tables or, with -o json, unchanged. */

static bool is_exact(const json_t *a)
{
    return json_is_true(json_object_get(a, "exact"));
}

/* ---- workers ---- */

static void show_reasons(const json_t *workers)
{
    size_t i;
    json_t *w;
    json_array_foreach(workers, i, w) {
        const char *reason = json_text(w, "reason", "");
        if (reason[0] != '\0')
            show_wrapped("  %s is %s: %s", json_text(w, "node", "?"), json_text(w, "state", "?"), reason);
    }
}

static void show_workers(const struct client_options *o, const json_t *s)
{
    struct table t;
    size_t i;
    json_t *w;
    const json_t *list = json_object_get(s, "worker_nodes");
    if (json_array_size(list) == 0)
        return;
    table_init(&t, o->wide ? ROWS_WORKER " PROMPT/S PID CELSIUS KEPT MOVING RTT-MS VERSION ENGINE" : ROWS_WORKER);
    json_t *sorted = rows_by_name(list);
    json_array_foreach(sorted, i, w) {
        struct rows_worker all = rows_sum_up(s, w);
        rows_worker(&t, w, &all);
        if (o->wide)
            rows_worker_wide(&t, w, &all);
        buf_fini(&all.models);
    }
    table_end(&t, 2, o->wide);
    show_reasons(sorted);
    json_decref(sorted);
}

/* ---- actors ---- */

static void add_actor(struct table *t, const json_t *a)
{
    const char *state = json_text(a, "state", "?"), *health = json_text(a, "health", "ok"), *worker = json_text(a, "worker_state", "ok");
    table_cell(t, "%.0f", json_num(a, "id"));
    table_cell(t, "%s", json_text(a, "model", "?"));
    table_cell(t, "%s", json_text(a, "node", "?"));
    if (strcmp(state, "loading") == 0)
        table_cell(t, "loading %.0f%%", json_num(a, "progress") * 100);
    else
        table_cell(t, "%s", !rows_ready(a) ? state : json_num(a, "failures_in_a_row") > 0 ? health : strcmp(worker, "ok") != 0 ? worker : state);
    table_cell(t, "%.0f/%.0f", json_num(a, "in_flight"), json_num(a, "slots"));
    rows_speed(t, json_num(a, "decode_tps"));
    rows_speed(t, json_num(a, "prefill_tps"));
    table_cell(t, "%.0f", json_num(a, "context"));
    table_cell(t, "%s", table_bytes(json_num(a, "weights_bytes") + json_num(a, "repack_bytes") + json_num(a, "kv_bytes") + json_num(a, "compute_bytes")).text);
    table_cell(t, "%s", is_exact(a) ? "yes" : "no");
    table_cell(t, "%s", json_text(a, "address", ""));
}

static void add_actor_wide(struct table *t, const json_t *a)
{
    table_cell(t, "%s", table_bytes(json_num(a, "weights_bytes")).text);
    table_cell(t, "%s", table_bytes(json_num(a, "repack_bytes")).text);
    table_cell(t, "%s", table_bytes(json_num(a, "kv_bytes")).text);
    table_cell(t, "%s", table_bytes(json_num(a, "compute_bytes")).text);
    table_cell(t, "%s of %s", table_bytes(json_num(a, "prefix_bytes")).text, table_bytes(json_num(a, "prefix_bytes_max")).text);
    table_cell(t, "%.0f", json_num(a, "prefixes"));
    table_cell(t, "%.0f", json_num(a, "tokens_restored"));
    table_cell(t, "%.0f", json_num(a, "jobs_done"));
    table_cell(t, "%.0f", json_num(a, "jobs_failed"));
    table_cell(t, "%.0f", json_num(a, "tokens"));
    table_cell(t, "%.12s", json_text(a, "digest", ""));
}

/* Shows facts that have no column. */
static void show_notes(const json_t *a)
{
    const char *worker = json_text(a, "worker_state", "ok");
    int id = (int)json_num(a, "id");
    if (strcmp(json_text(a, "state", ""), "failed") == 0)
        show_wrapped("  actor %d failed: %s", id, json_text(a, "note", ""));
    if (json_num(a, "failures_in_a_row") > 0)
        show_wrapped("  actor %d is %s after %.0f failures in a row: %s", id, json_text(a, "health", "?"), json_num(a, "failures_in_a_row"),
                     json_text(a, "trouble", ""));
    if (strcmp(worker, "ok") != 0)
        show_wrapped("  actor %d: its worker is %s: %s", id, worker, json_text(a, "worker_reason", ""));
    if (rows_ready(a) && is_exact(a))
        show_wrapped("  actor %d computes exactly: %s", id, json_text(a, "setup", ""));
}

#define ACTOR_COLUMNS "ACTOR MODEL WORKER STATE SLOTS TOKENS/S PROMPT/S CONTEXT MEMORY EXACT ADDRESS"

static void show_actors(const struct client_options *o, const json_t *answer)
{
    struct table t;
    size_t i;
    json_t *a;
    const json_t *list = json_object_get(answer, "actor_list");
    bool fast = false, unmeasured = false;
    printf("%s total %.0f ready\n", show_tag("ACTORS"), json_num(answer, "actors"));
    if (json_array_size(list) == 0)
        return;
    table_init(&t, o->wide ? ACTOR_COLUMNS " WEIGHTS REPACKED KV COMPUTE PREFIXES KEPT RESTORED DONE FAILED TOKENS SHA-256" : ACTOR_COLUMNS);
    json_array_foreach(list, i, a) {
        add_actor(&t, a);
        if (o->wide)
            add_actor_wide(&t, a);
        fast = fast || (rows_ready(a) && !is_exact(a));
        unmeasured = unmeasured || (rows_ready(a) && json_num(a, "decode_tps") <= 0);
    }
    table_end(&t, 2, o->wide);
    json_array_foreach(list, i, a)
        show_notes(a);
    if (unmeasured)
        show_wrapped("  tokens/s -: not measured yet, it is with the first answer");
    if (fast && o->wide)
        show_wrapped("  not exact: an answer that moves to another worker loses and repeats nothing, but its words may differ from then on; "
                     "--exact keeps them to the byte");
}

/* Heads of other versions may have other limits. */
static void show_limits(const json_t *limits)
{
    static const struct { const char *name, *unit, *flag, *then; } rows[] = {
#define L(name, value, unit, flag, then) {#name, unit, flag, then},
        LIMITS(L)
#undef L
    };
    const char *name;
    json_t *value;
    printf("%s\n", show_tag("LIMITS"));
    json_object_foreach((json_t *)(uintptr_t)limits, name, value) {
        size_t i = 0;
        while (i < sizeof rows / sizeof rows[0] && strcmp(rows[i].name, name) != 0)
            i++;
        bool known = i < sizeof rows / sizeof rows[0];
        plain_print(stdout, "  %-28s %12lld %-11s %s%s%s", name, (long long)json_integer_value(value), known ? rows[i].unit : "",
                    known ? rows[i].then : "", known && rows[i].flag[0] != '\0' ? "; --" : "", known ? rows[i].flag : "");
    }
}

static void show_budget(const json_t *memory)
{
    size_t i;
    json_t *part;
    printf("%s the head takes at most %s\n", show_tag("MEMORY"), show_size(json_num(memory, "bytes_max")).text);
    json_array_foreach(json_object_get(memory, "parts"), i, part)
        printf("  %-22s %9s of %9s; %s\n", json_text(part, "name", "?"), show_size(json_num(part, "bytes")).text,
               show_size(json_num(part, "bytes_max")).text, json_text(part, "then", ""));
}

enum { TENANTS_SHOWN_MAX = 20 };

/* Shows the tenants that share the queue; nothing if there is only one. */
static void show_tenants(const json_t *s)
{
    size_t i;
    json_t *t;
    const json_t *tenants = json_object_get(s, "tenants");
    if (json_num(s, "tenants_known") < 2)
        return;
    printf("%s known %.0f\n", show_tag("TENANTS"), json_num(s, "tenants_known"));
    json_array_foreach(tenants, i, t) {
        if (i < TENANTS_SHOWN_MAX)
            printf("  %s: running %.0f, queued %.0f; %.0f prompts so far, %.0f refused; %.0f tokens\n", json_text(t, "name", "?"),
                   json_num(t, "running"), json_num(t, "queued"), json_num(t, "calls_total"), json_num(t, "calls_refused"),
                   json_num(t, "answer_tokens"));
    }
}

/* Shows the number of workers, the policy and the last change; nothing if no launcher can start
 * workers. */
static void show_scale(const json_t *c)
{
    bool by_load = strcmp(json_text(c, "policy", ""), "auto") == 0, launcher = json_is_true(json_object_get(c, "launcher"));
    const char *why = json_text(c, "why", ""), *note = json_text(c, "note", "");
    if (!launcher && !by_load)
        return;
    if (by_load)
        printf("%s by the load, %.0f to %.0f: ", show_tag("WORKERS"), json_num(c, "min"), json_num(c, "max"));
    else
        printf("%s fixed: ", show_tag("WORKERS"));
    if (json_is_null(json_object_get(c, "running")))
        printf("%.0f wanted, it is not known how many run%s\n", json_num(c, "desired"), note[0] == '\0' ? ": the launcher has not seen its engine yet" : "");
    else
        printf("%.0f wanted, %.0f run, %.0f starting\n", json_num(c, "desired"), json_num(c, "running"), json_num(c, "starting"));
    if (!launcher)
        printf("  no launcher is there to start any\n");
    if (why[0] != '\0')
        show_wrapped("  last change %s ago: %s", table_age(json_num(c, "changed_s_ago")).text, why);
    if (note[0] != '\0')
        show_wrapped("  the launcher: %s", note);
    if (by_load && json_num(c, "start_s") > 0)
        printf("  a worker takes %.0f s to start; one leaves after %.0f s in which fewer were enough\n", json_num(c, "start_s"), json_num(c, "idle_s"));
}

static void show_status(const struct client_options *o, const json_t *s)
{
    const json_t *head = json_object_get(s, "head"), *r = json_object_get(s, "resources");
    printf("%s CPU: %.1f; memory: %s\n", show_tag("RESOURCES"), json_num(r, "CPU"), show_size(json_num(r, "memory")).text);
    printf("%s total %.0f\n", show_tag("NODES"), json_num(s, "nodes"));
    show_wrapped("  head: ok; coordinator '%s', no models; balance %s; version %s, pid %.0f; memory %s; up %s", json_text(head, "coordinator", "?"),
                 json_text(head, "balance", "?"), json_text(head, "version", "?"), json_num(head, "pid"), show_size(json_num(head, "rss_bytes")).text,
                 table_age(json_num(head, "uptime_s")).text);
    show_workers(o, s);
    show_actors(o, s);
    printf("%s running %.0f, queued %.0f; %.0f so far, %.0f failed, %.0f moved\n", show_tag("PROMPTS"),
           json_num(s, "running"), json_num(s, "queued"), json_num(s, "calls_total"), json_num(s, "calls_failed"),
           json_num(s, "jobs_rerouted"));
    show_scale(json_object_get(s, "scale"));
    show_tenants(s);
}

static void show_status_page(const struct client_options *o, const json_t *answer)
{
    show_status(o, answer);
    if (!o->limits)
        return;
    show_limits(json_object_get(answer, "limits"));
    show_budget(json_object_get(answer, "memory"));
}

int client_status(const struct client_options *o)
{
    return show_page(o, "/manta/status", show_status_page);
}

int client_actors(const struct client_options *o)
{
    return show_page(o, "/manta/actors", show_actors);
}
