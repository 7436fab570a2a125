#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/plain.h"
#include "client/fetch.h"
#include "client/show.h"

/* `manta status` and `manta actors`: the head's own account, for people or, with -o json, as it came. */

static void show_worker(const json_t *w)
{
    const char *reason = json_text(w, "reason", "");
    double celsius = json_num(w, "temperature_c");
    char heat[24] = "";
    if (celsius > 0)
        snprintf(heat, sizeof heat, "; %.0f °C", celsius);
    printf("  %-8s %s (%s); actors %.0f; CPU %.1f, load %.2f; memory %s used, limit %s%s%s%s\n", json_text(w, "state", "?"), json_text(w, "node", "?"),
           json_text(w, "address", "?"), json_num(w, "actors"), json_num(w, "cpus"), json_num(w, "cpu_load"),
           show_size(json_num(w, "rss_bytes")).text, show_size(json_num(w, "memory_bytes")).text, heat, reason[0] != '\0' ? "; " : "", reason);
    if (json_num(w, "kept_bytes_max") > 0)
        printf("    memory: kept streams %s of %s; moving answers %s of %s\n", show_size(json_num(w, "kept_bytes")).text,
               show_size(json_num(w, "kept_bytes_max")).text, show_size(json_num(w, "moving_bytes")).text, show_size(json_num(w, "moving_bytes_max")).text);
}

static void show_memory(const json_t *a)
{
    double repacked = json_num(a, "repack_bytes");
    printf("    memory: weights %s", show_size(json_num(a, "weights_bytes")).text);
    if (repacked > 0)
        printf(" + %s repacked, not shared", show_size(repacked).text);
    printf("; KV cache %s", show_size(json_num(a, "kv_bytes")).text);
    printf("; compute %s\n", show_size(json_num(a, "compute_bytes")).text);
}

static bool is_ready(const json_t *a)
{
    return strcmp(json_text(a, "state", "?"), "ready") == 0;
}

static bool is_exact(const json_t *a)
{
    return json_is_true(json_object_get(a, "exact"));
}

static void show_actor(const json_t *a)
{
    const char *state = json_text(a, "state", "?");
    printf("  actor %.0f: %s on %s (%s); %s", json_num(a, "id"), json_text(a, "model", "?"), json_text(a, "node", "?"),
           json_text(a, "address", "?"), state);
    if (strcmp(state, "loading") == 0)
        printf(" %.0f %%", json_num(a, "progress") * 100.0);
    if (strcmp(state, "ready") == 0)
        printf("; %.0f of %.0f slots busy, %.0f tokens each%s; %.0f tokens/s prompt, %.0f tokens/s answer", json_num(a, "in_flight"),
               json_num(a, "slots"), json_num(a, "context"), is_exact(a) ? ", exact" : "",
               json_num(a, "prefill_tps"), json_num(a, "decode_tps"));
    if (strcmp(state, "failed") == 0)
        printf(": %s", json_text(a, "note", ""));
    if (json_num(a, "failures_in_a_row") > 0)
        printf("; %s after %.0f failures in a row: %s", json_text(a, "health", "?"), json_num(a, "failures_in_a_row"), json_text(a, "trouble", ""));
    const char *worker = json_text(a, "worker_state", "ok");
    if (strcmp(worker, "ok") != 0)
        printf("; its worker is %s: %s", worker, json_text(a, "worker_reason", ""));
    printf("\n");
    if (is_ready(a)) {
        if (is_exact(a))
            printf("    exact: %s\n", json_text(a, "setup", ""));
        show_memory(a);
    }
}

static void show_actors(const json_t *answer)
{
    size_t i;
    json_t *a;
    bool fast = false;
    printf("%s total %.0f ready\n", show_tag("ACTORS"), json_num(answer, "actors"));
    json_array_foreach(json_object_get(answer, "actor_list"), i, a) {
        show_actor(a);
        fast = fast || (is_ready(a) && !is_exact(a));
    }
    if (fast)
        printf("  fast mode: an answer that moves to another worker loses and repeats nothing, but its words may differ from then on;\n"
               "  --exact keeps them to the byte\n");
}

/* A head of another version may have others. */
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

/* Who shares the queue; nothing where nobody is told apart. */
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

/* How many workers are to be there, who says so, and why it changed last; nothing where nobody can start workers. */
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
        printf("  last change %.0f s ago, %s: %s\n", json_num(c, "changed_s_ago"), json_text(c, "reason", "?"), why);
    if (note[0] != '\0')
        printf("  the launcher: %s\n", note);
    if (by_load && json_num(c, "start_s") > 0)
        printf("  a worker takes %.0f s to start; one leaves after %.0f s in which fewer were enough\n", json_num(c, "start_s"), json_num(c, "idle_s"));
}

void show_status(const json_t *s)
{
    size_t i;
    json_t *w;
    const json_t *head = json_object_get(s, "head"), *r = json_object_get(s, "resources");
    printf("%s CPU: %.1f; memory: %s\n", show_tag("RESOURCES"), json_num(r, "CPU"), show_size(json_num(r, "memory")).text);
    printf("%s total %.0f\n", show_tag("NODES"), json_num(s, "nodes"));
    printf("  %-8s head: coordinator '%s', no models; balance %s; version %s, pid %.0f; memory %s; up %.0f s\n", "ok",
           json_text(head, "coordinator", "?"), json_text(head, "balance", "?"), json_text(head, "version", "?"), json_num(head, "pid"),
           show_size(json_num(head, "rss_bytes")).text, json_num(head, "uptime_s"));
    json_array_foreach(json_object_get(s, "worker_nodes"), i, w)
        show_worker(w);
    show_actors(s);
    printf("%s running %.0f, queued %.0f; %.0f prompts so far, %.0f failed, %.0f moved to another actor\n", show_tag("PROMPTS"),
           json_num(s, "running"), json_num(s, "queued"), json_num(s, "calls_total"), json_num(s, "calls_failed"),
           json_num(s, "jobs_rerouted"));
    show_scale(json_object_get(s, "scale"));
    show_tenants(s);
}

static int ask(const struct client_options *o, const char *path, void (*show)(const struct client_options *, const json_t *))
{
    struct fault f = {0};
    json_t *answer = NULL;
    char *text = NULL;
    int err = fetch_json(o, path, NULL, &answer, &text, &f);
    if (err != 0) {
        show_fault(&f);
        return err_exit(err);
    }
    json_make_plain(answer, true);
    if (o->json)
        show_json(str_of(text));
    else
        show(o, answer);
    json_decref(answer);
    free(text);
    return 0;
}

static void show_status_page(const struct client_options *o, const json_t *answer)
{
    show_status(answer);
    if (!o->limits)
        return;
    show_limits(json_object_get(answer, "limits"));
    show_budget(json_object_get(answer, "memory"));
}

static void show_actors_page(const struct client_options *o, const json_t *answer)
{
    (void)o;
    show_actors(answer);
}

int client_status(const struct client_options *o)
{
    return ask(o, "/manta/status", show_status_page);
}

int client_actors(const struct client_options *o)
{
    return ask(o, "/manta/actors", show_actors_page);
}
